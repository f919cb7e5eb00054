"""Audio files in and out: any rate, any channel count, never half a file taken for a whole one."""

from collections.abc import Iterator
import io
import math
import os
from typing import NamedTuple

import numpy as np
import soundfile

from cvae_jax.audio import decoding
from cvae_jax.core import atomic
from cvae_jax.core import errors
from cvae_jax.core import lazy_librosa
from cvae_jax.core import outputs

# By ending: libsndfile's format and its kind of samples.
FORMATS = {
  ".wav": ("WAV", "PCM_16"),
  ".flac": ("FLAC", "PCM_16"),
  ".ogg": ("OGG", "VORBIS"),
  ".mp3": ("MP3", "MPEG_LAYER_III"),
  ".aiff": ("AIFF", "PCM_16"),
  ".aif": ("AIFF", "PCM_16"),
}
_PART_S = 30.0  # seconds of a long recording that are read at a time
_WRITE_BLOCK = 2**16  # samples; libvorbis keeps a whole call's on the stack


class _EndError(errors.UserError):
  """A part of a file that begins after its end."""


class Recording(NamedTuple):
  """A note read from a file.

  Attributes:
    audio: [T] float32 in full scale -1 to 1.
    changes: what had to be done to it, in words: 'stereo' (channels averaged), 'antiphase' (they
      cancel each other: the loudest one taken), 'resampled', 'attenuated' (it went past full scale,
      and was brought to it), 'padded', 'cut'.
  """

  audio: np.ndarray
  changes: tuple[str, ...]


