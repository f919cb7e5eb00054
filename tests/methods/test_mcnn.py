"""MCNN: its networks and terms against closed forms, and a run of it."""

import dataclasses

from conftest import get_config
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cvae_jax import methods
from cvae_jax.audio import level
from cvae_jax.audio import phase
from cvae_jax.core import errors
from cvae_jax.data import forms
from cvae_jax.data import labels
from cvae_jax.data import vocabulary
from cvae_jax.methods import mcnn
from cvae_jax.methods.common import mcnn_parts
from cvae_jax.methods.common import waveforms
from cvae_jax.models.common import mcnn as networks
from cvae_jax.synthesis import synthesizer
from cvae_jax.training import checkpoint
from cvae_jax.training import loop

FORM = forms.Waveform(16_000, 4096)


def make_parts(form=FORM, **fields):
  config = get_config("mcnn", "tiny", **fields)
  return mcnn_parts.make_parts(config, form, methods.make_representation(config, form))


def test_sounds_that_end_early_are_decoded_alike():
  parts = make_parts()
  noise = 0.1 * jax.random.normal(jax.random.key(0), (3, 4096))
  ends = np.array([200, 1500, 4096])
  features = parts.representation.encode(noise * (np.arange(4096) < ends[:, None]))
  params = jax.tree.map(
    lambda x: x + 0.1 * jax.random.normal(jax.random.key(1), x.shape),
    mcnn_parts.init(parts, jax.random.key(2)),
  )
  key = jax.random.key(3)
  whole = mcnn_parts.masked(mcnn_parts.invert(parts, params, features, key))
  made = jax.jit(lambda features, key: mcnn_parts.decode(parts, params, features, key))(
    features, key
  )
  assert np.abs(whole).max() > 0.1
  np.testing.assert_allclose(made, whole, atol=1e-5 * float(np.abs(whole).max()))
  slope = jax.jit(jax.grad(lambda x: jnp.sum(mcnn_parts.decode(parts, params, x, key) ** 2)))
  assert np.isfinite(slope(features)).all()


def test_softsign_is_bounded_by_a_over_b_and_has_the_slope_a():
  x = jnp.array([-1e6, -1.0, 0.0, 1e-4, 1e6])
  wanted = [-2.0 / 3.0, -0.5, 0.0, 2e-4 / 1.0003, 2.0 / 3.0]
  np.testing.assert_allclose(networks.scaled_softsign(x, 2.0, -3.0), wanted, rtol=1e-5)


