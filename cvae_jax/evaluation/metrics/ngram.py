"""A language model of token sequences by counts, for the likelihood of what others generate."""

import collections

import numpy as np


class NGram:
  """Interpolated n-grams with Witten-Bell smoothing.

    p(w | h) = (c(h w) + t(h) p(w | h')) / (c(h) + t(h))

  where c counts, t(h) is the number of different tokens seen after h, and h' is h without its first
  token; below no context all tokens are equally likely. The beginning of a sequence is a context of
  its own.

  Source: Witten & Bell 1991; Chen & Goodman 1999, section 2.5.

  Args:
    order: tokens of a context and the one that follows, together.
    size: number of different tokens.
  """

  def __init__(self, order: int, size: int):
    if order < 1:
      raise ValueError(f"the order must be 1 or more, got {order}")
    self.order, self.size = order, size
    self._counts: collections.defaultdict = collections.defaultdict(collections.Counter)

  def fit(self, sequences: np.ndarray) -> "NGram":
    """Counts [M, L] sequences; returns itself."""
    for sequence in np.asarray(sequences).tolist():
      padded = [-1] * (self.order - 1) + sequence
      for i, token in enumerate(sequence):
        context = tuple(padded[i : i + self.order - 1])
        for length in range(self.order):
          self._counts[context[len(context) - length :]][token] += 1
    return self

  def _probability(self, context: tuple[int, ...], token: int) -> float:
    probability = 1.0 / self.size
    for length in range(len(context) + 1):
      counts = self._counts.get(context[len(context) - length :])
      if counts is None:
        break
      kinds = len(counts)
      probability = (counts[token] + kinds * probability) / (counts.total() + kinds)
    return probability

  def nll(self, sequences: np.ndarray) -> np.ndarray:
    """[M] -log p in nats of [M, L] sequences."""
    sums = []
    for sequence in np.asarray(sequences).tolist():
      padded = [-1] * (self.order - 1) + sequence
      sums.append(
        -sum(
          np.log(self._probability(tuple(padded[i : i + self.order - 1]), token))
          for i, token in enumerate(sequence)
        )
      )
    return np.asarray(sums)
