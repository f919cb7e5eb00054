"""What is in a prepared data set: its labels counted, its levels measured, as a table."""

from collections.abc import Mapping
from collections.abc import Sequence
import concurrent.futures
from typing import NamedTuple

import numpy as np

from cvae_jax.data import labels
from cvae_jax.data import notes
from cvae_jax.data import pipeline

SILENT_DB = -60.0  # a note whose peak is softer counts as silent
CLIPPED = 8  # a note with so many samples at full scale counts as clipped


class Split(NamedTuple):
  """A split's notes.

  Attributes:
    labels: as `NoteSource.labels`.
    level_db: [M] RMS in dB below full scale, without the DC offset.
    peak_db: [M] largest sample in dB below full scale.
    clipped: [M] whether samples lie at full scale.
    offset: [M] DC offset in full scale.
  """

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
  # Full scale of 16 bits is one step lower above than below.
  clipped = int((np.abs(audio) >= 1.0 - 2.0**-14).sum()) >= CLIPPED
  return (
    20.0 * np.log10(max(level, 1e-6)),
    20.0 * np.log10(max(peak, 1e-6)),
    clipped,
    offset,
  )


def measure(source: pipeline.NoteSource, limit: int, num_threads: int = 2) -> Split:
  """Counts and measures a split's notes, or `limit` of them spread evenly over it."""
  rows = notes.spread_rows(len(source), limit)
  with concurrent.futures.ThreadPoolExecutor(num_threads) as pool:
    measured = list(pool.map(lambda i: _measure_note(source[int(i)]["audio"]), rows))
  level_db, peak_db, clipped, offset = (
    np.asarray(column) for column in zip(*measured, strict=True)
  )
  return Split(
    {name: column[rows] for name, column in source.labels.items()},
    level_db,
    peak_db,
    clipped,
    offset,
  )


def _row(name: str, split: Split, keep: np.ndarray) -> list[str]:
  pitch = split.labels["pitch"][keep]
  velocities = np.unique(split.labels["velocity"][keep])
  sources = np.unique(split.labels["source"][keep])
  shown = ", ".join(map(str, velocities)) if velocities.size <= 5 else f"{velocities.size} of them"
  return [
    name,
    f"{keep.sum():,}",
    f"{np.unique(split.labels['instrument'][keep]).size:,}",
    ", ".join(labels.SOURCES[i] for i in sources),
    f"{pitch.min()}-{pitch.max()}",
    shown,
    f"{np.median(split.level_db[keep]):.1f}",
    str(int(split.silent[keep].sum())),
    str(int(split.clipped[keep].sum())),
  ]


HEADER = (
  "family", "notes", "instruments", "sources", "pitches", "velocities", "level (dB)", "silent",
  "clipped",
)  # fmt: skip


def make_table(split: Split) -> list[list[str]]:
  """Rows of a split's families, and of all of it, under `HEADER`; the level is the median RMS."""
  families = split.labels["family"]
  rows = [
    _row(labels.FAMILIES[family], split, families == family) for family in np.unique(families)
  ]
  return [*rows, _row("all", split, np.ones(families.size, bool))]


def format_table(rows: Sequence[Sequence[str]], header: Sequence[str] = HEADER) -> str:
  """Columns under each other, for the terminal."""
  widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
  lines = [
    "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    for row in (header, *rows)
  ]
  return "\n".join(lines)
