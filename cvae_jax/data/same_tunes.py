"""Finds tunes that share music, at any transposition, so that no split has what another has."""

from collections.abc import Sequence

import numpy as np

INTERVALS, STEPS = 16, 64  # successive values that two melodies, or drums, share if they are one
_DIFFERENT = 4  # of which so many differ: repeated notes and trills are in many tunes


def intervals(pitches: np.ndarray) -> np.ndarray:
  """[M] MIDI numbers to [M - 1] semitones, int8."""
  return np.diff(pitches).clip(-127, 127).astype(np.int8)


def group(lines: Sequence[Sequence[np.ndarray]], length: int = INTERVALS) -> list[int]:
  """Groups tunes that share so many successive values, or all of a shorter line.

  A tune in another key, with other repeats or in another rhythm is then the same one.

  Args:
    lines: of each tune, the [M] values that are compared: the intervals of its melodies, or the
      tokens of its drums.
    length: number of successive values, `INTERVALS` or `STEPS`.

  Returns:
    The index of each tune's group: of its first tune.
  """
  parent = list(range(len(lines)))

  def root(tune: int) -> int:
    while parent[tune] != tune:
      parent[tune] = parent[parent[tune]]
      tune = parent[tune]
    return tune

  first_with: dict[bytes, int] = {}
  for tune, tune_lines in enumerate(lines):
    for values in tune_lines:
      for key in _keys(values, length):
        other = first_with.setdefault(key, tune)
        if other != tune:
          a, b = sorted((root(other), root(tune)))
          parent[b] = a
  return [root(tune) for tune in range(len(lines))]


def _keys(values: np.ndarray, length: int) -> set[bytes]:
  """What is looked up of a line."""
  if len(values) < length:
    return {values.tobytes()} if len(values) else set()
  runs = np.lib.stride_tricks.sliding_window_view(values, length)
  ordered = np.sort(runs, axis=1)
  keep = (np.diff(ordered, axis=1) != 0).sum(1) + 1 >= _DIFFERENT
  return {row.tobytes() for row in runs[keep]}
