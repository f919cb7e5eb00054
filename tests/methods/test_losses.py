import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from cvae_jax.methods.common import losses


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


def test_laplace_nll_is_scipys():
  rng = np.random.default_rng(0)
  x, median = rng.normal(size=(2, 3, 4, 5)).astype(np.float32)
  expected = -scipy.stats.laplace.logpdf(x, median, 0.3 / np.sqrt(2)).sum(axis=(1, 2))
  ours = losses.laplace_nll(jnp.asarray(x), jnp.asarray(median), 0.3)
  np.testing.assert_allclose(ours, expected, rtol=1e-4)


def test_a_deviation_may_differ_by_bin():
  x, mean = jnp.asarray([[[0.3, -1.0]]]), jnp.asarray([[[0.1, 0.4]]])
  sigma = jnp.asarray([[[0.5, 2.0]]])
  expected = -scipy.stats.norm.logpdf(np.asarray(x), np.asarray(mean), np.asarray(sigma)).sum()
  assert losses.gaussian_nll(x, mean, sigma)[0] == pytest.approx(expected, rel=1e-5)


def test_kl_between_normals_is_that_to_the_prior_where_the_other_is_the_prior():
  rng = np.random.default_rng(0)
  mean, logvar, other, other_logvar = jnp.asarray(rng.normal(size=(4, 5, 3)), jnp.float32)
  zeros = jnp.zeros_like(mean)
  np.testing.assert_allclose(
    losses.kl_between_normals(mean, logvar, zeros, zeros),
    losses.kl_to_standard_normal(mean, logvar),
    rtol=1e-5,
  )
  ours = losses.kl_between_normals(mean, logvar, other, other_logvar)
  z = mean + jnp.exp(0.5 * logvar) * jax.random.normal(jax.random.key(0), (200_000, 5, 3))
  ratio = losses.normal_log_density(z, mean, logvar) - losses.normal_log_density(
    z, other, other_logvar
  )
  np.testing.assert_allclose(ours, jnp.mean(ratio, axis=0), rtol=0.03, atol=0.02)


def test_beta_may_begin_again():
  values = [float(losses.beta_schedule(jnp.asarray(s), 1.0, 50, 100)) for s in range(0, 201, 25)]
  assert values == [0.0, 0.5, 1.0, 1.0, 0.0, 0.5, 1.0, 1.0, 0.0]


@pytest.mark.parametrize("correlation", [0.0, 0.6, 0.9])
def test_total_correlation_of_a_known_gaussian(correlation):
  # q(z) is N(0, S) exactly where posteriors are narrow and their means are drawn from it:
  # its total correlation is -log det(correlation) / 2.
  count = 4000
  covariance = np.asarray([[1.0, correlation], [correlation, 1.0]])
  rng = np.random.default_rng(0)
  width = 0.3  # of the posteriors, within the unit variance
  mean = rng.multivariate_normal([0, 0], covariance - width**2 * np.eye(2), count)
  z = mean + width * rng.normal(size=mean.shape)
  parts = losses.decompose_kl(
    jnp.asarray(z, jnp.float32),
    jnp.asarray(mean, jnp.float32),
    jnp.full((count, 2), 2 * np.log(width)),
    count,
  )
  # With the whole data set as the batch, each log q is a mean over it: log(N M) counts once less.
  shift = np.log(count)
  wanted = -0.5 * np.log(1 - correlation**2)
  found = float(parts.total_correlation.mean()) - shift
  assert found == pytest.approx(wanted, abs=0.05)
  total = sum(float(part.mean()) for part in parts)
  zeros = jnp.zeros((count, 2))
  log_q = losses.normal_log_density(
    jnp.asarray(z, jnp.float32), jnp.asarray(mean, jnp.float32), zeros + 2 * np.log(width)
  )
  log_p = losses.normal_log_density(jnp.asarray(z, jnp.float32), zeros, zeros)
  assert total == pytest.approx(float(jnp.mean(jnp.sum(log_q - log_p, axis=1))), rel=1e-4)


def test_mmd_is_near_0_for_equal_distributions_and_not_for_others():
  keys = jax.random.split(jax.random.key(0), 2)
  a, b = (jax.random.normal(key, (500, 8)) for key in keys)
  same = float(losses.maximum_mean_discrepancy(a, b))
  shifted = float(losses.maximum_mean_discrepancy(a, b + 0.5))
  narrow = float(losses.maximum_mean_discrepancy(a, 0.5 * b))
  assert abs(same) < 0.01 and shifted > 0.1 and narrow > 0.1
  # The estimate by its definition, a loop over pairs.
  x, y = np.asarray(a[:4], np.float64), np.asarray(b[:5], np.float64)

  def kernel(u, v):
    scales = 16.0 * np.asarray([0.1, 0.2, 0.5, 1, 2, 5, 10])
    return np.sum(scales / (scales + np.sum((u - v) ** 2)))

  def mean(pairs):
    return np.mean([kernel(u, v) for u, v in pairs])

  wanted = (
    mean((x[i], x[j]) for i in range(4) for j in range(4) if i != j)
    + mean((y[i], y[j]) for i in range(5) for j in range(5) if i != j)
    - 2 * mean((u, v) for u in x for v in y)
  )
  assert losses.maximum_mean_discrepancy(a[:4], b[:5]) == pytest.approx(wanted, rel=1e-4)


