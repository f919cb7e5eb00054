"""The input pipeline: prepared examples to batches, with Grain.

Order and contents depend only on the seed and the position, so that an iterator that is saved with
a checkpoint resumes at the next example.
"""

from collections.abc import Iterator
from typing import Any
from typing import NamedTuple

import grain.python as grain
import jax
import ml_collections
import numpy as np

from cvae_jax.core import errors
from cvae_jax.data import data_sets
from cvae_jax.data import filters
from cvae_jax.data import forms
from cvae_jax.data import label_table
from cvae_jax.data import notes
from cvae_jax.data import sources
from cvae_jax.data import tracked
from cvae_jax.data import vocabulary as vocabulary_lib
from cvae_jax.methods.common import performer as performer_lib


def open_split(
  data_set: data_sets.DataSet, split: str, cache_gb: float = 0.0, num_threads: int = 2
) -> sources.Source:
  """Opens a split of a data set.

  Raises:
    UserError: if there is no such split, or it is empty.
  """
  if not data_set.splits.get(split):
    raise errors.UserError(
      f"{data_set.name} has no examples in split '{split}': it has "
      + ", ".join(f"{name} ({size})" for name, size in data_set.splits.items())
    )
  return data_set.open_split(split, cache_gb, num_threads)


def _process_rows(batch_size: int) -> slice:
  """The rows of a global batch that belong to this process."""
  processes = jax.process_count()
  if batch_size % processes:
    raise errors.UserError(f"train.batch_size {batch_size} is not divisible by {processes} hosts")
  local_size = batch_size // processes
  first = jax.process_index() * local_size
  return slice(first, first + local_size)


def _shuffle(source: sources.Source, balance: str, batch_size: int, seed: int) -> grain.MapDataset:
  """Rows without end: each once in an epoch, or the values of a label in turn.

  Of a label, the examples of each value have epochs of their own: those of a rare one come again
  sooner. Examples of which it is unknown are left out.

  Raises:
    UserError: a label that is not of names, or a batch that cannot have its values equally often.
  """
  if not balance:
    return grain.MapDataset.range(len(source)).seed(seed).shuffle().repeat()
  label = source.vocabulary.find(balance)
  if label is None or label.kind != vocabulary_lib.NAMES:
    named = ", ".join(x.name for x in source.vocabulary.of_kind(vocabulary_lib.NAMES)) or "none"
    raise errors.UserError(
      f"data.balance must be a label of names of these examples ({named}), got '{balance}'"
    )
  column = source.labels[balance]
  values = np.unique(column[column >= 0])
  if not values.size or batch_size % len(values):
    raise errors.UserError(
      f"train.batch_size must be a multiple of the {len(values)} values of '{balance}' that "
      f"data.balance has every batch hold equally often, got {batch_size}"
    )
  by_value = [
    grain.MapDataset.source(np.flatnonzero(column == value)).seed(seed + i).shuffle().repeat()
    for i, value in enumerate(values)
  ]
  return grain.MapDataset.mix(by_value, [1.0 / len(values)] * len(values)).seed(seed)


def make_train_iterator(
  source: sources.Source, config: ml_collections.ConfigDict, batch_size: int, seed: int
) -> grain.DatasetIterator:
  """Makes an endless iterator of shuffled batches: this process' rows of each global batch.

  Args:
    source: of the training split.
    config: the `data` section of a config.
    batch_size: over all processes.
    seed: of the order and of random excerpts; every epoch is shuffled anew.

  Returns:
    A Grain iterator of {example [b, ...], labels [b], id [b], row [b]}, whose state can be
    checkpointed; with `data.device_cache`, of {row [b], id [b]} in the same order, for
    `resident.gather`.

  Raises:
    UserError: if the batch is larger than the data set or not divisible by the number of processes,
      or if random excerpts are to be cached on the device.
  """
  process_rows = _process_rows(batch_size)
  if len(source) < batch_size:
    raise errors.UserError(
      f"train.batch_size must be at most the {len(source)} examples of the split, got {batch_size}"
    )
  if config.device_cache and source.is_random:
    raise errors.UserError(
      "data.device_cache cannot hold excerpts, which are drawn at random: set it to False"
    )

  def load(rows: np.ndarray, seeds: np.ndarray | None = None) -> dict[str, Any]:
    """Loads this process' rows of a global batch; the global order is independent of processes."""
    rows = np.asarray(rows[process_rows])
    if config.device_cache:
      return {"row": rows.astype(np.int32), "id": source.labels["id"][rows]}
    example_seeds = [None] * len(rows) if seeds is None else seeds[process_rows].tolist()
    examples = source.stored_many(rows.tolist(), example_seeds)
    return {"row": rows, **sources.collate(source.form, examples)}

  def draw(rows: np.ndarray, rng: np.random.Generator) -> dict[str, Any]:
    return load(rows, rng.integers(2**32, size=len(rows)))

  dataset = _shuffle(source, config.balance, batch_size, seed)
  dataset = dataset.batch(batch_size, drop_remainder=True)
  dataset = dataset.random_map(draw) if source.is_random else dataset.map(load)
  # Examples on the device need no reader threads.
  num_threads = 1 if config.device_cache else config.num_threads
  return iter(
    dataset.to_iter_dataset(
      grain.ReadOptions(num_threads=num_threads, prefetch_buffer_size=config.prefetch)
    )
  )


