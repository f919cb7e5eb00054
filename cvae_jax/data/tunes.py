"""What data sets of scores share: their fields, their form, and the windows of their tunes."""

from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import ml_collections
import numpy as np

from cvae_jax import scores
from cvae_jax.core import errors
from cvae_jax.data import forms
from cvae_jax.data import sources
from cvae_jax.data import vocabulary as vocabulary_lib
from cvae_jax.scores import chords as chord_lib
from cvae_jax.scores import drum_tokens
from cvae_jax.scores import grid
from cvae_jax.scores import melody
from cvae_jax.scores import performance
from cvae_jax.scores import trio

MELODY, DRUMS, TRIO, PERFORMANCE = "melody", "drums", "trio", "performance"
KINDS = (MELODY, DRUMS, TRIO)  # on a grid of steps
_MAX_TOKENS = 100_000


def get_config() -> ml_collections.ConfigDict:
  """The fields that data sets of scores share."""
  config = ml_collections.ConfigDict()
  config.scores = settings = ml_collections.ConfigDict()
  settings.kind = MELODY  # melody, drums, trio; of folder_scores also performance
  settings.bars = 2  # of an example
  settings.meter = "4/4"  # of the bars
  settings.steps_per_quarter = 4  # 4 for sixteenths; 6 for these triplets and eighths
  settings.min_pitch = 21  # MIDI number
  settings.max_pitch = 108  # MIDI number
  return config


def parse_meter(text: str) -> tuple[int, int]:
  """The numerator and denominator of a metre such as '6/8'.

  Raises:
    UserError: if it is none.
  """
  top, _, bottom = text.partition("/")
  if not (top.isdecimal() and bottom in ("1", "2", "4", "8", "16", "32") and 1 <= int(top) <= 64):
    raise errors.UserError(f"data.scores.meter must be a metre such as 4/4 or 6/8, got '{text}'")
  return int(top), int(bottom)


def bar_steps(settings: ml_collections.ConfigDict) -> int:
  """Steps of a bar.

  Args:
    settings: the `data.scores` section of a config.

  Raises:
    UserError: if the tokens cannot represent bars of this metre.
  """
  if not 1 <= settings.steps_per_quarter <= 96:
    raise errors.UserError(
      f"data.scores.steps_per_quarter must be 1-96, got {settings.steps_per_quarter}"
    )
  steps = grid.bar_steps(parse_meter(settings.meter), settings.steps_per_quarter)
  if not steps:
    raise errors.UserError(
      f"a bar of {settings.meter} is no whole number of steps of a quarter note's "
      f"1/{settings.steps_per_quarter}: change data.scores.steps_per_quarter"
    )
  return steps


def beat_steps(settings: ml_collections.ConfigDict) -> int:
  """Steps of a beat: of a dotted quarter where the metre is compound, as 6/8, else a quarter.

  Args:
    settings: the `data.scores` section of a config.
  """
  top, bottom = parse_meter(settings.meter)
  is_compound = bottom >= 8 and top % 3 == 0 and top > 3
  return settings.steps_per_quarter * 3 // 2 if is_compound else settings.steps_per_quarter


def make_tokenizer(settings: ml_collections.ConfigDict) -> scores.Tokenizer:
  """The tokenizer of `data.scores.kind`, one of `KINDS`.

  Raises:
    UserError: if the kind or the range of pitches cannot be used.
  """
  low, high = settings.min_pitch, settings.max_pitch
  if not 0 <= low <= high <= 127:
    raise errors.UserError(
      f"data.scores.min_pitch and max_pitch must be 0-127 in this order, got {low} and {high}"
    )
  step_s = 60.0 / scores.GRID_QPM / settings.steps_per_quarter
  if settings.kind == DRUMS:
    return drum_tokens.Drums(step_s)
  if settings.kind == TRIO:
    return trio.Trio(low, high, step_s)
  if settings.kind == MELODY:
    return melody.Melody(low, high, step_s)
  kinds = (*KINDS, PERFORMANCE) if "events" in settings else KINDS
  raise errors.UserError(
    f"data.scores.kind must be one of {', '.join(kinds)}, got '{settings.kind}'"
  )


