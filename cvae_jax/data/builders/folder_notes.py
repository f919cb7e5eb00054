"""`folder_notes`: a folder of your own recorded notes.

Labels are read from file names, a CSV table or an SFZ file (see `folder_labels`); missing ones are
the config's defaults (`data.folder.family` and so on). A missing pitch is measured by pYIN. Files
may have any sample rate and number of channels; the first 4 s are used.

`report.csv`, beside the notes, has a row for every file. A file that cannot be used is left out,
with the reason; with `data.folder.strict` it is an error. Only usable files are split.
"""

import collections
from collections.abc import Iterator
import csv
import dataclasses
import hashlib
import logging
import os
from typing import Any

import tensorflow_datasets as tfds

from cvae_jax.core import atomic
from cvae_jax.core import errors
from cvae_jax.data import labels
from cvae_jax.data import notes
from cvae_jax.data.folders import folder_files
from cvae_jax.data.folders import folder_labels

_log = logging.getLogger(__name__)

SPLITS = ("train", "valid", "test")
HELD_OUT = ("notes", "instruments")
REPORT = "report.csv"
_HELD_OUT_SHARE = 0.1  # for validation, and the same for test
_MIN_CONFIDENCE = 0.5  # fraction of voiced frames at the measured pitch


@dataclasses.dataclass
class FolderConfig(tfds.core.BuilderConfig):
  """The files of a folder.

  Attributes:
    entries: the files with their labels as text.
    instruments: names of the instruments.
    defaults: text by field, for labels that a file does not have.
    held_out: one of `HELD_OUT`.
    strict: whether a file that cannot be used is an error.
    storage: of the samples, see `notes.make_features`.
    report: a row for each file, filled during preparation.
  """

  entries: list[folder_labels.LabelledFile] = dataclasses.field(default_factory=list, repr=False)
  instruments: tuple[str, ...] = ()
  defaults: dict[str, str] = dataclasses.field(default_factory=dict)
  held_out: str = "notes"
  strict: bool = False
  storage: str = "int16"
  report: list[folder_files.Found] = dataclasses.field(default_factory=list, repr=False)


def _split(
  entries: list[folder_labels.LabelledFile], defaults: dict[str, str], held_out: str
) -> dict[str, list[folder_labels.LabelledFile]]:
  """Files by split: a tenth of the notes, or of the instruments, each for validation and test.

  Raises:
    UserError: if there are fewer than three notes or instruments.
  """
  by_instrument = held_out == "instruments"
  key = lambda e: folder_files.instrument_name(defaults | e.labels) if by_instrument else e.name
  groups = sorted({key(e) for e in entries}, key=lambda k: hashlib.sha256(k.encode()).digest())
  if len(groups) < len(SPLITS):
    raise errors.UserError(
      f"data.folder.held_out {held_out}: {len(groups)} are too few for {len(SPLITS)} splits"
    )
  count = max(1, round(_HELD_OUT_SHARE * len(groups)))
  split_of = {k: "valid" if i < count else "test" if i < 2 * count else "train"
        for i, k in enumerate(groups)}  # fmt: skip
  return {split: [e for e in entries if split_of[key(e)] == split] for split in SPLITS}


def read_entries(folder: str, config: Any) -> list[folder_labels.LabelledFile]:
  """The folder's files with their labels; `config` is the `data.folder` section.

  Raises:
    UserError: if there are no files, two have the same name, or the labels cannot be read.
  """
  if not os.path.isdir(folder):
    raise errors.UserError(f"data.dir {folder} is not a folder")
  if config.labels:
    path = os.path.join(folder, config.labels)
    read = folder_labels.from_sfz if path.lower().endswith(".sfz") else folder_labels.from_table
    entries = read(path)
  else:
    entries = folder_labels.from_names(folder, config.pattern)
  if not entries:
    raise errors.UserError(
      f"data.dir {folder} holds no audio file ({', '.join(folder_labels.EXTENSIONS)})"
    )
  repeated = [n for n, c in collections.Counter(e.name for e in entries).items() if c > 1]
  if repeated:
    raise errors.UserError(f"data.folder.labels: {repeated[0]} is listed twice")
  return entries