def test_heads_are_transposed_convolutions_as_numpy_makes_them():
  heads = networks.TransposedHeads(hop_length=4, heads=2, kernel_size=5)
  levels = jax.random.uniform(jax.random.key(0), (1, 7, 3))
  params = heads.init(jax.random.key(1), levels)
  params = jax.tree.map(lambda x: x + 0.3, params)
  signal, mask = heads.apply(params, levels)
  p = jax.tree.map(np.asarray, params["params"])

  def transposed(x, kernel):
    """Zeros between the frames, and a convolution with the kernel; as long as frames * 2."""
    stuffed = np.zeros((2 * len(x), x.shape[1]))
    stuffed[::2] = x
    full = sum(
      np.convolve(stuffed[:, c], kernel[::-1, c, o])[:, None] * np.eye(kernel.shape[2])[o]
      for c in range(kernel.shape[1])
      for o in range(kernel.shape[2])
    )
    return full

  total = 0.0
  for head in range(2):
    x = np.asarray(levels[0])
    for i in range(2):
      full = transposed(x, p[f"head_{head}_{i}"])
      x = full[1 : 1 + 2 * len(x)]
      x = np.where(x > 0, x, np.expm1(x)) if i == 0 else x
    total = total + p["weights"][head] * x
  np.testing.assert_allclose(mask[0], total[:, 1], rtol=1e-4, atol=1e-5)
  wanted = p["a"] * total[:, 0] / (1.0 + np.abs(p["b"] * total[:, 0]))
  np.testing.assert_allclose(signal[0], wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("network", ["spectral", "transposed"])
def test_silence_becomes_silence(network):
  parts = make_parts(**{"method.network": network})
  params = jax.tree.map(lambda x: x + 0.1, mcnn_parts.init(parts, jax.random.key(0)))
  silent = jnp.full((1, *parts.representation.shape), -1.0)
  made = mcnn_parts.invert(parts, params, silent, jax.random.key(1))
  np.testing.assert_array_equal(mcnn_parts.masked(made), 0.0)


def test_a_mask_lasts_as_long_as_the_sound_and_is_binarised():
  audio = jnp.zeros((1, 8)).at[0, 2].set(0.5).at[0, 5].set(1e-4)
  assert mcnn.count_sounding(audio).tolist() == [3]
  undecided, right = jnp.zeros((1, 8)), jnp.where(jnp.arange(8) < 3, 50.0, -50.0)[None]
  assert float(mcnn.mask_loss(audio, undecided)[0]) == pytest.approx(np.log(2.0))
  assert float(mcnn.mask_loss(audio, right)[0]) == pytest.approx(0.0, abs=1e-6)
  inverted = mcnn_parts.Inverted(jnp.ones((1, 8)), 0.01 * right)
  assert mcnn_parts.masked(inverted)[0].tolist() == [1.0] * 3 + [0.0] * 5


def test_level_losses_of_half_the_amplitude():
  level_db = jnp.full((2, 3, 4), -40.0)
  found = mcnn.level_losses(level_db, level_db + 20.0 * np.log10(0.5))
  np.testing.assert_allclose(found["convergence"], 0.5, rtol=1e-4)
  np.testing.assert_allclose(found["log_ratio"], 6.0206 / 40.0, rtol=1e-4)


def test_envelopes_differ_by_what_they_are_louder_but_not_by_phase():
  t = np.arange(4096) / 16_000
  tone = lambda phase: np.sin(2 * np.pi * 2000 * t + phase)[None].astype(np.float32)
  distance = lambda a, b: float(mcnn.envelope_distance(a, b, 16_000)[0])
  assert distance(tone(0.0), 0.5 * tone(0.0)) == pytest.approx(0.5, rel=1e-3)
  assert distance(tone(0.0), tone(1.0)) < 0.01


def test_excerpts_begin_where_the_sound_does_or_before_it_ends():
  audio = np.zeros((64, 1000), np.float32)
  audio[:, :600] = 1.0 + np.arange(600) / 1000
  first = mcnn.crop(jnp.asarray(audio), 100, 1.0, jax.random.key(0))
  leads = np.argmax(np.asarray(first) > 0, axis=1)  # Those with no sample of the sound have 0 too.
  sounding = np.asarray(first).max(axis=1) > 0
  assert 0.3 < np.mean((leads == 0) & sounding) < 0.8
  for row, lead in zip(np.asarray(first)[sounding], leads[sounding], strict=True):
    np.testing.assert_array_equal(row[lead:], audio[0, : 100 - lead])
  anywhere = np.asarray(mcnn.crop(jnp.asarray(audio), 100, 0.0, jax.random.key(0)))
  starts = (anywhere[:, 0] - 1.0) * 1000
  assert starts.min() < 60 and 480 < starts.max() <= 550  # Half of an excerpt sounds at least.


def test_an_untrained_spectrum_is_that_of_integrated_phases(real_batch):
  parts = make_parts(labels.FORM, **{"method.refinements": 0})
  params = mcnn_parts.init(parts, jax.random.key(0))
  audio = jnp.asarray(real_batch["audio"][:2])
  features = waveforms.encode_features(parts.representation, {"audio": audio})
  made = mcnn_parts.invert(parts, params, features, jax.random.key(0)).audio
  settings = parts.config.representation
  wanted = phase.griffin_lim(
    parts.representation.magnitude(features), num_iters=0, start="integrated", length=64_000,
    hop_length=settings.hop_length, win_length=settings.win_length,
  )  # fmt: skip
  np.testing.assert_allclose(made, wanted, atol=1e-5)


def test_a_refinement_brings_levels_nearer_to_the_features(real_batch):
  batch = {"audio": real_batch["audio"][:4], "mask": np.ones(4)}
  errors_db = []
  for refinements in (0, 1, 2):
    parts = make_parts(labels.FORM, **{"method.refinements": refinements})
    params = mcnn_parts.init(parts, jax.random.key(0))
    total, count = mcnn.eval_step(parts, params, batch, jax.random.key(0))["lsd_db"]
    errors_db.append(float(total / count))
  assert errors_db[1] < 0.8 * errors_db[0] and errors_db[2] < errors_db[1]


def test_what_rises_is_an_onset_and_noise_is_none():
  rng = np.random.default_rng(0)
  noise = 0.6 + 0.02 * rng.standard_normal((40, 64))
  levels = np.concatenate([np.zeros((10, 64)), noise]).astype(np.float32)[None]
  rising = np.asarray(networks.rising(jnp.asarray(levels)))[0]
  assert rising[8:13].min() > 0.95 and rising[:6].max() == 0.0 and rising[16:].max() < 0.25
  assert np.asarray(networks.rising(jnp.asarray(levels[:, 10:])))[0, 0] > 0.95  # It begins with it.


def test_frames_may_be_any_number():
  parts = make_parts()
  params = mcnn_parts.init(parts, jax.random.key(0))
  longer = make_parts(dataclasses.replace(FORM, num_samples=6000))
  audio = np.random.default_rng(0).standard_normal((1, 6000)).astype(np.float32)
  features = longer.representation.encode(level.normalize(jnp.asarray(audio)))
  made = mcnn_parts.invert(longer, params, features, jax.random.key(0)).audio
  assert made.shape == (1, 6000)


def test_a_run_trains_is_resumed_bit_for_bit_and_reconstructs(mcnn_fields, mcnn_run, tmp_path):
  workdir, config = str(tmp_path / "run"), get_config("mcnn", "tiny", **mcnn_fields)
  with pytest.raises(errors.Interrupted, match="stopped at step 3"):
    loop.train_and_evaluate(config, workdir, should_stop=lambda step: step == 3)
  results = loop.train_and_evaluate(config, workdir)
  whole, stopped = (checkpoint.restore_params(w)[1] for w in (str(mcnn_run), workdir))
  jax.tree.map(np.testing.assert_array_equal, whole, stopped)
  assert {"convergence", "lsd_db", "multi_resolution", "loss"} <= set(results["eval"])
  synth = synthesizer.load(workdir)
  audio = np.random.default_rng(0).standard_normal(8000).astype(np.float32) * 0.1
  made = synth.reconstruct(audio)
  assert made.shape == audio.shape
  peak = lambda x: np.abs(x - x.mean()).max()
  assert peak(made) == pytest.approx(peak(audio), rel=0.01)  # It has the level of the original.
  assert not synth.method.can_sample


@pytest.mark.parametrize(
  "fields,says",
  [
    ({"method.network": "x"}, "method.network must be one of spectral, transposed, got 'x'"),
    ({"method.points": 3}, "method.points must divide the 64 samples of representation.hop_length"),
    ({"representation.name": "mdct"}, "inverts levels, which representation.name=mdct has none of"),
    ({"representation.name": "log_magnitude_if"}, "use log_mel, log_magnitude or cqt"),
    ({"representation.standardize": True}, "representation.standardize must be False"),
    ({"representation.inversion": "mcnn:x"}, "representation.inversion must be griffin_lim: "),
    ({"method.fft_sizes": (8,)}, "method.fft_sizes must be 16 or more"),
    (
      {"method.network": "transposed", "representation.hop_length": 48, "method.points": 4},
      "needs a representation.hop_length that is a power of two, 4 or more, got 48",
    ),
  ],
)
def test_what_it_cannot_use_is_refused(fields, says):
  from cvae_jax.core import config_check

  config = get_config("mcnn", "tiny", **fields)
  with pytest.raises(errors.UserError, match=says):
    config_check.check(config)
    methods.make_method(config, FORM, vocabulary.Vocabulary(()))
