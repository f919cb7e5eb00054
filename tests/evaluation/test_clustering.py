import numpy as np
import pytest

from cvae_jax.evaluation.metrics import clustering


def test_names_of_clusters_do_not_matter():
  wanted = np.asarray([0, 0, 1, 1, 2, 2])
  assert clustering.compare(np.asarray([5, 5, 9, 9, 0, 0]), wanted) == pytest.approx((1, 1, 1))


def test_the_best_assignment_is_one_to_one():
  # Both clusters hold more of class 0; one of them must be class 1.
  found, wanted = np.asarray([0, 0, 0, 1, 1, 1]), np.asarray([0, 0, 0, 0, 0, 1])
  assert clustering.compare(found, wanted).accuracy == pytest.approx(4 / 6)


def test_clusters_at_random_say_nothing():
  rng = np.random.default_rng(0)
  found = clustering.compare(rng.integers(5, size=5000), rng.integers(5, size=5000))
  assert found.accuracy < 0.25 and found.nmi < 0.01 and abs(found.ari) < 0.01


def test_families_that_lie_apart_are_found_whatever_the_features_units():
  rng = np.random.default_rng(0)
  wanted = np.repeat(np.arange(4), 50)
  codes = rng.normal(size=(200, 3))
  codes[:, 0] += 12 * (wanted % 2)
  codes[:, 1] += 12 * (wanted // 2)
  assert clustering.cluster(codes, wanted).accuracy == 1.0
  assert clustering.cluster(codes * [1e3, 1e-3, 1], wanted).accuracy == 1.0
  order = rng.permutation(200)
  assert clustering.cluster(codes[order], wanted[order]).accuracy == 1.0
