"""Monophonic melodies as tokens, one a step: nothing new, a note's end, or a note's start.

Source: MusicVAE (Roberts et al. 2018) and the melody encoding of Magenta: token 0 is no event, 1 a
note-off, and from 2 on the start of a pitch; a step is a sixteenth.
"""

from collections.abc import Sequence
import dataclasses

import numpy as np

from cvae_jax import scores

HOLD, OFF, FIRST = 0, 1, 2  # tokens: no event, a note-off, the lowest pitch's start


@dataclasses.dataclass(frozen=True)
class Melody:
  """A tokenizer of monophonic melodies.

  Attributes:
    min_pitch: lowest MIDI number.
    max_pitch: highest MIDI number.
    step_s: length of a step in seconds; 0.125 is a sixteenth at 120 quarters a minute.
  """

  min_pitch: int = 21
  max_pitch: int = 108
  step_s: float = 0.125

  @property
  def size(self) -> int:
    """How many tokens there are: 90 for the keys of a piano."""
    return FIRST + self.max_pitch - self.min_pitch + 1

  def encode(self, notes: Sequence[scores.Note]) -> np.ndarray:
    """Notes as tokens ([L]): of notes that start on one step the highest, outside pitches left out.

    A note ends where the next one starts.
    """
    inside = [n for n in notes if self.min_pitch <= n.pitch <= self.max_pitch]
    if not inside:
      return np.zeros(0, np.int32)
    first = lambda note: round(note.start_s / self.step_s)
    last = lambda note: max(round(note.end_s / self.step_s), first(note) + 1)
    chosen = {first(note): note for note in sorted(inside, key=lambda n: n.pitch)}
    tokens = np.full(max(map(last, chosen.values())) + 1, HOLD, np.int32)
    starts = sorted(chosen)
    for start, following in zip(starts, [*starts[1:], len(tokens)], strict=True):
      note = chosen[start]
      tokens[start] = FIRST + note.pitch - self.min_pitch
      if last(note) < following:
        tokens[last(note)] = OFF
    return tokens

  def decode(self, tokens: np.ndarray) -> list[scores.Note]:
    """Tokens ([L]) as notes; one that is not ended lasts to the end."""
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
