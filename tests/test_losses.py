import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from cvae_jax import losses


def test_kl_agrees_with_monte_carlo():
  mean, logvar = jnp.asarray([[0.5, -2.0, 0.0]]), jnp.asarray([[0.3, -1.0, 0.0]])
  std = jnp.exp(0.5 * logvar)
  z = mean + std * jax.random.normal(jax.random.key(0), (400_000, 3))
  log_q = jax.scipy.stats.norm.logpdf(z, mean, std)
  estimate = jnp.mean(log_q - jax.scipy.stats.norm.logpdf(z), axis=0)
  np.testing.assert_allclose(losses.kl_to_standard_normal(mean, logvar)[0], estimate, atol=0.01)


def test_kl_is_zero_for_the_prior_alone():
  assert losses.kl_to_standard_normal(jnp.zeros((1, 4)), jnp.zeros((1, 4))).sum() == 0
  rng = np.random.default_rng(0)
  mean, logvar = jnp.asarray(rng.normal(size=(2, 50, 4)), jnp.float32)
  assert (losses.kl_to_standard_normal(mean, logvar) > 0).all()


def test_gaussian_nll_is_scipys():
  rng = np.random.default_rng(0)
  x, mean = rng.normal(size=(2, 3, 4, 5)).astype(np.float32)
  expected = -scipy.stats.norm.logpdf(x, mean, 0.3).sum(axis=(1, 2))
  ours = losses.gaussian_nll(jnp.asarray(x), jnp.asarray(mean), 0.3)
  np.testing.assert_allclose(ours, expected, rtol=1e-4)


def test_the_objective_pulls_like_the_squared_error():
  x, y = jnp.asarray([[0.3, -1.0]]), jnp.asarray([[0.1, 0.4]])
  nll = jax.grad(lambda y: losses.gaussian_nll(x, y, 0.5).sum())(y)
  mse = jax.grad(lambda y: jnp.sum((x - y) ** 2))(y)
  np.testing.assert_allclose(nll, mse / (2 * 0.5**2), rtol=1e-6)


@pytest.mark.parametrize("step,expected", [(0, 0.0), (50, 1.0), (100, 2.0), (1000, 2.0)])
def test_beta_warms_up_in_a_straight_line(step, expected):
  assert losses.beta_schedule(jnp.asarray(step), 2.0, 100) == pytest.approx(expected)


def test_no_warmup_is_full_beta_after_the_first_step():
  assert losses.beta_schedule(jnp.asarray(1), 2.0, 0) == 2.0
