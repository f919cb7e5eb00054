"""Audio files as waveforms at their own rate, by libsndfile, block by block."""

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

# Of files that are read, in Hz: what lies beyond is a broken header.
MIN_RATE, MAX_RATE = 1_000, 1_536_000
_BLOCK = 2**20  # samples read at a time, over all channels
_UNKNOWN_FRAMES = 2**62  # what libsndfile says of a stream that does not know its length
# Of libsndfile's words, those that say little to who reads them.
_MEANINGS = {
  "sf_info": "its header's sample rate or number of channels makes no sense",
  "not recognised": "format not recognised: WAV, FLAC, OGG, MP3, AIFF and their like are read",
  "possibly a pipe": "its header says more than the file holds",
}
# Share of what uncorrelated channels would leave in their mean, below which they cancel each other.
_CANCELS = 0.01


class _Stream(soundfile.SoundFile):
  """A file that is read from a place to its end, whatever number of frames it promises.

  soundfile seeks after every read of what can seek, which fails where that number is no number.
  """

  def seekable(self) -> bool:
    return False


def _check_regular(path: str) -> int:
  """The size of a file in bytes.

  Raises:
    UserError: what is no regular file, such as a FIFO, which would be waited for; an empty one.
  """
  try:
    status = os.stat(path)
  except (FileNotFoundError, NotADirectoryError):
    raise errors.UserError(f"{path} does not exist or is no file") from None
  except (OSError, ValueError) as e:
    raise errors.UserError(f"{path} cannot be read ({errors.one_line(e)})") from None
  if stat.S_ISDIR(status.st_mode):
    raise errors.UserError(f"{path} does not exist or is no file: it is a directory")
  if not stat.S_ISREG(status.st_mode):
    kind = "a FIFO" if stat.S_ISFIFO(status.st_mode) else "a device or a socket"
    raise errors.UserError(f"{path} is {kind}: a regular file is wanted")
  if status.st_size == 0:
    raise errors.UserError(f"{path} is empty (0 bytes): a WAV or FLAC file is wanted")
  return status.st_size


@contextlib.contextmanager
def _reasons(path: str) -> Iterator[None]:
  """Turns what libsndfile and the disk say of a file into one line."""
  try:
    yield
  except (soundfile.LibsndfileError, RuntimeError, TypeError) as e:
    reason = errors.one_line(e).rsplit(": ", 1)[-1].rstrip(".").lower()
    for words, meaning in _MEANINGS.items():
      reason = meaning if words in reason else reason
    raise errors.UserError(f"{path} cannot be read as audio ({reason})") from None
  except OSError as e:
    raise errors.UserError(f"{path} cannot be read ({e.strerror})") from None


def _open(file: BinaryIO, header: headers.Header) -> _Stream:
  """A file as libsndfile is to see it; as it is, where that is of no use."""
  if header != headers.Header():
    with contextlib.suppress(soundfile.LibsndfileError):
      return _Stream(headers.Patched(file, header))
  file.seek(0)
  return _Stream(file.fileno(), closefd=False)


class AudioFile:
  """An audio file that is open for reading; a context that closes it.

  Args:
    path: of the file; of any kind that libsndfile knows by what is in it, whatever its name.

  Attributes:
    path: of the file.
    sample_rate: in Hz.
    num_frames: that the file promises; it need not keep that.

  Raises:
    UserError: one line that names the file, for one that is missing, no regular file, empty,
      truncated or no audio, or whose sample rate makes no sense.
  """

  def __init__(self, path: str):
    self.path = path
    size = _check_regular(path)
    with contextlib.ExitStack() as opened, _reasons(path):
      # Without a buffer: libsndfile reads by the same descriptor, from where that is.
      self._file = opened.enter_context(open(path, "rb", buffering=0))
      header = headers.read(self._file, size)
      if header.missing:
        raise errors.UserError(f"{path} is truncated: its last {header.missing} bytes are missing")
      self._stream = opened.enter_context(_open(self._file, header))
      self.sample_rate = self._stream.samplerate
      self.num_frames = self._stream.frames
      if not MIN_RATE <= self.sample_rate <= MAX_RATE:
        raise errors.UserError(
          f"{path} has a sample rate of {self.sample_rate} Hz: {MIN_RATE} to {MAX_RATE} can be read"
        )
      self._opened = opened.pop_all()

  def __enter__(self) -> "AudioFile":
    return self

  def __exit__(self, *unused) -> None:
    self._opened.close()

  def read(self, start: int = 0, limit: int | None = None) -> tuple[np.ndarray, tuple[str, ...]]:
    """Some of the file as one channel: [T] float32, and what was done to its channels.

    Args:
      start: first frame.
      limit: frames at most; all without it.

    Raises:
      UserError: what cannot be decoded, ends sooner than it promises, or holds samples that are no
        numbers.
    """
    with _reasons(self.path):
      audio, energy = self._read_mean(start, limit)
      if energy.size == 1:
        return audio, ()
      mean_energy = np.square(audio, dtype=np.float64).sum()
      if mean_energy >= _CANCELS * energy.sum() / energy.size**2:
        return audio, ("stereo",)
      channel = int(energy.argmax())
      blocks = [block[:, channel].copy() for block in self._blocks(start, limit)]
      return np.concatenate(blocks), ("stereo", "antiphase")

  def _read_mean(self, start: int, limit: int | None) -> tuple[np.ndarray, np.ndarray]:
    """The mean of the channels ([T]), and the energy of each where there are several."""
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
    """Frames ([N, C] float32, in a buffer that is used again) from `start` on."""
    stream = self._stream
    if start or stream.tell():
      stream.seek(start)
    left = math.inf if limit is None else limit
    longest = int(max(1, min(left, _BLOCK // stream.channels)))
    buffer = np.empty((longest, stream.channels), np.float32)
    while left > 0:
      wanted = int(min(left, len(buffer)))
      block = stream.read(out=buffer[:wanted])
      if len(block):
        yield block
      if len(block) < wanted:
        return
      left -= wanted

  def _check_length(self, start: int, count: int, limit: int | None) -> None:
    """Raises UserError where a file has nothing, or less than it promises."""
    stream, promised = self._stream, self.num_frames
    # Without a Xing frame, which `headers` minds, an MP3's length is guessed from its size.
    guessed = promised >= _UNKNOWN_FRAMES or stream.format == "MP3" or "MPEG" in stream.subtype
    wanted = promised - start if limit is None else min(promised - start, limit)
    if not guessed and count < wanted:
      raise errors.UserError(
        f"{self.path} is truncated: {start + count} of {promised} samples can be read"
      )
    if not count:
      raise errors.UserError(f"{self.path} holds no samples")
