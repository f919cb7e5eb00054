import jax.numpy as jnp
import numpy as np

from cvae_jax.audio import bilateral


def test_it_is_the_weighted_mean_that_it_says():
  rng = np.random.default_rng(0)
  level = rng.normal(0.0, 5.0, (2, 20, 3)).astype(np.float32)
  expected = np.empty_like(level, dtype=np.float64)
  for b, n, f in np.ndindex(level.shape):
    total = weights = 0.0
    for m in range(max(0, n - 4), min(20, n + 5)):
      difference = (float(level[b, m, f]) - float(level[b, n, f])) / 6.0
      weight = (1.0 - ((m - n) / 5) ** 2) * max(0.0, 1.0 - difference**2) ** 2
      total, weights = total + weight * level[b, m, f], weights + weight
    expected[b, n, f] = total / weights
  np.testing.assert_allclose(
    bilateral.smooth_over_time(jnp.asarray(level), 6.0, 4), expected, atol=1e-4
  )


def test_what_wavers_is_steadied_and_an_attack_stays_where_it_is():
  rng = np.random.default_rng(1)
  level = np.where(np.arange(100) < 40, -60.0, -10.0)[:, None] + rng.normal(0.0, 1.0, (100, 8))
  smooth = np.asarray(bilateral.smooth_over_time(jnp.asarray(level, jnp.float32), 8.0, 8))
  assert smooth[50:].std(axis=0).mean() < 0.5
  assert (smooth[39] < -55.0).all() and (smooth[40] > -15.0).all()


def test_a_note_shorter_than_the_reach_and_none_are_no_trouble():
  level = np.zeros((3, 2), np.float32)
  np.testing.assert_array_equal(bilateral.smooth_over_time(jnp.asarray(level), 8.0, 8), level)
  moving = np.arange(6, dtype=np.float32).reshape(3, 2)
  np.testing.assert_array_equal(bilateral.smooth_over_time(jnp.asarray(moving), 8.0, 0), moving)
