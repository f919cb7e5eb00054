"""The input pipeline: prepared notes to batches, with Grain.

Order and contents are functions of the seed and the position alone, so that an iterator that is
saved with a checkpoint goes on with the very next note.
"""

from collections.abc import Iterator
from collections.abc import Sequence
import functools
import os
from typing import Any
from typing import NamedTuple

import grain.python as grain
import jax
import ml_collections
import numpy as np

from cvae_jax import errors
from cvae_jax import label_table
from cvae_jax.data import builders
from cvae_jax.data import filters
from cvae_jax.data import label_index
from cvae_jax.data import labels
from cvae_jax.data import notes

# What of a batch goes to the device.
DEVICE_KEYS = ("audio", *notes.BATCH_LABELS)


class NoteSource:
  """Random access to the notes of a split, or to some of them, kept in memory once read.

  Notes of 16 bits, as NSynth's are, are kept as such: half the memory and the same samples. It is
  what Grain calls a RandomAccessDataSource.

  Args:
    records: of all notes, as `notes.parse` takes them.
    cache_gb: memory for them; where they are more, none is kept.
    label_path: where their labels are kept, see `label_index.read_labels`.
    num_threads: that read the labels.
    rows: which of the records; all without.
  """

  def __init__(
    self,
    records: Sequence[bytes],
    cache_gb: float,
    label_path: str,
    num_threads: int = 2,
    rows: np.ndarray | None = None,
  ):
    self._arguments = (records, cache_gb, label_path, num_threads)
    self._rows = np.arange(len(records)) if rows is None else rows
    fits = len(self._rows) * labels.NUM_SAMPLES * 2 <= cache_gb * 1e9
    self._cache: list[dict[str, Any] | None] | None = [None] * len(self._rows) if fits else None

  def __len__(self) -> int:
    return len(self._rows)

  @property
  def folder(self) -> str:
    """Where the data set is, and what is measured of all of it may be kept."""
    return os.path.dirname(self._arguments[2])

  def select(self, rows: np.ndarray) -> "NoteSource":
    """A source of some of these notes alone."""
    selected = type(self)(*self._arguments, self._rows[rows])
    selected.labels = {name: column[rows] for name, column in self.labels.items()}
    return selected

  @functools.cached_property
  def labels(self) -> dict[str, np.ndarray]:
    """Labels of these notes, as columns; `id` among them."""
    records, _, path, num_threads = self._arguments
    columns = label_index.read_labels(path, len(records), self._read, num_threads)
    return {name: column[self._rows] for name, column in columns.items()}

  def __getitem__(self, index: int) -> dict[str, Any]:
    """Note `index` as `notes.parse` gives it, its audio as float32."""
    note = self.stored(index)
    return {**note, "audio": notes.to_float(note["audio"])}

  def stored(self, index: int) -> dict[str, Any]:
    """Note `index` with its audio as it is kept: int16, or float32 where that is not the same."""
    cached = self._cache[index] if self._cache is not None else None
    if cached is None:
      cached = self._read(int(self._rows[index]))
      if self._cache is not None:
        samples = notes.to_int16(cached["audio"])
        cached = cached if samples is None else {**cached, "audio": samples}
        self._cache[index] = cached
    return cached

  def _read(self, row: int) -> dict[str, Any]:
    """A record's note; every chunk of records has a checksum, which ArrayRecord compares.

    Raises:
      UserError: a record that has been damaged.
    """
    try:
      return notes.parse(self._arguments[0][row])
    except (RuntimeError, ValueError, LookupError, OSError) as e:
      why = " ".join(str(e).split())
      raise errors.UserError(
        f"note {row} of {self.folder} cannot be read ({why}): "
        "remove the folder, and it is prepared anew"
      ) from None

  def __repr__(self) -> str:  # Grain compares it when it restores an iterator.
    return f"NoteSource({len(self)} notes)"


def open_split(builder: Any, split: str, cache_gb: float = 0.0, num_threads: int = 2) -> NoteSource:
  """Opens a prepared builder's split.

  Raises:
    UserError: a split that the data set does not have, or that is empty.
  """
  sizes = {name: info.num_examples for name, info in builder.info.splits.items()}
  if not sizes.get(split):
    raise errors.UserError(
      f"{builder.info.full_name} has no notes in split '{split}': it has "
      + ", ".join(f"{name} ({size})" for name, size in sizes.items())
    )
  records = builder.as_data_source(split=split).data_source
  return NoteSource(
    records, cache_gb, os.path.join(builder.data_path, f"labels-{split}.npz"), num_threads
  )


