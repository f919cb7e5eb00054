"""k-means clustering, evaluated against labels."""

from typing import NamedTuple

import numpy as np
import scipy.optimize


class Clustering(NamedTuple):
  """Agreement of clusters with classes.

  Attributes:
    accuracy: fraction of notes in the cluster assigned to their class, under the best one-to-one
      assignment (Hungarian), 0 to 1.
    nmi: normalised mutual information, 0 to 1.
    ari: adjusted Rand index; 0 on average for random clusters, 1 for perfect agreement.
  """

  accuracy: float
  nmi: float
  ari: float


def compare(clusters: np.ndarray, classes: np.ndarray) -> Clustering:
  """Compares clusters with classes; higher is better for all three scores.

  Args:
    clusters: [M] integers: the cluster of each note.
    classes: [M] integers: the class of each note.

  Source: Kuhn 1955 by `scipy.optimize.linear_sum_assignment`; scikit-learn's two scores.
  """
  from sklearn import metrics

  clusters, classes = (np.unique(x, return_inverse=True)[1] for x in (clusters, classes))
  table = np.zeros((clusters.max() + 1, classes.max() + 1), np.int64)
  np.add.at(table, (clusters, classes), 1)
  rows, columns = scipy.optimize.linear_sum_assignment(table, maximize=True)
  return Clustering(
    float(table[rows, columns].sum() / len(classes)),
    float(metrics.normalized_mutual_info_score(classes, clusters)),
    float(metrics.adjusted_rand_score(classes, clusters)),
  )


def cluster(features: np.ndarray, classes: np.ndarray, seed: int = 0) -> Clustering:
  """Clusters standardised features by k-means, with as many clusters as classes; see `compare`.

  Args:
    features: [M, D].
    classes: [M] integers.
    seed: of k-means' ten initialisations.

  Source: Aljalbout et al. 2018, "Clustering with Deep Learning", for the measures.
  """
  from sklearn import cluster as sklearn_cluster

  scaled = np.asarray(features, np.float32)
  scaled = (scaled - scaled.mean(axis=0)) / (scaled.std(axis=0) + 1e-6)
  count = len(np.unique(classes))
  clusters = sklearn_cluster.KMeans(count, n_init=10, random_state=seed).fit_predict(scaled)
  return compare(clusters, classes)