def eval_batches(
  source: sources.Source, batch_size: int, rows: np.ndarray | None = None
) -> Iterator[dict[str, np.ndarray]]:
  """Yields every example once, in order, in batches of one size; the last is padded and masked.

  Yields:
    {example [B, ...], labels [B], id [B], mask [B] float32}; the mask is 0 for padding.
  """
  rows = np.arange(len(source)) if rows is None else rows
  keys = sources.batch_keys(source)
  for chunk, filled in notes.batches(rows, batch_size):
    examples = [source[int(i)] for i in filled]
    batch = {key: np.stack([e[key] for e in examples]) for key in keys}
    mask = (np.arange(batch_size) < chunk.size).astype(np.float32)
    yield {**batch, "id": np.asarray([e["id"] for e in examples]), "mask": mask}


def track_f0(data: "Data", performer: performer_lib.Performer | None) -> "Data":
  """A run's examples with the f0 of their frames, where its method wants them and they last."""
  if performer is None:
    return data
  tracking = performer.tracking
  add = lambda x: tracked.Tracked(x, tracking) if tracked.can_track(x) else x
  return data._replace(train=add(data.train), held_out=add(data.held_out))


class Data(NamedTuple):
  """A run's examples.

  Attributes:
    train: the training split, filtered by the config.
    held_out: the evaluation split, filtered, without `data.exclude_from_eval`.
    table: labels of the training examples.
  """

  train: sources.Source
  held_out: sources.Source
  table: label_table.LabelTable

  @property
  def form(self) -> forms.Form:
    """Form of the examples."""
    return self.train.form

  @property
  def vocabulary(self) -> vocabulary_lib.Vocabulary:
    """Vocabulary of the labels."""
    return self.train.vocabulary


def open_data(config: ml_collections.ConfigDict) -> Data:
  """Opens the training and evaluation splits of a data set, which is prepared on first use.

  Args:
    config: the `data` section of a config.

  Raises:
    UserError: as `data_sets.load`, `open_split` and `filters.select`.
  """
  data_set = data_sets.load(config)
  filtered = []
  for split in (config.train_split, config.eval_split):
    on_device = config.device_cache and split == config.train_split
    cache_gb = 0.0 if on_device else config.cache_gb
    source = open_split(data_set, split, cache_gb, config.num_threads)
    rows = filters.select(source.labels, data_set.vocabulary, config.filter, split)
    filtered.append(source if len(rows) == len(source) else source.select(rows))
  train, held_out = filtered
  is_excluded = filters.of_instruments(
    held_out.labels, data_set.vocabulary, config.exclude_from_eval
  )
  if is_excluded.all():
    raise errors.UserError("data.exclude_from_eval excludes all of the evaluation split")
  if is_excluded.any():
    held_out = held_out.select(np.flatnonzero(~is_excluded))
  columns = vocabulary_lib.select(train.labels, data_set.vocabulary)
  digest = label_table.digest_of(train.labels["id"])
  table = label_table.LabelTable(columns, data_set.vocabulary, len(train), digest)
  return Data(train, held_out, table)
