"""A note as TFDS stores it and as a batch holds it: one format, whichever builder it came from."""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np

from cvae_jax.data import labels

# What a batch carries to the device; the rest of a note (its id) stays on the host.
BATCH_LABELS = ("pitch", "velocity", "family", "source", "instrument", "qualities")


def make_features(instruments: Sequence[str]):
  """TFDS features of a note: those of the official `nsynth` builder.

  The audio is stored as raw bytes rather than as a list of numbers, which would be parsed one by
  one; what is read is the same float32 array.

  Args:
    instruments: names of the instruments, in the order of their labels.
  """
  import tensorflow_datasets as tfds

  return tfds.features.FeaturesDict(
    {
      "id": tfds.features.Text(),
      "audio": tfds.features.Audio(
        shape=(labels.NUM_SAMPLES,),
        dtype=np.float32,
        sample_rate=labels.SAMPLE_RATE,
        encoding="bytes",
      ),
      "pitch": tfds.features.ClassLabel(num_classes=labels.NUM_PITCHES),
      "velocity": tfds.features.ClassLabel(num_classes=labels.NUM_VELOCITIES),
      "instrument": {
        "label": tfds.features.ClassLabel(names=list(instruments)),
        "family": tfds.features.ClassLabel(names=list(labels.FAMILIES)),
        "source": tfds.features.ClassLabel(names=list(labels.SOURCES)),
      },
      "qualities": {quality: tfds.features.Scalar(np.bool_) for quality in labels.QUALITIES},
    }
  )


def note_str(instrument: str, pitch: int, velocity: int) -> str:
  """NSynth's name of a note: guitar_acoustic_003-060-100."""
  return f"{instrument}-{pitch:03d}-{velocity:03d}"


def encode_audio(audio: np.ndarray) -> np.ndarray:
  """A waveform as a builder must yield it for `make_features`.

  TFDS' Audio feature encodes what it decoded itself, but passes arrays on as they are; so the bytes
  are made here.

  Raises:
    ValueError: where the waveform is not [T] of the fixed length, or not finite.
  """
  audio = np.asarray(audio, np.float32)
  if audio.shape != (labels.NUM_SAMPLES,):
    raise ValueError(f"audio must be {labels.NUM_SAMPLES} samples, got shape {audio.shape}")
  if not np.isfinite(audio).all():
    raise ValueError("audio must be finite, got NaN or infinite samples")
  return np.array(audio.tobytes(), dtype=object)


def flatten(example: Mapping[str, Any]) -> dict[str, Any]:
  """A note as read from TFDS, made into flat arrays that batch.

  Returns:
    audio [T] float32; pitch, velocity, family, source, instrument: int32; qualities [10] float32;
    id: str.
  """
  instrument = example["instrument"]
  name = example["id"]
  return {
    "id": name.decode() if isinstance(name, bytes) else str(name),
    "audio": np.asarray(example["audio"], np.float32),
    "pitch": np.int32(example["pitch"]),
    "velocity": np.int32(example["velocity"]),
    "family": np.int32(instrument["family"]),
    "source": np.int32(instrument["source"]),
    "instrument": np.int32(instrument["label"]),
    "qualities": np.asarray(
      [example["qualities"][quality] for quality in labels.QUALITIES], np.float32
    ),
  }