def make_form(config: ml_collections.ConfigDict) -> forms.Score:
  """Scores of `data.scores.bars` bars, on a grid, or of `data.scores.events` of a performance.

  Args:
    config: the `data` section of a config.

  Raises:
    UserError: if the tokens cannot represent what the fields say.
  """
  settings = config.scores
  if settings.kind == PERFORMANCE and "events" in settings:
    if not 0 < settings.events <= _MAX_TOKENS or settings.hop < 1:
      raise errors.UserError(
        f"data.scores.events must be 1-{_MAX_TOKENS} and hop 1 or more, got {settings.events} and "
        f"{settings.hop}"
      )
    return forms.Score(settings.events, performance.Performance())
  num_tokens = settings.bars * bar_steps(settings) * (3 if settings.kind == TRIO else 1)
  if not 0 < num_tokens <= _MAX_TOKENS:
    raise errors.UserError(
      f"data.scores.bars must give 1-{_MAX_TOKENS} tokens, got {settings.bars} of {num_tokens}"
    )
  return forms.Score(num_tokens, make_tokenizer(settings))


class Windows(sources.Source):
  """Windows of tunes, of which training draws some anew at each step, transposed.

  A tune has up to `max_windows` rows, each for an equal share of its windows in order. In training
  a row is a window of its share, drawn by the seed, transposed by a number of semitones that is
  drawn as well; in evaluation it is the first window of its share.

  Args:
    form: of the windows.
    tokens: of all tunes, one after the other, in any integer type.
    starts: [W] first tokens of the windows.
    tunes: [W] indices of the tunes, in order.
    names: of the tunes.
    max_windows: rows of a tune at most; 0 for all of its windows.
    transpose: largest transposition in semitones, up or down, within the range of the tokens.
    vocabulary: of the labels.
    columns: label values by tune.
    measure: labels of the windows themselves, by name: of the one that is drawn in training, and
      in `labels` of the first one.
    chords: of all tokens, as of `scores.chords`; None without.
    chord_labels: names of the labels of equal parts of a window that are its chords.
  """

  def __init__(
    self,
    form: forms.Score,
    tokens: np.ndarray,
    starts: np.ndarray,
    tunes: np.ndarray,
    names: list[str],
    max_windows: int = 0,
    transpose: int = 0,
    vocabulary: vocabulary_lib.Vocabulary | None = None,
    columns: dict[str, np.ndarray] | None = None,
    measure: Callable[[np.ndarray], dict[str, np.ndarray]] | None = None,
    chords: np.ndarray | None = None,
    chord_labels: tuple[str, ...] = (),
  ):
    self._chords, self._chord_labels = chords, chord_labels
    self.form, self._measure = form, measure
    self._num_tokens = form.num_tokens
    self._tokenizer: Any = form.tokenizer
    self.vocabulary = vocabulary or vocabulary_lib.Vocabulary()
    self._tokens, self._starts, self._transpose = tokens, starts, transpose
    used, first, counts = np.unique(tunes, return_index=True, return_counts=True)
    rows = np.minimum(counts, max_windows) if max_windows else counts
    tune = np.repeat(np.arange(len(used)), rows)
    slot = np.arange(rows.sum()) - np.repeat(np.cumsum(rows) - rows, rows)
    self._begin = first[tune] + slot * counts[tune] // rows[tune]
    self._end = first[tune] + (slot + 1) * counts[tune] // rows[tune]
    self.is_random = transpose > 0 or bool((self._end - self._begin > 1).any())
    values = {name: column[used[tune]] for name, column in (columns or {}).items()}
    if measure is not None:
      values |= measure(np.stack([self._window(int(first)) for first in self._begin]))
    if chord_labels:
      of_rows = [self._chords_of(int(first)) for first in self._begin]
      values |= {name: np.stack([row[name] for row in of_rows]) for name in chord_labels}
    ids = [f"{names[used[t]]}:{number}" for t, number in zip(tune, slot, strict=True)]
    self.labels = {"id": np.asarray(ids), **vocabulary_lib.select(values, self.vocabulary)}

  def stored(self, index: int, seed: int | None = None) -> dict[str, Any]:
    """See `sources.Source.stored`."""
    return self.stored_many([index], [seed])[0]

  def stored_many(
    self, indices: Sequence[int], seeds: Sequence[int | None]
  ) -> list[dict[str, Any]]:
    """See `sources.Source.stored_many`; windows are measured together."""
    drawn = [self._draw(index, seed) for index, seed in zip(indices, seeds, strict=True)]
    tokens = [values for values, _, _ in drawn]
    rows = [{name: column[index] for name, column in self.labels.items()} for index in indices]
    if self._measure is not None and any(seed is not None for seed in seeds):
      for name, column in self._measure(np.stack(tokens)).items():
        for row, value in zip(rows, column, strict=True):
          row[name] = value
    for row, (_, number, semitones) in zip(rows, drawn, strict=True):
      row |= self._chords_of(number, semitones)
    return [{**row, self.form.key: values} for row, values in zip(rows, tokens, strict=True)]

  def variants(self, index: int) -> np.ndarray:
    """See `sources.Source.variants`."""
    return np.stack([self._window(n) for n in range(self._begin[index], self._end[index])])

  def _draw(self, index: int, seed: int | None) -> tuple[np.ndarray, int, int]:
    """The window of a row that a seed draws, or its first one; its number and transposition."""
    first = int(self._begin[index])
    if seed is None:
      return self._window(first), first, 0
    rng = np.random.default_rng(seed)
    number, shift, semitones = int(rng.integers(first, self._end[index])), rng.random(), 0
    tokens = self._window(number)
    if self._transpose:
      low, high = self._tokenizer.shifts(tokens, self._transpose)
      semitones = low + int(shift * (high - low + 1))
      tokens = self._tokenizer.transpose(tokens, semitones)
    return tokens, number, semitones

  def _chords_of(self, number: int, semitones: int = 0) -> dict[str, np.ndarray]:
    """The chords of a window, transposed, by label."""
    if not self._chord_labels or self._chords is None:
      return {}
    start, step = int(self._starts[number]), self._num_tokens // len(self._chord_labels)
    found = self._chords[start : start + self._num_tokens : step].astype(np.int32)
    return dict(zip(self._chord_labels, chord_lib.transpose(found, semitones), strict=True))

  def _window(self, number: int) -> np.ndarray:
    """The tokens of a window."""
    start = int(self._starts[number])
    return clean(self._tokens[start : start + self._num_tokens].astype(np.int32), self._tokenizer)


