"""`nsynth_wav`: a folder in the layout of NSynth's json/wav distribution.

    DIR/nsynth-{train,valid,test}/examples.json
    DIR/nsynth-{train,valid,test}/audio/<note_str>.wav or .flac

The split `test` may be missing, and `qualities` may be missing from any note. The prepared data set
is named by a fingerprint of the folder's contents: a folder whose files change is prepared again.
"""

import collections
from collections.abc import Iterator
import dataclasses
import hashlib
import logging
import os
import re
import reprlib
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from cvae_jax.audio import files
from cvae_jax.core import errors
from cvae_jax.core import json_file
from cvae_jax.data import labels
from cvae_jax.data import notes

_log = logging.getLogger(__name__)

SPLITS = ("train", "valid", "test")
_REQUIRED = ("train", "valid")
_EXTENSIONS = (".wav", ".flac")


@dataclasses.dataclass(frozen=True)
class NoteFile:
  """A checked entry of an examples.json.

  Attributes:
    name: its note_str.
    path: of its audio file.
    labels: pitch, velocity, instrument, family, source, qualities, as `notes.make_example` takes.
  """

  name: str
  path: str
  labels: dict[str, Any]


def _read_json(path: str) -> dict[str, Any]:
  def no_duplicates(pairs):
    names = collections.Counter(name for name, _ in pairs)
    repeated = [name for name, count in names.items() if count > 1]
    if repeated:
      raise errors.UserError(f"{path}: {repeated[0]!r} is listed twice; names must differ")
    return dict(pairs)

  try:
    content = json_file.load(path, no_duplicates)
  except FileNotFoundError:
    raise errors.UserError(f"{path} is missing: every split in NSynth's layout has one") from None
  if not isinstance(content, dict) or not content:
    raise errors.UserError(f"{path} must be a JSON object of at least one note by name")
  return content


def _get(entry: dict[str, Any], field: str, kind: type) -> Any:
  value = entry.get(field)
  if (
    kind is int and isinstance(value, float) and value.is_integer()
  ):  # Some libraries write 60 as 60.0.
    value = int(value)
  if not isinstance(value, kind) or isinstance(value, bool):
    problem = "it is missing" if value is None else f"got {reprlib.repr(value)}"
    raise errors.UserError(f"{field} must be {kind.__name__}, {problem}")
  if isinstance(value, str) and not (value.strip() and value.isprintable()):
    raise errors.UserError(f"{field} must be a printable name, got {value[:40]!r}")
  return value


def _check_qualities(values: Any) -> dict[str, bool]:
  count = len(labels.QUALITIES)
  if values is None:
    values = [0] * count
  if not isinstance(values, list) or len(values) != count or any(v not in (0, 1) for v in values):
    text = reprlib.repr(values)
    raise errors.UserError(f"qualities must be {count} numbers of 0 or 1, got {text}")
  return dict(zip(labels.QUALITIES, map(bool, values), strict=True))


def _check_labels(entry: Any) -> dict[str, Any]:
  if not isinstance(entry, dict):
    raise errors.UserError(f"it must be a JSON object of labels, got {reprlib.repr(entry)}")
  family, source = (_get(entry, f"instrument_{name}_str", str) for name in ("family", "source"))
  return {
    "pitch": labels.check_range(_get(entry, "pitch", int), 127, "pitch"),
    "velocity": labels.check_range(_get(entry, "velocity", int), 127, "velocity"),
    "instrument": _get(entry, "instrument_str", str),
    "family": labels.index_of(family, labels.FAMILIES, "instrument_family_str"),
    "source": labels.index_of(source, labels.SOURCES, "instrument_source_str"),
    "qualities": _check_qualities(entry.get("qualities")),
  }


def _check_note(name: str, entry: Any, audio_dir: str, json_path: str) -> NoteFile:
  if not re.fullmatch(r"[A-Za-z0-9_.+#-]+", name):
    raise errors.UserError(
      f"{json_path}: note '{repr(name)[1:-1][:80]}' must be named with letters, digits and _.+#-"
    )
  try:
    checked = _check_labels(entry)
  except errors.UserError as e:
    raise errors.UserError(f"{json_path}: note '{name}': {e}") from None
  for extension in _EXTENSIONS:
    path = os.path.join(audio_dir, name + extension)
    if os.path.isfile(path):
      return NoteFile(name, path, checked)
  raise errors.UserError(
    f"{json_path}: note '{name}' has no audio file: "
    f"{os.path.join(audio_dir, name)}.wav (or .flac) is missing"
  )


