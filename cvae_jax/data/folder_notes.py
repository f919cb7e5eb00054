"""`folder_notes`: a folder of recordings of one's own.

What they are is read from their names, a CSV table or an SFZ file (see `folder_labels`); what is
said of none of them is what the config says of all (`data.folder.family` and so on). Where the
pitch is not given it is measured, by pYIN. Any rate, any number of channels; the first 4 s count.

What became of every file is in `report.csv` beside the notes: one that cannot be used is left out,
with the reason, or is an error by `data.folder.strict`.
"""

import collections
from collections.abc import Iterator
import csv
import dataclasses
import hashlib
import logging
import os
from typing import Any
from typing import NamedTuple

import numpy as np
import tensorflow_datasets as tfds

from cvae_jax import atomic
from cvae_jax import errors
from cvae_jax import lazy_librosa
from cvae_jax.audio import files
from cvae_jax.data import folder_labels
from cvae_jax.data import labels
from cvae_jax.data import notes

_log = logging.getLogger(__name__)

SPLITS = ("train", "valid", "test")
HELD_OUT = ("notes", "instruments")
REPORT = "report.csv"
_HELD_OUT_SHARE = 0.1  # for validation, and as much for test
_SILENCE = 1e-3  # peak in full scale, -60 dB
_SURE = 0.5  # share of the sounding frames that must lie on the note for a pitch to be sure


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


@dataclasses.dataclass
class FolderConfig(tfds.core.BuilderConfig):
  """A folder's files.

  Attributes:
    entries: the files with their labels as text, by split.
    instruments: names of the instruments.
    defaults: text by field, of what a file does not say.
    strict: whether a file that cannot be used is an error.
    storage: of the samples, see `notes.make_features`.
    report: what became of each file, filled as the notes are prepared.
  """

  entries: dict[str, list[folder_labels.LabelledFile]] = dataclasses.field(
    default_factory=dict, repr=False
  )
  instruments: tuple[str, ...] = ()
  defaults: dict[str, str] = dataclasses.field(default_factory=dict)
  strict: bool = False
  storage: str = "int16"
  report: list[Found] = dataclasses.field(default_factory=list, repr=False)


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


def _split(entries, instruments, held_out) -> dict[str, list[folder_labels.LabelledFile]]:
  """Files by split: a tenth of the notes, or of the instruments, for each that is held out."""
  key = (lambda e: instruments[e.name]) if held_out == "instruments" else (lambda e: e.name)
  groups = sorted({key(e) for e in entries}, key=lambda k: hashlib.sha256(k.encode()).digest())
  if len(groups) < len(SPLITS):
    raise errors.UserError(
      f"data.folder.held_out {held_out}: {len(groups)} of them are too few for {len(SPLITS)} splits"
    )
  count = max(1, round(_HELD_OUT_SHARE * len(groups)))
  of = {k: "valid" if i < count else "test" if i < 2 * count else "train"
        for i, k in enumerate(groups)}  # fmt: skip
  return {split: [e for e in entries if of[key(e)] == split] for split in SPLITS}


def read_entries(folder: str, config: Any) -> list[folder_labels.LabelledFile]:
  """The folder's files with what is said of them; `config` is the `data.folder` section.

  Raises:
    UserError: where there are none, or they cannot be told.
  """
  if not os.path.isdir(folder):
    raise errors.UserError(f"data.dir {folder} is no folder")
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
  twice = [n for n, c in collections.Counter(e.name for e in entries).items() if c > 1]
  if twice:
    raise errors.UserError(f"data.folder.labels: {twice[0]} is there twice")
  return entries


def make_config(folder: str, config: Any, storage: str = "int16") -> FolderConfig:
  """The data set of a folder.

  Args:
    folder: its path.
    config: the `data.folder` section of a config.
    storage: of the samples, see `notes.make_features`.

  Raises:
    UserError: a folder that cannot be read, or labels that make no sense for all of it.
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
  names = {e.name: _instrument(defaults | e.labels) for e in entries}
  digest = hashlib.sha256(repr((sorted(defaults.items()), config.held_out, storage)).encode())
  for entry in entries:
    stat = os.stat(entry.path) if os.path.exists(entry.path) else None
    row = (entry.name, sorted(entry.labels.items()), stat and (stat.st_size, stat.st_mtime_ns))
    digest.update(repr(row).encode())
  return FolderConfig(
    name=f"{stem}-{digest.hexdigest()[:10]}",
    description=f"{len(entries)} files of a folder",
    entries=_split(entries, names, config.held_out),
    instruments=tuple(sorted(set(names.values()))),
    defaults=defaults,
    strict=config.strict,
    storage=storage,
  )


def _instrument(given: dict[str, str]) -> str:
  """NSynth's way of naming an instrument, unique by family, source and name."""
  return f"{given['family']}_{given['source']}_{given['instrument']}"


