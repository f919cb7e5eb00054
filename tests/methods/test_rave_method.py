"""RAVE's method: its phases and turns, its latent space, and a run of it in every command."""

from conftest import get_config
from conftest import run_module
from conftest import sing
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.signal
import soundfile

from cvae_jax import convert
from cvae_jax import methods
from cvae_jax.audio import augment
from cvae_jax.core import errors
from cvae_jax.data import forms
from cvae_jax.data import label_table
from cvae_jax.data import vocabulary
from cvae_jax.methods.common import rave_parts
from cvae_jax.synthesis import latent_conversion
from cvae_jax.synthesis import latent_streams
from cvae_jax.synthesis import synthesizer
from cvae_jax.training import checkpoint
from cvae_jax.training import loop

SR = 16_000
FORM = forms.Waveform(SR, 2048, is_excerpt=True)


def make_method(variant="tiny", **fields):
  short = {"method.crop": 1024, "method.adversarial_from": 2, "optimizer.warmup_steps": 0}
  fields = {**short, **fields}
  config = get_config("rave", variant, **fields)
  return methods.make_method(config, FORM, vocabulary.Vocabulary(()))


@pytest.fixture(scope="module")
def trained():
  """A method, and its states before and after a step of each kind, with the steps' metrics."""
  method = make_method()
  batch = {"audio": np.stack([sing(0.128, 300.0, 400.0), sing(0.128, 500.0, 300.0)])}
  states, metrics = [jax.jit(method.init)(jax.random.key(0), batch)], []
  run = {step: jax.jit(method.turn(step).train_step) for step in (0, 2, 3)}
  for step in (0, 0, 2, 3):  # The KL does not count at step 0.
    state, found = run[step](states[-1], batch)
    states.append(state)
    metrics.append(found)
  states, metrics = states[1:], metrics[1:]
  return method, batch, states, metrics


def same(a, b):
  return all(jax.tree.leaves(jax.tree.map(lambda x, y: bool(jnp.array_equal(x, y)), a, b)))


def test_turns_are_of_phases_and_always_the_same_objects():
  late = make_method(**{"method.critic_warmup": 2})
  assert [late.turn(step) is late.turn(2) for step in range(8)] == [0, 0, 1, 1, 1, 0, 1, 0]
  method = make_method(**{"method.critic_every": 3})
  turns = [method.turn(step) for step in range(9)]
  kinds = [turns.index(turn) for turn in turns]
  assert kinds == [0, 0, 2, 3, 3, 2, 3, 3, 2]  # One of three is the discriminators'.
  assert [turn.phase[:7] for turn in turns[:3]] == ["phase 1", "phase 1", "phase 2"]
  assert turns[2].phase == turns[3].phase and method.train_step is turns[0].train_step


def test_each_turn_moves_what_is_its_own(trained):
  _, _, (start, one, critic, decoder), metrics = trained
  parts = lambda state: {**state.params["params"], "critic": state.critic.params}
  moved = lambda a, b: {name for name in parts(a) if not same(parts(a)[name], parts(b)[name])}
  assert moved(start, one) == {"encoder", "decoder"}
  assert moved(one, critic) == {"critic"}
  assert moved(critic, decoder) == {"decoder"}
  statistics = [state.buffers["batch_stats"] for state in (start, one, critic, decoder)]
  assert not same(*statistics[:2]) and same(*statistics[1:3]) and same(*statistics[2:])
  assert [int(state.step) for state in (start, one, critic, decoder)] == [1, 2, 3, 4]
  assert {"spectral", "kl"} <= set(metrics[0]) and "matching" not in metrics[0]
  assert {"spectral", "adversarial", "matching"} <= set(metrics[2])
  assert float(metrics[1]["critic"]) == pytest.approx(6.0, abs=0.5)  # Of three scales: undecided.


def test_losses_are_what_they_are_made_of(trained):
  _, _, _, metrics = trained
  one, _, decoder = metrics
  assert float(one["loss"]) == pytest.approx(float(one["spectral"] + 0.2 * one["kl"]), rel=1e-5)
  total = decoder["spectral"] + decoder["adversarial"] + 10.0 * decoder["matching"]
  assert float(decoder["loss"]) == pytest.approx(float(total), rel=1e-5)


