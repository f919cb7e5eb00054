"""Tokenizer of monophonic melodies: one token per step, for no event, a note-off or a note-on.

Source: MusicVAE (Roberts et al. 2018) and the melody encoding of Magenta: token 0 is no event, 1 a
note-off, and tokens from 2 are note-ons of a pitch; a step is a sixteenth. With a `step_s` of
`1 / 12` a bar of 4/4 has 24 steps, on which triplets lie as well (Music SketchNet, Chen et al.
2020).
"""

from collections.abc import Sequence
import dataclasses

import numpy as np

from cvae_jax import scores

HOLD, OFF, FIRST = 0, 1, 2  # tokens: no event, note-off, note-on of the lowest pitch


@dataclasses.dataclass(frozen=True)
class Melody:
  """A tokenizer of monophonic melodies.

  Attributes:
    min_pitch: lowest MIDI number.
    max_pitch: highest MIDI number.
    step_s: duration of a step in seconds; 0.125 is a sixteenth at 120 quarter notes per minute.
    program: General MIDI program of decoded notes.
  """

  min_pitch: int = 21
  max_pitch: int = 108
  step_s: float = 0.125
  program: int = 0

  @property
  def size(self) -> int:
    """Number of different tokens: 90 for the range of a piano."""
    return FIRST + self.max_pitch - self.min_pitch + 1

  def encode(self, notes: Sequence[scores.Note]) -> np.ndarray:
    """Encodes notes as tokens [L].

    Of notes that start at the same step the highest is used; pitches out of range and percussion
    are left out. A note ends where the next one starts.
    """
    notes = [n for n in notes if not n.is_drum]
    to_steps = lambda seconds: np.asarray([int(x / self.step_s + 0.5) for x in seconds], int)
    starts, ends = to_steps(n.start_s for n in notes), to_steps(n.end_s for n in notes)
    line = single_line(starts, ends, np.asarray([n.pitch for n in notes], int), self)
    return self.encode_steps(*line)

  def encode_steps(
    self, starts: np.ndarray, ends: np.ndarray, pitches: np.ndarray, length: int | None = None
  ) -> np.ndarray:
    """Encodes a line of notes, as of `single_line`, as tokens [L] int32.

    Args:
      starts: [M] steps, increasing.
      ends: [M] steps, of which none is after the next start.
      pitches: [M] MIDI numbers in range.
      length: L; up to the last note-off if not given.
    """
    if length is None:
      length = int(ends[-1]) + 1 if len(ends) else 0
    tokens = np.full(length, HOLD, np.int32)
    tokens[ends[ends < length]] = OFF
    tokens[starts] = FIRST + pitches - self.min_pitch
    return tokens

  def decode(self, tokens: np.ndarray) -> list[scores.Note]:
    """Decodes tokens [L] to notes; a note without a note-off lasts to the end."""
    notes: list[scores.Note] = []
    sounding: tuple[int, int] | None = None  # pitch and step
    for step, token in enumerate([*np.asarray(tokens).tolist(), OFF]):
      if token == HOLD:
        continue
      if sounding is not None:
        pitch, start = sounding
        notes.append(
          scores.Note(start * self.step_s, step * self.step_s, pitch, program=self.program)
        )
      sounding = None if token == OFF else (self.min_pitch + token - FIRST, step)
    return notes

  def shifts(self, tokens: np.ndarray, semitones: int) -> tuple[int, int]:
    """The lowest and highest transposition within so many semitones that stays in range."""
    pitches = tokens[tokens >= FIRST] - FIRST + self.min_pitch
    if not pitches.size:
      return 0, 0
    low, high = self.min_pitch - int(pitches.min()), self.max_pitch - int(pitches.max())
    return max(low, -semitones), min(high, semitones)

  def transpose(self, tokens: np.ndarray, semitones: int) -> np.ndarray:
    """Tokens whose pitches are so many semitones higher.

    Raises:
      ValueError: if a pitch is then out of range.
    """
    low, high = self.shifts(tokens, abs(semitones))
    if not low <= semitones <= high:
      raise ValueError(f"transposing by {semitones} semitones leaves the range of the tokens")
    return np.where(tokens >= FIRST, tokens + semitones, tokens).astype(tokens.dtype)


def single_line(
  starts: np.ndarray, ends: np.ndarray, pitches: np.ndarray, tokenizer: Melody
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """The highest note of each step at which notes start; a note ends where the next one starts.

  Source: note-seq's `Melody.from_quantized_sequence` with `ignore_polyphonic_notes=True`.

  Args:
    starts: [M] steps.
    ends: [M] steps; a note lasts at least one.
    pitches: [M] MIDI numbers; those out of the tokenizer's range are left out.
    tokenizer: for the range.

  Returns:
    Starts, ends and pitches of the line.
  """
  inside = (pitches >= tokenizer.min_pitch) & (pitches <= tokenizer.max_pitch)
  starts, ends, pitches = starts[inside], ends[inside], pitches[inside]
  # By start, the highest first, and of equal ones the longest.
  order = np.lexsort((-ends, starts << 8 | (255 - pitches)))
  starts, ends, pitches = starts[order], ends[order], pitches[order]
  is_first = np.ones(len(starts), bool)
  is_first[1:] = starts[1:] != starts[:-1]
  starts, ends, pitches = starts[is_first], ends[is_first], pitches[is_first]
  ends = np.maximum(ends, starts + 1)
  ends[:-1] = np.minimum(ends[:-1], starts[1:])
  return starts, ends, pitches
