"""Tokenizer of trios: a melody, a bass and drums, three tokens per step in this order.

The three tokens of a step have numbers of their own (90 of the melody, 90 of the bass, 512 of the
drums), one after the other in a sequence of 3 L tokens: any model of a sequence of integers can
make a trio. `split` gives [L, 3] with numbers from 0, for models with three outputs per step.

Source: MusicVAE (Roberts et al. 2018); its programs of melodies are 0 to 31 and of basses 32 to 39.
"""

from collections.abc import Sequence
import dataclasses

import numpy as np

from cvae_jax import scores
from cvae_jax.scores import drum_tokens
from cvae_jax.scores import melody

VOICES = ("melody", "bass", "drums")
MELODY_PROGRAMS, BASS_PROGRAMS = (0, 31), (32, 39)  # first and last
_BASS_PROGRAM = 33  # of decoded notes: electric bass


@dataclasses.dataclass(frozen=True)
class Trio:
  """A tokenizer of trios.

  Attributes:
    min_pitch: lowest MIDI number of the melody and of the bass.
    max_pitch: highest MIDI number of both.
    step_s: duration of a step in seconds; 0.125 is a sixteenth at 120 quarter notes per minute.
  """

  min_pitch: int = 21
  max_pitch: int = 108
  step_s: float = 0.125

  @property
  def lead(self) -> melody.Melody:
    """The tokenizer of the melody."""
    return melody.Melody(self.min_pitch, self.max_pitch, self.step_s)

  @property
  def bass(self) -> melody.Melody:
    """The tokenizer of the bass."""
    return melody.Melody(self.min_pitch, self.max_pitch, self.step_s, _BASS_PROGRAM)

  @property
  def drums(self) -> drum_tokens.Drums:
    """The tokenizer of the drums."""
    return drum_tokens.Drums(self.step_s)

  @property
  def sizes(self) -> tuple[int, int, int]:
    """Number of different tokens of each voice: (90, 90, 512) for the range of a piano."""
    return self.lead.size, self.bass.size, self.drums.size

  @property
  def padding(self) -> tuple[int, int, int]:
    """The tokens of a step without events."""
    melody_size, bass_size, _ = self.sizes
    return 0, melody_size, melody_size + bass_size

  @property
  def size(self) -> int:
    """Number of different tokens: 692 for the range of a piano."""
    return sum(self.sizes)

  def join(self, voices: np.ndarray) -> np.ndarray:
    """[..., L, 3] tokens of the voices to [..., 3 L] int32."""
    return (voices + np.asarray(self.padding)).reshape(*voices.shape[:-2], -1).astype(np.int32)

  def split(self, tokens: np.ndarray) -> np.ndarray:
    """[..., 3 L] tokens to [..., L, 3] of the voices; the inverse of `join`.

    A token that is not of the voice of its place is no event; an incomplete step is left out.
    """
    tokens = np.asarray(tokens)
    tokens = tokens[..., : tokens.shape[-1] // 3 * 3]
    voices = tokens.reshape(*tokens.shape[:-1], -1, 3) - np.asarray(self.padding)
    return np.where((voices >= 0) & (voices < np.asarray(self.sizes)), voices, 0).astype(np.int32)

  def encode(self, notes: Sequence[scores.Note]) -> np.ndarray:
    """Encodes notes as tokens [3 L]: basses by their program, drums, and all others as melody."""
    low, high = BASS_PROGRAMS
    basses = [n for n in notes if low <= n.program <= high and not n.is_drum]
    others = [n for n in notes if not low <= n.program <= high and not n.is_drum]
    voices = [self.lead.encode(others), self.bass.encode(basses), self.drums.encode(notes)]
    length = max(map(len, voices))
    return self.join(np.stack([np.pad(x, (0, length - len(x))) for x in voices], axis=-1))

  def decode(self, tokens: np.ndarray) -> list[scores.Note]:
    """Decodes tokens [3 L] to notes, sorted by start."""
    lead, bass, drums = np.moveaxis(self.split(tokens), -1, 0)
    return sorted([*self.lead.decode(lead), *self.bass.decode(bass), *self.drums.decode(drums)])

  def shifts(self, tokens: np.ndarray, semitones: int) -> tuple[int, int]:
    """As `melody.Melody.shifts`, for melody and bass together."""
    voices = self.split(tokens)
    return self.lead.shifts(voices[..., :2], semitones)

  def transpose(self, tokens: np.ndarray, semitones: int) -> np.ndarray:
    """As `melody.Melody.transpose`, of melody and bass."""
    voices = self.split(tokens)
    voices[..., :2] = self.lead.transpose(voices[..., :2], semitones)
    return self.join(voices)