def test_the_mmd_by_class_is_the_mean_of_the_classes_own():
  keys = jax.random.split(jax.random.key(1), 2)
  a, b = (jax.random.normal(key, (12, 3)) for key in keys)
  classes = np.asarray([2, 0, 0, 2, 5, 0, 2, -1, 2, 0, 0, -1], np.int32)  # 5 has one point.
  wanted = np.mean(
    [losses.maximum_mean_discrepancy(a[classes == c], b[classes == c]) for c in (0, 2)]
  )
  found = losses.class_mean_discrepancy(a, b, jnp.asarray(classes))
  assert float(found) == pytest.approx(float(wanted), rel=1e-5)
  # Codes that are right together, and wrong class by class, cost something.
  classes = jnp.asarray(np.arange(400) % 2)
  a, b = (jax.random.normal(key, (400, 3)) for key in keys)
  sorted_codes = a[jnp.argsort(a[:, 0])].reshape(2, 200, 3).transpose(1, 0, 2).reshape(400, 3)
  assert float(losses.class_mean_discrepancy(a, b, classes)) < 0.05
  assert float(losses.maximum_mean_discrepancy(sorted_codes, b)) < 0.05
  assert float(losses.class_mean_discrepancy(sorted_codes, b, classes)) > 0.3


def test_sparsity_is_least_at_its_target():
  logit = lambda p: np.log(p / (1 - p))
  costs = {
    p: float(losses.sparsity_kl(jnp.full((6, 3), logit(p)), 0.05)) for p in (0.01, 0.05, 0.5)
  }
  assert costs[0.05] == pytest.approx(0, abs=1e-5)
  assert costs[0.01] > 0.01 and costs[0.5] == pytest.approx(
    3 * (0.05 * np.log(0.1) + 0.95 * np.log(0.95 / 0.5)), rel=1e-3
  )


@pytest.mark.slow
def test_the_spectral_distance_is_0_for_the_same_and_grows_with_the_difference():
  rng = np.random.default_rng(0)
  audio = jnp.asarray(rng.normal(size=(2, 8000)), jnp.float32)
  noise = jnp.asarray(rng.normal(size=(2, 8000)), jnp.float32)
  distances = [losses.multi_resolution_stft(audio, audio + a * noise) for a in (0.0, 0.1, 1.0)]
  assert np.abs(distances[0]).max() < 1e-5 and (distances[0] < distances[1]).all()
  assert (distances[1] < distances[2]).all()
  # Half as loud is half the magnitude everywhere: 0.5 and log 2.
  halved = losses.multi_resolution_stft(audio, 0.5 * audio)
  np.testing.assert_allclose(halved, 0.5 + np.log(2), rtol=1e-3)
  gradient = jax.grad(lambda x: losses.multi_resolution_stft(audio, x).sum())(jnp.zeros((2, 8000)))
  assert np.isfinite(gradient).all()


def test_the_orthogonality_is_the_sum_of_products_of_different_rows():
  basis = np.random.default_rng(0).normal(size=(4, 30)).astype(np.float32)
  products = basis.astype(np.float64) @ basis.T
  expected = np.abs(products - np.diag(np.diag(products))).sum()
  assert float(losses.orthogonality(jnp.asarray(basis))) == pytest.approx(expected, rel=1e-5)
  rows, _ = np.linalg.qr(basis.T)
  assert float(losses.orthogonality(jnp.asarray(rows.T))) == pytest.approx(0.0, abs=1e-5)


def test_a_floor_takes_noise_floors_out_of_the_spectral_distance():
  rng = np.random.default_rng(0)
  soft = jnp.asarray(1e-6 * rng.normal(size=(2, 1, 4096)), jnp.float32)
  distance = lambda floor: losses.relative_spectral(*soft, (512,), floor=floor)[0]
  relative = distance(1e9)  # No logarithm differs.
  # Of two independent exponentials the logarithms differ by 2 ln 2 on average; nepers are half.
  assert float(distance(1e-12) - relative) == pytest.approx(np.log(2.0), rel=0.1)
  assert float(distance(1e-2) - relative) < 0.01


def test_the_gradient_of_what_is_soft_ends_at_the_floor():
  soft = jnp.asarray(1e-5 * np.random.default_rng(1).normal(size=(2, 1, 4096)), jnp.float32)
  loud = jnp.full((1, 1), 0.5) * jnp.sin(jnp.arange(4096) * 0.3)

  def slope(floor):
    measure = lambda y: losses.relative_spectral(loud + soft[0], y, (512,), floor=floor)[0]
    return float(jnp.abs(jax.grad(measure)(loud + soft[1])).max())

  assert slope(1e-7) > 20 * slope(1e-2)


def test_equal_spectra_are_at_no_distance_and_have_a_gradient():
  audio = jnp.asarray(np.random.default_rng(0).normal(size=(2, 4096)), jnp.float32)
  distance = lambda x: jnp.sum(losses.multi_resolution_stft(audio, x))
  assert float(distance(audio)) == 0.0
  assert np.isfinite(jax.grad(distance)(audio)).all()