def test_what_is_in_the_margins_is_not_trained_on():
  """A sound that differs in its margins alone has the same loss, once its latents are frozen."""
  fields = {"method.margins": (4, 32), "method.version": "v2", "method.crop": 2048}
  fields |= {"method.phase_share": 0.0, "method.adversarial_from": 0, "method.causal": True}
  method = make_method(**fields)
  audio = np.stack([sing(0.128, 300.0, 400.0), sing(0.128, 500.0, 300.0)])
  changed = audio.copy()
  changed[:, 2048 - 64 :] += 0.5  # The last two frames, of 64; the filter bank spreads them.
  state = jax.jit(method.init)(jax.random.key(0), {"audio": audio})
  step = jax.jit(method.turn(1).train_step)
  losses = [float(step(state, {"audio": x})[1]["loss"]) for x in (audio, changed)]
  assert losses[0] == pytest.approx(losses[1], rel=1e-5)
  without = jax.jit(make_method(**{**fields, "method.margins": (0, 0)}).turn(1).train_step)
  others = [float(without(state, {"audio": x})[1]["loss"]) for x in (audio, changed)]
  assert abs(others[0] - others[1]) > 1e-3 * others[0]
  with pytest.raises(errors.UserError, match="method.margins must leave some of the 64"):
    make_method(**{**fields, "method.margins": (63, 1)})


def test_a_causal_network_sees_as_much_ahead_as_it_is_given():
  late = {}
  for lookahead in (0, 2):
    fields = {"method.causal": True, "method.lookahead": lookahead, "method.fidelity": 1.0}
    method = make_method(**fields)
    late[lookahead] = method.streamer.latency
    audio = np.stack([sing(0.128, 300.0, 400.0)])
    params = jax.jit(method.init)(jax.random.key(0), {"audio": audio}).best_params
    changed = audio.copy()
    changed[:, 1024:] = 0.0
    codes = [np.asarray(method.encode(params, {"audio": x}))[0] for x in (audio, changed)]
    first = int(np.argmax(np.abs(codes[0] - codes[1]).max(axis=1) > 1e-6))
    # Of 32 samples a frame; the filter bank's own delay is a part of one.
    assert 1024 // 32 - lookahead - 2 <= first <= 1024 // 32 - lookahead + 1
  assert late[2] - late[0] == 2 * 32


def test_components_are_those_of_a_known_covariance():
  rng = np.random.default_rng(0)
  scales = np.array([0.1, 3.0, 1.0, 0.01])
  rotation = np.linalg.qr(rng.normal(size=(4, 4)))[0]
  means = (rng.normal(size=(20_000, 4)) * scales) @ rotation.T + 5.0
  analysis = rave_parts.analyse(jnp.asarray(means, jnp.float32))
  shares = np.cumsum(sorted(scales**2, reverse=True)) / np.sum(scales**2)
  np.testing.assert_allclose(analysis["share"], shares, atol=2e-3)
  alike = np.abs(np.asarray(analysis["basis"]).T @ rotation[:, [1, 2, 0, 3]])
  np.testing.assert_allclose(alike, np.eye(4), atol=0.05)
  # Counted from 1: the first component alone has 0.899 of the variance.
  counts = [rave_parts.count_dimensions(analysis, f) for f in (0.5, 0.89, 0.95, 0.9995, 1.0)]
  assert counts == [1, 1, 2, 3, 4]


def test_a_code_is_a_rotation_and_what_is_not_heard_is_drawn_of_the_prior():
  rng = np.random.default_rng(0)
  z = jnp.asarray(rng.normal(size=(8, 500, 4)) * [3.0, 1.0, 0.2, 0.1] + 0.5, jnp.float32)
  params = {rave_parts.ANALYSIS: rave_parts.analyse(z.reshape(-1, 4))}
  code = rave_parts.to_code(params, z)
  assert np.abs(np.mean(code, axis=(0, 1))).max() < 1e-3
  np.testing.assert_allclose(rave_parts.from_code(params, code, 1.0, None), z, atol=1e-4)
  filled = rave_parts.from_code(params, code, 0.95, jax.random.key(0))
  again = rave_parts.to_code(params, filled)
  np.testing.assert_allclose(again[..., :2], code[..., :2], atol=1e-4)
  latents = np.asarray(filled @ params[rave_parts.ANALYSIS]["basis"])[..., 2:]
  assert abs(latents.mean()) < 0.05 and latents.std() == pytest.approx(1.0, abs=0.05)


