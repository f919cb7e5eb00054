"""Attributes of scores: numbers of windows of tokens, such as note density, mode or syncopation.

`onsets` and `find_notes` convert tokens of windows; the attributes are computed of these, for all
windows at once. What a window does not have, such as the interval of a single note, is NaN.

    line = attributes.onsets(tokens, tokenizer)
    attributes.density(line), attributes.mode(attributes.find_notes(tokens, tokenizer))

Source: five of them are the attributes of MusicVAE (Roberts et al. 2018, section 5.3): C diatonic,
note density, average interval, 16th and 8th note syncopation.
"""

from typing import Any
from typing import NamedTuple

import numpy as np

from cvae_jax.scores import melody
from cvae_jax.scores import trio

STEPS = 16  # to which a density refers: those of a bar of 4/4 in sixteenths
MODES = ("major", "minor")
_C_MAJOR = (0, 2, 4, 5, 7, 9, 11)
# Probe-tone ratings of a key's pitch classes, from the tonic (Krumhansl & Kessler 1982).
_PROFILES = {
  "major": (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88),
  "minor": (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17),
}
_SCALES = np.stack([np.roll(np.isin(np.arange(12), _C_MAJOR), k) for k in range(12)], axis=1)


def _standardise(profile) -> np.ndarray:
  centred = np.asarray(profile) - np.mean(profile)
  return centred / np.linalg.norm(centred)


# [12, 24]: major from C to B, then minor.
_KEYS = np.stack([np.roll(_standardise(_PROFILES[m]), k) for m in MODES for k in range(12)], axis=1)


class Notes(NamedTuple):
  """The notes of M windows of a melody, one after the other.

  Attributes:
    window: [N] windows, in order.
    start: [N] steps within the window, increasing within it.
    duration: [N] steps; a note lasts to the next event, or to the end of the window.
    pitch: [N] MIDI numbers.
    num_windows: M.
    num_steps: L.
  """

  window: np.ndarray
  start: np.ndarray
  duration: np.ndarray
  pitch: np.ndarray
  num_windows: int
  num_steps: int

  def histogram(
    self, values: np.ndarray, size: int, weights: np.ndarray | None = None
  ) -> np.ndarray:
    """[M, size] histograms by window of values ([N] integers, 0 to size - 1), float64."""
    bins = np.bincount(self.window * size + values, weights, self.num_windows * size)
    return bins.reshape(self.num_windows, size).astype(np.float64)


def onsets(tokens: np.ndarray, tokenizer: Any) -> np.ndarray:
  """What begins at each step: [M, L] integers, 0 where nothing does.

  Of a melody a note-on's token, of drums the classes that are struck; of a trio ([M, 3 L] tokens)
  the onsets of its melody.
  """
  if isinstance(tokenizer, trio.Trio):
    tokens, tokenizer = tokenizer.split(tokens)[..., 0], tokenizer.lead
  if isinstance(tokenizer, melody.Melody):
    return np.where(tokens >= melody.FIRST, tokens, 0)
  return tokens


def find_notes(tokens: np.ndarray, tokenizer: Any) -> Notes:
  """Finds the notes of melodies ([M, L] tokens), or of the melodies of trios ([M, 3 L])."""
  if isinstance(tokenizer, trio.Trio):
    tokens, tokenizer = tokenizer.split(tokens)[..., 0], tokenizer.lead
  num_windows, num_steps = tokens.shape
  window, step = np.nonzero(tokens != melody.HOLD)
  end = np.full(len(step), num_steps)
  is_same = window[1:] == window[:-1]
  end[:-1][is_same] = step[1:][is_same]
  token = tokens[window, step]
  is_note = token >= melody.FIRST
  window, step, end = window[is_note], step[is_note], end[is_note]
  pitch = token[is_note] + (tokenizer.min_pitch - melody.FIRST)
  return Notes(window, step, end - step, pitch, num_windows, num_steps)


def _share(count: np.ndarray, total: np.ndarray) -> np.ndarray:
  """Count over total, NaN where there is none."""
  return np.where(total > 0, count / np.maximum(total, 1), np.nan)


def density(line: np.ndarray) -> np.ndarray:
  """[M] onsets in 16 steps, of [M, L] onsets: in a bar of 4/4 in sixteenths.

  Source: MusicVAE's note density counts those of a whole window.
  """
  return (line > 0).sum(axis=1) * (STEPS / line.shape[1])


def off_beat(line: np.ndarray) -> np.ndarray:
  """[M] share of the onsets ([M, L]) that lie on odd steps, from 0."""
  struck = line > 0
  return _share(struck[:, 1::2].sum(axis=1), struck.sum(axis=1))


