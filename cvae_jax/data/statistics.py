"""Statistics of a prepared data set: a table of its labels and levels."""

from collections.abc import Mapping
from collections.abc import Sequence
import concurrent.futures
from typing import NamedTuple

import numpy as np

from cvae_jax.data import forms
from cvae_jax.data import notes
from cvae_jax.data import sources
from cvae_jax.data import vocabulary as vocabulary_lib

SILENT_DB = -60.0  # a note whose peak is below counts as silent
CLIPPED = 8  # a note with at least so many samples at full scale counts as clipped


class Split(NamedTuple):
  """A split's examples.

  Attributes:
    vocabulary: of the labels.
    labels: as `Source.labels`.
    level_db: [M] RMS in dB below full scale, without the DC offset; this and the following are
      empty for scores.
    peak_db: [M] largest sample in dB below full scale.
    clipped: [M] whether `CLIPPED` samples or more are at full scale.
    offset: [M] DC offset in full scale.
  """

  vocabulary: vocabulary_lib.Vocabulary
  labels: Mapping[str, np.ndarray]
  level_db: np.ndarray
  peak_db: np.ndarray
  clipped: np.ndarray
  offset: np.ndarray

  @property
  def silent(self) -> np.ndarray:
    return self.peak_db < SILENT_DB


def _measure_note(audio: np.ndarray) -> tuple[float, float, bool, float]:
  peak = float(np.abs(audio).max())
  offset = float(audio.mean())
  level = float(audio.std())
  # The largest positive 16-bit sample is one step below full scale.
  clipped = int((np.abs(audio) >= 1.0 - 2.0**-14).sum()) >= CLIPPED
  return (
    20.0 * np.log10(max(level, 1e-6)),
    20.0 * np.log10(max(peak, 1e-6)),
    clipped,
    offset,
  )


def measure(source: sources.Source, limit: int, num_threads: int = 2) -> Split:
  """Measures a split's examples; with more than `limit`, evenly spaced ones."""
  rows = notes.spread_rows(len(source), limit)
  measured: list[tuple[float, float, bool, float]] = []
  if isinstance(source.form, forms.Waveform):
    with concurrent.futures.ThreadPoolExecutor(num_threads) as pool:
      measured = list(pool.map(lambda i: _measure_note(source[int(i)]["audio"]), rows))
  level_db, peak_db, clipped, offset = (np.asarray([row[k] for row in measured]) for k in range(4))
  return Split(
    source.vocabulary,
    {name: column[rows] for name, column in source.labels.items()},
    level_db,
    peak_db,
    clipped,
    offset,
  )


def _summarize_values(label: vocabulary_lib.Label, values: np.ndarray) -> str:
  """Summarises the values of a label that occur."""
  unique = np.unique(values)
  if label.kind == vocabulary_lib.NUMBER:
    if unique.size <= 5:
      return ", ".join(map(str, unique))
    return f"{unique[0]}-{unique[-1]}"
  if label.open_set or unique.size > 5:
    return f"{unique.size:,} distinct"
  return ", ".join(label.names[i] for i in unique)


def _columns(vocabulary: vocabulary_lib.Vocabulary) -> list[vocabulary_lib.Label]:
  """The labels that are columns: all but the main one, which is the row, and flags."""
  main = vocabulary.main
  return [x for x in vocabulary.labels if x.kind != vocabulary_lib.FLAGS and x != main]


def _row(name: str, split: Split, keep: np.ndarray) -> list[str]:
  cells = [name, f"{keep.sum():,}"]
  cells += [_summarize_values(x, split.labels[x.name][keep]) for x in _columns(split.vocabulary)]
  if split.level_db.size:
    cells.append(f"{np.median(split.level_db[keep]):.1f}")
    cells += [str(int(split.silent[keep].sum())), str(int(split.clipped[keep].sum()))]
  return cells


def make_header(split: Split) -> list[str]:
  """The titles of the columns of `make_table`."""
  main = split.vocabulary.main
  names = [label.name for label in _columns(split.vocabulary)]
  levels = ["level (dB)", "silent", "clipped"] if split.level_db.size else []
  return [main.name if main else "", "examples", *names, *levels]


def make_table(split: Split) -> list[list[str]]:
  """A row for each value of the main label, and one for all; the level is the median RMS."""
  main, count = split.vocabulary.main, len(split.labels["id"])
  rows = []
  if main is not None:
    values = split.labels[main.name]
    rows = [_row(main.names[v], split, values == v) for v in np.unique(values)]
  return [*rows, _row("all", split, np.ones(count, bool))]


def format_table(rows: Sequence[Sequence[str]], header: Sequence[str]) -> str:
  """Formats a table with aligned columns, for the terminal."""
  widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
  lines = [
    "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    for row in (header, *rows)
  ]
  return "\n".join(lines)
