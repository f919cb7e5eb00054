"""Baselines of reconstruction that need no network."""

from typing import NamedTuple

import numpy as np
import scipy.linalg


class Pca(NamedTuple):
  """A linear autoencoder: mean [F] and orthonormal components [D, F] of flattened features."""

  mean: np.ndarray
  components: np.ndarray

  def reconstruct(self, features: np.ndarray) -> np.ndarray:
    """Projects features [M, ...] onto the components and back."""
    flat = features.reshape(features.shape[0], -1) - self.mean
    flat = (flat @ self.components.T) @ self.components + self.mean
    return flat.reshape(features.shape)


def fit_pca(features: np.ndarray, num_components: int, block: int = 8192) -> Pca:
  """Principal components of a set of features, by the eigenvectors of its Gram matrix.

  Features may be float16, to save memory; sums and products are computed in float32, a block of
  columns at a time.

  Args:
    features: [M, ...]; M is some thousands, the features many more.
    num_components: D; at most M - 1 components are returned.
    block: columns at a time.

  Returns:
    Mean and components. Agrees with `sklearn.decomposition.PCA`, up to signs.
  """
  flat = features.reshape(features.shape[0], -1)
  count, size = flat.shape
  mean = np.empty(size, np.float32)
  gram = np.zeros((count, count), np.float32)
  for start in range(0, size, block):
    columns = flat[:, start : start + block].astype(np.float32)
    mean[start : start + block] = columns.mean(axis=0)
    columns -= mean[start : start + block]
    gram += columns @ columns.T
  rank = min(num_components, count - 1)
  variances, vectors = scipy.linalg.eigh(gram, subset_by_index=[count - rank, count - 1])
  # Directions without variance are dropped: their vectors would be noise.
  has_variance = variances > 1e-6 * variances[-1]
  weights = (vectors[:, has_variance] / np.sqrt(variances[has_variance])).astype(np.float32)[
    :, ::-1
  ]
  components = np.empty((weights.shape[1], size), np.float32)
  for start in range(0, size, block):
    columns = flat[:, start : start + block].astype(np.float32) - mean[start : start + block]
    components[:, start : start + block] = weights.T @ columns
  return Pca(mean, components)


def error_sums(level_db: np.ndarray, predicted_db: np.ndarray) -> dict[str, float]:
  """Sums over notes of the squared error in dB^2 and of the log-spectral distance in dB.

  The log-spectral distance is the RMS over frequency, averaged over frames.

  Args:
    level_db: [M, N, F] spectrograms in dB.
    predicted_db: [M, N, F].
  """
  squared = np.square(np.asarray(level_db) - np.asarray(predicted_db))
  return {
    "mse_db2": float(squared.mean(axis=(1, 2)).sum()),
    "lsd_db": float(np.sqrt(squared.mean(axis=2)).mean(axis=1).sum()),
  }
