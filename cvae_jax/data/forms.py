"""Forms: the kinds of examples, waveforms and scores, with their input, output and drawing.

A data set has one form, which reads, writes, draws and renders its examples. There are two:

    Waveform   samples at a fixed rate and length: a note, a drum hit, an excerpt of a recording
    Score      tokens that represent notes: written as a MIDI file, rendered by a simple synthesizer

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

# Rows of a figure: a title, and an example for each column; None leaves a cell empty.
Rows = Sequence[tuple[str, Sequence[np.ndarray | None]]]


@dataclasses.dataclass(frozen=True)
class Waveform:
  """Mono waveforms of one rate and length ([T] float32 in full scale -1 to 1).

  Attributes:
    sample_rate: in Hz.
    num_samples: T.
    is_excerpt: whether examples are excerpts of longer recordings; files of any length are then
      reconstructed excerpt by excerpt.
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
    """Checks an example, and returns it as float32.

    Raises:
      UserError: if the shape is wrong, or samples are not finite.
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
    """Reads an audio file as an example, with the changes made to it, see `files.Recording`."""
    from cvae_jax.audio import files

    return files.read_note(path, self.num_samples, self.sample_rate)

  def to_bytes(self, example: np.ndarray) -> bytes:
    """A WAV file's bytes."""
    from cvae_jax.audio import files

    return files.to_wav(example, self.sample_rate)

  def check_output(self, path: str) -> None:
    """Raises UserError if an example cannot be written to a path; to be called before the work."""
    from cvae_jax.audio import files

    files.check_output(path)

  def write(self, path: str, example: np.ndarray) -> None:
    """Writes an audio file, atomically; the format is that of the path's extension."""
    from cvae_jax.audio import files

    files.write_wav(path, example, self.sample_rate)

  def hear(self, example: np.ndarray) -> tuple[np.ndarray, int]:
    """Renders an example as audio: a waveform and its sample rate in Hz."""
    return example, self.sample_rate

  def draw(self, rows: Rows, columns: Sequence[str]) -> bytes:
    """Draws the examples' spectrograms, with a title for each column; returns a PNG."""
    from cvae_jax.evaluation import drawing

    return drawing.spectrogram_grid(rows, columns, self.sample_rate)