class FolderNotes(tfds.core.GeneratorBasedBuilder):
  """Recordings of a folder."""

  VERSION = tfds.core.Version("1.0.0")

  def _info(self) -> tfds.core.DatasetInfo:
    config = self.builder_config
    return self.dataset_info_from_configs(
      description=__doc__, features=notes.make_features(config.instruments, config.storage)
    )

  def _split_generators(self, dl_manager: tfds.download.DownloadManager):
    del dl_manager
    self.builder_config.report.clear()
    return {split: self._generate_examples(split) for split in SPLITS}

  def _generate_examples(self, split: str) -> Iterator[tuple[str, dict[str, Any]]]:
    config = self.builder_config
    for entry in config.entries[split]:
      try:
        example, found = _read(entry, config)
      except errors.UserError as e:
        if config.strict:
          raise
        config.report.append(Found(entry.name, "no", str(e)))
        continue
      config.report.append(found)
      yield example

  def download_and_prepare(self, *args, **kwargs) -> None:
    super().download_and_prepare(*args, **kwargs)
    if self.builder_config.report:  # Empty where another process has prepared them.
      self._write_report()

  def _write_report(self) -> None:
    """Writes the report, and says in the log what is in it."""
    report = sorted(self.builder_config.report)
    path = os.path.join(self.data_path, REPORT)
    with atomic.open_file(path, "w", newline="", encoding="utf-8") as f:
      writer = csv.writer(f)
      writer.writerow(Found._fields)
      writer.writerows(report)
    unused = [row for row in report if row.used == "no"]
    measured = [row for row in report if row.pitch_from == "measured"]
    unsure = [row for row in measured if float(row.confidence) < _SURE]
    _log.info(
      "%d files used, %d left out; %d pitches measured, %d of them unsure: %s",
      len(report) - len(unused), len(unused), len(measured), len(unsure), path,
    )  # fmt: skip
    for row in unused[:5]:
      _log.info("  left out: %s", row.reason)


def _read(entry: folder_labels.LabelledFile, config: FolderConfig):
  """A file's example, and its row of the report.

  Raises:
    UserError: one line that names the file and what is wrong with it.
  """
  given = config.defaults | entry.labels
  try:
    family = labels.index_of(given["family"], labels.FAMILIES, "family")
    source = labels.index_of(given["source"], labels.SOURCES, "source")
    if not given["velocity"].isdigit():
      raise errors.UserError(f"velocity must be 0-127, got '{given['velocity']}'")
    velocity = labels.check_range(int(given["velocity"]), 127, "velocity")
    pitch = folder_labels.parse_pitch(given["pitch"]) if "pitch" in given else None
  except errors.UserError as e:
    raise errors.UserError(f"{entry.path}: {e}") from None
  recording = files.read_note(entry.path, labels.NUM_SAMPLES, labels.SAMPLE_RATE)
  if np.abs(recording.audio - recording.audio.mean()).max() < _SILENCE:
    raise errors.UserError(f"{entry.path} is silent")
  how, confidence = "given", ""
  if pitch is None:
    measured = measure_pitch(recording.audio, labels.SAMPLE_RATE)
    if measured is None:
      raise errors.UserError(f"{entry.path} has no pitch that could be measured, and none is given")
    pitch, share = measured
    how, confidence = "measured", f"{share:.2f}"
  example = notes.make_example(
    entry.name, recording.audio, pitch, velocity, _instrument(given), family, source,
    storage=config.storage,
  )  # fmt: skip
  found = Found(entry.name, "yes", " ".join(recording.changes), str(pitch), how, confidence)
  return example, found