def _collate(examples: Sequence[dict[str, Any]]) -> dict[str, np.ndarray]:
  """Notes as they are kept to a batch, its audio as float32."""
  batch = {key: np.stack([e[key] for e in examples]) for key in examples[0] if key != "audio"}
  audio = [e["audio"] for e in examples]
  if len({a.dtype for a in audio}) > 1:  # Notes of 16 bits among others.
    audio = [notes.to_float(a) for a in audio]
  return {**batch, "audio": notes.to_float(np.stack(audio))}


def make_train_iterator(
  source: NoteSource, config: ml_collections.ConfigDict, batch_size: int, seed: int
) -> grain.DatasetIterator:
  """Endless shuffled batches: this process' share of the global batch.

  Args:
    source: of the training split.
    config: the `data` section of a config.
    batch_size: over all processes.
    seed: of the order; every epoch has its own.

  Returns:
    A Grain iterator of {audio [b, T], labels [b], id [b], row [b]}, whose state can be
    checkpointed; with `data.device_cache` of {row [b], id [b]} in the very same order, for
    `resident.gather`.

  Raises:
    UserError: a batch larger than the data set, or not divisible by the processes.
  """
  processes = jax.process_count()
  if len(source) < batch_size:
    raise errors.UserError(
      f"train.batch_size {batch_size} is more than the {len(source)} notes of the split"
    )
  if batch_size % processes:
    raise errors.UserError(f"train.batch_size {batch_size} is not divisible by {processes} hosts")
  share = batch_size // processes
  first = jax.process_index() * share

  def load(rows: np.ndarray) -> dict[str, np.ndarray]:
    """This process' part of a global batch, of whose order no process count knows."""
    rows = np.asarray(rows[first : first + share])
    if config.device_cache:
      return {"row": rows.astype(np.int32), "id": source.labels["id"][rows]}
    return {"row": rows, **_collate([source.stored(int(row)) for row in rows])}

  dataset = grain.MapDataset.range(len(source)).seed(seed).shuffle().repeat()
  dataset = dataset.batch(batch_size, drop_remainder=True).map(load)
  # Notes that are on the device need no threads: there is nothing to wait for.
  num_threads = 1 if config.device_cache else config.num_threads
  return iter(
    dataset.to_iter_dataset(
      grain.ReadOptions(num_threads=num_threads, prefetch_buffer_size=config.prefetch)
    )
  )


def eval_batches(
  source: NoteSource, batch_size: int, rows: np.ndarray | None = None
) -> Iterator[dict[str, np.ndarray]]:
  """Every note once, in order: batches of one size, the last one filled up and masked.

  Yields:
    {audio [B, T], labels [B], id [B], mask [B] float32}, mask 0 where a note is only filling.
  """
  rows = np.arange(len(source)) if rows is None else rows
  for chunk, filled in notes.batches(rows, batch_size):
    examples = [source[int(i)] for i in filled]
    batch = {key: np.stack([e[key] for e in examples]) for key in DEVICE_KEYS}
    mask = (np.arange(batch_size) < chunk.size).astype(np.float32)
    yield {**batch, "id": np.asarray([e["id"] for e in examples]), "mask": mask}


class Notes(NamedTuple):
  """A run's notes.

  Attributes:
    train: source of the training split's notes that the config asks for.
    held_out: the same of the evaluation split, without instruments that are left out of it.
    table: labels of the training notes.
  """

  train: NoteSource
  held_out: NoteSource
  table: label_table.LabelTable


def open_notes(config: ml_collections.ConfigDict) -> Notes:
  """Prepares a data set where that has not been done, opens its splits and reads the labels.

  Args:
    config: the `data` section of a config.

  Raises:
    UserError: as `builders.load`, `open_split` and `filters.select`.
  """
  builder = builders.load(config)
  instruments = builder.info.features["instrument"]["label"].names
  sources = []
  for split in (config.train_split, config.eval_split):
    on_device = config.device_cache and split == config.train_split
    cache_gb = 0.0 if on_device else config.cache_gb
    source = open_split(builder, split, cache_gb, config.num_threads)
    rows = filters.select(source.labels, instruments, config.filter, split)
    sources.append(source.select(rows))
  train, held_out = sources
  out = filters.of_instruments(held_out.labels, instruments, config.exclude_from_eval)
  if out.all():
    raise errors.UserError("data.exclude_from_eval leaves no note of the evaluation split")
  held_out = held_out.select(np.flatnonzero(~out))
  table = label_table.LabelTable(
    {name: train.labels[name] for name in notes.BATCH_LABELS}, tuple(instruments)
  )
  return Notes(train, held_out, table)
