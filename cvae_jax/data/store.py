"""A store of audio: many files as one array of 16-bit samples on disk, at one rate, memory-mapped.

    audio.int16   samples of all files, one after the other
    index.npz     first sample, split and labels of each file, and the vocabulary
    report.csv    a row for every file: used or not, and why

The store is written to a temporary folder that is renamed at the end, so that an existing store is
complete. Files are resampled once, in parts, so that memory does not grow with their length.
"""

import collections
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
import csv
import glob
import hashlib
import logging
import os
import shutil
from typing import Any
from typing import BinaryIO
from typing import NamedTuple
import uuid

import filelock
import numpy as np

from cvae_jax.audio import files
from cvae_jax.core import errors
from cvae_jax.core import npz_file
from cvae_jax.data import notes
from cvae_jax.data import vocabulary as vocabulary_lib

_log = logging.getLogger(__name__)

SPLITS = ("train", "valid", "test")
_AUDIO, _INDEX, REPORT = "audio.int16", "index.npz", "report.csv"
_VERSION = 1  # of the format


class Entry(NamedTuple):
  """A file to store.

  Attributes:
    path: of the file.
    name: its id.
    labels: indices by label.
    group: files of one group are held out together; empty for a group of its own.
  """

  path: str
  name: str
  labels: dict[str, int]
  group: str = ""


# The split of a file, or consecutive shares of it: ((split, share), ...).
Place = str | tuple[tuple[str, float], ...]

# The consecutive parts of an entry's audio, at the rate of the store; read again if it is too loud.
Read = Callable[[Entry], Iterable[files.Recording]]


class Stored(NamedTuple):
  """A row of the report: whether and how a file is used.

  Attributes:
    file: its name.
    used: 'yes' or 'no'.
    reason: why it is not used, or the changes made to it.
    seconds: duration stored.
    split: its split, or splits joined with '+'.
    labels: as text.
  """

  file: str
  used: str
  reason: str = ""
  seconds: float = 0.0
  split: str = ""
  labels: str = ""


class Index(NamedTuple):
  """The contents of a store.

  Attributes:
    folder: of the store.
    names: [S] of the stored pieces: files, or parts of one.
    starts: [S] first sample of each.
    lengths: [S] samples.
    splits: [S] indices into `SPLITS`.
    level_db: [K] RMS of every `BLOCK_S` of the store, in dB below full scale.
    columns: [S] indices of each label.
    vocabulary: of the labels.
    sample_rate: in Hz.
  """

  folder: str
  names: np.ndarray
  starts: np.ndarray
  lengths: np.ndarray
  splits: np.ndarray
  level_db: np.ndarray
  columns: dict[str, np.ndarray]
  vocabulary: vocabulary_lib.Vocabulary
  sample_rate: int

  @property
  def audio_path(self) -> str:
    """The file of the samples."""
    return os.path.join(self.folder, _AUDIO)

  def of_split(self, split: str) -> np.ndarray:
    """Rows of the pieces of a split."""
    return np.flatnonzero(self.splits == SPLITS.index(split))


def fingerprint(entries: Sequence[Entry], settings: Any) -> str:
  """Ten hexadecimal digits of a hash of the files, their labels and the settings."""
  digest = hashlib.sha256(repr((_VERSION, settings)).encode())
  for entry in entries:
    stat = os.stat(entry.path) if os.path.exists(entry.path) else None
    row = (entry.name, entry.group, sorted(entry.labels.items()))
    digest.update(repr((row, stat and (stat.st_size, stat.st_mtime_ns))).encode())
  return digest.hexdigest()[:10]


def locate(tfds_dir: str | None, name: str, entries: Sequence[Entry], settings: Any) -> str:
  """The directory of a store, existing or not, beside the data sets that TFDS prepares.

  Args:
    tfds_dir: `data.tfds_dir`.
    name: of the data set.
    entries: its files.
    settings: of the store, for the fingerprint.
  """
  parent = tfds_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
  return os.path.join(os.path.expanduser(parent), name, fingerprint(entries, settings))


_SILENCE = 1e-3  # peak in full scale, -60 dB; softer files count as silent
BLOCK_S = 0.1  # blocks whose levels are stored


def _quantise(audio: np.ndarray, gain: float) -> bytes:
  samples = np.round(audio * (gain * notes.FULL_SCALE))
  return np.clip(samples, -notes.FULL_SCALE, notes.FULL_SCALE - 1).astype("<i2").tobytes()


