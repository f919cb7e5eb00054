"""Do notes of one kind lie together? k-means, judged by labels that it was not shown."""

from typing import NamedTuple

import numpy as np
import scipy.optimize


class Clustering(NamedTuple):
  """How well clusters are the classes.

  Attributes:
    accuracy: share of notes in the cluster that is their class', under the best one-to-one
      assignment (Hungarian), 0 to 1.
    nmi: normalised mutual information, 0 to 1.
    ari: adjusted Rand index, 0 on average for clusters at random, 1 for the classes.
  """

  accuracy: float
  nmi: float
  ari: float


def compare(found: np.ndarray, wanted: np.ndarray) -> Clustering:
  """Clusters beside classes; all three are higher where they agree better.

  Args:
    found: [M] integers: the cluster of each note.
    wanted: [M] integers: its class.

  Source: Kuhn 1955 by `scipy.optimize.linear_sum_assignment`; scikit-learn's two scores.
  """
  from sklearn import metrics

  found, wanted = (np.unique(x, return_inverse=True)[1] for x in (found, wanted))
  table = np.zeros((found.max() + 1, wanted.max() + 1), np.int64)
  np.add.at(table, (found, wanted), 1)
  rows, columns = scipy.optimize.linear_sum_assignment(table, maximize=True)
  return Clustering(
    float(table[rows, columns].sum() / len(wanted)),
    float(metrics.normalized_mutual_info_score(wanted, found)),
    float(metrics.adjusted_rand_score(wanted, found)),
  )


def cluster(features: np.ndarray, wanted: np.ndarray, seed: int = 0) -> Clustering:
  """k-means with as many clusters as there are classes, each feature at deviation 1.

  Args:
    features: [M, D].
    wanted: [M] integers.
    seed: of k-means' ten starts.

  Source: Aljalbout et al. 2018, "Clustering with Deep Learning", for the measures.
  """
  from sklearn import cluster as sklearn_cluster

  scaled = np.asarray(features, np.float32)
  scaled = (scaled - scaled.mean(axis=0)) / (scaled.std(axis=0) + 1e-6)
  count = len(np.unique(wanted))
  found = sklearn_cluster.KMeans(count, n_init=10, random_state=seed).fit_predict(scaled)
  return compare(found, wanted)
