import jax.numpy as jnp
import numpy as np
import pytest

from cvae_jax.audio import warps

HZ = tuple((110.0 * 2.0 ** (np.arange(60) / 12)).tolist())  # a bin a semitone


@pytest.fixture
def features():
  return np.random.default_rng(0).uniform(-1.0, 1.0, (3, 20, 60)).astype(np.float32)


def test_an_octave_is_twelve_bins_of_a_semitone(features):
  moved = np.asarray(warps.transpose(jnp.asarray(features), jnp.asarray([12.0, 0.0, -12.0]), HZ))
  np.testing.assert_allclose(moved[0][:, 12:], features[0][:, :-12], atol=1e-3)
  np.testing.assert_allclose(moved[1], features[1], atol=1e-3)
  np.testing.assert_allclose(moved[2][:, :-12], features[2][:, 12:], atol=1e-3)
  assert (moved[0][:, :12] == -1.0).all() and (moved[2][:, -12:] == -1.0).all()


def test_bins_of_a_linear_scale_are_moved_by_the_same_interval(features):
  hz = np.linspace(0.0, 4000.0, 60)
  moved = np.asarray(warps.transpose(jnp.asarray(features), jnp.full(3, 3.0), tuple(hz.tolist())))
  expected = np.interp(hz * 2 ** (-3 / 12), hz, features[0, 5])
  np.testing.assert_allclose(moved[0, 5], expected, atol=1e-4)


def test_a_stretch_is_slower_by_its_factor(features):
  slower = np.asarray(warps.stretch(jnp.asarray(features), jnp.asarray([2.0, 1.0, 0.5])))
  frames = np.arange(20)
  np.testing.assert_allclose(
    slower[0, :, 7], np.interp(frames / 2, frames, features[0, :, 7]), 1e-5
  )
  np.testing.assert_allclose(slower[1], features[1], atol=1e-6)
  np.testing.assert_allclose(slower[2, :10], features[2, ::2], atol=1e-6)
  assert (slower[2, 10:] == -1.0).all()


def test_a_tilt_is_a_slope_over_octaves_that_leaves_1_khz(features):
  tilted = warps.tilt(jnp.asarray(features), jnp.asarray([-6.0, 0.0, 3.0]), HZ, 40.0)
  added_db = 40.0 * (np.asarray(tilted) - features)[:, 0]
  slopes = np.polyfit(np.log2(np.asarray(HZ) / 1000.0), added_db.T, 1)
  np.testing.assert_allclose(slopes, [[-6.0, 0.0, 3.0], [0.0, 0.0, 0.0]], atol=1e-3)
