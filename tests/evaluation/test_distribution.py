import numpy as np
import pytest
import scipy.linalg
from sklearn import neighbors

from cvae_jax.evaluation.metrics import distribution


def normal(seed, count, dim=4, shift=0.0, scale=1.0):
  return shift + scale * np.random.default_rng(seed).normal(size=(count, dim))


def test_frechet_distance_is_that_of_two_gaussians():
  a, b = normal(0, 50_000, 3), normal(1, 50_000, 3, shift=2.0, scale=3.0)
  # |2|^2 in three dimensions, and (3 - 1)^2 in each.
  assert distribution.frechet_distance(a, b) == pytest.approx(3 * (4 + 4), rel=0.03)
  assert distribution.frechet_distance(a, a) == pytest.approx(0.0, abs=1e-9)


def test_frechet_distance_agrees_with_a_root_of_the_product():
  rng = np.random.default_rng(2)
  a = rng.normal(size=(300, 6)) @ rng.normal(size=(6, 6))
  b = rng.normal(size=(200, 6)) @ rng.normal(size=(6, 6)) + 1.0
  cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
  root = scipy.linalg.sqrtm(cov_a @ cov_b).real
  expected = np.sum((a.mean(0) - b.mean(0)) ** 2) + np.trace(cov_a + cov_b - 2 * root)
  assert distribution.frechet_distance(a, b) == pytest.approx(expected, rel=1e-6)
  # Fewer notes than features: no inverse is taken anywhere.
  assert np.isfinite(distribution.frechet_distance(a[:4], b[:4]))


def test_kernel_distance_is_unbiased_and_sees_a_shift():
  same = [distribution.kernel_distance(normal(i, 60), normal(100 + i, 60)) for i in range(40)]
  assert abs(np.mean(same)) < 3 * np.std(same) / np.sqrt(40)
  assert distribution.kernel_distance(normal(0, 60), normal(1, 60, shift=1.0)) > 5 * np.std(same)
  # By hand: of one dimension and two notes each.
  a, b = np.asarray([[0.0], [1.0]]), np.asarray([[2.0], [3.0]])
  k = lambda x, y: (x * y + 1.0) ** 3
  across = np.mean([k(x, y) for x in (0, 1) for y in (2, 3)])
  assert distribution.kernel_distance(a, b) == pytest.approx(k(0, 1) + k(2, 3) - 2 * across)


def test_inception_score_counts_the_classes_that_are_surely_told():
  assert distribution.inception_score(np.eye(7)[np.arange(70) % 7]) == pytest.approx(7.0, rel=1e-6)
  assert distribution.inception_score(np.full((50, 7), 1 / 7)) == pytest.approx(1.0)
  assert distribution.inception_score(np.eye(7)[np.zeros(50, int)]) == pytest.approx(1.0, rel=1e-6)


def test_bins_that_are_filled_alike_do_not_differ():
  a, b = normal(0, 4000), normal(1, 4000)
  same = distribution.compare_bins(a, b, num_bins=20)
  # The test errs in one of twenty by its very significance.
  assert same.different <= 0.25 and same.jensen_shannon < 0.01
  apart = distribution.compare_bins(a, b + 20.0, num_bins=20)
  assert apart.different > 0.8 and apart.jensen_shannon > 0.4
  assert apart.jensen_shannon <= np.log(2)
  few = distribution.compare_bins(a[:10], b[:10])
  assert 0 <= few.different <= 1  # Fewer notes than bins.


def test_bins_miss_a_mode_that_was_dropped():
  modes = np.repeat(np.asarray([[0.0, 0], [10, 0], [0, 10], [10, 10]]), 200, axis=0)
  real = modes + 0.1 * normal(0, 800, 2)
  dropped = real[:600] + 0.01
  found = distribution.compare_bins(real, dropped, num_bins=4)
  assert found.different == 1.0  # One is empty and the three others hold more than their share.
  p, q = np.full(4, 0.25), np.asarray([1, 1, 1, 0]) / 3
  m = (p + q) / 2
  expected = (np.sum(p * np.log(p / m)) + np.sum(q[:3] * np.log(q[:3] / m[:3]))) / 2
  assert found.jensen_shannon == pytest.approx(expected, rel=1e-6)


def test_density_and_coverage_are_the_published_definition():
  real, generated = normal(0, 80, 3), normal(1, 60, 3, scale=0.8)
  found = distribution.density_and_coverage(real, generated, k=5)
  radii = neighbors.NearestNeighbors(n_neighbors=6).fit(real).kneighbors(real)[0][:, -1]
  inside = np.asarray([[np.linalg.norm(r - g) < radius for g in generated]
                       for r, radius in zip(real, radii, strict=True)])  # fmt: skip
  assert found.density == pytest.approx(inside.sum() / (5 * 60))
  assert found.coverage == pytest.approx(inside.any(axis=1).mean())
  apart = distribution.density_and_coverage(real, generated + 100)
  assert apart == (0.0, 0.0)


def test_all_alike_is_covered_but_once():
  real = normal(0, 200)
  one = distribution.density_and_coverage(real, np.repeat(real[:1], 50, axis=0) + 1e-3)
  many = distribution.density_and_coverage(real, real + 1e-3)
  assert one.coverage < 0.2 and many.coverage == 1.0


def test_the_order_of_notes_has_no_bearing():
  a, b = normal(0, 90), normal(1, 70, shift=0.3)
  mixed_a, mixed_b = a[::-1], np.random.default_rng(3).permutation(b)
  for measure in (distribution.frechet_distance, distribution.kernel_distance):
    assert measure(a, b) == pytest.approx(measure(mixed_a, mixed_b))
  assert distribution.density_and_coverage(a, b) == distribution.density_and_coverage(
    mixed_a, mixed_b
  )


def test_copies_are_at_no_distance():
  real = normal(0, 50)
  distances = distribution.nearest_distance(
    real, np.concatenate([real[:3], real[:1] + np.asarray([3, 4, 0, 0])])
  )
  np.testing.assert_allclose(distances[:3], 0, atol=1e-9)
  assert 0 < distances[3] <= 5.0


def test_diversity_is_within_a_condition():
  features = np.asarray([[0.0, 0], [3, 4], [100, 0], [100, 0], [7, 7]])
  # 5 apart and 0 apart; the last is alone.
  assert distribution.diversity(features, np.asarray([1, 1, 2, 2, 3])) == pytest.approx(2.5)
  assert np.isnan(distribution.diversity(features[:2], np.asarray([0, 1])))
