"""Tokenizer of performances: a stream of note-offs, note-ons, time shifts and velocities.

Tokens 0 to 127 end the notes of a pitch, 128 to 255 start one, 256 to 355 move time on by 10 ms to
1 s, and 356 to 387 set the velocity of the notes that follow, in 32 bins of four.

Source: "This Time with Feeling" (Oore et al. 2018), section 3; Magenta's performance events, with
note-offs first here: token 0 ends a pitch that hardly any piece has, and so does nothing where a
sequence is padded with it.
"""

from collections.abc import Sequence
import dataclasses
from typing import ClassVar

import numpy as np

from cvae_jax import scores

STEP_S = 0.01
NOTE_OFF, NOTE_ON, SHIFT, VELOCITY = 0, 128, 256, 356  # first tokens
MAX_SHIFT, VELOCITY_BINS = 100, 32
SIZE = VELOCITY + VELOCITY_BINS
_LOWEST, _HIGHEST = 21, 108  # pitches that transposition stays within
_BIN = 128 // VELOCITY_BINS


@dataclasses.dataclass(frozen=True)
class Performance:
  """A tokenizer of performances."""

  in_seconds: ClassVar[bool] = True  # rather than on a grid of fractions of a quarter note

  @property
  def size(self) -> int:
    """Number of different tokens: 388."""
    return SIZE

  def encode(self, notes: Sequence[scores.Note]) -> np.ndarray:
    """Encodes notes as tokens [L]; percussion is left out.

    Times are rounded to 10 ms, and a note lasts at least that; velocities are rounded down to the
    first of their bin, but 1. A pitch that is struck while it sounds ends first.
    """
    to_step = lambda seconds: int(seconds / STEP_S + 0.5)
    rows = sorted(
      (to_step(n.start_s), n.pitch, max(to_step(n.end_s), to_step(n.start_s) + 1), n.velocity)
      for n in notes
      if not n.is_drum
    )
    next_start: dict[int, int] = {}
    events = []  # (step, whether it starts a note, pitch, velocity bin)
    for start, pitch, end, velocity in reversed(rows):
      if next_start.get(pitch) == start:  # Twice at once is once.
        continue
      events.append((min(end, next_start.get(pitch, end)), False, pitch, 0))
      events.append((start, True, pitch, velocity // _BIN))
      next_start[pitch] = start
    tokens, now, loudness = [], 0, -1
    for step, is_start, pitch, velocity in sorted(events):
      while step > now:
        shift = min(step - now, MAX_SHIFT)
        tokens.append(SHIFT + shift - 1)
        now += shift
      if is_start and velocity != loudness:
        tokens.append(VELOCITY + velocity)
        loudness = velocity
      tokens.append((NOTE_ON if is_start else NOTE_OFF) + pitch)
    return np.asarray(tokens, np.int32)

  def decode(self, tokens: np.ndarray) -> list[scores.Note]:
    """Decodes tokens [L] to notes, sorted; notes without a note-off last to the end.

    Notes before the first velocity have 100, and those that last no time are left out.
    """
    notes: list[scores.Note] = []
    sounding: dict[int, tuple[int, int]] = {}  # step and velocity by pitch
    now, velocity = 0, 100

    def end(pitch: int) -> None:
      start, loudness = sounding.pop(pitch, (now, 0))
      if start < now:
        notes.append(scores.Note(start * STEP_S, now * STEP_S, pitch, loudness))

    for token in np.asarray(tokens).tolist():
      if token >= VELOCITY:
        velocity = max(1, (token - VELOCITY) * _BIN)
      elif token >= SHIFT:
        now += token - SHIFT + 1
      else:
        end(token % 128)
        if token >= NOTE_ON:
          sounding[token - NOTE_ON] = (now, velocity)
    for pitch in list(sounding):
      end(pitch)
    return sorted(notes)

  def shifts(self, tokens: np.ndarray, semitones: int) -> tuple[int, int]:
    """As `melody.Melody.shifts`, of the notes of a piano."""
    pitches = tokens[(tokens >= NOTE_ON) & (tokens < SHIFT)] - NOTE_ON
    if not pitches.size:
      return 0, 0
    low, high = _LOWEST - int(pitches.min()), _HIGHEST - int(pitches.max())
    return min(max(low, -semitones), 0), max(min(high, semitones), 0)

  def transpose(self, tokens: np.ndarray, semitones: int) -> np.ndarray:
    """Tokens whose pitches are so many semitones higher; a padding of 0 is kept."""
    is_pitch = (tokens < SHIFT) & (tokens > 0)
    return np.where(is_pitch, tokens + semitones, tokens).astype(tokens.dtype)