def _write_file(entry: Entry, out: BinaryIO, read: Read) -> tuple[int, tuple[str, ...]]:
  """Writes a file's samples; returns their number, and the changes made.

  A file that exceeds full scale is written again with one gain for the whole file.

  Raises:
    UserError: if the file cannot be used; nothing of it is then written.
  """
  begin = out.tell()
  gain = 1.0
  try:
    while True:
      peak, count, changes = 0.0, 0, tuple[str, ...]()
      out.seek(begin)
      for audio, part_changes in read(entry):
        changes = part_changes
        peak = max(peak, float(np.abs(audio).max(initial=0.0)))
        count += audio.size
        out.write(_quantise(audio, gain))
      if peak < _SILENCE:
        raise errors.UserError(f"{entry.path} is silent")
      if peak * gain <= 1.0 + 1e-6:
        return count, (*changes, "attenuated") if gain < 1.0 else changes
      gain = 1.0 / peak
  except errors.UserError:
    out.seek(begin)
    out.truncate()
    raise


def _pieces(place: Place, count: int) -> list[tuple[str, int, int]]:
  """The pieces of a file of `count` samples: split, first sample, length."""
  if isinstance(place, str):
    return [(place, 0, count)]
  ends = np.round(np.cumsum([share for _, share in place]) * count).astype(int).tolist()
  starts = [0, *ends[:-1]]
  names = [name for name, _ in place]
  return [(name, a, b - a) for name, a, b in zip(names, starts, ends, strict=True) if b > a]


def _describe(entry: Entry, vocabulary: vocabulary_lib.Vocabulary) -> str:
  closed_labels = [x for x in vocabulary.labels if not x.open_set]
  return " ".join(f"{x.name}={x.text_of(entry.labels[x.name])}" for x in closed_labels)


def _write(
  folder: str,
  entries: Sequence[Entry],
  vocabulary: vocabulary_lib.Vocabulary,
  rate: int,
  read: Read,
  split: Callable[[Sequence[Entry]], Mapping[str, Place]],
) -> None:
  """Writes a store into an empty folder."""
  written: list[tuple[Entry, int, tuple[str, ...]]] = []
  report = []
  with open(os.path.join(folder, _AUDIO), "wb+") as out:
    for entry in entries:
      try:
        count, changes = _write_file(entry, out, read)
      except errors.UserError as e:
        report.append(Stored(entry.name, "no", str(e), labels=_describe(entry, vocabulary)))
        continue
      written.append((entry, count, changes))
  if not written:
    reason = report[0].reason if report else "there are none"
    raise errors.UserError(f"no file can be used; the first: {reason}")
  places, rows, position = split([entry for entry, *_ in written]), [], 0
  for entry, count, changes in written:
    pieces = _pieces(places[entry.name], count)
    rows += [(entry, name, position + first, length) for name, first, length in pieces]
    position += count
    names = "+".join(name for name, _, _ in pieces)
    labels, seconds = _describe(entry, vocabulary), round(count / rate, 3)
    report.append(Stored(entry.name, "yes", " ".join(changes), seconds, names, labels))
  # File names may hold bytes that are not UTF-8.
  with open(
    os.path.join(folder, REPORT), "w", newline="", encoding="utf-8", errors="backslashreplace"
  ) as f:
    writer = csv.writer(f)
    writer.writerow(Stored._fields)
    writer.writerows(sorted(report))
  arrays: dict[str, Any] = {
    "names": np.asarray([entry.name for entry, *_ in rows]),
    "starts": np.asarray([start for *_, start, _ in rows], np.int64),
    "lengths": np.asarray([length for *_, length in rows], np.int64),
    "splits": np.asarray([SPLITS.index(name) for _, name, *_ in rows], np.int8),
    "level_db": _measure_levels(os.path.join(folder, _AUDIO), rate),
    "vocabulary": np.asarray(vocabulary.to_json()),
    "sample_rate": np.asarray(rate),
  }
  for label in vocabulary.labels:
    values = [entry.labels[label.name] for entry, *_ in rows]
    arrays[f"label_{label.name}"] = np.asarray(values, np.int32)
  np.savez(os.path.join(folder, _INDEX), **arrays)


def _measure_levels(path: str, rate: int) -> np.ndarray:
  """[K] RMS of every `BLOCK_S` of the store, in dB below full scale."""
  block = round(BLOCK_S * rate)
  samples = np.memmap(path, "<i2", "r")
  levels = []
  for start in range(0, len(samples), 1024 * block):
    part = samples[start : start + 1024 * block].astype(np.float32) / notes.FULL_SCALE
    part = np.pad(part, (0, -len(part) % block)).reshape(-1, block)
    levels.append(10.0 * np.log10(np.mean(np.square(part), axis=1) + 1e-10))
  return np.concatenate(levels).astype(np.float32)


