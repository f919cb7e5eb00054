"""The input pipeline: prepared notes to batches, with Grain.

Order and contents are functions of the seed and the position alone, so that an iterator that is
saved with a checkpoint goes on with the very next note.
"""

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
import concurrent.futures
from typing import Any
from typing import NamedTuple

import grain.python as grain
import jax
import ml_collections
import numpy as np

from cvae_jax import errors
from cvae_jax import label_table
from cvae_jax.data import builders
from cvae_jax.data import labels
from cvae_jax.data import notes

# What of a batch goes to the device.
DEVICE_KEYS = ("audio", *notes.BATCH_LABELS)


class NoteSource:
  """Random access to the notes of a split, kept in memory once read.

  Notes of 16 bits, as NSynth's are, are kept as such: half the memory and the same samples. It is
  what Grain calls a RandomAccessDataSource.
  """

  def __init__(self, source: Sequence[Any], cache_gb: float):
    self._source = source
    fits = len(source) * labels.NUM_SAMPLES * 2 <= cache_gb * 1e9
    self._cache: list[dict[str, Any] | None] | None = [None] * len(source) if fits else None

  def __len__(self) -> int:
    return len(self._source)

  def __getitem__(self, index: int) -> dict[str, Any]:
    """Note `index` as `notes.flatten` gives it."""
    cached = self._cache[index] if self._cache is not None else None
    if cached is None:
      cached = notes.flatten(self._source[index])
      if self._cache is not None:
        samples = np.round(cached["audio"] * 32768.0)
        exact = np.array_equal(samples / 32768.0, cached["audio"]) and samples.max() < 32768
        if exact:
          cached = {**cached, "audio": samples.astype(np.int16)}
        self._cache[index] = cached
    if cached["audio"].dtype == np.int16:
      return {**cached, "audio": cached["audio"].astype(np.float32) / np.float32(32768.0)}
    return cached

  def __repr__(self) -> str:  # Grain compares it when it restores an iterator.
    return f"NoteSource({len(self)} notes)"


def open_split(builder: Any, split: str, cache_gb: float = 0.0) -> NoteSource:
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
  return NoteSource(builder.as_data_source(split=split), cache_gb)


def read_labels(source: NoteSource, limit: int, num_threads: int) -> dict[str, np.ndarray]:
  """Labels of up to `limit` notes spread evenly over a source, as columns; `id` among them."""
  rows = np.unique(np.linspace(0, len(source) - 1, min(limit, len(source))).astype(int))
  with concurrent.futures.ThreadPoolExecutor(num_threads) as pool:
    examples = list(
      pool.map(lambda i: {k: v for k, v in source[int(i)].items() if k != "audio"}, rows)
    )
  columns = {key: np.stack([e[key] for e in examples]) for key in notes.BATCH_LABELS}
  return {**columns, "id": np.asarray([e["id"] for e in examples])}


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
    A Grain iterator of {audio [b, T], labels [b], id [b]}, whose state can be checkpointed.

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
  dataset = grain.MapDataset.source(source).seed(seed).shuffle().repeat()
  dataset = dataset[jax.process_index() :: processes]
  dataset = dataset.batch(batch_size // processes, drop_remainder=True)
  return iter(
    dataset.to_iter_dataset(
      grain.ReadOptions(num_threads=config.num_threads, prefetch_buffer_size=config.prefetch)
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
  for start in range(0, len(rows), batch_size):
    chunk = rows[start : start + batch_size]
    filled = np.concatenate([chunk, np.repeat(chunk[:1], batch_size - chunk.size)])
    examples = [source[int(i)] for i in filled]
    batch = {key: np.stack([e[key] for e in examples]) for key in DEVICE_KEYS}
    mask = (np.arange(batch_size) < chunk.size).astype(np.float32)
    yield {**batch, "id": np.asarray([e["id"] for e in examples]), "mask": mask}


def rows_without(ids: Iterable[str], instruments: Sequence[str]) -> np.ndarray:
  """Rows of the notes of no instrument in `instruments`: 'mallet_acoustic_047-...' and so on."""
  out = tuple(f"{name}-" for name in instruments)
  return np.asarray([i for i, name in enumerate(ids) if not (out and name.startswith(out))], int)


class Notes(NamedTuple):
  """A run's notes.

  Attributes:
    train: source of the training split.
    held_out: source of the evaluation split.
    held_out_rows: of it that count: those of no instrument that is left out.
    table: labels of the training notes.
  """

  train: NoteSource
  held_out: NoteSource
  held_out_rows: np.ndarray
  table: label_table.LabelTable


def open_notes(config: ml_collections.ConfigDict) -> Notes:
  """Prepares a data set where that has not been done, opens its splits and reads the labels.

  Args:
    config: the `data` section of a config.

  Raises:
    UserError: as `builders.load` and `open_split`.
  """
  builder = builders.load(config)
  train = open_split(builder, config.train_split, config.cache_gb)
  held_out = open_split(builder, config.eval_split, config.cache_gb)
  columns = read_labels(train, config.label_scan, config.num_threads)
  rows = np.arange(len(held_out))
  if config.exclude_from_eval:
    ids = read_labels(held_out, len(held_out), config.num_threads)["id"]
    rows = rows_without(ids, config.exclude_from_eval)
    if not rows.size:
      raise errors.UserError("data.exclude_from_eval leaves no note of the evaluation split")
  instruments = builder.info.features["instrument"]["label"].names
  table = label_table.LabelTable(
    {name: columns[name] for name in notes.BATCH_LABELS}, tuple(instruments)
  )
  return Notes(train, held_out, rows, table)
