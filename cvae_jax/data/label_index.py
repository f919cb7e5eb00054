"""Index of a prepared split's labels, as columns; built once and cached beside the notes.

A run needs the labels of all its notes before training, to filter notes and to save its label
table. Without the index this would read all audio.
"""

from collections.abc import Callable
from collections.abc import Mapping
import concurrent.futures
import logging
from typing import Any

import numpy as np

from cvae_jax.core import atomic
from cvae_jax.core import errors
from cvae_jax.core import npz_file
from cvae_jax.data import notes

_log = logging.getLogger(__name__)

COLUMNS = ("id", *notes.BATCH_LABELS)
OPTIONAL = ("method", "factors")  # for notes with generative factors


def _read(path: str, count: int) -> dict[str, np.ndarray] | None:
  """Loads the columns from a file; None if it is missing or not of `count` notes."""
  try:
    columns = npz_file.load(path, *COLUMNS)
  except (FileNotFoundError, errors.UserError):
    return None
  return columns if all(column.shape[:1] == (count,) for column in columns.values()) else None


def _write(path: str, columns: Mapping[str, np.ndarray]) -> None:
  """Writes the columns atomically; on failure it only logs: the labels are read again next time."""
  arrays: dict[str, Any] = dict(columns)
  try:
    with atomic.open_file(path, "wb") as f:
      np.savez_compressed(f, **arrays)
  except OSError as e:
    _log.info("the label index cannot be cached in %s: %s", path, e)


def read_labels(
  path: str, count: int, read_note: Callable[[int], Mapping[str, Any]], num_threads: int
) -> dict[str, np.ndarray]:
  """Reads the labels of all notes of a split.

  Args:
    path: cache file.
    count: M, number of notes.
    read_note: index to note, as returned by `notes.parse`.
    num_threads: threads that read notes.

  Returns:
    [M] integers of each label, qualities [M, 10], id [M] str; and those of `OPTIONAL` that exist.
  """
  cached = _read(path, count)
  if cached is not None:
    return cached
  if count > 10_000:
    _log.info("reading the labels of %d notes, once", count)

  def labels_of(index):
    note = read_note(index)
    # The audio is dropped.
    return {name: note[name] for name in (*COLUMNS, *OPTIONAL) if name in note}

  with concurrent.futures.ThreadPoolExecutor(num_threads) as pool:
    rows = list(pool.map(labels_of, range(count)))
  columns = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
  _write(path, columns)
  return columns
