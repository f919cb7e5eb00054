import numpy as np
import pytest
from sklearn import metrics

from cvae_jax.evaluation.metrics import disentanglement


def factors(count=4000, num=3, seed=0):
  return np.random.default_rng(seed).uniform(size=(count, num))


# A turn about the diagonal: every dimension holds all three factors.
ROTATION = np.asarray([[2.0, 2.0, -1.0], [-1.0, 2.0, 2.0], [2.0, -1.0, 2.0]]) / 3


def mixed(v):
  return (v - v.mean(axis=0)) @ ROTATION


def test_a_factor_a_dimension_is_perfect_and_a_rotation_is_not():
  v = factors()
  own = np.concatenate([v[:, ::-1] * 5.0, 0.1 * np.random.default_rng(2).normal(size=(4000, 1))], 1)
  assert disentanglement.mig(own, v) > 0.95
  assert disentanglement.sap(own, v) > 0.95
  assert disentanglement.modularity(own[:, :3], v) > 0.98
  assert disentanglement.mig(mixed(v), v) < 0.3
  # What a dimension says of a factor is the square of their entry: the two largest are 4/9 each.
  assert disentanglement.sap(mixed(v), v) == pytest.approx(0.0, abs=0.05)
  assert disentanglement.modularity(mixed(v), v) < 0.9


def test_two_dimensions_that_know_the_same_leave_no_gap():
  v = factors()
  twice = np.concatenate([v, v], axis=1)
  assert disentanglement.mig(twice, v) == pytest.approx(0.0, abs=1e-9)
  assert disentanglement.sap(twice, v) == pytest.approx(0.0, abs=1e-9)
  assert disentanglement.modularity(twice, v) > 0.98


def test_the_information_is_scikit_learns_of_bins():
  rng = np.random.default_rng(0)
  v = rng.integers(6, size=(500, 1))
  z = np.where(rng.uniform(size=(500, 1)) < 0.8, v, rng.integers(6, size=(500, 1)))
  expected = metrics.mutual_info_score(v[:, 0], z[:, 0])
  assert disentanglement.mutual_information(z, v)[0, 0] == pytest.approx(expected)
  assert disentanglement.entropies(v)[0] == pytest.approx(
    metrics.mutual_info_score(v[:, 0], v[:, 0])
  )


def test_a_dimension_that_knows_nothing_is_no_module():
  v = factors()
  codes = np.concatenate([v[:, :1], np.zeros((4000, 1))], axis=1)
  assert disentanglement.modularity(codes, v) == pytest.approx(0.5, abs=0.02)


def test_dci_tells_own_dimensions_from_mixed_ones():
  v = factors(1500)
  own = disentanglement.dci(v[:1000], v[:1000], v[1000:], v[1000:])
  z = mixed(v)
  rotated = disentanglement.dci(z[:1000], v[:1000], z[1000:], v[1000:])
  noise = np.random.default_rng(5).normal(size=v.shape)
  nothing = disentanglement.dci(noise[:1000], v[:1000], noise[1000:], v[1000:])
  assert own["disentanglement"] > 0.8 and own["completeness"] > 0.8
  assert rotated["disentanglement"] < own["disentanglement"] - 0.3
  assert rotated["completeness"] < own["completeness"] - 0.3
  assert own["informativeness"] > 0.9 and nothing["informativeness"] < 0.05


def test_the_vote_finds_the_factor_that_was_held():
  rng = np.random.default_rng(0)
  fixed = rng.integers(3, size=200)
  v = rng.uniform(size=(200, 32, 3))
  for group, factor in enumerate(fixed):
    v[group, :, factor] = v[group, 0, factor]
  deviations = np.full(3, 12**-0.5)
  assert disentanglement.factor_vae_score(v, fixed, deviations) == 1.0
  noise = rng.normal(size=v.shape)
  assert disentanglement.factor_vae_score(noise, fixed, np.ones(3)) < 0.55
  # A dimension that never moves would win every vote.
  dead = np.concatenate([v, np.zeros((200, 32, 1))], axis=2)
  assert disentanglement.factor_vae_score(dead, fixed, np.asarray([*deviations, 0.0])) == 1.0
  assert disentanglement.factor_vae_score(dead[..., 3:], fixed, np.zeros(1)) == 0.0
