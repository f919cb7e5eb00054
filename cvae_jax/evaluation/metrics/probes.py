"""Linear probes: the accuracy of predicting labels from codes."""

import numpy as np


def linear_probe(
  train_codes: np.ndarray, train_labels: np.ndarray, codes: np.ndarray, labels: np.ndarray
) -> float:
  """Held-out accuracy of a logistic regression from codes to labels, 0 to 1.

  Args:
    train_codes: [M, D] codes to fit.
    train_labels: [M] integers.
    codes: [N, D] held-out codes.
    labels: [N] integers.

  Source: Alain & Bengio 2016, "Understanding intermediate layers using linear classifier probes";
  scikit-learn's LogisticRegression, on standardised codes.
  """
  from sklearn import linear_model
  from sklearn import pipeline
  from sklearn import preprocessing

  probe = pipeline.make_pipeline(
    preprocessing.StandardScaler(), linear_model.LogisticRegression(max_iter=500)
  )
  return float(probe.fit(train_codes, train_labels).score(codes, labels))


def chance(train_labels: np.ndarray, labels: np.ndarray) -> float:
  """Accuracy of always predicting the most frequent training label, 0 to 1."""
  values, counts = np.unique(train_labels, return_counts=True)
  return float(np.mean(labels == values[np.argmax(counts)]))
