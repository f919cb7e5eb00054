"""The format of a note, stored by TFDS and in a batch; shared by all builders."""

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import os
import re
from typing import Any

import numpy as np

from cvae_jax.core import errors
from cvae_jax.data import labels
from cvae_jax.data.synthetic import factors

FULL_SCALE = 32_768  # of 16-bit samples
STORAGES = ("int16", "float32")
# Labels of a batch that are sent to the device; the id stays on the host.
BATCH_LABELS = ("pitch", "velocity", "family", "source", "instrument", "qualities")


def make_features(instruments: Sequence[str], storage: str = "int16", with_factors: bool = False):
  """TFDS features of a note, as in the official `nsynth` builder.

  Audio is stored as raw bytes, since a list of numbers is slow to parse.

  Args:
    instruments: names of the instruments, in the order of their indices.
    storage: dtype of the samples: 'int16' (full scale 32,768, as in NSynth's files; half the size)
      or 'float32'.
    with_factors: whether notes have generative factors, see `factors`.
  """
  import tensorflow_datasets as tfds

  factor_features = {
    "method": tfds.features.ClassLabel(names=list(factors.METHODS)),
    **{name: tfds.features.Scalar(np.float32) for name in factors.NAMES},
  }
  return tfds.features.FeaturesDict(
    {
      "id": tfds.features.Text(),
      "audio": tfds.features.Audio(
        shape=(labels.NUM_SAMPLES,),
        dtype=np.dtype(storage).type,
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
      **({"factors": factor_features} if with_factors else {}),
    }
  )


def note_str(instrument: str, pitch: int, velocity: int) -> str:
  """A note's name as in NSynth: guitar_acoustic_003-060-100."""
  return f"{instrument}-{pitch:03d}-{velocity:03d}"


def spread_rows(count: int, num: int) -> np.ndarray:
  """`num` evenly spaced rows of `count`, sorted; all rows if there are fewer."""
  return np.unique(np.linspace(0, count - 1, min(num, count)).astype(int))


def fill_up(rows: np.ndarray, size: int) -> np.ndarray:
  """Pads rows to a batch of `size` with the first row."""
  return np.concatenate([rows, np.repeat(rows[:1], size - rows.size)])


def batches(rows: np.ndarray, size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
  """Batches of rows of a fixed size, for one compiled function: (rows, padded rows [size])."""
  for start in range(0, len(rows), size):
    chunk = rows[start : start + size]
    yield chunk, fill_up(chunk, size)


def name_part(path: str) -> str:
  """The last part of a path, with the characters that a data set's name may have."""
  return re.sub(r"\W+", "_", os.path.basename(os.path.abspath(path))) or "folder"


def check_storage(storage: str) -> None:
  """Raises UserError for an unknown storage."""
  if storage not in STORAGES:
    raise errors.UserError(f"data.storage must be one of {', '.join(STORAGES)}, got '{storage}'")


def encode_audio(audio: np.ndarray, storage: str = "int16") -> np.ndarray:
  """Encodes a waveform as a builder must yield it for `make_features`.

  TFDS' Audio feature passes arrays on unchanged, so that the bytes are made here.

  Args:
    audio: [T] in full scale -1 to 1; or int16 samples.
    storage: as in `make_features`; 'int16' rounds, and clips to full scale.

  Raises:
    ValueError: if the waveform is not of NSynth's length, or not finite.
  """
  if audio.dtype != np.int16:
    audio = np.asarray(audio, np.float32)
  if audio.shape != (labels.NUM_SAMPLES,):
    raise ValueError(f"audio must be {labels.NUM_SAMPLES} samples, got shape {audio.shape}")
  if not np.isfinite(audio).all():
    raise ValueError("audio must be finite, got NaN or infinite samples")
  if storage == "int16" and audio.dtype != np.int16:
    audio = np.clip(np.round(audio * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)
  return np.array(audio.tobytes(), dtype=object)


def parse(record: bytes) -> dict[str, Any]:
  """Parses a note that TFDS wrote into a flat dictionary of arrays.

  It returns exactly what TFDS' own parser does, which handles any features and takes ten times as
  long (half a millisecond a note).

  Args:
    record: a serialised `tf.train.Example` with the features of `make_features` or of the official
      `nsynth`, whose audio is a list of numbers.

  Returns:
    audio [T] in its stored dtype, float32 or int16; pitch, velocity, family, source, instrument:
    int32; qualities [10] float32; id: str. For notes with generative factors, method: int32;
    factors [F] float32, as in `factors.FACTORS`.
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
  note = {
    "id": feature["id"].bytes_list.value[0].decode(),
    "audio": audio,
    "pitch": np.int32(number("pitch")),
    "velocity": np.int32(number("velocity")),
    "family": np.int32(number("instrument/family")),
    "source": np.int32(number("instrument/source")),
    "instrument": np.int32(number("instrument/label")),
    "qualities": np.asarray([number(f"qualities/{q}") for q in labels.QUALITIES], np.float32),
  }
  if "factors/method" in feature:
    values = [feature[f"factors/{name}"].float_list.value[0] for name in factors.NAMES]
    note |= {
      "method": np.int32(number("factors/method")),
      "factors": np.asarray(values, np.float32),
    }
  return note


def to_int16(audio: np.ndarray) -> np.ndarray | None:
  """[T] int16 samples that represent the waveform exactly; None if there are none."""
  if audio.dtype == np.int16:
    return audio
  samples = np.round(audio * FULL_SCALE)
  exact = np.array_equal(samples / FULL_SCALE, audio) and samples.max() < FULL_SCALE
  return samples.astype(np.int16) if exact else None


def to_float(audio: np.ndarray) -> np.ndarray:
  """[..., T] float32 in full scale -1 to 1."""
  if audio.dtype == np.int16:
    return np.multiply(audio, np.float32(1 / FULL_SCALE), dtype=np.float32)  # A power of 2: exact.
  return audio


def make_example(
  name: str,
  audio: np.ndarray,
  pitch: int,
  velocity: int,
  instrument: str,
  family: str | int,
  source: str | int,
  qualities: Mapping[str, bool] | None = None,
  storage: str = "int16",
) -> tuple[str, dict[str, Any]]:
  """Makes a note as a builder yields it: its key, and its features as in `make_features`.

  Args:
    name: its id.
    audio: as `encode_audio` takes it.
    pitch: MIDI number.
    velocity: 0 to 127.
    instrument: one of the names given to `make_features`.
    family: name or number.
    source: name or number.
    qualities: by name; missing ones are False.
    storage: as in `make_features`.
  """
  present = qualities or {}
  return name, {
    "id": name,
    "audio": encode_audio(audio, storage),
    "pitch": pitch,
    "velocity": velocity,
    "instrument": {"label": instrument, "family": family, "source": source},
    "qualities": {quality: bool(present.get(quality, False)) for quality in labels.QUALITIES},
  }