def read_folder(path: str) -> dict[str, list[NoteFile]]:
  """Reads and checks the labels of a folder, and checks that every audio file exists.

  Returns:
    Notes by split, sorted by name.

  Raises:
    UserError: for invalid labels or a missing file; the message names the file, note and field.
  """
  if not os.path.isdir(path):
    raise errors.UserError(
      f"data.dir {path} is not a folder: it must hold nsynth-train and nsynth-valid"
    )
  folder: dict[str, list[NoteFile]] = {}
  split_of_note: dict[str, str] = {}
  for split in SPLITS:
    split_dir = os.path.join(path, f"nsynth-{split}")
    if not os.path.isdir(split_dir):
      if split in _REQUIRED:
        raise errors.UserError(
          f"{split_dir} is missing: data.dir must hold nsynth-train and -valid"
        )
      continue
    json_path = os.path.join(split_dir, "examples.json")
    audio_dir = os.path.join(split_dir, "audio")
    content = _read_json(json_path)
    folder[split] = [
      _check_note(name, content[name], audio_dir, json_path) for name in sorted(content)
    ]
    for note in folder[split]:
      if note.name in split_of_note:
        raise errors.UserError(
          f"{json_path}: note '{note.name}' is also in nsynth-{split_of_note[note.name]}; "
          "names must differ"
        )
      split_of_note[note.name] = split
  return folder


def _fingerprint(folder: dict[str, list[NoteFile]]) -> str:
  digest = hashlib.sha256()
  for split, split_notes in folder.items():
    for note in split_notes:
      stat = os.stat(note.path)
      row = (split, note.name, sorted(note.labels.items()), stat.st_size, stat.st_mtime_ns)
      digest.update(repr(row).encode())
  return digest.hexdigest()[:10]


@dataclasses.dataclass
class NsynthWavConfig(tfds.core.BuilderConfig):
  """The notes of a folder.

  Attributes:
    folder: notes by split, of `read_folder`.
    storage: of the samples, see `notes.make_features`.
  """

  folder: dict[str, list[NoteFile]] = dataclasses.field(default_factory=dict, repr=False)
  storage: str = "int16"


def make_config(path: str, storage: str = "int16") -> NsynthWavConfig:
  """Reads a folder and makes its builder config.

  Args:
    path: of the folder.
    storage: of the samples, see `notes.make_features`.

  Raises:
    UserError: as `read_folder`.
  """
  folder = read_folder(path)
  return NsynthWavConfig(
    name=f"{notes.name_part(path)}-{_fingerprint(folder)}"
    + ("" if storage == "int16" else f"-{storage}"),
    description=f"{sum(map(len, folder.values()))} notes of a folder",
    folder=folder,
    storage=storage,
  )


class NsynthWav(tfds.core.GeneratorBasedBuilder):
  """Notes of a folder in the layout of NSynth's json/wav distribution."""

  VERSION = tfds.core.Version("1.2.0")

  def _info(self) -> tfds.core.DatasetInfo:
    instruments = {
      note.labels["instrument"] for split in self.builder_config.folder.values() for note in split
    }
    return self.dataset_info_from_configs(
      description=__doc__,
      features=notes.make_features(sorted(instruments), self.builder_config.storage),
    )

  def _split_generators(self, dl_manager: tfds.download.DownloadManager):
    del dl_manager
    return {split: self._generate_examples(split) for split in self.builder_config.folder}

  def _generate_examples(self, split: str) -> Iterator[tuple[str, dict[str, Any]]]:
    changes: collections.Counter[str] = collections.Counter()
    for note in self.builder_config.folder[split]:
      recording = files.read_note(note.path, labels.NUM_SAMPLES, labels.SAMPLE_RATE)
      changes.update(recording.changes)
      yield notes.make_example(
        note.name,
        np.clip(recording.audio, -1.0, 1.0),
        storage=self.builder_config.storage,
        **note.labels,
      )
    for change, count in sorted(changes.items()):
      _log.info(
        "%s: %d of %d notes %s",
        split,
        count,
        len(self.builder_config.folder[split]),
        _CHANGES[change],
      )


_CHANGES = {
  "stereo": "had several channels and were averaged to mono",
  "antiphase": "had channels that cancel each other; the loudest channel was used",
  "attenuated": "exceeded full scale and were attenuated to it",
  "resampled": f"had another sample rate and were resampled to {labels.SAMPLE_RATE} Hz",
  "padded": f"were shorter than {labels.NUM_SAMPLES} samples and were padded with silence",
  "cut": f"were longer than {labels.NUM_SAMPLES} samples and were cut",
}
