"""Is each factor in a dimension of its own? Measures for data whose factors are known.

Codes are [M, D], factors [M, K]; all scores are 0 to 1, and higher is better. Continuous values are
told apart by 20 bins of equal width, as Locatello et al. 2019 ("Challenging Common Assumptions in
the Unsupervised Learning of Disentangled Representations", appendix C) have it.
"""

import numpy as np
import scipy.stats

_NUM_BINS = 20


def _discretize(values: np.ndarray) -> np.ndarray:
  """[M, K] values as integers: themselves where they are few, else bins of equal width."""
  columns = []
  for column in np.asarray(values, np.float64).T:
    unique, indices = np.unique(column, return_inverse=True)
    if len(unique) > _NUM_BINS:
      edges = np.histogram_bin_edges(column, _NUM_BINS)
      indices = np.digitize(column, edges[1:-1])
    columns.append(indices)
  return np.stack(columns, axis=1)


def mutual_information(codes: np.ndarray, factors: np.ndarray) -> np.ndarray:
  """[D, K] nats between every dimension and every factor, by their bins."""
  from sklearn import metrics

  z, v = _discretize(codes), _discretize(factors)
  return np.asarray([[metrics.mutual_info_score(a, b) for b in v.T] for a in z.T])


def entropies(factors: np.ndarray) -> np.ndarray:
  """[K] nats of each factor's bins."""
  return np.asarray([scipy.stats.entropy(np.bincount(v)) for v in _discretize(factors).T])


def mig(codes: np.ndarray, factors: np.ndarray) -> float:
  """Mutual information gap: how far the dimension that knows a factor best is before the second,
  as a share of the factor's entropy; the mean over factors.

  Source: Chen et al. 2018, "Isolating Sources of Disentanglement in VAEs".
  """
  information = np.sort(mutual_information(codes, factors), axis=0)
  gap = information[-1] - (information[-2] if len(information) > 1 else 0.0)
  return float(np.mean(gap / np.maximum(entropies(factors), 1e-12)))


def modularity(codes: np.ndarray, factors: np.ndarray) -> float:
  """Whether a dimension knows of one factor alone; the mean over dimensions.

  Source: Ridgeway & Mozer 2018, "Learning Deep Disentangled Embeddings".
  """
  information = mutual_information(codes, factors)
  if information.shape[1] == 1:
    return 1.0
  squared = np.square(information)
  most = squared.max(axis=1)
  # A dimension that knows of nothing is no evidence of anything, and counts as 0.
  others = (squared.sum(axis=1) - most) / np.maximum(most * (information.shape[1] - 1), 1e-300)
  return float(np.mean(np.where(most > 1e-12, 1.0 - others, 0.0)))


def sap(codes: np.ndarray, factors: np.ndarray) -> float:
  """Separated attribute predictability: how much better the best dimension predicts a factor
  linearly (R^2) than the second; the mean over factors.

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

  Disentanglement: a dimension matters for few factors. Completeness: a factor needs few dimensions.
  Informativeness: how well held-out factors are told, here as R^2, no less than 0.

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
    """Of each row 1 less its entropy, in units of the largest that it might have."""
    return 1.0 - scipy.stats.entropy(rows, axis=1) / np.log(rows.shape[1])

  by_code, by_factor = matrix.sum(axis=1) / matrix.sum(), matrix.sum(axis=0) / matrix.sum()
  return {
    "disentanglement": float(np.sum(by_code * purity(matrix))),
    "completeness": float(np.sum(by_factor * purity(matrix.T))),
    "informativeness": float(np.mean(scores)),
  }


def factor_vae_score(votes: np.ndarray, fixed: np.ndarray, deviations: np.ndarray) -> float:
  """Accuracy of a majority vote that tells, from which dimension varies least among notes that
  share one factor, which factor that was.

  Args:
    votes: [V, G, D] codes of V groups of G notes; the first half teaches the vote, the second is
      what it is measured on.
    fixed: [V] integers: the factor that a group shares.
    deviations: [D] of the codes of all notes; dimensions that hardly vary (0.05) have no vote.

  Source: Kim & Mnih 2018, "Disentangling by Factorising".
  """
  alive = np.flatnonzero(deviations > 0.05)
  if alive.size == 0:
    return 0.0
  spread = np.var(votes[:, :, alive] / deviations[alive], axis=1)
  told, half = spread.argmin(axis=1), len(votes) // 2
  table = np.zeros((alive.size, fixed.max() + 1), np.int64)
  np.add.at(table, (told[:half], fixed[:half]), 1)
  return float(np.mean(table.argmax(axis=1)[told[half:]] == fixed[half:]))
