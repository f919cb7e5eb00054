"""Reads and writes audio files of any sample rate and number of channels; detects truncation."""

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

# libsndfile's format and subtype, by file extension.
FORMATS = {
  ".wav": ("WAV", "PCM_16"),
  ".flac": ("FLAC", "PCM_16"),
  ".ogg": ("OGG", "VORBIS"),
  ".mp3": ("MP3", "MPEG_LAYER_III"),
  ".aiff": ("AIFF", "PCM_16"),
  ".aif": ("AIFF", "PCM_16"),
}
_PART_S = 30.0  # seconds of a recording that are read at a time
_WRITE_BLOCK = 2**16  # samples; libvorbis allocates a whole call's samples on the stack


class _EndError(errors.UserError):
  """A requested part begins after the end of the file."""


class Recording(NamedTuple):
  """A note read from a file.

  Attributes:
    audio: [T] float32 in full scale -1 to 1.
    changes: made to the file's samples: 'stereo' (channels averaged), 'antiphase' (channels cancel
      each other: the loudest one used), 'resampled', 'attenuated' (exceeded full scale, and scaled
      to it), 'padded', 'cut'.
  """

  audio: np.ndarray
  changes: tuple[str, ...]


def _read(path: str, sample_rate: int, first: int, count: int | None) -> Recording:
  """Reads slightly more than `count` samples of a file from sample `first`, at a sample rate.

  Only this part of the file is read, plus the length of the resampling filter on both sides.
  """
  with decoding.AudioFile(path) as source:
    rate = source.sample_rate
    if first and first * rate >= source.num_frames * sample_rate:
      raise _EndError(f"{path} ends before {first / sample_rate:g} s")
    if rate == sample_rate:
      audio, changes = source.read(first, None if count is None else count + 1)
      return Recording(audio, changes)
    margin = rate // 20 + 1024
    # Frames after which the sampling instants of both rates coincide.
    unit = rate // math.gcd(rate, sample_rate)
    start = max(0, (first * rate // sample_rate - margin) // unit * unit)
    limit = None if count is None else -(-(first + count) * rate // sample_rate) + margin - start
    audio, changes = source.read(start, limit)
  librosa = lazy_librosa.load()  # Slow to import, and most files have the right rate.

  audio = librosa.resample(audio, orig_sr=rate, target_sr=sample_rate, res_type="soxr_hq")
  audio = audio[first - start * sample_rate // rate :]
  if not audio.size:
    raise _EndError(f"{path} ends before {first / sample_rate:g} s")
  return Recording(audio, (*changes, "resampled"))


def _attenuate(recording: Recording) -> Recording:
  """Scales a recording that exceeds full scale to full scale."""
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
  """Reads an audio file in a format of libsndfile, or a part of it, as a mono waveform.

  Channels are averaged, and other sample rates resampled (soxr, high quality). With `start_s` and
  `duration_s` only that part of the file is read; its samples equal those of the whole file.

  Args:
    path: of the file.
    sample_rate: of the result, in Hz.
    start_s: start of the part, in seconds.
    duration_s: maximal duration, in seconds; None for the rest of the file.
    attenuate: whether to scale what exceeds full scale. Use False for parts that are concatenated,
      which need a common gain.

  Raises:
    UserError: if the file is missing, empty, truncated or not audio, holds samples that are not
      finite, or ends before `start_s`; the message names the file.
  """
  first = round(start_s * sample_rate)
  count = None if duration_s is None else round(duration_s * sample_rate)
  audio, changes = _read(path, sample_rate, first, count)
  recording = Recording(np.ascontiguousarray(audio[:count], np.float32), changes)
  return _attenuate(recording) if attenuate else recording


def read_parts(path: str, sample_rate: int, max_s: float | None = None) -> Iterator[Recording]:
  """Reads a file in parts of 30 s, in bounded memory; the samples are those of `read_clip`.

  Parts that exceed full scale are not attenuated: the caller chooses a common gain.

  Args:
    path: of the file.
    sample_rate: of the result, in Hz.
    max_s: maximal total duration, in seconds.

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

  Only as much of the file is read as the note needs.

  Args:
    path: of the file.
    num_samples: T.
    sample_rate: of the result, in Hz.

  Raises:
    UserError: as `read_clip`.
  """
  audio, changes = _read(path, sample_rate, 0, num_samples)
  is_longer, num_missing = audio.size > num_samples, num_samples - audio.size
  audio, changes = _attenuate(Recording(audio[:num_samples], changes))
  if num_missing > 0:
    audio, changes = np.pad(audio, (0, num_missing)), (*changes, "padded")
  elif is_longer:
    changes = (*changes, "cut")
  return Recording(np.ascontiguousarray(audio, np.float32), changes)


def to_bytes(audio: np.ndarray, sample_rate: int, ending: str) -> bytes:
  """Encodes a mono waveform as an audio file; samples are clipped to full scale.

  Args:
    audio: [T] in full scale -1 to 1.
    sample_rate: in Hz.
    ending: file extension, one of `FORMATS`.
  """
  out = io.BytesIO()
  clipped = np.clip(audio, -1.0, 1.0)
  form, subtype = FORMATS[ending]
  with soundfile.SoundFile(out, "w", sample_rate, 1, subtype, format=form) as f:
    for start in range(0, len(clipped), _WRITE_BLOCK):
      f.write(clipped[start : start + _WRITE_BLOCK])
  return out.getvalue()


def write_blocks(path: str, blocks: Iterator[np.ndarray], sample_rate: int) -> int:
  """Writes a mono waveform block by block, atomically; see `write_wav`.

  Returns:
    Number of samples written.

  Raises:
    UserError: if the file cannot be written, or its extension is unknown.
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
  """Encodes a mono waveform as a 16-bit WAV file; samples are clipped to full scale."""
  return to_bytes(audio, sample_rate, ".wav")


def _ending(path: str) -> str:
  """The extension that determines the format: the path's own, or '.wav' for a device or a FIFO.

  Raises:
    UserError: if the extension is unknown.
  """
  ending = os.path.splitext(path)[1].lower()
  if ending in FORMATS:
    return ending
  if atomic.is_special(path):
    return ".wav"
  raise errors.UserError(
    f"{path} must end in one of {', '.join(FORMATS)}, which determines the format"
  )


def check_output(path: str) -> None:
  """Checks that a sound can be written to a path; to be called before the work.

  Raises:
    UserError: if the extension is unknown, or the path cannot be written.
  """
  outputs.check_file(path)
  _ending(path)


def write_wav(path: str, audio: np.ndarray, sample_rate: int) -> None:
  """Writes a mono waveform, atomically: a 16-bit WAV, or the format of the path's extension.

  Samples are clipped to full scale.

  Raises:
    UserError: if the file cannot be written, or its extension is unknown.
  """
  try:
    content = to_bytes(audio, sample_rate, _ending(path))
    with atomic.open_file(path, "wb") as f:
      f.write(content)
  except (OSError, soundfile.LibsndfileError) as e:
    raise errors.UserError(f"{path} cannot be written ({errors.one_line(e)})") from None
