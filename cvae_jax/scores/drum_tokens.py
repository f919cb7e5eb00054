"""Tokenizer of drums: one token per step, a number whose nine bits are the classes that are struck.

Source: MusicVAE (Roberts et al. 2018): nine classes of percussion, all 512 combinations, a step is
a sixteenth. The classes and the keys in them agree with note-seq's `DEFAULT_DRUM_TYPE_PITCHES`,
which also maps the keys of a Roland TD-11, as of the Groove MIDI Dataset.
"""

from collections.abc import Sequence
import dataclasses

import numpy as np

from cvae_jax import scores

# The keys of each class; the first one is what a token is decoded to.
CLASSES = {
  "bass drum": (36, 35),
  "snare": (38, 27, 28, 31, 32, 33, 34, 37, 39, 40, 56, 65, 66, 75, 85),
  "closed hi-hat": (42, 44, 54, 68, 69, 70, 71, 73, 78, 80, 22),
  "open hi-hat": (46, 67, 72, 74, 79, 81, 26),
  "low tom": (45, 29, 41, 43, 61, 64, 84),
  "mid tom": (48, 47, 60, 63, 77, 86, 87),
  "high tom": (50, 30, 62, 76, 83),
  "crash": (49, 52, 55, 57, 58),
  "ride": (51, 53, 59, 82),
}
NAMES = tuple(CLASSES)
KEYS = tuple(keys[0] for keys in CLASSES.values())
CLASS_OF = {key: number for number, keys in enumerate(CLASSES.values()) for key in keys}
_BITS = np.zeros(128, np.int32)  # by key; 0 for keys of no class
for _key, _number in CLASS_OF.items():
  _BITS[_key] = 1 << _number
SIZE = 1 << len(CLASSES)


@dataclasses.dataclass(frozen=True)
class Drums:
  """A tokenizer of drums.

  Attributes:
    step_s: duration of a step in seconds; 0.125 is a sixteenth at 120 quarter notes per minute.
  """

  step_s: float = 0.125

  @property
  def size(self) -> int:
    """Number of different tokens: 512."""
    return SIZE

  def encode(self, notes: Sequence[scores.Note]) -> np.ndarray:
    """Encodes the percussion among notes as tokens [L], up to the last stroke."""
    strokes = [note for note in notes if note.is_drum and CLASS_OF.get(note.pitch) is not None]
    starts = [int(note.start_s / self.step_s + 0.5) for note in strokes]
    return encode_steps(np.asarray(starts, int), np.asarray([n.pitch for n in strokes], int))

  def decode(self, tokens: np.ndarray) -> list[scores.Note]:
    """Decodes tokens [L] to strokes of a step each, on the first key of each class."""
    steps, numbers = np.nonzero(to_roll(np.asarray(tokens)))
    return [
      scores.Note(step * self.step_s, (step + 1) * self.step_s, KEYS[number], is_drum=True)
      for step, number in sorted(zip(steps.tolist(), numbers.tolist(), strict=True))
    ]


def encode_steps(starts: np.ndarray, keys: np.ndarray, length: int | None = None) -> np.ndarray:
  """Encodes strokes as tokens [L] int32; keys of no class are left out.

  Args:
    starts: [M] steps.
    keys: [M] MIDI numbers.
    length: L; up to the last stroke if not given.
  """
  bits = _BITS[keys]
  length = int(starts[bits > 0].max(initial=-1)) + 1 if length is None else length
  tokens = np.zeros(length, np.int32)
  inside = starts < length
  np.bitwise_or.at(tokens, starts[inside], bits[inside])
  return tokens


def to_roll(tokens: np.ndarray) -> np.ndarray:
  """[..., L] tokens to [..., L, 9] of 0 and 1, bass drum first."""
  return (tokens[..., None] >> np.arange(len(CLASSES))) & 1


def from_roll(roll: np.ndarray) -> np.ndarray:
  """[..., L, 9] of 0 and 1 to [..., L] tokens; the inverse of `to_roll`."""
  return (roll.astype(np.int32) << np.arange(len(CLASSES))).sum(-1).astype(np.int32)
