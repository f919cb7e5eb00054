"""Bounds for reconstruction: what needs no network at all."""

from typing import NamedTuple

import numpy as np


class Pca(NamedTuple):
  """A linear autoencoder: mean [F] and orthonormal components [D, F] of flattened features."""

  mean: np.ndarray
  components: np.ndarray

  def reconstruct(self, features: np.ndarray) -> np.ndarray:
    """Projects features ([M, ...]) onto the components, back in the same shape."""
    flat = features.reshape(features.shape[0], -1) - self.mean
    flat = (flat @ self.components.T) @ self.components + self.mean
    return flat.reshape(features.shape)


def fit_pca(features: np.ndarray, num_components: int, seed: int = 0) -> Pca:
  """Principal components of a set of features.

  Args:
    features: [M, ...] float32; flattened and centred in place, to spare a second copy of the set.
    num_components: D, at most M - 1 of which can be told from the data; the rest would be zero.
    seed: of the randomised decomposition.

  Returns:
    Mean and components.

  Source: `sklearn.utils.extmath.randomized_svd`, Halko, Martinsson & Tropp 2011.
  """
  from sklearn.utils import extmath  # Takes half a second to import.

  flat = features.reshape(features.shape[0], -1)
  mean = flat.mean(axis=0)
  flat -= mean
  rank = min(num_components, flat.shape[0] - 1)
  _, _, components = extmath.randomized_svd(flat, rank, n_iter=4, random_state=seed)
  return Pca(mean, components)


def error_sums(features: np.ndarray, predicted: np.ndarray, db_per_unit: float) -> dict[str, float]:
  """Sums over notes of the squared error in dB^2 and of the log-spectral distance in dB.

  The log-spectral distance is the RMS over frequency, averaged over frames.

  Args:
    features: [M, N, F].
    predicted: [M, N, F].
    db_per_unit: decibels in one unit of a feature.
  """
  squared = np.square((features - predicted) * db_per_unit)
  return {
    "mse_db2": float(squared.mean(axis=(1, 2)).sum()),
    "lsd_db": float(np.sqrt(squared.mean(axis=2)).mean(axis=1).sum()),
  }