@dataclasses.dataclass(frozen=True)
class Score:
  """Sequences of tokens of one length ([L] int32, 0 to `tokenizer.size` - 1).

  Padding is token 0, which represents no event, or the tokens of `tokenizer.padding` in turn.

  Attributes:
    num_tokens: L.
    tokenizer: converts between tokens and notes.
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
    """Checks an example, and returns it as int32.

    Raises:
      UserError: if the shape is wrong, or tokens are out of range.
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

  def pad(self, tokens: np.ndarray) -> np.ndarray:
    """Pads tokens [up to L] to [L] int32 with those of no event."""
    tail = np.resize(getattr(self.tokenizer, "padding", (0,)), self.num_tokens)[len(tokens) :]
    return np.concatenate([tokens, tail]).astype(np.int32)

  @property
  def duration_s(self) -> float | None:
    """Length of an example at `scores.GRID_QPM`, in seconds; None if tokens are no steps."""
    if getattr(self.tokenizer, "in_seconds", False) or not hasattr(self.tokenizer, "step_s"):
      return None
    voices = len(getattr(self.tokenizer, "padding", (0,)))
    return self.num_tokens // voices * self.tokenizer.step_s

  def _read_tokens(self, path: str) -> np.ndarray:
    """All tokens of a MIDI file."""
    from cvae_jax.scores import midi_reader
    from cvae_jax.scores import piece

    in_seconds = getattr(self.tokenizer, "in_seconds", False)
    found = midi_reader.read(path, pedal=in_seconds).piece
    notes = piece.to_notes(found, None if in_seconds else scores.GRID_QPM)
    tokens = np.asarray(self.tokenizer.encode(notes), np.int32)
    if not len(tokens):
      raise errors.UserError(f"{path} holds no notes that the tokens of this run represent")
    return tokens

  def read(self, path: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Reads the first L tokens of a MIDI file, with the changes made: 'padded' or 'cut'.

    Steps of a grid are fractions of a quarter note of the file, whatever its tempo.

    Raises:
      UserError: if the file cannot be read, or has no notes that the tokens represent.
    """
    tokens = self._read_tokens(path)
    if len(tokens) < self.num_tokens:
      return self.pad(tokens), ("padded",)
    first_tokens, decode = tokens[: self.num_tokens], self.tokenizer.decode
    return first_tokens, () if decode(first_tokens) == decode(tokens) else ("cut",)

  def read_all(self, path: str) -> np.ndarray:
    """Reads a whole MIDI file as [M, L] examples, one after the other; the last one is padded.

    Raises:
      UserError: as `read`.
    """
    tokens = self._read_tokens(path)
    starts = range(0, len(tokens), self.num_tokens)
    return np.stack([self.pad(tokens[start : start + self.num_tokens]) for start in starts])

  def join(self, examples: Sequence[np.ndarray]) -> list[scores.Note]:
    """The notes of examples, one after the other; those that sound at an example's end end there.

    Where tokens are no steps an example begins when the last one has ended.
    """
    notes: list[scores.Note] = []
    start_s = 0.0
    for example in examples:
      decoded = self.tokenizer.decode(example)
      notes += [
        note._replace(start_s=note.start_s + start_s, end_s=note.end_s + start_s)
        for note in decoded
      ]
      duration_s = self.duration_s
      start_s += max((x.end_s for x in decoded), default=0.0) if duration_s is None else duration_s
    return notes

  def to_bytes(self, example: np.ndarray) -> bytes:
    """A MIDI file's bytes."""
    return scores.to_midi(self.tokenizer.decode(example))

  def check_output(self, path: str) -> None:
    """Raises UserError if an example cannot be written to a path; to be called before the work."""
    from cvae_jax.core import outputs

    outputs.check_file(path)
    if os.path.splitext(path)[1].lower() not in (".mid", ".midi"):
      raise errors.UserError(f"{path} must end in .mid: this run generates scores")

  def write(self, path: str, example: np.ndarray) -> None:
    """Writes a MIDI file, atomically.

    Raises:
      UserError: if the file cannot be written.
    """
    self.write_notes(path, self.tokenizer.decode(example))

  def write_notes(self, path: str, notes: Sequence[scores.Note]) -> None:
    """Writes notes, as of `join`, as `write`."""
    from cvae_jax.core import atomic

    try:
      with atomic.open_file(path, "wb") as f:
        f.write(scores.to_midi(notes))
    except OSError as e:
      raise errors.UserError(f"{path} cannot be written ({e})") from None

  def hear(self, example: np.ndarray) -> tuple[np.ndarray, int]:
    """Renders an example as audio: a waveform and its sample rate in Hz."""
    return scores.play(self.tokenizer.decode(example)), scores.SAMPLE_RATE

  def draw(self, rows: Rows, columns: Sequence[str]) -> bytes:
    """Draws the examples as piano rolls, with a title for each column; returns a PNG."""
    from cvae_jax.evaluation import drawing

    decode = self.tokenizer.decode
    rolls = [(title, [None if x is None else decode(x) for x in row]) for title, row in rows]
    return drawing.piano_roll_grid(rolls, columns)


Form = Waveform | Score


def need_waveform(form: Form, what: str) -> Waveform:
  """Returns the form if it is a waveform.

  Args:
    form: of a run.
    what: name of what needs a waveform, for the message.

  Raises:
    UserError: if the run generates scores.
  """
  if not isinstance(form, Waveform):
    raise errors.UserError(f"{what} needs a run that generates sounds: this one generates scores")
  return form
