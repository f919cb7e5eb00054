"""One file of a folder: checks its labels, reads its note, and measures its pitch."""

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
  """A row of the report: whether and how a file is used.

  Attributes:
    file: its name.
    used: 'yes' or 'no'.
    reason: why it is not used, or the changes made to it.
    pitch: MIDI number.
    pitch_from: 'given' or 'measured'.
    confidence: fraction of voiced frames at the measured pitch; empty for a given pitch.
  """

  file: str
  used: str
  reason: str = ""
  pitch: str = ""
  pitch_from: str = ""
  confidence: str = ""


def measure_pitch(audio: np.ndarray, sample_rate: int) -> tuple[int, float] | None:
  """Estimates the pitch of a recording: the median over voiced frames.

  Args:
    audio: [T] waveform.
    sample_rate: in Hz.

  Returns:
    (MIDI number, fraction of voiced frames at it), or None if no frame is voiced.

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


def instrument_name(fields: dict[str, str]) -> str:
  """An instrument's name as in NSynth: family_source_name."""
  name = f"{fields['family']}_{fields['source']}_{fields['instrument']}"
  return " ".join(name.split())  # TFDS stores label names one per line.


class Labels(NamedTuple):
  """A file's labels, checked; `pitch` is None if it must be measured."""

  pitch: int | None
  velocity: int
  family: int
  source: int
  instrument: str


def check_labels(entry: folder_labels.LabelledFile, defaults: dict[str, str]) -> Labels:
  """Parses a file's labels; missing ones are taken from `defaults`.

  Raises:
    UserError: for an invalid label; the message names the file and the label.
  """
  fields = defaults | entry.labels
  try:
    return Labels(
      folder_labels.parse_pitch(fields["pitch"]) if "pitch" in fields else None,
      folder_labels.parse_velocity(fields["velocity"]),
      labels.index_of(fields["family"], labels.FAMILIES, "family"),
      labels.index_of(fields["source"], labels.SOURCES, "source"),
      instrument_name(fields),
    )
  except errors.UserError as e:
    raise errors.UserError(f"{entry.path}: {e}") from None


@functools.lru_cache(maxsize=1)  # Many notes may be cut from one recording.
def _read_recording(path: str) -> tuple[files.Recording, int]:
  """A whole file at NSynth's sample rate, and its original sample rate."""
  return files.read_clip(path, labels.SAMPLE_RATE), soundfile.info(path).samplerate


def forget() -> None:
  """Frees the cached recording."""
  _read_recording.cache_clear()


def read_audio(entry: folder_labels.LabelledFile) -> files.Recording:
  """Reads a file's note, or the part of the file that the entry selects.

  Raises:
    UserError: if the file cannot be read; the message names the file.
  """
  if not os.path.isfile(entry.path):  # Opening a pipe would block.
    raise errors.UserError(f"{entry.path} does not exist or is not a file")
  try:
    if not entry.offset and entry.end is None:
      return files.read_note(entry.path, labels.NUM_SAMPLES, labels.SAMPLE_RATE)
    (audio, changes), rate = _read_recording(entry.path)
  except UnicodeEncodeError:  # libsndfile takes UTF-8 paths only.
    raise errors.UserError(f"{entry.path} has a name that is not UTF-8: rename the file") from None
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
  """Reads a file and returns its row of the report.

  Args:
    entry: the file.
    defaults: text by field, for the labels that are missing.
    strict: whether a file that cannot be used is an error.

  Raises:
    UserError: with `strict`, if the file cannot be used; the message names it.
  """
  try:
    checked = check_labels(entry, defaults)
    recording = read_audio(entry)
    if np.abs(recording.audio - recording.audio.mean()).max() < _SILENCE:
      raise errors.UserError(f"{entry.path} is silent")
    pitch, pitch_from, confidence = checked.pitch, "given", ""
    if pitch is None:
      measured = measure_pitch(recording.audio, labels.SAMPLE_RATE)
      if measured is None:
        raise errors.UserError(f"{entry.path} has no measurable pitch, and none is given")
      pitch, pitch_from, confidence = measured[0], "measured", f"{measured[1]:.2f}"
  except errors.UserError as e:
    reason = label_text.printable(" ".join(str(e).split()))
    if strict:
      raise errors.UserError(reason) from None
    return Found(entry.name, "no", reason)
  return Found(entry.name, "yes", " ".join(recording.changes), str(pitch), pitch_from, confidence)
