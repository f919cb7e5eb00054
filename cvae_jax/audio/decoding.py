"""Decodes audio files with libsndfile at their own sample rate, block by block."""

from collections.abc import Iterator
import contextlib
import math
import os
import stat
from typing import BinaryIO

import numpy as np
import soundfile

from cvae_jax.audio import headers
from cvae_jax.core import errors

# Accepted sample rates in Hz; others indicate a broken header.
MIN_RATE, MAX_RATE = 1_000, 1_536_000
_BLOCK = 2**20  # samples read at a time, over all channels
_UNKNOWN_FRAMES = 2**62  # number of frames that libsndfile reports for an unknown length
# Replacements for obscure messages of libsndfile.
_MESSAGES = {
  "sf_info": "its header has an invalid sample rate or number of channels",
  "not recognised": "format not recognised: it must be WAV, FLAC, OGG, MP3, AIFF or similar",
  "possibly a pipe": "its header promises more than the file holds",
}
# Channels cancel if their mean has less than this fraction of the energy of uncorrelated channels.
_CANCELLATION = 0.01


class _Stream(soundfile.SoundFile):
  """A file that can be read to its end, whatever number of frames its header promises.

  soundfile seeks after every read of a seekable file, which fails for an unknown length.
  """

  def seekable(self) -> bool:
    return False


def _check_regular(path: str) -> int:
  """Checks that a file is regular and not empty; returns its size in bytes.

  Raises:
    UserError: if it is not a regular file, such as a FIFO, which would block; or is empty.
  """
  try:
    status = os.stat(path)
  except (FileNotFoundError, NotADirectoryError):
    raise errors.UserError(f"{path} does not exist or is not a file") from None
  except (OSError, ValueError) as e:
    raise errors.UserError(f"{path} cannot be read ({errors.one_line(e)})") from None
  if stat.S_ISDIR(status.st_mode):
    raise errors.UserError(f"{path} does not exist or is not a file: it is a directory")
  if not stat.S_ISREG(status.st_mode):
    kind = "a FIFO" if stat.S_ISFIFO(status.st_mode) else "a device or a socket"
    raise errors.UserError(f"{path} is {kind}: it must be a regular file")
  if status.st_size == 0:
    raise errors.UserError(f"{path} is empty (0 bytes): it must be an audio file")
  return status.st_size


@contextlib.contextmanager
def _one_line_errors(path: str) -> Iterator[None]:
  """Converts errors of libsndfile and the disk to UserError, in one line."""
  try:
    yield
  except (soundfile.LibsndfileError, RuntimeError, TypeError) as e:
    reason = errors.one_line(e).rsplit(": ", 1)[-1].rstrip(".").lower()
    for words, meaning in _MESSAGES.items():
      reason = meaning if words in reason else reason
    raise errors.UserError(f"{path} cannot be read as audio ({reason})") from None
  except OSError as e:
    raise errors.UserError(f"{path} cannot be read ({e.strerror})") from None


def _open(file: BinaryIO, header: headers.Header) -> _Stream:
  """Opens a file with its corrected header; if that fails, unchanged."""
  if header != headers.Header():
    with contextlib.suppress(soundfile.LibsndfileError):
      return _Stream(headers.Patched(file, header))
  file.seek(0)
  return _Stream(file.fileno(), closefd=False)