def _read(path: str, sample_rate: int, first: int, count: int | None) -> Recording:
  """Samples of a file at a rate, from the `first` on; a few more than `count`, which is checked by.

  Only that much of the file is read, and as much around it as the resampler's filter reaches.
  """
  with decoding.AudioFile(path) as source:
    rate = source.sample_rate
    if first and first * rate >= source.num_frames * sample_rate:
      raise _EndError(f"{path} ends before {first / sample_rate:g} s")
    if rate == sample_rate:
      audio, changes = source.read(first, None if count is None else count + 1)
      return Recording(audio, changes)
    margin = rate // 20 + 1024
    unit = rate // math.gcd(rate, sample_rate)  # frames after which both have a sample at once
    start = max(0, (first * rate // sample_rate - margin) // unit * unit)
    limit = None if count is None else -(-(first + count) * rate // sample_rate) + margin - start
    audio, changes = source.read(start, limit)
  librosa = lazy_librosa.load()  # Slow, and most files are at the right rate.

  audio = librosa.resample(audio, orig_sr=rate, target_sr=sample_rate, res_type="soxr_hq")
  audio = audio[first - start * sample_rate // rate :]
  if not audio.size:
    raise _EndError(f"{path} ends before {first / sample_rate:g} s")
  return Recording(audio, (*changes, "resampled"))


def _attenuate(recording: Recording) -> Recording:
  """A recording that went past full scale, brought to it."""
  peak = np.abs(recording.audio).max()
  if peak <= 1.0:
    return recording
  return Recording(recording.audio / peak, (*recording.changes, "attenuated"))


def read_clip(
  path: str,
  sample_rate: int,
  start_s: float = 0.0,
  duration_s: float | None = None,
  attenuate: bool = True,
) -> Recording:
  """Reads a WAV, FLAC or other file that libsndfile knows, as a mono waveform of its own length.

  Channels are averaged; another rate is resampled (soxr, high quality). A long recording is read by
  parts with `start_s` and `duration_s`: no more of the file is read or kept in memory, and parts
  are the same samples as of the whole.

  Args:
    path: of the file.
    sample_rate: wanted, in Hz.
    start_s: where to begin, in seconds.
    duration_s: seconds at most; to the end without it.
    attenuate: whether what goes past full scale is brought to it. Parts that are put together want
      one gain for all, and so none here.

  Raises:
    UserError: one line that names the file, for one that is missing, empty, truncated, no audio, or
      holds samples that are no numbers; or that ends before `start_s`.
  """
  first = round(start_s * sample_rate)
  count = None if duration_s is None else round(duration_s * sample_rate)
  audio, changes = _read(path, sample_rate, first, count)
  recording = Recording(np.ascontiguousarray(audio[:count], np.float32), changes)
  return _attenuate(recording) if attenuate else recording


def read_parts(path: str, sample_rate: int, max_s: float | None = None) -> Iterator[Recording]:
  """A file from its beginning in parts of 30 s: the samples of `read_clip`, at bounded memory.

  What goes past full scale is left so: one gain for all parts is the caller's to choose.

  Args:
    path: of the file.
    sample_rate: wanted, in Hz.
    max_s: seconds at most.

  Raises:
    UserError: as `read_clip`.
  """
  start_s, end_s = 0.0, math.inf if max_s is None else max_s
  while start_s < end_s:
    duration_s = min(_PART_S, end_s - start_s)
    try:
      part = read_clip(path, sample_rate, start_s, duration_s, attenuate=False)
    except _EndError:
      if start_s:
        return
      raise
    yield part
    if part.audio.size < round(duration_s * sample_rate):
      return
    start_s += duration_s


def read_note(path: str, num_samples: int, sample_rate: int) -> Recording:
  """Reads a file as a note of fixed length, padded with silence or cut; see `read_clip`.

  Of a long recording no more is read than the note.

  Args:
    path: of the file.
    num_samples: T wanted.
    sample_rate: wanted, in Hz.

  Raises:
    UserError: as `read_clip`.
  """
  audio, changes = _read(path, sample_rate, 0, num_samples)
  is_longer, missing = audio.size > num_samples, num_samples - audio.size
  audio, changes = _attenuate(Recording(audio[:num_samples], changes))
  if missing > 0:
    audio, changes = np.pad(audio, (0, missing)), (*changes, "padded")
  elif is_longer:
    changes = (*changes, "cut")
  return Recording(np.ascontiguousarray(audio, np.float32), changes)


def to_bytes(audio: np.ndarray, sample_rate: int, ending: str) -> bytes:
  """A mono file of the format of an ending; samples past full scale are clipped.

  Args:
    audio: [T] in full scale -1 to 1.
    sample_rate: in Hz.
    ending: one of `FORMATS`; what has 16-bit samples gets them.
  """
  out = io.BytesIO()
  clipped = np.clip(audio, -1.0, 1.0)
  form, subtype = FORMATS[ending]
  with soundfile.SoundFile(out, "w", sample_rate, 1, subtype, format=form) as f:
    for start in range(0, len(clipped), _WRITE_BLOCK):
      f.write(clipped[start : start + _WRITE_BLOCK])
  return out.getvalue()


def write_blocks(path: str, blocks: Iterator[np.ndarray], sample_rate: int) -> int:
  """Writes a mono sound as its blocks come, whole or not at all; as `write_wav`.

  Returns:
    How many samples have been written.

  Raises:
    UserError: where the file cannot be written, or its ending is of no format.
  """
  form, subtype = FORMATS[_ending(path)]
  count = 0
  try:
    with (
      atomic.path_for(path) as temporary,
      soundfile.SoundFile(temporary, "w", sample_rate, 1, subtype, format=form) as f,
    ):
      for block in blocks:
        f.write(np.clip(block, -1.0, 1.0))
        count += len(block)
  except (OSError, soundfile.LibsndfileError) as e:
    raise errors.UserError(f"{path} cannot be written ({errors.one_line(e)})") from None
  return count


def to_wav(audio: np.ndarray, sample_rate: int) -> bytes:
  """A mono WAV of 16 bits; samples past full scale are clipped."""
  return to_bytes(audio, sample_rate, ".wav")


def _ending(path: str) -> str:
  """What says the format to write: the path's own ending, or that of WAV for a device or a FIFO.

  Raises:
    UserError: an ending of no format that is written.
  """
  ending = os.path.splitext(path)[1].lower()
  if ending in FORMATS:
    return ending
  if atomic.is_special(path):
    return ".wav"
  raise errors.UserError(f"{path} must end in one of {', '.join(FORMATS)}: it says the format")


def check_output(path: str) -> None:
  """Checks, before the work, that a sound can be written to a path.

  Raises:
    UserError: an ending of no format that is written, or a path that nothing can be written to.
  """
  outputs.check_file(path)
  _ending(path)


def write_wav(path: str, audio: np.ndarray, sample_rate: int) -> None:
  """Writes a mono sound, whole or not at all: WAV of 16 bits, or what the path's ending says.

  Samples past full scale are clipped.

  Raises:
    UserError: where the file cannot be written, or its ending is of no format.
  """
  try:
    content = to_bytes(audio, sample_rate, _ending(path))
    with atomic.open_file(path, "wb") as f:
      f.write(content)
  except (OSError, soundfile.LibsndfileError) as e:
    raise errors.UserError(f"{path} cannot be written ({errors.one_line(e)})") from None