def make_config(folder: str, config: Any, storage: str = "int16") -> FolderConfig:
  """Makes the builder config of a folder.

  Args:
    folder: its path.
    config: the `data.folder` section of a config.
    storage: of the samples, see `notes.make_features`.

  Raises:
    UserError: if the folder cannot be read, or the defaults are invalid.
  """
  labels.index_of(config.family, labels.FAMILIES, "data.folder.family")
  labels.index_of(config.source, labels.SOURCES, "data.folder.source")
  labels.check_range(config.velocity, 127, "data.folder.velocity")
  if config.held_out not in HELD_OUT:
    raise errors.UserError(
      f"data.folder.held_out must be {' or '.join(HELD_OUT)}, got '{config.held_out}'"
    )
  entries = read_entries(folder, config)
  stem = notes.name_part(folder)
  defaults = {
    "family": config.family,
    "source": config.source,
    "velocity": str(config.velocity),
    "instrument": stem,
  }
  _split(entries, defaults, config.held_out)  # Fails early if there are too few files.
  digest = hashlib.sha256(repr((sorted(defaults.items()), config.held_out, storage)).encode())
  for entry in entries:
    stat = os.stat(entry.path) if os.path.exists(entry.path) else None
    row = (entry.name, sorted(entry.labels.items()), stat and (stat.st_size, stat.st_mtime_ns))
    digest.update(repr(row).encode())
  return FolderConfig(
    name=f"{stem}-{digest.hexdigest()[:10]}",
    description=f"{len(entries)} files of a folder",
    entries=entries,
    instruments=tuple(sorted({folder_files.instrument_name(defaults | e.labels) for e in entries})),
    defaults=defaults,
    held_out=config.held_out,
    strict=config.strict,
    storage=storage,
  )


class FolderNotes(tfds.core.GeneratorBasedBuilder):
  """Recordings of a folder."""

  VERSION = tfds.core.Version("1.1.0")

  def _info(self) -> tfds.core.DatasetInfo:
    config = self.builder_config
    return self.dataset_info_from_configs(
      description=__doc__, features=notes.make_features(config.instruments, config.storage)
    )

  def _split_generators(self, dl_manager: tfds.download.DownloadManager):
    del dl_manager
    config = self.builder_config
    config.report[:] = [
      folder_files.examine(entry, config.defaults, config.strict) for entry in config.entries
    ]
    pitches = {row.file: int(row.pitch) for row in config.report if row.used == "yes"}
    usable = [entry for entry in config.entries if entry.name in pitches]
    reasons = [row.reason for row in config.report if row.used == "no"]
    if not usable:
      raise errors.UserError(
        f"data.dir: none of its {len(reasons)} files can be used; the first: {reasons[0]}"
      )
    try:
      splits = _split(usable, config.defaults, config.held_out)
    except errors.UserError as e:
      raise errors.UserError(
        f"{e}; {len(reasons)} of {len(config.report)} files cannot be used; the first: {reasons[0]}"
      ) from None
    return {split: self._generate_examples(splits[split], pitches) for split in SPLITS}

  def _generate_examples(
    self, entries: list[folder_labels.LabelledFile], pitches: dict[str, int]
  ) -> Iterator[tuple[str, dict[str, Any]]]:
    config = self.builder_config
    for entry in entries:
      checked = folder_files.check_labels(entry, config.defaults)
      yield notes.make_example(
        entry.name, folder_files.read_audio(entry).audio, pitches[entry.name], checked.velocity,
        checked.instrument, checked.family, checked.source, storage=config.storage,
      )  # fmt: skip

  def download_and_prepare(self, *args, **kwargs) -> None:
    try:
      super().download_and_prepare(*args, **kwargs)
    finally:
      folder_files.forget()
    if self.builder_config.report:  # Empty if another process prepared the notes.
      self._write_report()

  def _write_report(self) -> None:
    """Writes the report, and logs a summary."""
    report = sorted(self.builder_config.report)
    path = os.path.join(self.data_path, REPORT)
    with atomic.open_file(path, "w", newline="", encoding="utf-8") as f:
      writer = csv.writer(f)
      writer.writerow(folder_files.Found._fields)
      writer.writerows(report)
    unused = [row for row in report if row.used == "no"]
    measured = [row for row in report if row.pitch_from == "measured"]
    uncertain = [row for row in measured if float(row.confidence) < _MIN_CONFIDENCE]
    _log.info(
      "%d files used, %d left out; %d pitches measured, %d with low confidence: %s",
      len(report) - len(unused), len(unused), len(measured), len(uncertain), path,
    )  # fmt: skip
    for row in unused[:5]:
      _log.info("  left out: %s", row.reason)
