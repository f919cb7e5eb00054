"""DDSP: what it promises by construction, on recordings and through its commands."""

from conftest import example_batch
from conftest import get_config
from conftest import make_method
from conftest import run_module
from conftest import sing
import jax
import jax.numpy as jnp
import mido
import numpy as np
import pytest
import soundfile

from cvae_jax.audio import controls as controls_lib
from cvae_jax.core import errors
from cvae_jax.data import pipeline
from cvae_jax.data import tracked
from cvae_jax.methods.common import ddsp_parts
from cvae_jax.synthesis import conversion
from cvae_jax.synthesis import synthesizer

SR = 16_000


@pytest.fixture
def run(ddsp_run):
  return ddsp_run


def test_a_run_of_recordings_holds_its_ranges_and_out_its_files(run):
  synth = synthesizer.load(str(run))
  ranges = synth.method.performer.ranges(synth.params)
  pitch = np.asarray(ranges.pitch)
  # From 250 to 700 Hz, with a vibrato.
  assert 58 < pitch[0] < 62 and 75 < pitch[-1] < 79 and (np.diff(pitch) >= 0).all()
  held_out = pipeline.open_data(synth.config.data).held_out
  assert {name.partition(".")[0] for name in held_out.labels["id"]} == {"take0"}


def test_a_conversion_keeps_pitch_and_loudness_of_files_of_any_kind(run, tmp_path):
  audio = sing(4.0, 200.0, 420.0, 44_100)
  loud = np.clip(1.6 * np.stack([audio, audio], 1), -0.5, 0.5)  # Stereo, and clipped.
  soundfile.write(tmp_path / "in.flac", loud, 44_100)
  out = tmp_path / "out.wav"
  done = run_module("cvae_jax.convert", f"--workdir={run}", tmp_path / "in.flac", out)
  assert done.returncode == 0, done.stderr
  played, rate = soundfile.read(out, dtype="float32")
  assert rate == SR and abs(len(played) - 4 * SR) < 200
  tracking = controls_lib.Tracking(100, 40.0, 2000.0, 1024)
  read = np.mean(loud, 1)[: 4 * 44_100].astype(np.float32)
  indices = np.arange(4 * SR) * 44_100 / SR
  source = np.interp(indices, np.arange(len(read)), read)[: len(played)].astype(np.float32)
  a, b = (controls_lib.measure(jnp.asarray(x[None]), SR, tracking) for x in (source, played))
  clear = controls_lib.clear_frames(a)
  assert clear.mean() > 0.8
  cents = 1200 * np.log2(np.asarray(b.f0_hz) / np.asarray(a.f0_hz))[clear]
  cents -= 1200 * round(np.median(cents) / 1200)
  assert np.mean(np.abs(cents) < 20) > 0.95
  assert np.corrcoef(a.loudness_db[clear], b.loudness_db[clear])[0, 1] > 0.95
  quiet = np.asarray(b.loudness_db)[0, round(3.75 * SR / 100) : -4]
  assert quiet.max() < -50.0  # A rest is a rest.


def test_semitones_and_dynamics_are_what_is_asked_for(run):
  synth = synthesizer.load(str(run))
  controls = conversion.measure(synth.method.performer, [sing(2.0, 100.0, 110.0)], SR)
  summary = conversion.summarize(controls)
  ranges = synth.method.performer.ranges(synth.params)
  by_octaves = conversion.adapt(controls, summary, ranges)
  assert by_octaves.semitones == 24.0
  assert conversion.adapt(controls, summary, ranges, -7.0).semitones == -7.0
  moved = conversion.adapt(controls, summary, ranges, match_loudness=True).apply(controls)
  clear = controls_lib.clear_frames(controls)
  np.testing.assert_allclose(
    np.quantile(moved.loudness_db[clear], [0.1, 0.5, 0.9]),
    np.quantile(ranges.loudness_db, [0.1, 0.5, 0.9]),
    atol=1.0,
  )


@pytest.mark.parametrize("block", [37, 16_000])
def test_a_recording_in_blocks_has_the_controls_of_the_whole(run, block):
  performer = synthesizer.load(str(run)).method.performer
  audio = sing(19.0, 200.0, 300.0)
  if block == 37:
    audio = audio[: 2 * SR]
  found = conversion.measure(
    performer, (audio[i : i + block] for i in range(0, len(audio), block)), SR
  )
  whole = jax.tree.map(lambda x: np.asarray(x)[0], performer.measure(jnp.asarray(audio[None])))
  clear = controls_lib.clear_frames(whole)
  np.testing.assert_allclose(found.loudness_db, whole.loudness_db, atol=0.1)
  assert np.mean(np.abs(12 * np.log2(found.f0_hz / whole.f0_hz))[clear] < 0.05) > 0.99


def test_playing_block_by_block_is_the_whole(run):
  synth = synthesizer.load(str(run))
  audio = sing(1.2, 300.0, 500.0)
  controls = conversion.measure(synth.method.performer, [audio], SR)
  played = np.concatenate(list(conversion.play(synth, controls, seed=3)))
  assert len(played) == len(controls.f0_hz) * 100
  parts = synth.method.decode.args[0]
  batched = jax.tree.map(lambda x: jnp.asarray(x)[None], controls)
  whole = ddsp_parts.perform(parts, synth.params, batched, None, {}, jax.random.key(3))
  np.testing.assert_allclose(played, np.asarray(whole)[0], atol=2e-5)