def test_labels_are_conditions_of_the_prior_alone():
  kinds = vocabulary.Vocabulary((vocabulary.Label("kind", vocabulary.NAMES, ("low", "high")),))
  fields = {"method.crop": 1024, "condition.labels": ("kind",), "condition.drop_rate": 0.5}
  config = get_config("rave", "tiny", **fields)
  method = methods.make_method(config, FORM, kinds)
  audio = np.stack([sing(0.128, 300.0, 400.0), sing(0.128, 500.0, 300.0)])
  batch = {"audio": audio, "kind": np.array([0, 1])}
  state = jax.jit(method.init)(jax.random.key(0), batch)
  rows = method.phase.prepare(state.best_params, batch)
  np.testing.assert_allclose(rows["condition"], np.sqrt(2.0) * np.eye(2))
  state, _ = jax.jit(method.phase.train_step)(method.phase.begin(state, rows), rows)
  params = state.best_params
  params["prior"] = jax.tree.map(lambda x: x + 0.1, params["prior"])  # From the identity.
  draw = lambda kind: np.asarray(method.extend_code(
    params, np.zeros((1, 0, 4)), methods.at_temperature({"kind": np.array([kind])}, 1),
    jax.random.key(1),
  ))  # fmt: skip
  assert np.abs(draw(0) - draw(1)).max() > 1e-3
  np.testing.assert_array_equal(draw(1), draw(1))
  config.method.sequence_flow.steps = 0
  with pytest.raises(errors.UserError, match="labels are conditions of RAVE's prior"):
    methods.make_method(config, FORM, kinds)


def test_before_the_analysis_all_dimensions_are_heard():
  params = {rave_parts.ANALYSIS: rave_parts.unknown(4)}
  code = jnp.arange(8.0).reshape(1, 2, 4)
  np.testing.assert_array_equal(rave_parts.from_code(params, code, 0.5, jax.random.key(0)), code)


def test_phases_are_turned_as_an_all_pass_filter_does():
  impulse = np.zeros((64, 8192), np.float32)
  impulse[:, 0] = 1.0
  made = np.asarray(augment.turn_phases(jnp.asarray(impulse), jax.random.key(0), SR, 1.0))
  np.testing.assert_allclose(np.abs(np.fft.rfft(made)), 1.0, atol=5e-4)  # float32, beside poles.
  # The frequency that turned by half a cycle is that of the poles.
  angle = np.unwrap(np.angle(np.fft.rfft(made[0])))
  hz = np.argmin(np.abs(angle + np.pi)) * SR / 8192
  a = [1.0, -2 * 0.99 * np.cos(2 * np.pi * hz / SR), 0.99**2]
  reference = scipy.signal.lfilter(a[::-1], a, impulse[0])
  assert np.corrcoef(reference, made[0])[0, 1] > 0.98
  some = np.asarray(augment.turn_phases(jnp.asarray(impulse), jax.random.key(0), SR, 0.3))
  share = np.mean(np.abs(some - impulse).max(axis=1) > 1e-3)
  assert 0.1 < share < 0.5


def test_a_run_stopped_in_either_phase_ends_bit_for_bit_the_same(rave_run, rave_fields, tmp_path):
  workdir, config = str(tmp_path / "run"), get_config("rave", "tiny", **rave_fields)
  for stop_at in (1, 3):
    with pytest.raises(errors.Interrupted, match=f"stopped at step {stop_at}"):
      loop.train_and_evaluate(config, workdir, should_stop=lambda step, at=stop_at: step == at)
  loop.train_and_evaluate(config, workdir)
  whole, stopped = (checkpoint.restore_params(str(w))[1] for w in (rave_run, workdir))
  jax.tree.map(np.testing.assert_array_equal, whole, stopped)
  share = np.asarray(whole[rave_parts.ANALYSIS]["share"])
  assert share[-1] == pytest.approx(1.0) and 0.25 <= share[0] < 1.0  # It was made, and kept.


def test_files_of_any_length_go_through_it(rave_run, tmp_path):
  soundfile.write(tmp_path / "in.flac", sing(1.3, 300.0, 500.0, 44_100), 44_100)
  done = run_module("cvae_jax.reconstruct", f"--workdir={rave_run}", tmp_path / "in.flac",
                    tmp_path / "out.wav")  # fmt: skip
  assert done.returncode == 0, done.stderr
  audio, rate = soundfile.read(tmp_path / "out.wav")
  assert rate == SR and len(audio) == round(1.3 * SR) and np.isfinite(audio).all()
  synth = synthesizer.load(str(rave_run))
  assert synth.method.code_shape == (250, 4)