def syncopation(line: np.ndarray, value_steps: int) -> np.ndarray:
  """[M] share of the onsets that are syncopated at a note value.

  An onset is so if it lies on an odd multiple of the value (2, 6, 10, ... for eighths of two steps)
  and nothing begins at the multiple before, nor at any step between. In sixteenths a value of 1
  gives MusicVAE's 16th note syncopation, and 2 its 8th note syncopation.

  Args:
    line: [M, L] onsets.
    value_steps: steps of the note value.

  Source: the online supplement of Roberts et al. 2018: off-beat onsets without one at the 16th
  before, and for eighths neither at the 16th nor at the 8th before, over all onsets.
  """
  struck = line > 0
  found = struck.copy()
  for back in range(1, value_steps + 1):
    found[:, back:] &= ~struck[:, :-back]
  return _share(found[:, value_steps :: 2 * value_steps].sum(axis=1), struck.sum(axis=1))


def repeated_beats(line: np.ndarray, bar_steps: int, beat_steps: int) -> np.ndarray:
  """[M] share of the beats after the first bar whose onsets are those of the same beat there.

  Beats are counted that have an onset in either bar; NaN where there are none.

  Args:
    line: [M, L] onsets, of whole bars.
    bar_steps: steps of a bar.
    beat_steps: steps of a beat, of which a bar is a multiple.
  """
  beats = line.reshape(len(line), -1, bar_steps // beat_steps, beat_steps)
  first, later = beats[:, :1], beats[:, 1:]
  is_used = (first > 0).any(axis=3) | (later > 0).any(axis=3)
  is_equal = (first == later).all(axis=3) & is_used
  return _share(is_equal.sum(axis=(1, 2)), is_used.sum(axis=(1, 2)))


def repeated_bars(line: np.ndarray, bar_steps: int) -> np.ndarray:
  """[M] share of the bars after the first whose onsets are those of an earlier bar of the window.

  Bars without an onset are left out; NaN where there are no others.

  Args:
    line: [M, L] onsets, of whole bars.
    bar_steps: steps of a bar.
  """
  bars = line.reshape(len(line), -1, bar_steps)
  is_used = (bars[:, 1:] > 0).any(axis=2)
  is_repeated = np.zeros_like(is_used)
  for lag in range(1, bars.shape[1]):
    is_repeated[:, lag - 1 :] |= (bars[:, lag:] == bars[:, :-lag]).all(axis=2)
  return _share((is_repeated & is_used).sum(axis=1), is_used.sum(axis=1))


def interval(notes: Notes) -> np.ndarray:
  """[M] mean absolute interval of successive notes in semitones; MusicVAE's average interval."""
  is_same = notes.window[1:] == notes.window[:-1]
  windows, size = notes.window[1:][is_same], notes.num_windows
  total = np.bincount(windows, np.abs(np.diff(notes.pitch))[is_same], size)
  return _share(total, np.bincount(windows, minlength=size))


def pitch_range(notes: Notes) -> np.ndarray:
  """[M] semitones from the lowest to the highest note."""
  low, high = np.full(notes.num_windows, np.inf), np.full(notes.num_windows, -np.inf)
  np.minimum.at(low, notes.window, notes.pitch)
  np.maximum.at(high, notes.window, notes.pitch)
  return np.where(low <= high, high - low, np.nan)


def c_diatonic(notes: Notes) -> np.ndarray:
  """[M] share of the notes in C major's scale; MusicVAE's C diatonic."""
  counts = notes.histogram(notes.pitch % 12, 12)
  return _share(counts @ _SCALES[:, 0], counts.sum(axis=1))


def diatonic(notes: Notes) -> np.ndarray:
  """[M] share of the notes in the major scale that has most of them: at any transposition."""
  counts = notes.histogram(notes.pitch % 12, 12)
  return _share((counts @ _SCALES).max(axis=1), counts.sum(axis=1))


def key(notes: Notes) -> np.ndarray:
  """[M] the key: 0 to 11 for major keys from C to B, 12 to 23 for minor ones.

  That whose profile correlates most with the durations of the pitch classes; the first of equals,
  0 where there are no notes.

  Source: Krumhansl & Kessler 1982, the profiles; Krumhansl 1990, chapter 4, the algorithm.
  """
  durations = notes.histogram(notes.pitch % 12, 12, notes.duration)
  # A window's norm scales its 24 correlations alike. Rounded, since sums in another order differ.
  return np.argmax(np.round((durations - durations.mean(axis=1, keepdims=True)) @ _KEYS, 9), axis=1)


def mode(notes: Notes) -> np.ndarray:
  """[M] indices into `MODES`: the mode of the `key`."""
  return key(notes) // 12
