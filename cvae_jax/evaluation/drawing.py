"""Figures, drawn with matplotlib and librosa.display."""

from collections.abc import Mapping
from collections.abc import Sequence
import io
from typing import Any

import numpy as np

from cvae_jax import scores
from cvae_jax.core import atomic
from cvae_jax.core import errors
from cvae_jax.core import lazy_librosa
from cvae_jax.data import vocabulary as vocabulary_lib


def to_png(figure) -> bytes:
  """Encodes a figure as a PNG file's bytes."""
  buffer = io.BytesIO()
  figure.savefig(buffer, format="png", dpi=110)
  return buffer.getvalue()


def to_pixels(png: bytes) -> np.ndarray:
  """Decodes a PNG for an image summary ([height, width, 3] uint8)."""
  import matplotlib.image

  pixels = matplotlib.image.imread(io.BytesIO(png), format="png")
  return (pixels[..., :3] * 255).astype(np.uint8)


def write_png(path: str, png: bytes) -> None:
  """Writes a PNG, atomically.

  Raises:
    UserError: if the file cannot be written.
  """
  try:
    with atomic.open_file(path, "wb") as f:
      f.write(png)
  except OSError as e:
    raise errors.UserError(f"{path} cannot be written ({e})") from None


def new_figure(width: float, height: float, rows: int = 1, columns: int = 1, **kwargs):
  """Makes a figure without a window; sizes in inches. Returns it and its axes [rows, columns]."""
  from matplotlib.backends import backend_agg
  from matplotlib.figure import Figure

  figure = Figure(figsize=(width, height), layout="constrained")
  backend_agg.FigureCanvasAgg(figure)
  return figure, figure.subplots(rows, columns, squeeze=False, **kwargs)


def specshow(axis, values, sample_rate, hop_length, y_axis="log", **kwargs):
  """Draws [F, N] values with `librosa.display.specshow` and the settings that all figures share."""
  librosa = lazy_librosa.load()

  mesh = librosa.display.specshow(
    values, sr=sample_rate, hop_length=hop_length, x_axis="s", y_axis=y_axis, ax=axis, **kwargs
  )
  axis.set_xlabel("time, s")
  axis.set_ylabel("frequency, Hz")
  return mesh


def _spectrogram_db(audio: np.ndarray, n_fft: int, hop_length: int) -> np.ndarray:
  """Magnitudes in dB below a full-scale sine ([F, N])."""
  librosa = lazy_librosa.load()
  magnitude = np.abs(librosa.stft(audio, n_fft=n_fft, hop_length=hop_length)) / (n_fft / 4)
  return librosa.amplitude_to_db(magnitude, ref=1.0, amin=1e-4, top_db=None)


def spectrogram_grid(
  rows: Sequence[tuple[str, Sequence[np.ndarray | None]]],
  columns: Sequence[str],
  sample_rate: int,
) -> bytes:
  """Draws spectrograms of waveforms in a grid: a row for each note, a column for each version.

  Every waveform is normalised to full level, so that soft notes are visible.

  Args:
    rows: (title, waveforms [T] by column); None leaves a cell empty.
    columns: titles.
    sample_rate: in Hz.

  Returns:
    A PNG file's bytes.
  """
  librosa = lazy_librosa.load()
  n_fft, hop_length = 2048, 256
  width, height = 1.2 + 3.1 * len(columns), 0.9 + 1.75 * len(rows)
  figure, axes = new_figure(width, height, len(rows), len(columns), sharex=True, sharey=True)
  mesh = None
  for i, (title, waveforms) in enumerate(rows):
    for j, audio in enumerate(waveforms):
      axis = axes[i, j]
      if i == 0:
        axis.set_title(columns[j], fontsize=11)
      if audio is None:
        axis.set_axis_off()
        continue
      peak = np.max(np.abs(audio))
      level = _spectrogram_db(audio / peak if peak > 1e-5 else audio, n_fft, hop_length)
      mesh = librosa.display.specshow(
        level,
        sr=sample_rate,
        hop_length=hop_length,
        x_axis="s",
        y_axis="log",
        ax=axis,
        cmap="magma",
        vmin=-80.0,
        vmax=0.0,
      )
      axis.set_ylim(20.0, sample_rate / 2)
      ticks = [hz for hz in (32, 128, 512, 2048, 8192) if hz < sample_rate / 2]
      names = [f"{hz // 1000}k" if hz >= 1000 else str(hz) for hz in ticks]
      axis.set_yticks(ticks, labels=names, fontsize=8)
      axis.minorticks_off()
      axis.tick_params(axis="x", labelsize=8)
      axis.set_ylabel(f"{title}\nHz" if j == 0 else "", fontsize=9)
      axis.set_xlabel("s" if i == len(rows) - 1 else "", fontsize=9)
  if mesh is not None:
    bar = figure.colorbar(mesh, ax=axes, shrink=0.6, aspect=40, pad=0.01)
    bar.set_label("dB below a full-scale sine", fontsize=9)
    bar.ax.tick_params(labelsize=8)
  return to_png(figure)


