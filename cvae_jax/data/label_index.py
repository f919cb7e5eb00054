"""The labels of a prepared split, as columns: read from its notes once, and kept beside them.

A run needs the labels of all its notes before it begins: to choose the notes that a config asks
for, and to know what it will have been taught. Reading them anew takes the reading of all audio.
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
OPTIONAL = ("method", "factors")  # where notes come with what they were made from


def _read(path: str, count: int) -> dict[str, np.ndarray] | None:
  """The columns in a file; None where it is not there, or not that of `count` notes."""
  try:
    columns = npz_file.load(path, *COLUMNS)
  except (FileNotFoundError, errors.UserError):
    return None
  return columns if all(column.shape[:1] == (count,) for column in columns.values()) else None


def _write(path: str, columns: Mapping[str, np.ndarray]) -> None:
  """Writes the columns whole or not at all; where that cannot be done, they are read next time."""
  arrays: dict[str, Any] = dict(columns)
  try:
    with atomic.open_file(path, "wb") as f:
      np.savez_compressed(f, **arrays)
  except OSError as e:
    _log.info("the labels are not kept in %s: %s", path, e)


def read_labels(
  path: str, count: int, read_note: Callable[[int], Mapping[str, Any]], num_threads: int
) -> dict[str, np.ndarray]:
  """Labels of all notes of a split.

  Args:
    path: of the file to keep them in.
    count: M, of the notes.
    read_note: index to note, as `notes.parse` gives it.
    num_threads: that read notes.

  Returns:
    [M] integers of each label, qualities [M, 10], id [M] str; and `OPTIONAL`, where there are such.
  """
  kept = _read(path, count)
  if kept is not None:
    return kept
  if count > 10_000:
    _log.info("reading the labels of %d notes, once", count)

  def labels_of(index):
    note = read_note(index)
    # And nothing of the audio is kept.
    return {name: note[name] for name in (*COLUMNS, *OPTIONAL) if name in note}

  with concurrent.futures.ThreadPoolExecutor(num_threads) as pool:
    rows = list(pool.map(labels_of, range(count)))
  columns = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
  _write(path, columns)
  return columns
