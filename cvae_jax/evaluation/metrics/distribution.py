"""Distances between two sets of notes in a feature space, to compare generated notes with data.

Every function takes rows of features, [M, D] and [N, D]. The values need a reference: the same
measure between two halves of the data.
"""

from typing import NamedTuple

import numpy as np
import scipy.linalg
import scipy.spatial
import scipy.stats


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
  """Squared Fréchet (2-Wasserstein) distance of the Gaussians of two sets; lower is closer.

  |mean_a - mean_b|^2 + tr(A + B - 2 (A B)^(1/2)), with covariances A and B.

  Args:
    a: [M, D], M > 1.
    b: [N, D], N > 1.

  Source: Dowson & Landau 1982; Heusel et al. 2017 ("FID").
  """
  a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
  difference = a.mean(axis=0) - b.mean(axis=0)
  cov_a, cov_b = (np.atleast_2d(np.cov(x, rowvar=False)) for x in (a, b))
  # The trace of (A B)^(1/2) equals that of the symmetric (A^(1/2) B A^(1/2))^(1/2), which is the
  # sum of the roots of real eigenvalues; A B itself may have no real root.
  values, vectors = scipy.linalg.eigh(cov_a)
  root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
  shared = np.sqrt(np.maximum(scipy.linalg.eigvalsh(root @ cov_b @ root), 0.0)).sum()
  return float(difference @ difference + np.trace(cov_a) + np.trace(cov_b) - 2.0 * shared)


def kernel_distance(a: np.ndarray, b: np.ndarray) -> float:
  """Unbiased squared MMD with the kernel (x y / D + 1)^3; lower is closer.

  It is 0 on average for two samples of one distribution, and may be negative.

  Args:
    a: [M, D], M > 1.
    b: [N, D], N > 1.

  Source: Binkowski et al. 2018 ("KID").
  """
  a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
  within_a, within_b, across = (
    (x @ y.T / x.shape[1] + 1.0) ** 3 for x, y in ((a, a), (b, b), (a, b))
  )
  m, n = len(a), len(b)
  return float(
    (within_a.sum() - np.trace(within_a)) / (m * (m - 1))
    + (within_b.sum() - np.trace(within_b)) / (n * (n - 1))
    - 2.0 * across.mean()
  )


def inception_score(probabilities: np.ndarray) -> float:
  """exp of the mean KL divergence of p(y|x) from its mean over notes, 1 to the number of classes.

  Higher is better: notes are classified with certainty, and all classes occur.

  Args:
    probabilities: [M, K] of a classifier.

  Source: Salimans et al. 2016.
  """
  p = np.clip(np.asarray(probabilities, np.float64), 1e-12, None)
  p /= p.sum(axis=1, keepdims=True)
  return float(np.exp(np.mean(scipy.stats.entropy(p, np.broadcast_to(p.mean(0), p.shape), axis=1))))


class Bins(NamedTuple):
  """Comparison of two sets by the bins of the first.

  Attributes:
    different: fraction of statistically different bins ("NDB / k"), 0 to 1; lower is better.
    jensen_shannon: divergence of the two histograms in nats, 0 to ln 2; lower is better.
  """

  different: float
  jensen_shannon: float


def compare_bins(
  a: np.ndarray, b: np.ndarray, num_bins: int = 50, significance: float = 0.05, seed: int = 0
) -> Bins:
  """Number of statistically different bins (NDB): proportions of a and b in k-means bins of a.

  A bin is different if a two-proportion z-test rejects equality.

  Args:
    a: [M, D] features of the data.
    b: [N, D] features to compare with it.
    num_bins: k; at most M.
    significance: of the test.
    seed: of k-means.

  Source: Richardson & Weiss 2018, "On GANs and GMMs"; k = 50 as in GANSynth (Engel et al. 2019).
  """
  from sklearn import cluster

  scale = a.std(axis=0) + 1e-12
  num_bins = min(num_bins, len(a))
  means = cluster.KMeans(num_bins, n_init=3, random_state=seed).fit(a / scale)
  count_a, count_b = (np.bincount(labels, minlength=num_bins)
                      for labels in (means.labels_, means.predict(b / scale)))  # fmt: skip
  p, q = count_a / len(a), count_b / len(b)
  pooled = (count_a + count_b) / (len(a) + len(b))
  error = np.sqrt(pooled * (1.0 - pooled) * (1.0 / len(a) + 1.0 / len(b)))
  z = np.abs(p - q) / np.maximum(error, 1e-12)
  different = float(np.mean(2.0 * scipy.stats.norm.sf(z) < significance))
  middle = (p + q) / 2.0
  divergence = (scipy.stats.entropy(p, middle) + scipy.stats.entropy(q, middle)) / 2.0
  return Bins(different, float(divergence))


class Coverage(NamedTuple):
  """Overlap of two sets.

  Attributes:
    density: mean number of real notes' neighbourhoods that a generated note lies in, divided by k;
      1 for the data itself. Higher is better.
    coverage: fraction of real notes with a generated note in their neighbourhood, 0 to 1. Higher is
      better.
  """

  density: float
  coverage: float


def density_and_coverage(real: np.ndarray, generated: np.ndarray, k: int = 5) -> Coverage:
  """Density and coverage, with neighbourhoods that reach to the k-th nearest real note.

  Args:
    real: [M, D], M > k.
    generated: [N, D].
    k: neighbours.

  Source: Naeem et al. 2020, "Reliable Fidelity and Diversity Metrics for Generative Models".
  """
  real, generated = np.asarray(real, np.float64), np.asarray(generated, np.float64)
  radii = scipy.spatial.KDTree(real).query(real, k + 1)[0][:, -1]  # The first is the note itself.
  inside = scipy.spatial.distance.cdist(real, generated) < radii[:, None]
  return Coverage(float(inside.sum() / (k * generated.shape[0])), float(inside.any(axis=1).mean()))


def nearest_distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
  """[N] Euclidean distances from each row of b ([N, D]) to the nearest row of a ([M, D])."""
  return scipy.spatial.KDTree(np.asarray(a, np.float64)).query(np.asarray(b, np.float64))[0]


def diversity(features: np.ndarray, groups: np.ndarray) -> float:
  """Mean Euclidean distance between two notes of one condition; 0 if they are identical.

  Args:
    features: [M, D].
    groups: [M] integers: the condition of each note; conditions with a single note are ignored.
  """
  distances = []
  for group in np.unique(groups):
    rows = np.asarray(features, np.float64)[groups == group]
    if len(rows) > 1:
      distances.append(scipy.spatial.distance.pdist(rows).mean())
  return float(np.mean(distances)) if distances else float("nan")