def piano_roll_grid(
  rows: Sequence[tuple[str, Sequence[Sequence[scores.Note] | None]]], columns: Sequence[str]
) -> bytes:
  """Draws scores as piano rolls in a grid: a row for each score, a column for each version.

  Percussion has a colour of its own.

  Args:
    rows: (title, notes by column); None leaves a cell empty.
    columns: titles.

  Returns:
    A PNG file's bytes.
  """
  all_notes = [note for _, versions in rows for notes in versions for note in notes or ()]
  low = min((note.pitch for note in all_notes), default=60) - 2
  high = max((note.pitch for note in all_notes), default=60) + 2
  end_s = max((note.end_s for note in all_notes), default=1.0)
  width, height = 1.2 + 3.1 * len(columns), 0.9 + 1.4 * len(rows)
  figure, axes = new_figure(width, height, len(rows), len(columns), sharex=True, sharey=True)
  for i, (title, versions) in enumerate(rows):
    for j, notes in enumerate(versions):
      axis = axes[i, j]
      if i == 0:
        axis.set_title(columns[j], fontsize=11)
      if notes is None:
        axis.set_axis_off()
        continue
      pitches = [note.pitch for note in notes]
      lengths = [note.end_s - note.start_s for note in notes]
      colors = ["C1" if note.is_drum else "C0" for note in notes]
      starts = [note.start_s for note in notes]
      # The edge parts a note from a repetition.
      edge = {"edgecolor": "white", "linewidth": 0.7}
      axis.barh(pitches, lengths, 0.9, starts, color=colors or "C0", **edge)
      axis.set_xlim(0.0, end_s)
      axis.set_ylim(low, high)
      axis.grid(alpha=0.3)
      axis.tick_params(labelsize=8)
      axis.set_ylabel(f"{title}\nMIDI pitch" if j == 0 else "", fontsize=9)
      axis.set_xlabel("s" if i == len(rows) - 1 else "", fontsize=9)
  return to_png(figure)


