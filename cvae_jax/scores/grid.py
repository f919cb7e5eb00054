"""Pieces on a grid of steps: quantisation, lines of melody and drums, and windows of them.

Source: the data of MusicVAE (Roberts et al. 2018, section 4.1) and its pipeline in note-seq:
sections of one tempo and metre, melodies that end with a bar of silence, the highest note where
several start, windows that slide by a bar, each once per piece.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from cvae_jax.scores import chords as chord_lib
from cvae_jax.scores import drum_tokens
from cvae_jax.scores import melody as melody_lib
from cvae_jax.scores import piece as piece_lib
from cvae_jax.scores import trio as trio_lib


class Grid(NamedTuple):
  """The notes of a section in steps from its start.

  Attributes:
    starts: [M] steps.
    ends: [M] steps, later than the starts.
    notes: [M] of `piece.NOTE`, for their pitches, programs and parts.
    bar_steps: steps of a bar.
    num_steps: steps of the section, rounded up to whole bars.
  """

  starts: np.ndarray
  ends: np.ndarray
  notes: np.ndarray
  bar_steps: int
  num_steps: int


def bar_steps(meter: tuple[int, int], steps_per_quarter: int) -> int:
  """Steps of a bar; 0 if the metre's bar is no whole number of steps."""
  steps, rest = divmod(4 * steps_per_quarter * meter[0], meter[1])
  return 0 if rest else steps


def quantise(
  piece: piece_lib.Piece, section: piece_lib.Section, steps_per_quarter: int
) -> Grid | None:
  """Quantises the notes that start in a section to the nearest step; they last one at least.

  Returns:
    None if the bars of the section's metre are no whole number of steps.
  """
  per_bar = bar_steps(section.meter, steps_per_quarter)
  if not per_bar:
    return None
  notes = piece.notes
  if (section.start, section.end) != (0, piece.end):
    notes = notes[(notes["start"] >= section.start) & (notes["start"] < section.end)]
  to_steps = lambda ticks: _nearest(ticks - section.start, steps_per_quarter, piece)
  starts = to_steps(notes["start"].astype(np.int64))
  ends = to_steps(np.minimum(notes["end"], section.end).astype(np.int64))
  ends = np.maximum(ends, starts + 1)
  last = max(int(to_steps(section.end)), int(ends.max(initial=0)))
  return Grid(starts, ends, notes, per_bar, -(-last // per_bar) * per_bar)


def _nearest(ticks, steps_per_quarter: int, piece: piece_lib.Piece):
  """The nearest step of ticks, the later one of two."""
  return (2 * ticks * steps_per_quarter + piece.ticks_per_quarter) // (2 * piece.ticks_per_quarter)


def chords(
  piece: piece_lib.Piece, section: piece_lib.Section, steps_per_quarter: int, num_steps: int
) -> np.ndarray:
  """The chord symbols of a section by step; one that is before the section holds in it.

  Args:
    piece: with chord symbols; without any there is no chord.
    section: of the piece.
    steps_per_quarter: as of `quantise`.
    num_steps: L.

  Returns:
    [L] int8 indices into `chords.NAMES`.
  """
  ticks, symbols = piece.chords
  starts = _nearest(ticks - section.start, steps_per_quarter, piece)
  rows = np.searchsorted(starts, np.arange(num_steps), "right")
  return np.concatenate([[chord_lib.NO_CHORD], symbols]).astype(np.int8)[rows]


def melodies(
  grid: Grid,
  tokenizer: melody_lib.Melody,
  programs: tuple[int, int] = trio_lib.MELODY_PROGRAMS,
  gap_bars: int = 1,
) -> Iterator[tuple[int, np.ndarray]]:
  """Extracts the melodies of each part.

  Args:
    grid: of a section.
    tokenizer: of melodies; notes out of its range are left out.
    programs: first and last of the parts that are used.
    gap_bars: bars of silence that end a melody.

  Yields:
    First step, at a bar line, and tokens of whole bars.
  """
  notes = grid.notes
  numbers = notes["program"]
  used = ~notes["is_drum"] & (numbers >= programs[0]) & (numbers <= programs[1])
  parts = notes["part"]
  for part in sorted(set(parts[used].tolist())):
    rows = np.flatnonzero(used & (parts == part))
    pitches = notes["pitch"][rows].astype(np.int64)
    starts, ends, pitches = melody_lib.single_line(
      grid.starts[rows], grid.ends[rows], pitches, tokenizer
    )
    if not len(starts):
      continue
    gaps = np.flatnonzero(starts[1:] - ends[:-1] >= gap_bars * grid.bar_steps) + 1
    for first, last in zip([0, *gaps.tolist()], [*gaps.tolist(), len(starts)], strict=True):
      begin = int(starts[first]) // grid.bar_steps * grid.bar_steps
      length = -(-(int(ends[last - 1]) - begin) // grid.bar_steps) * grid.bar_steps
      line = (starts[first:last] - begin, ends[first:last] - begin, pitches[first:last])
      yield begin, tokenizer.encode_steps(*line, length)


def drums(grid: Grid, gap_bars: int = 1) -> Iterator[tuple[int, np.ndarray]]:
  """Extracts the drums, all parts of percussion as one; as `melodies`."""
  strokes = grid.notes["is_drum"]
  strokes = strokes & np.isin(grid.notes["pitch"], list(drum_tokens.CLASS_OF))
  starts, keys = grid.starts[strokes], grid.notes["pitch"][strokes]
  if not len(starts):
    return
  length = -(-(int(starts.max()) + 1) // grid.bar_steps) * grid.bar_steps
  tokens = drum_tokens.encode_steps(starts, keys, length)
  steps = np.flatnonzero(tokens)
  gaps = np.flatnonzero(np.diff(steps) - 1 >= gap_bars * grid.bar_steps) + 1
  for group in np.split(steps, gaps):
    begin = int(group[0]) // grid.bar_steps * grid.bar_steps
    end = (int(group[-1]) // grid.bar_steps + 1) * grid.bar_steps
    yield begin, tokens[begin:end]


def trios(
  grid: Grid, tokenizer: trio_lib.Trio, gap_bars: int = 2
) -> Iterator[tuple[int, np.ndarray]]:
  """Extracts every melody with every bass that sounds with it, and the drums; as `melodies`.

  A trio lasts while all three voices do.
  """
  beats = list(drums(grid, gap_bars))
  basses = list(melodies(grid, tokenizer.bass, trio_lib.BASS_PROGRAMS, gap_bars)) if beats else []
  leads = list(melodies(grid, tokenizer.lead, gap_bars=gap_bars)) if basses else []
  for voices in ((a, b, c) for a in leads for b in basses for c in beats):
    begin = max(start for start, _ in voices)
    end = min(start + len(tokens) for start, tokens in voices)
    if begin < end:
      columns = [_cut(tokens, begin - start, end - start) for start, tokens in voices[:2]]
      start, tokens = voices[2]
      columns.append(tokens[begin - start : end - start])
      yield begin, tokenizer.join(np.stack(columns, axis=-1))


def _cut(tokens: np.ndarray, begin: int, end: int) -> np.ndarray:
  """Steps of a melody, see `clean`."""
  return clean(tokens[begin:end])


def clean(tokens: np.ndarray) -> np.ndarray:
  """Tokens of a melody ([..., L]) without note-offs before the first note, which end nothing.

  A window that starts within a note starts with no event, as in note-seq.
  """
  before = ~np.logical_or.accumulate(tokens >= melody_lib.FIRST, axis=-1)
  return np.where(before, melody_lib.HOLD, tokens)
