"""What a run was taught: the labels of its training notes, kept in its workdir.

Generation needs it twice: to say which families, sources and instruments a run knows, and to fill
in the labels that nobody asked for with ones that go together (ancestral sampling from p(c)).
"""

from collections.abc import Mapping
import os
from typing import Any
from typing import NamedTuple

import numpy as np

from cvae_jax import atomic
from cvae_jax import errors
from cvae_jax import npz_file
from cvae_jax.data import notes

FILENAME = "labels.npz"
# What is kept fixed first where no training note has all that is asked for.
_ORDER = ("family", "source", "instrument", "pitch", "velocity")


class LabelTable(NamedTuple):
  """Labels of training notes.

  Attributes:
    columns: [M] integers of each label, qualities [M, 10].
    instruments: names of the data set's instruments, in the order of their labels.
  """

  columns: dict[str, np.ndarray]
  instruments: tuple[str, ...]

  def draw(
    self, rng: np.random.Generator, given: Mapping[str, int | np.ndarray], num: int
  ) -> dict[str, np.ndarray]:
    """Labels of `num` notes: those given, the rest from training notes that share them.

    Args:
      rng: to draw with.
      given: by name; a mix by its weights, a pitch between two keys as a float.
      num: of notes.

    Returns:
      [num] integers of each label, qualities [num, 10]; a mix [num, n], what is between keys [num]
      floats.
    """
    rows = np.arange(self.columns["pitch"].size)
    for name in _ORDER:
      if name in given:
        asked = np.asarray(given[name])
        nearest = np.argmax(asked) if asked.ndim else np.rint(asked)
        narrower = rows[self.columns[name][rows] == nearest]
        rows = narrower if narrower.size else rows
    chosen = rng.choice(rows, num)
    drawn = {name: self.columns[name][chosen].copy() for name in notes.BATCH_LABELS}
    for name, value in given.items():
      drawn[name] = np.repeat(np.asarray(value)[None], num, axis=0)
      if np.issubdtype(drawn[name].dtype, np.integer):
        drawn[name] = drawn[name].astype(self.columns[name].dtype)
    return drawn

  def known(self, name: str) -> np.ndarray:
    """The values of a label that were in training, in order."""
    return np.unique(self.columns[name])

  def save(self, workdir: str) -> None:
    """Writes labels.npz into a workdir, whole or not at all."""
    arrays: dict[str, Any] = {"instruments": np.asarray(self.instruments), **self.columns}
    with atomic.open_file(os.path.join(workdir, FILENAME), "wb") as f:
      np.savez_compressed(f, **arrays)


def load(workdir: str) -> LabelTable:
  """Reads a workdir's labels.npz.

  Raises:
    UserError: a workdir without one.
  """
  path = os.path.join(workdir, FILENAME)
  try:
    stored = npz_file.load(path, "instruments", *notes.BATCH_LABELS)
  except FileNotFoundError:
    raise errors.UserError(f"{workdir} holds no run: {path} is missing") from None
  return LabelTable(
    {name: stored[name] for name in notes.BATCH_LABELS}, tuple(stored["instruments"].tolist())
  )
