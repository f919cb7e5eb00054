"""Forms: what an example is to a person, a sound or a score.

A data set has one form, and what reads, writes, draws and plays examples asks it. There are two:

    Waveform   samples of a rate and a length: a note, a drum hit, an excerpt of a recording
    Score      tokens that stand for notes: written as a MIDI file, and heard by a plain synthesizer

A batch holds examples under the form's `key`.
"""

from collections.abc import Sequence
import dataclasses
import os
from typing import Any
from typing import ClassVar

import numpy as np

from cvae_jax import scores
from cvae_jax.core import errors

# What is drawn: a title, and an example for each column; None where a row has none.
Rows = Sequence[tuple[str, Sequence[np.ndarray | None]]]


@dataclasses.dataclass(frozen=True)
class Waveform:
  """Mono waveforms of one rate and length ([T] float32 in full scale -1 to 1).

  Attributes:
    sample_rate: in Hz.
    num_samples: T.
    is_excerpt: whether an example is a part of a recording that goes on, so that a file of any
      length is reconstructed excerpt by excerpt.
  """

  sample_rate: int
  num_samples: int
  is_excerpt: bool = False

  key: ClassVar[str] = "audio"
  suffix: ClassVar[str] = ".wav"
  media_type: ClassVar[str] = "audio/wav"
  dtype: ClassVar[Any] = np.float32

  @property
  def shape(self) -> tuple[int, ...]:
    """(T,)."""
    return (self.num_samples,)

  @property
  def duration_s(self) -> float:
    """Length in seconds."""
    return self.num_samples / self.sample_rate

  def check(self, example: np.ndarray) -> np.ndarray:
    """The example as float32.

    Raises:
      UserError: another shape, or samples that are not finite.
    """
    example = np.asarray(example, np.float32)
    if example.shape != self.shape:
      raise errors.UserError(
        f"a sound must be {self.num_samples} samples at {self.sample_rate} Hz, "
        f"got shape {example.shape}"
      )
    if not np.isfinite(example).all():
      raise errors.UserError("a sound must be finite, got NaN or infinite samples")
    return example

  def read(self, path: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """An audio file as an example, and what had to be done to it, see `files.Recording`."""
    from cvae_jax.audio import files

    return files.read_note(path, self.num_samples, self.sample_rate)

  def to_bytes(self, example: np.ndarray) -> bytes:
    """A WAV file's bytes."""
    from cvae_jax.audio import files

    return files.to_wav(example, self.sample_rate)

  def check_output(self, path: str) -> None:
    """Raises UserError, before the work, where an example cannot be written to a path."""
    from cvae_jax.audio import files

    files.check_output(path)

  def write(self, path: str, example: np.ndarray) -> None:
    """Writes a WAV file, or what its ending says, whole or not at all."""
    from cvae_jax.audio import files

    files.write_wav(path, example, self.sample_rate)

  def hear(self, example: np.ndarray) -> tuple[np.ndarray, int]:
    """What an example sounds like: a waveform and its rate in Hz."""
    return example, self.sample_rate

  def draw(self, rows: Rows, columns: Sequence[str]) -> bytes:
    """A PNG of the examples' spectrograms, with a title for each column."""
    from cvae_jax.evaluation import drawing

    return drawing.spectrogram_grid(rows, columns, self.sample_rate)


@dataclasses.dataclass(frozen=True)
class Score:
  """Sequences of tokens of one length ([L] int32, 0 to `tokenizer.size` - 1).

  Attributes:
    num_tokens: L.
    tokenizer: between tokens and notes.
  """

  num_tokens: int
  tokenizer: scores.Tokenizer

  key: ClassVar[str] = "tokens"
  suffix: ClassVar[str] = ".mid"
  media_type: ClassVar[str] = "audio/midi"
  dtype: ClassVar[Any] = np.int32

  @property
  def shape(self) -> tuple[int, ...]:
    """(L,)."""
    return (self.num_tokens,)

  def check(self, example: np.ndarray) -> np.ndarray:
    """The example as int32.

    Raises:
      UserError: another shape, or tokens that there are not.
    """
    example = np.asarray(example)
    size = self.tokenizer.size
    if example.shape != self.shape or not np.issubdtype(example.dtype, np.integer):
      raise errors.UserError(
        f"a score must be {self.num_tokens} integer tokens, "
        f"got {example.dtype} of shape {example.shape}"
      )
    if example.min() < 0 or example.max() >= size:
      raise errors.UserError(f"tokens must be 0-{size - 1}, got {example.min()}-{example.max()}")
    return example.astype(np.int32)

  def read(self, path: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """A MIDI file's first L tokens, and what had to be done to it: 'padded' or 'cut'."""
    from cvae_jax.scores import midi

    tokens = np.asarray(self.tokenizer.encode(midi.read_notes(path)), np.int32)
    if len(tokens) < self.num_tokens:
      rest = np.zeros(self.num_tokens - len(tokens), np.int32)
      return np.concatenate([tokens, rest]), ("padded",)
    chosen, decode = tokens[: self.num_tokens], self.tokenizer.decode
    return chosen, () if decode(chosen) == decode(tokens) else ("cut",)

  def to_bytes(self, example: np.ndarray) -> bytes:
    """A MIDI file's bytes."""
    return scores.to_midi(self.tokenizer.decode(example))

  def check_output(self, path: str) -> None:
    """Raises UserError, before the work, where an example cannot be written to a path."""
    from cvae_jax.core import outputs

    outputs.check_file(path)
    if os.path.splitext(path)[1].lower() not in (".mid", ".midi"):
      raise errors.UserError(f"{path} must end in .mid: this run makes scores")

  def write(self, path: str, example: np.ndarray) -> None:
    """Writes a MIDI file, whole or not at all.

    Raises:
      UserError: where the file cannot be written.
    """
    from cvae_jax.core import atomic

    try:
      with atomic.open_file(path, "wb") as f:
        f.write(self.to_bytes(example))
    except OSError as e:
      raise errors.UserError(f"{path} cannot be written ({e})") from None

  def hear(self, example: np.ndarray) -> tuple[np.ndarray, int]:
    """What an example sounds like: a waveform and its rate in Hz."""
    return scores.play(self.tokenizer.decode(example)), scores.SAMPLE_RATE

  def draw(self, rows: Rows, columns: Sequence[str]) -> bytes:
    """A PNG of the examples as piano rolls, with a title for each column."""
    from cvae_jax.evaluation import drawing

    decode = self.tokenizer.decode
    rolls = [(title, [None if x is None else decode(x) for x in row]) for title, row in rows]
    return drawing.piano_roll_grid(rolls, columns)


Form = Waveform | Score


def need_waveform(form: Form, what: str) -> Waveform:
  """The form, where it is a waveform.

  Args:
    form: of a run.
    what: needs it, for the message.

  Raises:
    UserError: a run that makes scores.
  """
  if not isinstance(form, Waveform):
    raise errors.UserError(f"{what} needs a run that makes sounds: this one makes scores")
  return form
