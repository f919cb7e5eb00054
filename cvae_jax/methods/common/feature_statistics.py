"""Mean and deviation of the features, by bin: what standardises them, measured once for a run.

They are kept in the workdir, since a network that was trained on standardised features is worth
nothing without them.
"""

from collections.abc import Iterable
from collections.abc import Mapping
import os
from typing import NamedTuple

import numpy as np

from cvae_jax.audio import level
from cvae_jax.audio import representations
from cvae_jax.core import atomic
from cvae_jax.core import errors
from cvae_jax.core import npz_file
from cvae_jax.training import compilation

FILENAME = "features.npz"
NUM_NOTES = 1024  # that are measured
_LEAST = 0.02  # of a deviation: a bin that hardly moves is not blown up to noise


class FeatureStatistics(NamedTuple):
  """Of a representation's features.

  Attributes:
    mean: [F, C] over notes and frames.
    std: [F, C].
  """

  mean: np.ndarray
  std: np.ndarray

  def save(self, workdir: str) -> None:
    """Writes features.npz into a workdir, whole or not at all."""
    with atomic.open_file(os.path.join(workdir, FILENAME), "wb") as f:
      np.savez(f, mean=self.mean, std=self.std)


def load(workdir: str) -> FeatureStatistics:
  """Reads a workdir's features.npz.

  Raises:
    UserError: a workdir without one, or one that cannot be read.
  """
  path = os.path.join(workdir, FILENAME)
  try:
    stored = npz_file.load(path, "mean", "std")
  except FileNotFoundError:
    raise errors.UserError(
      f"{path} is missing: this run's features are standardised, and it is lost without it"
    ) from None
  return FeatureStatistics(stored["mean"], stored["std"])


def measure(
  representation: representations.Representation, batches: Iterable[Mapping[str, np.ndarray]]
) -> FeatureStatistics:
  """Measures the features of notes.

  Args:
    representation: whose features they are.
    batches: of `pipeline.eval_batches`.
  """
  encode = compilation.jit(lambda audio: representation.encode(level.normalize(audio)))
  count, total, square = 0, np.zeros(1), np.zeros(1)
  for batch in batches:
    features = np.asarray(encode(batch["audio"]), np.float64)[batch["mask"] > 0]
    count += features.shape[0] * features.shape[1]
    total = total + features.sum(axis=(0, 1))
    square = square + np.square(features).sum(axis=(0, 1))
  mean = total / count
  std = np.sqrt(np.maximum(square / count - np.square(mean), _LEAST**2))
  return FeatureStatistics(mean.astype(np.float32), std.astype(np.float32))


def standardize(
  representation: representations.Representation, statistics: FeatureStatistics
) -> representations.Representation:
  """The representation with features of mean 0 and deviation 1 in every bin.

  They are no levels any more: nothing has a floor, and no bin a frequency that a network may build
  on. What they stand for, `level_db` and `decode`, is the same.
  """
  mean, std = statistics

  def restore(features):
    return features * std + mean

  return representation._replace(
    floored=(False,) * len(representation.floored),
    frequencies_hz=None,
    encode=lambda audio: (representation.encode(audio) - mean) / std,
    decode=lambda features, key: representation.decode(restore(features), key),
    level_db=lambda features: representation.level_db(restore(features)),
  )