def draw_data_set(splits: Mapping[str, Any]) -> bytes:
  """Draws a data set: histograms of its labels and of the examples' levels.

  Args:
    splits: `data.statistics.Split` by name.

  Returns:
    A PNG file's bytes.
  """
  vocabulary = next(iter(splits.values())).vocabulary
  panels: list[tuple[Any, Any]] = [
    (_draw_names if label.kind == vocabulary_lib.NAMES else _draw_numbers, label)
    for label in vocabulary.labels
    if label.kind != vocabulary_lib.FLAGS and (not label.open_set or len(label.names) <= 20)
  ]
  if all(split.level_db.size for split in splits.values()):
    panels.append((_draw_levels, None))
  columns = min(2, len(panels))
  rows = -(-len(panels) // max(columns, 1))
  figure, axes = new_figure(
    5.5 * max(columns, 1), 3.3 * max(rows, 1), max(rows, 1), max(columns, 1)
  )
  for axis, (draw, label) in zip(axes.flat, panels, strict=False):
    draw(axis, splits, label)
  for axis in axes.flat[len(panels) :]:
    axis.set_axis_off()
  return to_png(figure)


def _draw_names(axis, splits, label) -> None:
  """Bars of the names that occur, with the splits side by side."""
  values = sorted({int(v) for s in splits.values() for v in np.unique(s.labels[label.name])})
  height = 0.8 / len(splits)
  for i, (name, split) in enumerate(splits.items()):
    counts = [int((split.labels[label.name] == value).sum()) for value in values]
    places = np.arange(len(values)) + (i - (len(splits) - 1) / 2) * height
    axis.barh(places, counts, 0.9 * height, color=f"C{i}", label=name)
  size = 9 if len(values) <= 12 else max(3, round(110 / len(values)))
  axis.set_yticks(range(len(values)), [label.names[v] for v in values], fontsize=size)
  axis.invert_yaxis()
  axis.set_xlabel(f"examples by {label.name}")
  axis.legend(frameon=False, fontsize=8)


def _draw_numbers(axis, splits, label) -> None:
  """Histograms of a number, with the splits overlaid."""
  values = np.concatenate([s.labels[label.name] for s in splits.values()])
  edges = np.linspace(values.min() - 0.5, values.max() + 0.5, min(np.ptp(values) + 2, 33))
  for i, (name, split) in enumerate(splits.items()):
    axis.hist(split.labels[label.name], bins=edges, histtype="step", color=f"C{i}", label=name)
  axis.set_xlabel(label.name)
  _count_axis(axis)


def _draw_levels(axis, splits, label) -> None:
  """Histograms of the levels of sounds, with the splits overlaid."""
  del label
  edges = np.arange(-80.0, 1.0, 2.0)
  for i, (name, split) in enumerate(splits.items()):
    levels = np.maximum(split.level_db, -80.0)
    axis.hist(levels, bins=edges, histtype="step", linewidth=1.5, color=f"C{i}", label=name)
  axis.set_xlabel("level (dB below full scale, RMS)")
  _count_axis(axis)


def _count_axis(axis) -> None:
  from matplotlib import ticker

  axis.set_ylabel("examples")
  axis.set_yscale("log")
  axis.set_ylim(bottom=0.8)
  axis.yaxis.set_major_formatter(ticker.StrMethodFormatter("{x:,.0f}"))
  axis.yaxis.set_minor_formatter(ticker.NullFormatter())
  axis.legend(frameon=False)


def draw_bars(
  title: str,
  names: Sequence[str],
  panels: Sequence[tuple[str, Sequence[float], Sequence[float]]],
) -> bytes:
  """Draws several measures of the same items, a panel each; returns a PNG.

  Args:
    title: of the figure.
    names: of the items, from top to bottom.
    panels: (title, values, deviations) of each measure; a deviation of NaN is not drawn.
  """
  width = 1.5 + 2.9 * len(panels)
  figure, axes = new_figure(width, 1.3 + 0.36 * len(names), 1, len(panels), sharey=True)
  rows = np.arange(len(names))
  for axis, (measure, values, deviations) in zip(axes[0], panels, strict=True):
    error_bars = np.nan_to_num(np.asarray(deviations, float))
    axis.errorbar(
      values, rows, xerr=error_bars if error_bars.any() else None, fmt="o", color="C0", capsize=3
    )
    axis.set_title(measure, fontsize=9)
    axis.grid(axis="x", alpha=0.3)
    axis.set_yticks(rows, names)
    axis.tick_params(labelsize=9)
    axis.margins(x=0.15)
    axis.set_ylim(len(names) - 0.5, -0.5)
  figure.suptitle(title, fontsize=11)
  return to_png(figure)