def prepare(
  folder: str,
  entries: Sequence[Entry],
  vocabulary: vocabulary_lib.Vocabulary,
  rate: int,
  split: Callable[[Sequence[Entry]], Mapping[str, Place]],
  max_s: float | None = None,
  read: Read | None = None,
) -> Index:
  """Opens the store in a folder; if it is missing, writes it first, one process at a time.

  Args:
    folder: of `locate`.
    entries: the files.
    vocabulary: of their labels.
    rate: sample rate of the store, in Hz.
    split: assigns the usable files to splits, by name.
    max_s: seconds of each file to store; None for all.
    read: reads an entry that is not simply a file; by default its path is read.

  Raises:
    UserError: if no file can be used, or the folder cannot be written.
  """
  read = read or (lambda entry: files.read_parts(entry.path, rate, max_s))

  def write(temporary: str) -> None:
    _log.info("preparing %d files in %s", len(entries), folder)
    _write(temporary, entries, vocabulary, rate, read, split)

  if make_folder(folder, lambda: read_index(folder) is not None, write):
    _log_report(folder)
  index = read_index(folder)
  assert index is not None
  return index


def make_folder(folder: str, is_complete: Callable[[], bool], write: Callable[[str], None]) -> bool:
  """Writes a folder that appears only when it is complete, one process at a time.

  Args:
    folder: to be written.
    is_complete: whether it is there already, and can be read.
    write: writes into an empty folder, which is then renamed.

  Returns:
    Whether it was written.

  Raises:
    UserError: if it cannot be written; then nothing is left.
  """
  try:
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    with filelock.FileLock(f"{folder}.lock"):
      if is_complete():
        return False
      for remains in glob.glob(f"{glob.escape(folder)}.*.incomplete"):
        shutil.rmtree(remains, ignore_errors=True)
      temporary = f"{folder}.{uuid.uuid4().hex}.incomplete"
      os.makedirs(temporary)
      try:
        write(temporary)
        shutil.rmtree(folder, ignore_errors=True)  # A store without a readable index.
        os.replace(temporary, folder)
      finally:
        shutil.rmtree(temporary, ignore_errors=True)
  except OSError as e:
    raise errors.UserError(f"{folder} cannot be written: {errors.one_line(e)}") from None
  return True


def count_left_out(report: Iterable[Any], reasons: Mapping[str, str]) -> collections.Counter[str]:
  """How many rows of a report are not used, by why.

  Args:
    report: rows with `used` and `reason`.
    reasons: names of reasons by a part of their text, of which the first that fits counts; what
      fits none is 'unreadable'.
  """
  return collections.Counter(
    next((name for part, name in reasons.items() if part in row.reason), "unreadable")
    for row in report
    if row.used == "no"
  )


def read_report(folder: str) -> list[Stored]:
  """Reads a store's report."""
  with open(os.path.join(folder, REPORT), newline="", encoding="utf-8") as f:
    rows = list(csv.reader(f))[1:]
  return [Stored(a, b, c, float(d), e, f) for a, b, c, d, e, f in rows]


def _log_report(folder: str) -> None:
  report = read_report(folder)
  unused = [row for row in report if row.used == "no"]
  seconds = sum(row.seconds for row in report)
  _log.info(
    "%d files used, %.1f minutes; %d left out: %s",
    len(report) - len(unused), seconds / 60, len(unused), os.path.join(folder, REPORT),
  )  # fmt: skip
  for row in unused[:5]:
    _log.info("  left out: %s", row.reason)


def read_index(folder: str) -> Index | None:
  """Reads a store's index; None if the store is missing or incomplete."""
  try:
    stored = npz_file.load(os.path.join(folder, _INDEX))
    vocabulary = vocabulary_lib.from_json(str(stored["vocabulary"]))
    index = Index(
      folder,
      stored["names"],
      stored["starts"],
      stored["lengths"],
      stored["splits"],
      stored["level_db"],
      {x.name: stored[f"label_{x.name}"] for x in vocabulary.labels},
      vocabulary,
      int(stored["sample_rate"]),
    )
    is_complete = os.path.getsize(index.audio_path) == 2 * int(np.sum(index.lengths))
  except (OSError, ValueError, KeyError, errors.UserError):
    return None
  return index if is_complete else None
