"""The labels of a run's training examples, saved in its workdir with their vocabulary.

Generation uses them to check which values a run was trained on, and to draw the labels that are not
given from their joint distribution (ancestral sampling from p(c)).
"""

from collections.abc import Mapping
import hashlib
import os
from typing import Any
from typing import NamedTuple

import numpy as np

from cvae_jax.core import atomic
from cvae_jax.core import errors
from cvae_jax.core import npz_file
from cvae_jax.data import vocabulary as vocabulary_lib

FILENAME = "labels.npz"
_VOCABULARY, _COUNT, _COLUMN, _DIGEST = "vocabulary", "count", "label_", "digest"


class LabelTable(NamedTuple):
  """Labels of training examples.

  Attributes:
    columns: [M] integers of each label, flags [M, n].
    vocabulary: of the labels.
    num_examples: M.
    digest: hash of the examples' names; empty if unknown.
  """

  columns: dict[str, np.ndarray]
  vocabulary: vocabulary_lib.Vocabulary
  num_examples: int
  digest: str = ""

  def draw(
    self, rng: np.random.Generator, fixed: Mapping[str, Any], num: int
  ) -> dict[str, np.ndarray]:
    """Draws labels of `num` examples, given some: the rest are those of matching training examples.

    If no training example matches all given labels, names take precedence over numbers, in the
    vocabulary's order.

    Args:
      rng: random generator.
      fixed: given labels by name; a mix is a vector of weights, a fractional number a float.
      num: number of examples.

    Returns:
      [num] integers of each label, flags [num, n]; mixes [num, n], fractional numbers [num] floats.
    """
    rows = np.arange(self.num_examples)
    kinds = (vocabulary_lib.NAMES, vocabulary_lib.NUMBER)
    for label in (x for kind in kinds for x in self.vocabulary.of_kind(kind)):
      if label.name in fixed:
        fixed_value = np.asarray(fixed[label.name])
        nearest = np.argmax(fixed_value) if fixed_value.ndim else np.rint(fixed_value)
        matching_rows = rows[self.columns[label.name][rows] == nearest]
        rows = matching_rows if matching_rows.size else rows
    drawn_rows = rng.choice(rows, num)
    drawn = {name: column[drawn_rows].copy() for name, column in self.columns.items()}
    for name, value in fixed.items():
      drawn[name] = np.repeat(np.asarray(value)[None], num, axis=0)
      if np.issubdtype(drawn[name].dtype, np.integer):
        drawn[name] = drawn[name].astype(self.columns[name].dtype)
    return drawn

  def known(self, name: str) -> np.ndarray:
    """The values of a label that occur in the training data, sorted."""
    return np.unique(self.columns[name])

  def known_names(self, name: str) -> list[str]:
    """The names of a label that occur in the training data."""
    return [self.vocabulary.get(name).names[i] for i in self.known(name)]

  def difference(self, other: "LabelTable") -> str | None:
    """Describes how another table differs; None if both are of the same examples."""
    for name in self.vocabulary.names:
      own_label, other_label = self.vocabulary.get(name), other.vocabulary.find(name)
      if other_label is None:
        return f"the label {name} is missing"
      if own_label != other_label and not own_label.open_set:
        new = [x for x in other_label.names if x not in own_label.names]
        gone = [x for x in own_label.names if x not in other_label.names]
        changes = [
          f"{', '.join(x[:5])} {w}" for x, w in ((new, "is new"), (gone, "is missing")) if x
        ]
        return f"{name} has other values ({'; '.join(changes) or 'another range'})"
    if self.num_examples != other.num_examples:
      return f"there are {other.num_examples} training examples, not {self.num_examples}"
    if self.digest and other.digest and self.digest != other.digest:
      return "the names of the training examples differ"
    return None

  def save(self, workdir: str) -> None:
    """Writes labels.npz into a workdir, atomically."""
    arrays: dict[str, Any] = {
      _VOCABULARY: np.asarray(self.vocabulary.to_json()),
      _COUNT: np.asarray(self.num_examples),
      _DIGEST: np.asarray(self.digest),
      **{_COLUMN + name: column for name, column in self.columns.items()},
    }
    with atomic.open_file(os.path.join(workdir, FILENAME), "wb") as f:
      np.savez_compressed(f, **arrays)


def digest_of(ids: np.ndarray) -> str:
  """Hash of examples' names, in order."""
  return hashlib.sha256("\n".join(ids.tolist()).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def find_change(workdir: str, table: LabelTable) -> str | None:
  """Describes how the training data changed since a workdir's run began; None if they did not.

  Raises:
    UserError: if labels.npz cannot be read.
  """
  if not os.path.exists(os.path.join(workdir, FILENAME)):
    return None
  return load(workdir).difference(table)


def load(workdir: str) -> LabelTable:
  """Reads a workdir's labels.npz.

  Raises:
    UserError: if it is missing, or of an earlier version.
  """
  path = os.path.join(workdir, FILENAME)
  try:
    stored = npz_file.load(path)
  except FileNotFoundError:
    raise errors.UserError(f"{workdir} holds no run: {path} is missing") from None
  if _VOCABULARY not in stored:
    raise errors.UserError(
      f"{path} is of an earlier version, without a vocabulary: train the run again"
    )
  try:
    vocabulary = vocabulary_lib.from_json(str(stored[_VOCABULARY]))
    columns = {name: stored[_COLUMN + name] for name in vocabulary.names}
    digest = str(stored[_DIGEST]) if _DIGEST in stored else ""
    return LabelTable(columns, vocabulary, int(stored[_COUNT]), digest)
  except (ValueError, TypeError, KeyError) as e:
    raise errors.UserError(f"{path} cannot be read ({errors.one_line(e)})") from None