class AudioFile:
  """An audio file that is open for reading; a context manager that closes it.

  Args:
    path: of the file, in any format of libsndfile, which is detected by content.

  Attributes:
    path: of the file.
    sample_rate: in Hz.
    num_frames: number of frames according to the header, which may be wrong.

  Raises:
    UserError: if the file is missing, not regular, empty, truncated or not audio, or its sample
      rate is invalid; the message names the file.
  """

  def __init__(self, path: str):
    self.path = path
    size = _check_regular(path)
    with contextlib.ExitStack() as stack, _one_line_errors(path):
      # Unbuffered: libsndfile reads from the same descriptor at its current position.
      self._file = stack.enter_context(open(path, "rb", buffering=0))
      header = headers.read(self._file, size)
      if header.missing:
        raise errors.UserError(f"{path} is truncated: its last {header.missing} bytes are missing")
      self._stream = stack.enter_context(_open(self._file, header))
      self.sample_rate = self._stream.samplerate
      self.num_frames = self._stream.frames
      if not MIN_RATE <= self.sample_rate <= MAX_RATE:
        raise errors.UserError(
          f"{path} has a sample rate of {self.sample_rate} Hz: it must be {MIN_RATE} to {MAX_RATE}"
        )
      self._opened = stack.pop_all()

  def __enter__(self) -> "AudioFile":
    return self

  def __exit__(self, *unused) -> None:
    self._opened.close()

  def read(self, start: int = 0, limit: int | None = None) -> tuple[np.ndarray, tuple[str, ...]]:
    """Reads a part of the file as mono: [T] float32, and the changes made to its channels.

    Args:
      start: first frame.
      limit: maximal number of frames; None for all.

    Raises:
      UserError: if the file cannot be decoded, is truncated, or holds samples that are not finite.
    """
    with _one_line_errors(self.path):
      audio, energy = self._read_mean(start, limit)
      if energy.size == 1:
        return audio, ()
      mean_energy = np.square(audio, dtype=np.float64).sum()
      if mean_energy >= _CANCELLATION * energy.sum() / energy.size**2:
        return audio, ("stereo",)
      channel = int(energy.argmax())
      blocks = [block[:, channel].copy() for block in self._blocks(start, limit)]
      return np.concatenate(blocks), ("stereo", "antiphase")

  def _read_mean(self, start: int, limit: int | None) -> tuple[np.ndarray, np.ndarray]:
    """The mean of the channels ([T]), and the energy of each if there are several."""
    energy = np.zeros(self._stream.channels)
    means = [np.zeros(0, np.float32)]
    for block in self._blocks(start, limit):
      if not np.isfinite(block).all():
        raise errors.UserError(f"{self.path} holds samples that are NaN or infinite")
      if energy.size == 1:
        means.append(block[:, 0].copy())
      else:
        energy += np.square(block, dtype=np.float64).sum(axis=0)
        means.append(block.mean(axis=1, dtype=np.float64).astype(np.float32))
    audio = np.concatenate(means)
    self._check_length(start, audio.size, limit)
    return audio, energy

  def _blocks(self, start: int, limit: int | None) -> Iterator[np.ndarray]:
    """Yields frames ([N, C] float32) from `start`, in a buffer that is reused."""
    stream = self._stream
    if start or stream.tell():
      stream.seek(start)
    num_remaining = math.inf if limit is None else limit
    block_length = int(max(1, min(num_remaining, _BLOCK // stream.channels)))
    buffer = np.empty((block_length, stream.channels), np.float32)
    while num_remaining > 0:
      num_requested = int(min(num_remaining, len(buffer)))
      block = stream.read(out=buffer[:num_requested])
      if len(block):
        yield block
      if len(block) < num_requested:
        return
      num_remaining -= num_requested

  def _check_length(self, start: int, count: int, limit: int | None) -> None:
    """Raises UserError if the file has no samples, or fewer than its header promises."""
    stream, promised = self._stream, self.num_frames
    # Without a Xing frame, see `headers`, an MP3's length is estimated from its size.
    is_estimate = promised >= _UNKNOWN_FRAMES or stream.format == "MP3" or "MPEG" in stream.subtype
    expected = promised - start if limit is None else min(promised - start, limit)
    if not is_estimate and count < expected:
      raise errors.UserError(
        f"{self.path} is truncated: {start + count} of {promised} samples can be read"
      )
    if not count:
      raise errors.UserError(f"{self.path} holds no samples")
