"""Tokenizer of monophonic melodies: one token per step, for no event, a note-off or a note-on.

Source: MusicVAE (Roberts et al. 2018) and the melody encoding of Magenta: token 0 is no event, 1 a
note-off, and tokens from 2 are note-ons of a pitch; a step is a sixteenth.
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
  """

  min_pitch: int = 21
  max_pitch: int = 108
  step_s: float = 0.125

  @property
  def size(self) -> int:
    """Number of different tokens: 90 for the range of a piano."""
    return FIRST + self.max_pitch - self.min_pitch + 1

  def encode(self, notes: Sequence[scores.Note]) -> np.ndarray:
    """Encodes notes as tokens [L].

    Of notes that start at the same step the highest is used; pitches out of range are left out. A
    note ends where the next one starts.
    """
    in_range = [n for n in notes if self.min_pitch <= n.pitch <= self.max_pitch]
    if not in_range:
      return np.zeros(0, np.int32)
    first = lambda note: round(note.start_s / self.step_s)
    last = lambda note: max(round(note.end_s / self.step_s), first(note) + 1)
    note_at = {first(note): note for note in sorted(in_range, key=lambda n: n.pitch)}
    tokens = np.full(max(map(last, note_at.values())) + 1, HOLD, np.int32)
    starts = sorted(note_at)
    for start, next_start in zip(starts, [*starts[1:], len(tokens)], strict=True):
      note = note_at[start]
      tokens[start] = FIRST + note.pitch - self.min_pitch
      if last(note) < next_start:
        tokens[last(note)] = OFF
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
        notes.append(scores.Note(start * self.step_s, step * self.step_s, pitch))
      sounding = None if token == OFF else (self.min_pitch + token - FIRST, step)
    return notes