@pytest.mark.parametrize(
  "audio,message",
  [
    (np.zeros(SR), "is silent"),
    (0.1 * np.ones(20), "shorter than a frame"),
  ],
)
def test_what_cannot_be_played_is_one_line(run, tmp_path, audio, message):
  soundfile.write(tmp_path / "in.wav", audio, SR)
  done = run_module("cvae_jax.convert", f"--workdir={run}", tmp_path / "in.wav", tmp_path / "o.wav")
  assert done.returncode == 2 and message in done.stderr and "in.wav" in done.stderr
  assert done.stderr.count("\n") == 1 and not (tmp_path / "o.wav").exists()


def test_noise_is_played_with_a_warning(run, tmp_path):
  noise = 0.1 * np.random.default_rng(0).normal(size=2 * SR)
  soundfile.write(tmp_path / "in.wav", noise, SR)
  done = run_module("cvae_jax.convert", f"--workdir={run}", tmp_path / "in.wav", tmp_path / "o.wav")
  assert done.returncode == 0 and "no melody will be followed" in done.stderr + done.stdout


def test_a_run_that_is_not_played_so_says_what_would_be(tiny_run, tmp_path):
  soundfile.write(tmp_path / "in.wav", sing(1.0, 200.0, 300.0), SR)
  done = run_module(
    "cvae_jax.convert", f"--workdir={tiny_run}", tmp_path / "in.wav", tmp_path / "o.wav"
  )
  assert done.returncode == 2 and "configs/ddsp.py" in done.stderr


def test_tracked_f0_is_kept_and_is_that_of_the_excerpt(run):
  synth = synthesizer.load(str(run))
  data = pipeline.track_f0(pipeline.open_data(synth.config.data), synth.method.performer)
  assert isinstance(data.train, tracked.Tracked)
  for index, seed in ((0, None), (3, 5)):
    example = data.train.stored(index, seed)
    audio = jnp.asarray(example["audio"], jnp.float32)[None] / 32_768
    f0_hz, confidence = synth.method.performer.tracking.track(audio, SR)
    inside = (np.asarray(confidence)[0] > 0.9) & (np.arange(80) > 8) & (np.arange(80) < 72)
    cents = 1200 * np.log2(example["f0_hz"] / np.asarray(f0_hz)[0])
    assert inside.sum() > 30 and np.abs(cents[inside]).max() < 25
  # A second opening reads what the first has left.
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(tracked, "track", None)
    pipeline.track_f0(pipeline.open_data(synth.config.data), synth.method.performer)


def test_labels_that_do_not_fit_the_latent_are_refused():
  for fields, message in (
    ({"condition.labels": ("pitch",)}, "takes no condition"),
    ({"method.latent": "note"}, "needs 'pitch'"),
    ({"method.hop_length": 300}, "must divide the 64000 samples"),
  ):
    with pytest.raises(errors.UserError, match=message):
      make_method(get_config("ddsp", "tiny", **fields))


def test_a_score_is_played_with_its_bends_and_dynamics(run, tmp_path):
  track = mido.MidiTrack([
    mido.Message("note_on", note=67, velocity=100, time=0),
    mido.Message("pitchwheel", pitch=4096, time=960),
    mido.Message("control_change", control=11, value=64, time=960),
    mido.Message("note_off", note=67, time=960),
  ])  # fmt: skip
  mido.MidiFile(tracks=[track], ticks_per_beat=480).save(tmp_path / "in.mid")
  out = tmp_path / "out.wav"
  done = run_module("cvae_jax.render", tmp_path / "in.mid", out, f"--workdir={run}")
  assert done.returncode == 0, done.stderr
  audio, _ = soundfile.read(out, dtype="float32")
  tracking = controls_lib.Tracking(100, 40.0, 2000.0, 1024)
  found = controls_lib.measure(jnp.asarray(audio[None]), SR, tracking)
  pitch = np.asarray(controls_lib.hz_to_pitch(found.f0_hz))[0]
  loudness_db = np.asarray(found.loudness_db)[0]
  frame = lambda second: round(second * SR / 100)
  assert pitch[frame(0.5)] == pytest.approx(67.0, abs=0.1)
  assert pitch[frame(1.5)] == pytest.approx(68.0, abs=0.1)
  fall = np.median(loudness_db[frame(1.3) : frame(1.9)]) - np.median(
    loudness_db[frame(2.3) : frame(2.9)]
  )
  assert fall == pytest.approx(40 * np.log10(127 / 64), abs=1.0)
  assert loudness_db[frame(3.6) :].max() < -50.0


def test_a_run_without_a_prior_says_how_it_is_played(run, tmp_path):
  done = run_module("cvae_jax.generate", f"--workdir={run}", f"--out={tmp_path}")
  assert done.returncode == 2 and "cvae_jax.convert" in done.stderr


def test_held_out_files_are_named_and_leave_some(tmp_path):
  soundfile.write(tmp_path / "take0.wav", sing(1.0, 300, 400), SR)
  fields = {"data.dir": str(tmp_path)}
  for names, message in ((("take9*",), "no usable file"), (("*",), "leaves no file to train on")):
    config = get_config("ddsp_solo", "tiny", **fields)
    config.data.recordings.held_out = names
    config.data.tfds_dir = str(tmp_path / "tfds")
    with pytest.raises(errors.UserError, match=message):
      pipeline.open_data(config.data)


@pytest.mark.parametrize(
  "name,parameters",
  # Decoder of 6.41 M and encoder of 0.84 M; 4.80 M and a room of 3 s; the original's.
  [("ddsp", 7.25e6), ("ddsp_solo", 4.80e6 + 48_000)],
)
def test_the_papers_networks_are_of_the_papers_size(name, parameters):
  method = make_method(get_config(name, "paper"))
  state = jax.eval_shape(method.init, jax.random.key(0), example_batch())
  count = sum(x.size for x in jax.tree.leaves(state.params))
  assert count == pytest.approx(parameters, rel=0.01)
