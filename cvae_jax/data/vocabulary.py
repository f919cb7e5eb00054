"""Labels as data: what the labels of a data set are, and what values they take.

A data set has a vocabulary: NSynth's six labels, the kind of a drum, the file that an excerpt is
from, or none at all. Conditions, commands, the page, probes and the classifier of the measures
follow from it. A label of one example is an integer (a real number between two of them where that
means something), or a vector of 0 and 1 for flags; a negative value is unknown.

Two names have a meaning of their own wherever they occur: 'pitch' is a MIDI number, by which there
is a keyboard, and 'velocity' a MIDI velocity, by which a sound has a level.
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
    name: of the label; a Python identifier, since commands have a flag of that name.
    kind: 'names' (one of them), 'number' (in a range), 'flags' (any of them).
    names: of the values, for names and flags.
    low: lowest number, 0 or more.
    high: highest number.
    one_hot: whether a condition has an entry for each number, rather than one that grows.
    between: whether numbers between two integers mean something.
    open_set: whether held-out examples have other names than training examples: instruments, files.
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
    """Classes of a name or a number, or how many flags."""
    return self.high - self.low + 1 if self.kind == NUMBER else len(self.names)

  @property
  def is_class(self) -> bool:
    """Whether a condition has an entry for each value, of which one is set."""
    return self.kind == NAMES or self.one_hot

  @property
  def value_shape(self) -> tuple[int, ...]:
    """Of one example's value."""
    return (len(self.names),) if self.kind == FLAGS else ()

  @property
  def weight_shape(self) -> tuple[int, ...]:
    """Of one example's value where values can be mixed: weights of names, a number as it is."""
    return () if self.kind == NUMBER else (len(self.names),)

  def index_of(self, value: str | int) -> int:
    """The index of a name, or of a number that stands for one.

    Raises:
      UserError: one line that names what was asked for and what there is.
    """
    if isinstance(value, str) and value in self.names:
      return self.names.index(value)
    if not isinstance(value, str) and 0 <= int(value) < len(self.names):
      return int(value)
    shown = ", ".join(self.names[:20]) + (", ..." if len(self.names) > 20 else "")
    raise errors.UserError(f"{self.name} must be one of {shown}, got '{value}'")

  def parse_number(self, value: Any) -> int | np.float32:
    """A number in the label's range.

    Raises:
      UserError: what is no number, or lies outside.
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
    """A value in words: a name, a mix of names with percentages, a number, flags."""
    if self.kind == NUMBER:
      return "any" if value < 0 else f"{float(value):g}"
    if np.ndim(value):
      chosen = np.flatnonzero(np.asarray(value) > 0)
      if self.kind == FLAGS:
        return "+".join(self.names[i] for i in chosen) or "none"
      return "-".join(f"{self.names[i]}{100 * value[i]:.0f}" for i in chosen)
    return self.names[int(value)] if value >= 0 else "any"


class Vocabulary(NamedTuple):
  """The labels of a data set, in order.

  Attributes:
    labels: of it; their names differ.
  """

  labels: tuple[Label, ...] = ()

  @property
  def names(self) -> tuple[str, ...]:
    """Of the labels."""
    return tuple(label.name for label in self.labels)

  def of_kind(self, kind: str) -> Iterator[Label]:
    """The labels of a kind."""
    return (label for label in self.labels if label.kind == kind)

  def find(self, name: str) -> Label | None:
    """The label of a name; None without one."""
    return next((label for label in self.labels if label.name == name), None)

  def get(self, name: str, what: str = "label") -> Label:
    """The label of a name.

    Args:
      name: of the label.
      what: it is, for the message.

    Raises:
      UserError: a name that is no label.
    """
    label = self.find(name)
    if label is None:
      known = ", ".join(self.names) or "none: these examples have no labels"
      raise errors.UserError(f"{what} must be one of {known}, got '{name}'")
    return label

  @property
  def main(self) -> Label | None:
    """The label that colours a map and names a cluster: the first whose names are shared by all."""
    shared = [label for label in self.of_kind(NAMES) if not label.open_set]
    return next(iter([*shared, *self.of_kind(NAMES)]), None)

  @property
  def classes(self) -> dict[str, int]:
    """What a classifier can be trained to tell: label to its number of values."""
    return {
      label.name: label.num_values
      for label in self.labels
      if label.is_class and not label.open_set and label.low == 0
    }

  def with_names(self, name: str, values: Sequence[str]) -> "Vocabulary":
    """The vocabulary with other names of one label."""
    return Vocabulary(
      tuple(x._replace(names=tuple(values)) if x.name == name else x for x in self.labels)
    )

  def unknown(self, count: int) -> dict[str, np.ndarray]:
    """Labels of `count` examples of which nothing is known."""
    return {
      label.name: np.full(
        (count, *label.value_shape), -1, np.float32 if label.kind == FLAGS else np.int32
      )
      for label in self.labels
    }

  def soften(self, columns: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Labels that can be mixed: numbers as floats, shared names as weights.

    Names of an open set stay as they are: there is nothing between two files.
    """
    soft = {name: np.asarray(column) for name, column in columns.items()}
    for label in self.labels:
      if label.name not in soft or label.open_set:
        continue
      value = soft[label.name]
      if label.kind == NAMES and value.ndim == 1:
        # An unknown one has no weights.
        known = np.eye(len(label.names), dtype=np.float32)[np.maximum(value, 0)]
        soft[label.name] = known * (value >= 0)[:, None].astype(np.float32)
      else:
        soft[label.name] = value.astype(np.float32)
    return soft

  def to_json(self) -> str:
    """The vocabulary as text."""
    return json.dumps([label._asdict() for label in self.labels])


def from_json(text: str) -> Vocabulary:
  """The vocabulary of `Vocabulary.to_json`.

  Raises:
    ValueError: a text that is none.
  """
  try:
    rows = json.loads(text)
    return Vocabulary(tuple(Label(**{**row, "names": tuple(row["names"])}) for row in rows))
  except (TypeError, KeyError) as e:
    raise ValueError(f"no vocabulary ({errors.one_line(e)})") from None


def select(columns: Mapping[str, Any], vocabulary: Vocabulary) -> dict[str, np.ndarray]:
  """The columns that are labels of a vocabulary, in its order."""
  return {name: np.asarray(columns[name]) for name in vocabulary.names}