def clean(tokens: np.ndarray, tokenizer: scores.Tokenizer) -> np.ndarray:
  """Tokens of windows ([..., L]) without the ends of notes from before, see `grid.clean`."""
  if isinstance(tokenizer, melody.Melody):
    return grid.clean(tokens).astype(np.int32)
  if isinstance(tokenizer, trio.Trio):
    voices = tokenizer.split(tokens)
    lines = np.moveaxis(voices[..., :2], -1, 0)
    voices[..., :2] = np.moveaxis(grid.clean(lines), 0, -1)
    return tokenizer.join(voices)
  return tokens


def has_notes(tokens: np.ndarray, tokenizer: scores.Tokenizer) -> bool:
  """Whether a window has a note; of a trio, whether each voice has one."""
  if isinstance(tokenizer, trio.Trio):
    voices = tokenizer.split(tokens)
    return bool((voices.max(0) >= (melody.FIRST, melody.FIRST, 1)).all())
  if isinstance(tokenizer, performance.Performance):
    return bool(len(_struck(tokens)))
  return bool(tokens.max() >= (melody.FIRST if isinstance(tokenizer, melody.Melody) else 1))


def lead_pitches(tokens: np.ndarray, tokenizer: scores.Tokenizer) -> np.ndarray | None:
  """[M] pitches of the notes of a melody, a performance, or the melody of a trio; None of drums."""
  if isinstance(tokenizer, performance.Performance):
    return _struck(tokens)
  if isinstance(tokenizer, trio.Trio):
    tokens = tokenizer.split(tokens)[:, 0]
  elif not isinstance(tokenizer, melody.Melody):
    return None
  return tokens[tokens >= melody.FIRST] + (tokenizer.min_pitch - melody.FIRST)


def _struck(tokens: np.ndarray) -> np.ndarray:
  """[M] pitches of the note-ons of a performance."""
  is_start = (tokens >= performance.NOTE_ON) & (tokens < performance.SHIFT)
  return tokens[is_start] - performance.NOTE_ON