def stream(synth, audio, block, **settings):
  blocks = (audio[i : i + block] for i in range(0, len(audio), block))
  return np.concatenate(list(latent_conversion.convert(synth, blocks, **settings)))


def test_a_stream_is_the_whole_recording_in_blocks_of_any_length(rave_run):
  synth = synthesizer.load(str(rave_run)).with_fields({"method.fidelity": 1.0})
  audio = sing(2.0, 300.0, 500.0)
  streamer = latent_streams.need_streamer(synth, "this")
  made = stream(synth, audio, 1000)
  np.testing.assert_array_equal(made, stream(synth, audio, 317))
  assert len(made) == len(audio)
  # The whole, with the silence before it that the stream begins with, through the method.
  form = forms.Waveform(SR, 2 * SR + 64 * streamer.hop_length, is_excerpt=True)
  whole = methods.make_method(synth.config, form, synth.vocabulary)
  before = 32 * streamer.hop_length
  padded = np.pad(audio, (before, form.num_samples - before - len(audio)))[None]
  codes = whole.encode(synth.params, {"audio": padded})
  state = streamer.begin(synth.params, 1, form.num_samples // streamer.hop_length)
  given = np.pad(padded, ((0, 0), (streamer.start, 0)))[:, : form.num_samples]
  late, _ = streamer.encode(synth.params, state, jnp.asarray(given))
  np.testing.assert_allclose(
    late[:, streamer.code_delay + 8 :], codes[:, 8 : codes.shape[1] - streamer.code_delay],
    atol=1e-4,
  )  # fmt: skip


def test_a_crop_of_latents_that_were_not_analysed_is_refused(rave_run, tmp_path):
  soundfile.write(tmp_path / "in.wav", sing(0.5, 300.0, 500.0), SR)
  paths = [str(tmp_path / "in.wav"), str(tmp_path / "out.wav")]
  convert.main([f"--workdir={rave_run}", "--step=2", *paths])
  (tmp_path / "out.wav").unlink()
  with pytest.raises(errors.UserError, match="--fidelity needs the analysis of the latents"):
    convert.main([f"--workdir={rave_run}", "--step=2", "--fidelity=0.8", *paths])
  assert not (tmp_path / "out.wav").exists()


def test_the_end_of_phase_1_is_kept_and_begun_from(rave_run, rave_fields, tmp_path):
  assert synthesizer.load(str(rave_run), 2).step == 2
  assert synthesizer.load(str(rave_run), "best").step in (2, 5)
  fields = {**rave_fields, "train.init_from": str(rave_run), "train.init_step": 2}
  config = get_config("rave", "tiny", **{**fields, "train.steps": 1, "method.adversarial_from": 0})
  loop.train_and_evaluate(config, str(tmp_path))
  begun, first = (synthesizer.load(str(x), n) for x, n in ((tmp_path, None), (rave_run, 2)))
  assert same(*(x.params["params"] for x in (begun, first)))
  assert float(begun.params[rave_parts.ANALYSIS]["share"][0]) > 0.0


@pytest.mark.parametrize(
  ("ratios", "causal", "lookahead"),
  [((4, 2), False, 0), ((4, 4), False, 0), ((2, 2), False, 0), ((4, 2), True, 2)],
)
def test_what_is_converted_is_where_the_recording_is(ratios, causal, lookahead):
  fields = {"method.ratios": ratios, "method.fidelity": 1.0, "method.sequence_flow.steps": 0}
  fields |= {"method.causal": causal, "method.lookahead": lookahead}
  config = get_config("rave", "tiny", **fields)
  form = forms.Waveform(SR, SR, is_excerpt=True)
  method = methods.make_method(config, form, vocabulary.Vocabulary(()))
  audio = sing(1.0, 300.0, 500.0)
  params = jax.jit(method.init)(jax.random.key(0), {"audio": audio[None]}).best_params
  table = label_table.LabelTable({}, vocabulary.Vocabulary(()), 0)
  synth = synthesizer.Synthesizer(config, 0, params, method, table, form)
  made = stream(synth, audio, 1000)
  whole = np.asarray(method.reconstruct(params, {"audio": audio[None]}, jax.random.key(0)))[0]
  inner = slice(2000, -2000)  # The whole has silence around it where the stream goes on.
  spectra = [np.fft.rfft(x[inner], 2 * SR) for x in (made, whole)]
  lags = np.fft.irfft(spectra[0] * np.conj(spectra[1]))
  assert np.argmax(lags) == 0
  np.testing.assert_allclose(made[inner], whole[inner], atol=0.02 * np.abs(whole).max())
  live = latent_conversion.Stream(synth, 2)
  start = method.streamer.start
  given = np.pad(audio, (start, 0))
  sound = np.concatenate([
    live.play(given[n : n + live.block_length])
    for n in range(0, len(given) - live.block_length + 1, live.block_length)
  ])[start + live.latency :]  # fmt: skip
  length = len(sound) - 2000
  np.testing.assert_allclose(sound[2000:length], made[2000:length], atol=1e-4)


def test_latents_are_moved_from_the_command_line(rave_run, tmp_path):
  soundfile.write(tmp_path / "in.wav", sing(1.0, 300.0, 500.0), SR)
  outputs = {}
  for name, flags in (
    ("plain", ["--fidelity=1"]), ("cropped", ["--fidelity=0.01"]),
    ("moved", ["--fidelity=1", "--bias=0:2", "--scale=1:0.5"]),
    ("drawn", ["--fidelity=1", "--noise"]),
  ):  # fmt: skip
    out = tmp_path / f"{name}.flac"
    convert.main([f"--workdir={rave_run}", str(tmp_path / "in.wav"), str(out), *flags])
    outputs[name], rate = soundfile.read(out)
    assert rate == SR and len(outputs[name]) == SR
  for name in ("moved", "drawn", "cropped"):
    assert np.abs(outputs[name] - outputs["plain"]).max() > 1e-4, name


@pytest.mark.parametrize(
  "flags,message",
  [
    (["--semitones=3"], "--semitones means nothing to this run, which streams latents"),
    (["--bias=9:1"], "dimension of a latent must be 0-3, got 9"),
  ],
)
def test_what_it_cannot_do_is_one_line(rave_run, tmp_path, flags, message):
  soundfile.write(tmp_path / "in.wav", sing(0.5, 300.0, 500.0), SR)
  with pytest.raises(errors.UserError, match=message):
    convert.main([f"--workdir={rave_run}", str(tmp_path / "in.wav"),
                  str(tmp_path / "out.wav"), *flags])  # fmt: skip
  assert not (tmp_path / "out.wav").exists()


def test_latents_are_not_moved_by_a_run_that_has_none(ddsp_run, tmp_path):
  soundfile.write(tmp_path / "in.wav", sing(0.5, 300.0, 500.0), SR)
  with pytest.raises(errors.UserError, match="--bias means nothing to this run, which has no"):
    convert.main([f"--workdir={ddsp_run}", str(tmp_path / "in.wav"),
                  str(tmp_path / "out.wav"), "--bias=0:1"])  # fmt: skip


@pytest.mark.parametrize(
  "fields,message",
  [
    ({"method.crop": 1000}, "multiple of the 32 samples"),
    ({"method.crop": 4096}, "not be longer than an example of 2048"),
    ({"method.noise_ratios": (3,)}, "must divide that of method.ratios, 8"),
  ],
)
def test_sizes_that_do_not_fit_are_one_line(fields, message):
  with pytest.raises(errors.UserError, match=message):
    make_method(**fields)


def test_latents_that_were_not_analysed_are_drawn_and_then_are_means(trained):
  method, batch, (_, one, *_), _ = trained
  parts = method.eval_step.args[0]
  params = one.best_params
  posterior, _ = rave_parts.encode(parts, params, rave_parts.take(parts, batch)[1])
  heard = lambda params, seed: rave_parts.heard(parts, params, posterior, jax.random.key(seed))
  assert not np.allclose(heard(params, 0), heard(params, 1))
  means = posterior.mean.reshape(-1, parts.latent_dim)
  analysed = {**params, rave_parts.ANALYSIS: rave_parts.analyse(means)}
  kept = rave_parts.count_dimensions(analysed[rave_parts.ANALYSIS], 0.95)
  codes = [rave_parts.to_code(analysed, heard(analysed, seed))[..., :kept] for seed in (0, 1)]
  assert np.allclose(codes[0], rave_parts.to_code(analysed, posterior.mean)[..., :kept], atol=1e-5)
  assert np.allclose(codes[0], codes[1], atol=1e-5)


def test_a_stream_is_compiled_once(rave_run):
  stream = latent_conversion.Stream(synthesizer.load(str(rave_run)), 10)
  for _ in range(3):
    stream.play(np.zeros(stream.block_length))
    stream.change = latent_conversion.make_change(4, bias=[(1, 0.5)])
  assert stream._step._cache_size() == 1
