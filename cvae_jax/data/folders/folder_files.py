"""One file of a folder: its labels checked, its note read or cut out, its pitch measured."""

import functools
import os
from typing import NamedTuple

import numpy as np
import soundfile

from cvae_jax.audio import files
from cvae_jax.core import errors
from cvae_jax.core import lazy_librosa
from cvae_jax.data import labels
from cvae_jax.data.folders import folder_labels
from cvae_jax.data.folders import label_text

_SILENCE = 1e-3  # peak in full scale, -60 dB


class Found(NamedTuple):
  """What became of a file: a row of the report.

  Attributes:
    file: its name.
    used: 'yes' or 'no'.
    reason: why not; or what had to be done to it.
    pitch: MIDI number.
    pitch_from: 'given' or 'measured'.
    confidence: of a measured pitch, the share of its sounding frames that lie on it.
  """

  file: str
  used: str
  reason: str = ""
  pitch: str = ""
  pitch_from: str = ""
  confidence: str = ""


def measure_pitch(audio: np.ndarray, sample_rate: int) -> tuple[int, float] | None:
  """The note that a recording sounds most, and the share of its sounding frames that are on it.

  Args:
    audio: [T] waveform.
    sample_rate: in Hz.

  Returns:
    (MIDI number, 0 to 1), or None where nothing with a pitch sounds.

  Source: `librosa.pyin` (Mauch & Dixon 2014).
  """
  librosa = lazy_librosa.load()
  f0_hz, voiced, _ = librosa.pyin(
    audio, fmin=27.5, fmax=4186.0, sr=sample_rate, frame_length=2048, fill_na=np.nan
  )
  f0_hz = f0_hz[voiced & np.isfinite(f0_hz)]
  if not f0_hz.size:
    return None
  pitches = np.round(librosa.hz_to_midi(f0_hz)).astype(int)
  pitch = int(np.median(pitches))
  return pitch, float(np.mean(pitches == pitch))


def instrument_name(given: dict[str, str]) -> str:
  """NSynth's way of naming an instrument, unique by family, source and name."""
  name = f"{given['family']}_{given['source']}_{given['instrument']}"
  return " ".join(name.split())  # TFDS keeps names of labels one a line.


class Labels(NamedTuple):
  """A file's labels, checked; `pitch` is None where it is to be measured."""

  pitch: int | None
  velocity: int
  family: int
  source: int
  instrument: str


def check_labels(entry: folder_labels.LabelledFile, defaults: dict[str, str]) -> Labels:
  """A file's labels as numbers.

  Raises:
    UserError: one line that names the file and the label.
  """
  given = defaults | entry.labels
  try:
    return Labels(
      folder_labels.parse_pitch(given["pitch"]) if "pitch" in given else None,
      folder_labels.parse_velocity(given["velocity"]),
      labels.index_of(given["family"], labels.FAMILIES, "family"),
      labels.index_of(given["source"], labels.SOURCES, "source"),
      instrument_name(given),
    )
  except errors.UserError as e:
    raise errors.UserError(f"{entry.path}: {e}") from None


@functools.lru_cache(maxsize=1)  # An instrument may be cut from one recording.
def _read_recording(path: str) -> tuple[files.Recording, int]:
  """All of a file, and the rate that it has by itself."""
  return files.read_clip(path, labels.SAMPLE_RATE), soundfile.info(path).samplerate


def forget() -> None:
  """Frees the recording that was cut last."""
  _read_recording.cache_clear()


def read_audio(entry: folder_labels.LabelledFile) -> files.Recording:
  """A file's note, or what its entry cuts out of it.

  Raises:
    UserError: one line that names the file and what is wrong with it.
  """
  if not os.path.isfile(entry.path):  # A pipe would wait for its writer.
    raise errors.UserError(f"{entry.path} does not exist or is no file")
  try:
    if not entry.offset and entry.end is None:
      return files.read_note(entry.path, labels.NUM_SAMPLES, labels.SAMPLE_RATE)
    (audio, changes), rate = _read_recording(entry.path)
  except UnicodeEncodeError:  # libsndfile takes a path as UTF-8.
    raise errors.UserError(f"{entry.path} has a name that is no UTF-8: another is wanted") from None
  begin, end = (
    None if sample is None else round(sample * labels.SAMPLE_RATE / rate)
    for sample in (entry.offset, entry.end)
  )
  audio = audio[begin:end]
  if not audio.size:
    raise errors.UserError(
      f"{entry.path} has no samples from {entry.offset} to {entry.end or 'its end'}"
    )
  missing = labels.NUM_SAMPLES - audio.size
  changes = (*changes, *(("padded",) if missing > 0 else ("cut",) if missing < 0 else ()))
  audio = np.pad(audio[: labels.NUM_SAMPLES], (0, max(missing, 0)))
  return files.Recording(audio, changes)


def examine(
  entry: folder_labels.LabelledFile, defaults: dict[str, str], strict: bool = False
) -> Found:
  """A file's row of the report.

  Args:
    entry: the file.
    defaults: text by field, of what it does not say.
    strict: whether a file that cannot be used is an error.

  Raises:
    UserError: one line that names the file, where that is an error.
  """
  try:
    given = check_labels(entry, defaults)
    recording = read_audio(entry)
    if np.abs(recording.audio - recording.audio.mean()).max() < _SILENCE:
      raise errors.UserError(f"{entry.path} is silent")
    pitch, how, confidence = given.pitch, "given", ""
    if pitch is None:
      measured = measure_pitch(recording.audio, labels.SAMPLE_RATE)
      if measured is None:
        raise errors.UserError(
          f"{entry.path} has no pitch that could be measured, and none is given"
        )
      pitch, how, confidence = measured[0], "measured", f"{measured[1]:.2f}"
  except errors.UserError as e:
    reason = label_text.printable(" ".join(str(e).split()))
    if strict:
      raise errors.UserError(reason) from None
    return Found(entry.name, "no", reason)
  return Found(entry.name, "yes", " ".join(recording.changes), str(pitch), how, confidence)
