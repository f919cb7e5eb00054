"""A note as TFDS stores it and as a batch holds it: one format, whichever builder it came from."""

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


def parse(record: bytes) -> dict[str, Any]:
  """A note as TFDS has written it, made into flat arrays that batch.

  TFDS' own parser serves features of any kind, at half a millisecond a note; this one knows what a
  note is, and takes a tenth of that. What it gives is the same, to the bit.

  Args:
    record: a serialised `tf.train.Example` with the features of `make_features` or of the official
      `nsynth`, whose audio is a list of numbers.

  Returns:
    audio [T] float32, or int16 where it is stored so; pitch, velocity, family, source, instrument:
    int32; qualities [10] float32; id: str.
  """
  from tensorflow_datasets.proto import tf_example_pb2

  feature = tf_example_pb2.Example.FromString(record).features.feature

  def number(name):
    return feature[name].int64_list.value[0]

  if feature["audio"].HasField("bytes_list"):
    samples = feature["audio"].bytes_list.value[0]
    dtype = np.int16 if len(samples) == 2 * labels.NUM_SAMPLES else np.float32
    audio = np.frombuffer(samples, dtype)
  else:
    audio = np.asarray(feature["audio"].float_list.value, np.float32)
  return {
    "id": feature["id"].bytes_list.value[0].decode(),
    "audio": audio,
    "pitch": np.int32(number("pitch")),
    "velocity": np.int32(number("velocity")),
    "family": np.int32(number("instrument/family")),
    "source": np.int32(number("instrument/source")),
    "instrument": np.int32(number("instrument/label")),
    "qualities": np.asarray([number(f"qualities/{q}") for q in labels.QUALITIES], np.float32),
  }


def to_int16(audio: np.ndarray) -> np.ndarray | None:
  """[T] samples of 16 bits that are the same waveform; None where there are none."""
  if audio.dtype == np.int16:
    return audio
  samples = np.round(audio * 32768.0)
  exact = np.array_equal(samples / 32768.0, audio) and samples.max() < 32768
  return samples.astype(np.int16) if exact else None


def to_float(audio: np.ndarray) -> np.ndarray:
  """[T] float32 between -1 and 1."""
  if audio.dtype == np.int16:
    return audio.astype(np.float32) / np.float32(32768.0)
  return audio
