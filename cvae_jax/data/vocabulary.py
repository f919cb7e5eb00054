"""Vocabularies: the labels of a data set, and the values that they take.

Examples of labels are NSynth's six, the kind of a drum, or the file that an excerpt is from; a data
set may have none. Conditions, command-line flags, the page, probes and the evaluation's classifier
are derived from the vocabulary. The value of a label is an integer (fractional where that is
meaningful), or a vector of 0 and 1 for flags; a negative value means unknown.

Two names have a fixed meaning: 'pitch' is a MIDI number, which enables keyboards and instruments,
and 'velocity' a MIDI velocity, which determines the level of a sound.
"""

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import json
import math
from typing import Any
from typing import NamedTuple

import numpy as np

from cvae_jax.core import errors

PITCH, VELOCITY = "pitch", "velocity"
NAMES, NUMBER, FLAGS = "names", "number", "flags"
KINDS = (NAMES, NUMBER, FLAGS)


class Label(NamedTuple):
  """One label.

  Attributes:
    name: a Python identifier, since commands have a flag of that name.
    kind: 'names' (one of several), 'number' (in a range) or 'flags' (any of several).
    names: of the values, for names and flags.
    low: lowest number, 0 or more.
    high: highest number.
    one_hot: whether a number is encoded one-hot in a condition, rather than as a scalar.
    between: whether fractional numbers are meaningful.
    open_set: whether held-out examples have other names than training examples, as instruments do.
  """

  name: str
  kind: str
  names: tuple[str, ...] = ()
  low: int = 0
  high: int = 0
  one_hot: bool = False
  between: bool = False
  open_set: bool = False

  @property
  def num_values(self) -> int:
    """Number of classes, or of flags."""
    return self.high - self.low + 1 if self.kind == NUMBER else len(self.names)

  @property
  def is_class(self) -> bool:
    """Whether the label is encoded one-hot in a condition."""
    return self.kind == NAMES or self.one_hot

  @property
  def value_shape(self) -> tuple[int, ...]:
    """Shape of one example's value."""
    return (len(self.names),) if self.kind == FLAGS else ()

  @property
  def weight_shape(self) -> tuple[int, ...]:
    """Shape of one example's value as a mix: weights of names, or a scalar number."""
    return () if self.kind == NUMBER else (len(self.names),)

  def index_of(self, value: str | int) -> int:
    """The index of a value that is given by name or index.

    Raises:
      UserError: if there is no such value; the message lists the names.
    """
    if isinstance(value, str) and value in self.names:
      return self.names.index(value)
    if not isinstance(value, str) and 0 <= int(value) < len(self.names):
      return int(value)
    listed_names = ", ".join(self.names[:20]) + (", ..." if len(self.names) > 20 else "")
    raise errors.UserError(f"{self.name} must be one of {listed_names}, got '{value}'")

  def parse_number(self, value: Any) -> int | np.float32:
    """Parses a number in the label's range.

    Raises:
      UserError: if it is no number, out of range, or fractional where that is meaningless.
    """
    try:
      number = float(value)
    except (TypeError, ValueError):
      number = math.nan
    if not self.low <= number <= self.high:
      raise errors.UserError(f"{self.name} must be {self.low}-{self.high}, got {value}")
    if number % 1 and not self.between:
      raise errors.UserError(
        f"{self.name} must be a whole number from {self.low} to {self.high}, got {value}"
      )
    return np.float32(number) if number % 1 else int(number)

  def text_of(self, value: Any) -> str:
    """A value as text: a name, a mix of names with percentages, a number, or flags."""
    if self.kind == NUMBER:
      return "any" if value < 0 else f"{float(value):g}"
    if np.ndim(value):
      indices = np.flatnonzero(np.asarray(value) > 0)
      if self.kind == FLAGS:
        return "+".join(self.names[i] for i in indices) or "none"
      return "-".join(f"{self.names[i]}{100 * value[i]:.0f}" for i in indices)
    return self.names[int(value)] if value >= 0 else "any"


class Vocabulary(NamedTuple):
  """The labels of a data set, in order.

  Attributes:
    labels: with unique names.
  """

  labels: tuple[Label, ...] = ()

  @property
  def names(self) -> tuple[str, ...]:
    """Names of the labels."""
    return tuple(label.name for label in self.labels)

  def of_kind(self, kind: str) -> Iterator[Label]:
    """The labels of a kind."""
    return (label for label in self.labels if label.kind == kind)

  def find(self, name: str) -> Label | None:
    """The label with a name; None if there is none."""
    return next((label for label in self.labels if label.name == name), None)

  def get(self, name: str, role: str = "label") -> Label:
    """The label with a name.

    Args:
      name: of the label.
      what: role of the name, for the message.

    Raises:
      UserError: if there is no such label.
    """
    label = self.find(name)
    if label is None:
      label_names = ", ".join(self.names) or "none: these examples have no labels"
      raise errors.UserError(f"{role} must be one of {label_names}, got '{name}'")
    return label

  @property
  def main(self) -> Label | None:
    """The label that colours maps and defines clusters: the first of names, not of an open set."""
    closed_sets = [label for label in self.of_kind(NAMES) if not label.open_set]
    return next(iter([*closed_sets, *self.of_kind(NAMES)]), None)

  @property
  def classes(self) -> dict[str, int]:
    """The labels that a classifier can be trained on, with their numbers of values."""
    return {
      label.name: label.num_values
      for label in self.labels
      if label.is_class and not label.open_set and label.low == 0
    }

  def with_names(self, name: str, values: Sequence[str]) -> "Vocabulary":
    """The vocabulary with the names of one label replaced."""
    return Vocabulary(
      tuple(x._replace(names=tuple(values)) if x.name == name else x for x in self.labels)
    )

  def unknown(self, count: int) -> dict[str, np.ndarray]:
    """Unknown labels (-1) of `count` examples."""
    return {
      label.name: np.full(
        (count, *label.value_shape), -1, np.float32 if label.kind == FLAGS else np.int32
      )
      for label in self.labels
    }

  def soften(self, columns: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Labels in a form that can be mixed: numbers as floats, names as one-hot weights.

    Names of an open set are left as indices: two files cannot be mixed.
    """
    soft = {name: np.asarray(column) for name, column in columns.items()}
    for label in self.labels:
      if label.name not in soft or label.open_set:
        continue
      value = soft[label.name]
      if label.kind == NAMES and value.ndim == 1:
        # The weights of an unknown value are 0.
        one_hot = np.eye(len(label.names), dtype=np.float32)[np.maximum(value, 0)]
        soft[label.name] = one_hot * (value >= 0)[:, None].astype(np.float32)
      else:
        soft[label.name] = value.astype(np.float32)
    return soft

  def to_json(self) -> str:
    """Serialises the vocabulary."""
    return json.dumps([label._asdict() for label in self.labels])


def from_json(text: str) -> Vocabulary:
  """Parses the text of `Vocabulary.to_json`.

  Raises:
    ValueError: if the text is no vocabulary.
  """
  try:
    rows = json.loads(text)
    return Vocabulary(tuple(Label(**{**row, "names": tuple(row["names"])}) for row in rows))
  except (TypeError, KeyError) as e:
    raise ValueError(f"not a vocabulary ({errors.one_line(e)})") from None


def select(columns: Mapping[str, Any], vocabulary: Vocabulary) -> dict[str, np.ndarray]:
  """The columns that are labels of a vocabulary, in its order."""
  return {name: np.asarray(columns[name]) for name in vocabulary.names}
