"""The labels of a run's training examples, kept in its workdir with their vocabulary.

Generation needs them twice: to say which names a run knows, and to fill in the labels that were not
asked for with ones that go together (ancestral sampling from p(c)).
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
    digest: of the names of the examples; empty where it is not known.
  """

  columns: dict[str, np.ndarray]
  vocabulary: vocabulary_lib.Vocabulary
  num_examples: int
  digest: str = ""

  def draw(
    self, rng: np.random.Generator, given: Mapping[str, Any], num: int
  ) -> dict[str, np.ndarray]:
    """Labels of `num` examples: those given, the rest from training examples that share them.

    Where no example shares all of them, names count before numbers, in the vocabulary's order.

    Args:
      rng: to draw with.
      given: by name; a mix by its weights, a number between two as a float.
      num: of examples.

    Returns:
      [num] integers of each label, flags [num, n]; a mix [num, n], a number between two
      [num] floats.
    """
    rows = np.arange(self.num_examples)
    narrowing = (vocabulary_lib.NAMES, vocabulary_lib.NUMBER)
    for label in (x for kind in narrowing for x in self.vocabulary.of_kind(kind)):
      if label.name in given:
        asked = np.asarray(given[label.name])
        nearest = np.argmax(asked) if asked.ndim else np.rint(asked)
        narrower = rows[self.columns[label.name][rows] == nearest]
        rows = narrower if narrower.size else rows
    chosen = rng.choice(rows, num)
    drawn = {name: column[chosen].copy() for name, column in self.columns.items()}
    for name, value in given.items():
      drawn[name] = np.repeat(np.asarray(value)[None], num, axis=0)
      if np.issubdtype(drawn[name].dtype, np.integer):
        drawn[name] = drawn[name].astype(self.columns[name].dtype)
    return drawn

  def known(self, name: str) -> np.ndarray:
    """The values of a label that were in training, in order."""
    return np.unique(self.columns[name])

  def known_names(self, name: str) -> list[str]:
    """The names of a label that were in training."""
    return [self.vocabulary.get(name).names[i] for i in self.known(name)]

  def difference(self, other: "LabelTable") -> str | None:
    """What another table has otherwise, in words; None where both are of the same examples."""
    for name in self.vocabulary.names:
      mine, theirs = self.vocabulary.get(name), other.vocabulary.find(name)
      if theirs is None:
        return f"there is no label {name} any more"
      if mine != theirs and not mine.open_set:
        new = [x for x in theirs.names if x not in mine.names]
        gone = [x for x in mine.names if x not in theirs.names]
        changes = [f"{', '.join(x[:5])} {w}" for x, w in ((new, "is new"), (gone, "is gone")) if x]
        return f"{name} has other values ({'; '.join(changes) or 'another range'})"
    if self.num_examples != other.num_examples:
      return f"there are {other.num_examples} training examples, there were {self.num_examples}"
    if self.digest and other.digest and self.digest != other.digest:
      return "the training examples are others"
    return None

  def save(self, workdir: str) -> None:
    """Writes labels.npz into a workdir, whole or not at all."""
    arrays: dict[str, Any] = {
      _VOCABULARY: np.asarray(self.vocabulary.to_json()),
      _COUNT: np.asarray(self.num_examples),
      _DIGEST: np.asarray(self.digest),
      **{_COLUMN + name: column for name, column in self.columns.items()},
    }
    with atomic.open_file(os.path.join(workdir, FILENAME), "wb") as f:
      np.savez_compressed(f, **arrays)


def digest_of(ids: np.ndarray) -> str:
  """Of the names of examples, in their order."""
  return hashlib.sha256("\n".join(ids.tolist()).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def find_change(workdir: str, table: LabelTable) -> str | None:
  """How the training data differ from those that a workdir's run began with; None for not at all.

  Raises:
    UserError: a labels.npz that cannot be read.
  """
  if not os.path.exists(os.path.join(workdir, FILENAME)):
    return None
  return load(workdir).difference(table)


def load(workdir: str) -> LabelTable:
  """Reads a workdir's labels.npz.

  Raises:
    UserError: a workdir without one, or one of another version.
  """
  path = os.path.join(workdir, FILENAME)
  try:
    stored = npz_file.load(path)
  except FileNotFoundError:
    raise errors.UserError(f"{workdir} holds no run: {path} is missing") from None
  if _VOCABULARY not in stored:
    raise errors.UserError(
      f"{path} is of an earlier version, without a vocabulary of its labels: train the run anew"
    )
  try:
    vocabulary = vocabulary_lib.from_json(str(stored[_VOCABULARY]))
    columns = {name: stored[_COLUMN + name] for name in vocabulary.names}
    digest = str(stored[_DIGEST]) if _DIGEST in stored else ""
    return LabelTable(columns, vocabulary, int(stored[_COUNT]), digest)
  except (ValueError, TypeError, KeyError) as e:
    raise errors.UserError(f"{path} cannot be read ({errors.one_line(e)})") from None
