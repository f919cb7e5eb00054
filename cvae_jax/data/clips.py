"""Examples from a store of audio: whole files, or excerpts of them.

`Clips`: every file is an example, padded or cut to the form's length. `Excerpts`: every example is
an excerpt of the form's length; in training its position depends on its row and a random seed.
"""

from collections.abc import Callable
import functools
from typing import Any
from typing import NamedTuple

import numpy as np

from cvae_jax.core import errors
from cvae_jax.data import data_sets
from cvae_jax.data import forms
from cvae_jax.data import sources
from cvae_jax.data import store


class Clips(sources.Source):
  """Every stored file of a split as an example, padded with silence or cut to the form's length.

  Args:
    index: index of the store.
    split: one of `store.SPLITS`.
    form: form of the examples.
  """

  def __init__(self, index: store.Index, split: str, form: forms.Waveform):
    rows = index.of_split(split)
    self.form, self.vocabulary, self.folder = form, index.vocabulary, index.folder
    self._size = form.num_samples
    self._samples = np.memmap(index.audio_path, "<i2", "r")
    self._starts, self._lengths = index.starts[rows], index.lengths[rows]
    self.labels = {"id": index.names[rows], **{n: c[rows] for n, c in index.columns.items()}}

  def stored(self, index: int, seed: int | None = None) -> dict[str, Any]:
    """See `Source.stored`."""
    return self._example_at(index, int(self._starts[index]), int(self._lengths[index]))

  def _example_at(self, index, start, length):
    """Example `index`, from at most `length` samples at `start`."""
    length = min(length, self._size)
    audio = np.zeros(self._size, np.int16)
    audio[:length] = self._samples[start : start + length]
    return {**{name: column[index] for name, column in self.labels.items()}, "audio": audio}


class Excerpts(Clips):
  """Excerpts of the stored recordings of a split.

  Recordings are cut into consecutive segments of the form's length; segments that stay below the
  silence threshold are left out. Each remaining segment is a row. Without a seed the excerpt is the
  segment; with a seed it starts at a random sample of the segment, so that training covers the
  whole recording. A recording shorter than an excerpt is one row, padded.

  Args:
    index: index of the store.
    split: one of `store.SPLITS`.
    form: form of the examples.
    silence_db: threshold in dB below full scale, for the loudest tenth of a second of a segment.

  Raises:
    UserError: if all of the split is silent.
  """

  is_random = True

  def __init__(self, index: store.Index, split: str, form: forms.Waveform, silence_db: float):
    rows, places = find_places(index, split, form.num_samples, silence_db)
    if not rows.size:
      raise errors.UserError(
        f"split '{split}' of {index.folder} has no excerpt louder than {silence_db:g} dB"
      )
    super().__init__(index, split, form)
    self._begins = index.starts[rows]
    self._ends = index.starts[rows] + index.lengths[rows]
    self._starts, self._lengths = places, self._ends - places
    seconds = (places - index.starts[rows]) / form.sample_rate
    ids = [f"{name}@{t:.2f}" for name, t in zip(index.names[rows], seconds, strict=True)]
    self.labels = {"id": np.asarray(ids), **{n: c[rows] for n, c in index.columns.items()}}

  def stored(self, index: int, seed: int | None = None) -> dict[str, Any]:
    """See `Source.stored`."""
    start = self._start_of(index, seed)
    return self._example_at(index, start, int(self._ends[index]) - start)

  def _start_of(self, index, seed):
    """First sample of an excerpt in the store."""
    start, end = int(self._starts[index]), int(self._ends[index])
    if seed is None:
      return start
    latest = max(min(start + self._size - 1, end - self._size), start)
    return start + int(np.random.default_rng(seed).integers(latest - start + 1))

  @functools.cached_property
  def spans(self) -> "Spans":
    """The recordings that excerpts are of."""
    firsts = np.unique(self._begins)
    ends = np.asarray([self._ends[self._begins == first][0] for first in firsts])
    samples = [self._samples[a:b] for a, b in zip(firsts, ends, strict=True)]

    def locate(index, seed):
      span = int(np.searchsorted(firsts, self._begins[index]))
      return span, self._start_of(index, seed) - int(firsts[span])

    return Spans(samples, locate)


class Spans(NamedTuple):
  """The recordings that a source's excerpts are of.

  Attributes:
    samples: int16 of each.
    locate: (row, seed) of an example to its recording, and its first sample there.
  """

  samples: list[np.ndarray]
  locate: Callable[[int, int | None], tuple[int, int]]


def spans_of(source: sources.Source) -> Spans | None:
  """The recordings that a source's examples are excerpts of; None for other examples."""
  if isinstance(source, sources.Selected):
    spans, rows = spans_of(source.source), source.rows
    if spans is None:
      return None
    return Spans(spans.samples, lambda index, seed: spans.locate(int(rows[index]), seed))
  return source.spans if isinstance(source, Excerpts) else None


def find_places(
  index: store.Index, split: str, num_samples: int, silence_db: float
) -> tuple[np.ndarray, np.ndarray]:
  """Excerpts of a split that are not silent: rows of the index, and first samples."""
  block = round(store.BLOCK_S * index.sample_rate)
  rows, places = [], []
  for row in index.of_split(split):
    start, length = int(index.starts[row]), int(index.lengths[row])
    for place in range(start, start + max(length - num_samples, 0) + 1, num_samples):
      end = min(place + num_samples, start + length)
      blocks = index.level_db[place // block : -(-end // block)]
      if blocks.max(initial=-np.inf) > silence_db:
        rows.append(row)
        places.append(place)
  return np.asarray(rows, np.int64), np.asarray(places, np.int64)


def make_data_set(
  name: str, index: store.Index, form: forms.Waveform, remark: str = ""
) -> data_sets.DataSet:
  """The data set of a store, of which every file is an example."""
  return data_sets.DataSet(
    name,
    form,
    index.vocabulary,
    {split: len(index.of_split(split)) for split in store.SPLITS},
    lambda split, cache_gb, num_threads: Clips(index, split, form),
    index.folder,
    2 * int(index.lengths.sum()),
    remark=remark,
  )
