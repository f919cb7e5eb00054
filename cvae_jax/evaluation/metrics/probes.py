"""What codes say of labels: the accuracy of a linear classifier that is shown nothing else."""

import numpy as np


def linear_probe(
  train_codes: np.ndarray, train_labels: np.ndarray, codes: np.ndarray, wanted: np.ndarray
) -> float:
  """Share of held-out notes whose label a logistic regression tells from their codes, 0 to 1.

  Args:
    train_codes: [M, D] that it is fitted on.
    train_labels: [M] integers.
    codes: [N, D] that it is measured on.
    wanted: [N] integers.

  Source: Alain & Bengio 2016, "Understanding intermediate layers using linear classifier probes";
  scikit-learn's LogisticRegression, on codes brought to mean 0 and deviation 1.
  """
  from sklearn import linear_model
  from sklearn import pipeline
  from sklearn import preprocessing

  probe = pipeline.make_pipeline(
    preprocessing.StandardScaler(), linear_model.LogisticRegression(max_iter=500)
  )
  return float(probe.fit(train_codes, train_labels).score(codes, wanted))


def chance(train_labels: np.ndarray, wanted: np.ndarray) -> float:
  """What always guessing the training notes' most frequent label reaches, 0 to 1."""
  values, counts = np.unique(train_labels, return_counts=True)
  return float(np.mean(wanted == values[np.argmax(counts)]))
