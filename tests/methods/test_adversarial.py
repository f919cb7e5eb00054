import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cvae_jax.methods.common import adversarial
from cvae_jax.methods.common import losses


def make_features(seed):
  rng = np.random.default_rng(seed)
  shapes = [[(3, 8, 4), (3, 4, 2), (3, 4, 1)], [(3, 2, 6, 3), (3, 2, 5, 2), (3, 2, 5, 1)]]
  return [[jnp.asarray(rng.normal(size=s), jnp.float32) for s in net] for net in shapes]


def test_hinges_are_those_of_the_formula():
  real, made = make_features(0), make_features(1)
  expected = sum(
    np.maximum(0, 1 - np.asarray(r[-1])).reshape(3, -1).mean(1)
    + np.maximum(0, 1 + np.asarray(m[-1])).reshape(3, -1).mean(1)
    for r, m in zip(real, made, strict=True)
  )
  np.testing.assert_allclose(adversarial.discriminator_hinge(real, made), expected, rtol=1e-5)
  expected = -sum(np.asarray(m[-1]).reshape(3, -1).mean(1) for m in made)
  np.testing.assert_allclose(adversarial.generator_hinge(made), expected, rtol=1e-5)
  sure = [[2.0 * jnp.ones((3, 5, 1))]]
  wrong = [[-2.0 * jnp.ones((3, 5, 1))]]
  np.testing.assert_array_equal(adversarial.discriminator_hinge(sure, wrong), 0.0)


def test_feature_matching_is_an_average_over_layers_and_nets():
  real = make_features(0)
  shifted = [[x + 0.5 for x in net] for net in real]
  np.testing.assert_allclose(adversarial.feature_matching(real, shifted), 0.5, rtol=1e-5)
  scaled = [[1.25 * x for x in net] for net in real]
  matching = adversarial.feature_matching(real, scaled, is_relative=True)
  np.testing.assert_allclose(matching, 0.25, rtol=1e-5)
  # Only first layers differ.
  first = [[net[0] + 1.0, *net[1:]] for net in real]
  np.testing.assert_allclose(adversarial.feature_matching(real, first), 1 / 3, rtol=1e-5)
  np.testing.assert_array_equal(adversarial.feature_matching(real, first, num_skipped=1), 0.0)


def test_over_the_batch_the_mean_is_the_batchs_ratio():
  real, made = make_features(0), make_features(1)
  ours = adversarial.feature_matching(real, made, is_relative=True, over_batch=True)
  ratios = [
    np.mean([np.abs(r - m).mean() / np.abs(r).mean() for r, m in zip(*nets, strict=True)])
    for nets in zip(real, made, strict=True)
  ]
  assert float(jnp.mean(ours)) == pytest.approx(np.mean(ratios), rel=1e-5)


def test_no_gradient_goes_to_the_features_that_are_matched():
  real, made = make_features(0), make_features(1)
  gradient = jax.grad(lambda real: jnp.sum(adversarial.feature_matching(real, made)))(real)
  assert all(not np.any(x) for x in jax.tree.leaves(gradient))


@pytest.fixture(scope="module")
def sounds():
  return 0.1 * jax.random.normal(jax.random.key(0), (2, 2, 3, 700))


def reference(audio, predicted, size, is_squared):
  """RAVE's distance of one size over a whole batch, by SciPy's window and NumPy's FFT."""
  window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)

  def magnitudes(x):
    x = np.asarray(x, np.float64)
    x = np.pad(x, [(0, 0)] * (x.ndim - 1) + [(size // 2, size // 2)], mode="reflect")
    starts = range(0, x.shape[-1] - size + 1, size // 4)
    return np.stack([np.abs(np.fft.rfft(x[..., i : i + size] * window)) for i in starts], -2)

  a, b = magnitudes(audio), magnitudes(predicted)
  ratio = np.sum((a - b) ** 2) / np.sum(a**2)
  log = np.abs(np.log(a + 1e-7) - np.log(b + 1e-7)).mean()
  return (ratio if is_squared else np.sqrt(ratio)) + log


@pytest.mark.parametrize("is_squared", [True, False])
def test_the_spectral_distance_is_raves(sounds, is_squared):
  audio, predicted = sounds
  distance = jax.jit(
    lambda a, b: losses.relative_spectral(a, b, (256, 128), is_squared, over_batch=True)
  )
  expected = sum(reference(audio, predicted, size, is_squared) for size in (256, 128))
  assert float(jnp.mean(distance(audio, predicted))) == pytest.approx(expected, rel=1e-4)
  # Half as loud is half the magnitude everywhere.
  alone = losses.relative_spectral(audio, 0.5 * audio, (256,), is_squared)
  np.testing.assert_allclose(alone, (0.25 if is_squared else 0.5) + np.log(2), rtol=1e-4)


def test_a_normalised_spectrum_changes_what_is_near_silence_alone(sounds):
  audio, predicted = 1e-7 * sounds
  plain, normalised = (
    losses.relative_spectral(audio, predicted, (256,), is_normalized=x) for x in (False, True)
  )
  assert (normalised < plain).all()
  loud = [losses.relative_spectral(*sounds, (256,), is_normalized=x) for x in (False, True)]
  np.testing.assert_allclose(*loud, rtol=1e-3)


def test_silence_has_a_finite_gradient(sounds):
  audio = sounds[0]
  for is_squared in (True, False):
    distance = lambda x, s=is_squared: losses.relative_spectral(
      audio, x, (128,), s, over_batch=True
    )
    gradient = jax.jit(jax.grad(lambda x, f=distance: jnp.sum(f(x))))(jnp.zeros_like(audio))
    assert np.isfinite(gradient).all()


def test_a_level_is_the_mean_of_the_log(sounds):
  audio = sounds[0, :, 0]
  found = losses.log_level(audio, 0.5 * audio, 256, 64)
  np.testing.assert_allclose(found, np.log(2) ** 2, rtol=1e-3)


def test_a_waveform_too_short_to_be_mirrored_is_refused():
  with pytest.raises(ValueError, match="64 samples cannot be mirrored beyond their ends by 128"):
    losses.relative_spectral(jnp.zeros((1, 64)), jnp.zeros((1, 64)), (256,))
