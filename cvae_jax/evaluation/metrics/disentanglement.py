"""Disentanglement scores, for data with known factors.

Codes are [M, D], factors [M, K]; all scores are from 0 to 1, and higher is better. Continuous
values are discretised into 20 bins of equal width, as in Locatello et al. 2019 ("Challenging Common
Assumptions in the Unsupervised Learning of Disentangled Representations", appendix C).
"""

import numpy as np
import scipy.stats

_NUM_BINS = 20


def _discretize(values: np.ndarray) -> np.ndarray:
  """Discretises [M, K] values: distinct values if there are few, else bins of equal width."""
  columns = []
  for column in np.asarray(values, np.float64).T:
    unique, indices = np.unique(column, return_inverse=True)
    if len(unique) > _NUM_BINS:
      edges = np.histogram_bin_edges(column, _NUM_BINS)
      indices = np.digitize(column, edges[1:-1])
    columns.append(indices)
  return np.stack(columns, axis=1)


def mutual_information(codes: np.ndarray, factors: np.ndarray) -> np.ndarray:
  """[D, K] mutual information in nats of every dimension and every factor, discretised."""
  from sklearn import metrics

  z, v = _discretize(codes), _discretize(factors)
  return np.asarray([[metrics.mutual_info_score(a, b) for b in v.T] for a in z.T])


def entropies(factors: np.ndarray) -> np.ndarray:
  """[K] entropies in nats of the discretised factors."""
  return np.asarray([scipy.stats.entropy(np.bincount(v)) for v in _discretize(factors).T])


def mig(codes: np.ndarray, factors: np.ndarray) -> float:
  """Mutual information gap, averaged over factors.

  The difference of the two highest mutual informations of a factor with a dimension, divided by the
  factor's entropy.

  Source: Chen et al. 2018, "Isolating Sources of Disentanglement in VAEs".
  """
  information = np.sort(mutual_information(codes, factors), axis=0)
  gap = information[-1] - (information[-2] if len(information) > 1 else 0.0)
  return float(np.mean(gap / np.maximum(entropies(factors), 1e-12)))


def modularity(codes: np.ndarray, factors: np.ndarray) -> float:
  """Modularity: whether a dimension is informative about a single factor; averaged over dimensions.

  Source: Ridgeway & Mozer 2018, "Learning Deep Disentangled Embeddings".
  """
  information = mutual_information(codes, factors)
  if information.shape[1] == 1:
    return 1.0
  squared = np.square(information)
  most = squared.max(axis=1)
  # A dimension without information counts as 0.
  others = (squared.sum(axis=1) - most) / np.maximum(most * (information.shape[1] - 1), 1e-300)
  return float(np.mean(np.where(most > 1e-12, 1.0 - others, 0.0)))


def sap(codes: np.ndarray, factors: np.ndarray) -> float:
  """Separated attribute predictability, averaged over factors.

  The difference of the two highest scores (R^2) of predicting a factor linearly from one dimension.

  Source: Kumar, Sattigeri & Balakrishnan 2018, for continuous factors.
  """
  z, v = (np.asarray(x, np.float64) for x in (codes, factors))
  z, v = ((x - x.mean(axis=0)) / np.maximum(x.std(axis=0), 1e-12) for x in (z, v))
  scores = np.sort(np.square(z.T @ v / len(z)), axis=0)
  return float(np.mean(scores[-1] - (scores[-2] if len(scores) > 1 else 0.0)))


def dci(
  train_codes: np.ndarray, train_factors: np.ndarray, codes: np.ndarray, factors: np.ndarray
) -> dict[str, float]:
  """Disentanglement, completeness and informativeness, by gradient boosted trees.

  Disentanglement: each dimension is important for few factors. Completeness: each factor depends on
  few dimensions. Informativeness: R^2 of the held-out factors, clipped at 0.

  Source: Eastwood & Williams 2018; importances are scikit-learn's
  `GradientBoostingRegressor`'s, as in Locatello et al. 2019.
  """
  from sklearn import ensemble

  importances, scores = [], []
  for k in range(train_factors.shape[1]):
    trees = ensemble.GradientBoostingRegressor(
      n_estimators=50, max_features="sqrt", subsample=0.5, random_state=0
    )
    trees.fit(train_codes, train_factors[:, k])
    importances.append(np.abs(trees.feature_importances_))
    scores.append(max(trees.score(codes, factors[:, k]), 0.0))
  matrix = np.stack(importances, axis=1) + 1e-11  # [D, K]

  def purity(rows):
    """One minus the normalised entropy of each row."""
    return 1.0 - scipy.stats.entropy(rows, axis=1) / np.log(rows.shape[1])

  by_code, by_factor = matrix.sum(axis=1) / matrix.sum(), matrix.sum(axis=0) / matrix.sum()
  return {
    "disentanglement": float(np.sum(by_code * purity(matrix))),
    "completeness": float(np.sum(by_factor * purity(matrix.T))),
    "informativeness": float(np.mean(scores)),
  }


def factor_vae_score(votes: np.ndarray, fixed: np.ndarray, deviations: np.ndarray) -> float:
  """Factor-VAE score: accuracy of predicting the factor that a group of notes shares.

  A majority vote predicts the factor from the dimension of least variance in the group.

  Args:
    votes: [V, G, D] codes of V groups of G notes; the vote is fitted on the first half and
      evaluated on the second.
    fixed: [V] integers: the factor that a group shares.
    deviations: [D] standard deviations of all codes; dimensions below 0.05 are excluded.

  Source: Kim & Mnih 2018, "Disentangling by Factorising".
  """
  active = np.flatnonzero(deviations > 0.05)
  if active.size == 0:
    return 0.0
  spread = np.var(votes[:, :, active] / deviations[active], axis=1)
  least_varying, half = spread.argmin(axis=1), len(votes) // 2
  table = np.zeros((active.size, fixed.max() + 1), np.int64)
  np.add.at(table, (least_varying[:half], fixed[:half]), 1)
  return float(np.mean(table.argmax(axis=1)[least_varying[half:]] == fixed[half:]))
