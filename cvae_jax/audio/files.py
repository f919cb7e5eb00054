"""Audio files in and out: any rate, any channel count, never half a file taken for a whole one."""

import io
import os
import struct
from typing import NamedTuple

import numpy as np
import soundfile

from cvae_jax import atomic
from cvae_jax import errors
from cvae_jax import lazy_librosa


class Recording(NamedTuple):
  """A note read from a file.

  Attributes:
    audio: [T] float32 in full scale -1 to 1.
    changes: what had to be done to it, in words: 'stereo', 'resampled', 'padded', 'cut'.
  """

  audio: np.ndarray
  changes: tuple[str, ...]


def _missing_bytes(path: str) -> int:
  """Bytes that a RIFF file's data chunk promises and the file does not hold; 0 for other files."""
  size = os.path.getsize(path)
  with open(path, "rb") as f:
    head = f.read(12)
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
      return 0
    position = 12
    while len(chunk := f.read(8)) == 8:
      name, length = struct.unpack("<4sI", chunk)
      position += 8
      # A length of all ones is a writer's that could not go back: it promises nothing.
      if name == b"data":
        return 0 if length == 0xFFFFFFFF else max(position + length - size, 0)
      position += length + length % 2
      f.seek(position)
  return 0


def read_clip(path: str, sample_rate: int) -> Recording:
  """Reads a WAV, FLAC or other file that libsndfile knows, as a mono waveform of its own length.

  Channels are averaged; another rate is resampled (soxr, high quality).

  Args:
    path: of the file.
    sample_rate: wanted, in Hz.

  Raises:
    UserError: one line that names the file, for one that is missing, empty, truncated, no audio, or
      holds samples that are no numbers.
  """
  try:
    missing = _missing_bytes(path)
    if os.path.getsize(path) == 0:
      raise errors.UserError(f"{path} is empty (0 bytes): a WAV or FLAC file is wanted")
    if missing:
      raise errors.UserError(f"{path} is truncated: its last {missing} bytes are missing")
    with soundfile.SoundFile(path) as f:
      promised, rate = f.frames, f.samplerate
      audio = f.read(dtype="float32", always_2d=True)
  except (FileNotFoundError, IsADirectoryError):
    raise errors.UserError(f"{path} does not exist or is no file") from None
  except (soundfile.LibsndfileError, RuntimeError) as e:
    reason = str(e).rsplit(": ", 1)[-1].rstrip(".").lower()
    raise errors.UserError(f"{path} cannot be read as audio ({reason})") from None
  if audio.shape[0] == 0:
    raise errors.UserError(f"{path} holds no samples")
  if audio.shape[0] < promised:
    raise errors.UserError(
      f"{path} is truncated: {audio.shape[0]} of {promised} samples can be read"
    )
  if not np.isfinite(audio).all():
    raise errors.UserError(f"{path} holds samples that are NaN or infinite")
  changes = []
  if audio.shape[1] > 1:
    changes.append("stereo")
  audio = audio.mean(axis=1) if audio.shape[1] > 1 else audio[:, 0]
  if rate != sample_rate:
    librosa = lazy_librosa.load()  # Slow, and most files are at the right rate.

    changes.append("resampled")
    audio = librosa.resample(audio, orig_sr=rate, target_sr=sample_rate, res_type="soxr_hq")
  return Recording(np.ascontiguousarray(audio, np.float32), tuple(changes))


def read_note(path: str, num_samples: int, sample_rate: int) -> Recording:
  """Reads a file as a note of fixed length: `read_clip`, padded with silence or cut.

  Args:
    path: of the file.
    num_samples: T wanted.
    sample_rate: wanted, in Hz.

  Raises:
    UserError: as `read_clip`.
  """
  audio, changes = read_clip(path, sample_rate)
  if audio.size < num_samples:
    audio, changes = np.pad(audio, (0, num_samples - audio.size)), (*changes, "padded")
  elif audio.size > num_samples:
    audio, changes = audio[:num_samples], (*changes, "cut")
  return Recording(np.ascontiguousarray(audio), changes)


def to_wav(audio: np.ndarray, sample_rate: int) -> bytes:
  """A mono WAV of 16 bits; samples past full scale are clipped."""
  out = io.BytesIO()
  clipped = np.clip(audio, -1.0, 1.0)
  soundfile.write(out, clipped, sample_rate, subtype="PCM_16", format="WAV")
  return out.getvalue()


def write_wav(path: str, audio: np.ndarray, sample_rate: int) -> None:
  """Writes a mono WAV of 16 bits, whole or not at all; samples past full scale are clipped.

  Raises:
    UserError: where the file cannot be written.
  """
  try:
    with atomic.open_file(path, "wb") as f:
      f.write(to_wav(audio, sample_rate))
  except (OSError, soundfile.LibsndfileError) as e:
    raise errors.UserError(f"{path} cannot be written ({e})") from None
