"""Labels that are measured of windows of scores: their `attributes`, as names and whole numbers.

The names, kinds and units are those of `synth_scores`, where it has the label: a run can be
conditioned on the same of either. A number beyond a label's range becomes the end of the range; one
that a window does not have, such as the interval of a single note, is unknown (-1).
"""

from collections.abc import Callable
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import ml_collections
import numpy as np

from cvae_jax.core import errors
from cvae_jax.data import tunes
from cvae_jax.data import vocabulary as vocabulary_lib
from cvae_jax.scores import attributes
from cvae_jax.scores import chords

CHORD = "chord"  # beginning of the names of labels of chords
_CHUNK = 4096  # windows that are measured at once
_PERCENT = 100.0
_TENTHS = 10.0  # of a semitone


class Window(NamedTuple):
  """What attributes are computed of, for M windows.

  Attributes:
    line: [M, L] onsets, see `attributes.onsets`.
    notes: of melodies; None of drums.
    settings: the `data.scores` section of a config.
  """

  line: np.ndarray
  notes: Any
  settings: ml_collections.ConfigDict

  @property
  def quarter(self) -> int:
    """Steps of a quarter note."""
    return self.settings.steps_per_quarter


class Attribute(NamedTuple):
  """An attribute as a label.

  Attributes:
    measure: windows to [M] values, NaN where a window has none.
    high: largest number; the lowest is 0.
    scale: by which values are multiplied to be numbers of the label.
    names: of the values, for a label of names.
    of_drums: whether drums have it.
    divisor: of the steps of a quarter note, which have to be a multiple.
  """

  measure: Callable[[Window], np.ndarray]
  high: int = 0
  scale: float = 1.0
  names: tuple[str, ...] = ()
  of_drums: bool = False
  divisor: int = 1


def _repetition(window: Window) -> np.ndarray:
  settings = window.settings
  bar, beat = tunes.bar_steps(settings), tunes.beat_steps(settings)
  return attributes.repeated_beats(window.line, bar, beat)


ATTRIBUTES: dict[str, Attribute] = {
  "mode": Attribute(lambda x: attributes.mode(x.notes), names=attributes.MODES),
  "density": Attribute(lambda x: attributes.density(x.line), 16, of_drums=True),
  "range": Attribute(lambda x: attributes.pitch_range(x.notes), 48),
  "syncopation": Attribute(lambda x: attributes.off_beat(x.line), 100, _PERCENT, of_drums=True),
  "repetition": Attribute(_repetition, 100, _PERCENT, of_drums=True),
  "interval": Attribute(lambda x: attributes.interval(x.notes), 120, _TENTHS),
  "diatonic": Attribute(lambda x: attributes.diatonic(x.notes), 100, _PERCENT),
  "c_diatonic": Attribute(lambda x: attributes.c_diatonic(x.notes), 100, _PERCENT),
  "syncopation_16th": Attribute(
    lambda x: attributes.syncopation(x.line, x.quarter // 4), 100, _PERCENT, (), True, 4
  ),
  "syncopation_8th": Attribute(
    lambda x: attributes.syncopation(x.line, x.quarter // 2), 100, _PERCENT, (), True, 2
  ),
}


def check(settings: ml_collections.ConfigDict) -> None:
  """Raises UserError for `data.scores.labels` that these scores cannot have."""
  names = tuple(settings.labels)
  if names and settings.kind not in tunes.KINDS:
    raise errors.UserError(
      f"data.scores.labels must be () for {settings.kind}: they are measured on a grid of steps"
    )
  is_drums = settings.kind == tunes.DRUMS
  known = [name for name, x in ATTRIBUTES.items() if x.of_drums or not is_drums]
  for name in names:
    if name not in known:
      raise errors.UserError(
        f"data.scores.labels must be of {', '.join(known)} for {settings.kind}, got '{name}'"
      )
    if names.count(name) > 1:
      raise errors.UserError(f"data.scores.labels names '{name}' twice")
    if settings.steps_per_quarter % ATTRIBUTES[name].divisor:
      raise errors.UserError(
        f"the label {name} needs a data.scores.steps_per_quarter that is a multiple of "
        f"{ATTRIBUTES[name].divisor}, got {settings.steps_per_quarter}"
      )
  if "repetition" in names and settings.bars < 2:
    raise errors.UserError("the label repetition needs data.scores.bars of 2 or more, got 1")
  if "repetition" in names and tunes.bar_steps(settings) % tunes.beat_steps(settings):
    raise errors.UserError(
      f"the label repetition needs bars of whole beats, got data.scores.meter={settings.meter}"
    )


def make_labels(names: Sequence[str]) -> tuple[vocabulary_lib.Label, ...]:
  """The labels of a vocabulary, of names in `ATTRIBUTES`."""
  return tuple(
    vocabulary_lib.Label(name, vocabulary_lib.NAMES, x.names)
    if x.names
    else vocabulary_lib.Label(name, vocabulary_lib.NUMBER, high=x.high, between=x.scale > 1.0)
    for name, x in ((name, ATTRIBUTES[name]) for name in names)
  )


def make_chord_labels(settings: ml_collections.ConfigDict) -> tuple[vocabulary_lib.Label, ...]:
  """Labels chord_1, chord_2, ... of `data.scores.chords` parts of every bar; () for none."""
  count = settings.get("chords", 0) * settings.bars
  name = lambda number: f"{CHORD}_{number + 1}"
  return tuple(
    vocabulary_lib.Label(name(i), vocabulary_lib.NAMES, chords.NAMES) for i in range(count)
  )


def measure(
  tokens: np.ndarray,
  tokenizer: Any,
  settings: ml_collections.ConfigDict,
  names: Sequence[str],
) -> dict[str, np.ndarray]:
  """Measures the labels of windows.

  Args:
    tokens: [M, L] windows.
    tokenizer: of the tokens.
    settings: the `data.scores` section of a config.
    names: of the labels, of `ATTRIBUTES`.

  Returns:
    [M] int32 of each label: indices of names, or numbers rounded to the nearest.
  """
  is_drums = settings.kind == tunes.DRUMS
  parts = []
  for first in range(0, len(tokens), _CHUNK):
    chunk = tokens[first : first + _CHUNK]
    notes = None if is_drums else attributes.find_notes(chunk, tokenizer)
    window = Window(attributes.onsets(chunk, tokenizer), notes, settings)
    parts.append([_to_numbers(ATTRIBUTES[name], window) for name in names])
  return {name: np.concatenate([part[i] for part in parts]) for i, name in enumerate(names)}


def _to_numbers(attribute: Attribute, window: Window) -> np.ndarray:
  """[M] int32 of a label."""
  values = np.floor(attribute.measure(window) * attribute.scale + 0.5)
  if not attribute.names:
    values = np.minimum(values, attribute.high)
  return np.where(np.isnan(values), -1, values).astype(np.int32)
