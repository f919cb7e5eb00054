"""What all figures are drawn with, by matplotlib and librosa's display, and those of runs."""

from collections.abc import Mapping
from collections.abc import Sequence
import io
from typing import Any

import numpy as np

from cvae_jax import atomic
from cvae_jax import errors
from cvae_jax import lazy_librosa
from cvae_jax.data import labels


def to_png(figure) -> bytes:
  """A figure as a PNG file's bytes."""
  buffer = io.BytesIO()
  figure.savefig(buffer, format="png", dpi=110)
  return buffer.getvalue()


def to_pixels(png: bytes) -> np.ndarray:
  """A PNG's pixels, as image summaries want them ([height, width, 3] uint8)."""
  import matplotlib.image

  pixels = matplotlib.image.imread(io.BytesIO(png), format="png")
  return (pixels[..., :3] * 255).astype(np.uint8)


def write_png(path: str, png: bytes) -> None:
  """Writes a PNG, whole or not at all.

  Raises:
    UserError: where the file cannot be written.
  """
  try:
    with atomic.open_file(path, "wb") as f:
      f.write(png)
  except OSError as e:
    raise errors.UserError(f"{path} cannot be written ({e})") from None


def new_figure(width: float, height: float, rows: int = 1, columns: int = 1, **kwargs):
  """A figure of a size in inches, without a window, and its axes ([rows, columns])."""
  from matplotlib.backends import backend_agg
  from matplotlib.figure import Figure

  figure = Figure(figsize=(width, height), layout="constrained")
  backend_agg.FigureCanvasAgg(figure)
  return figure, figure.subplots(rows, columns, squeeze=False, **kwargs)


def specshow(axis, values, sample_rate, hop_length, y_axis="log", **kwargs):
  """librosa's display of [F, N] values with the settings that all figures share."""
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
  rows: Sequence[tuple[str, Sequence[np.ndarray]]],
  columns: Sequence[str],
  sample_rate: int,
) -> bytes:
  """Draws spectrograms of waveforms side by side: a note a row, a version of it a column.

  Every spectrogram is of its waveform at full level, so that soft notes can be seen.

  Args:
    rows: (title, waveforms [T] by column); a column that a row does not have is None.
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
      axis.set_yticks([32, 128, 512, 2048], labels=["32", "128", "512", "2k"], fontsize=8)
      axis.minorticks_off()
      axis.tick_params(axis="x", labelsize=8)
      axis.set_ylabel(f"{title}\nHz" if j == 0 else "", fontsize=9)
      axis.set_xlabel("s" if i == len(rows) - 1 else "", fontsize=9)
  if mesh is not None:
    bar = figure.colorbar(mesh, ax=axes, shrink=0.6, aspect=40, pad=0.01)
    bar.set_label("dB below a full-scale sine", fontsize=9)
    bar.ax.tick_params(labelsize=8)
  return to_png(figure)


def draw_data_set(splits: Mapping[str, Any]) -> bytes:
  """Draws what a data set holds: notes by family and source, by pitch, by velocity, by level.

  Args:
    splits: `data.statistics.Split` by name; the bars of splits stand beside or over each other.

  Returns:
    A PNG file's bytes.
  """
  from matplotlib import ticker

  figure, axes = new_figure(11.0, 6.5, 2, 2)
  by_family, by_pitch, by_velocity, by_level = axes.flat
  families = sorted({int(f) for s in splits.values() for f in np.unique(s.labels["family"])})
  sources = sorted({int(s) for split in splits.values() for s in np.unique(split.labels["source"])})
  height = 0.8 / len(splits)
  for i, split in enumerate(splits.values()):
    left = np.zeros(len(families))
    for j in sources:
      counts = np.asarray(
        [((split.labels["family"] == f) & (split.labels["source"] == j)).sum() for f in families]
      )
      by_family.barh(
        np.arange(len(families)) + (i - (len(splits) - 1) / 2) * height,
        counts,
        0.9 * height,
        left,
        color=f"C{j}",
        label=labels.SOURCES[j] if i == 0 else None,
      )
      left += counts
  by_family.set_yticks(range(len(families)), [labels.FAMILIES[f] for f in families])
  by_family.invert_yaxis()
  by_family.set_xlabel(f"notes ({', '.join(splits)} from top to bottom)")
  by_family.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
  for i, (name, split) in enumerate(splits.items()):
    style = dict(histtype="step", linewidth=1.5, color=f"C{i + 3}", label=name)
    by_pitch.hist(split.labels["pitch"], bins=np.arange(-0.5, 132.0, 6), **style)
    by_velocity.hist(split.labels["velocity"], bins=np.arange(0, 133, 4), **style)
    by_level.hist(np.maximum(split.level_db, -80.0), bins=np.arange(-80.0, 1.0, 2.0), **style)
  pitches = np.concatenate([s.labels["pitch"] for s in splits.values()])
  by_pitch.set_xlim(pitches.min() - 4, pitches.max() + 4)
  by_pitch.set_xlabel("pitch (MIDI number)")
  by_velocity.set_xlabel("velocity")
  by_level.set_xlabel("level (dB below full scale, RMS)")
  for axis in (by_pitch, by_velocity, by_level):
    axis.set_ylabel("notes")
    axis.set_yscale("log")
    axis.set_ylim(bottom=0.8)
    axis.yaxis.set_major_formatter(ticker.StrMethodFormatter("{x:,.0f}"))
    axis.yaxis.set_minor_formatter(ticker.NullFormatter())
    axis.legend(frameon=False)
  return to_png(figure)


def draw_bars(
  title: str,
  names: Sequence[str],
  panels: Sequence[tuple[str, Sequence[float], Sequence[float]]],
) -> bytes:
  """A PNG of several measures of the same things side by side, a panel each.

  Args:
    title: of the whole.
    names: of what is compared, from top to bottom.
    panels: (title, values, deviations) of each measure; a deviation of NaN is not drawn.
  """
  width = 1.5 + 2.9 * len(panels)
  figure, axes = new_figure(width, 1.3 + 0.36 * len(names), 1, len(panels), sharey=True)
  rows = np.arange(len(names))
  for axis, (what, values, deviations) in zip(axes[0], panels, strict=True):
    errors_of = np.nan_to_num(np.asarray(deviations, float))
    axis.errorbar(
      values, rows, xerr=errors_of if errors_of.any() else None, fmt="o", color="C0", capsize=3
    )
    axis.set_title(what, fontsize=9)
    axis.grid(axis="x", alpha=0.3)
    axis.set_yticks(rows, names)
    axis.tick_params(labelsize=9)
    axis.margins(x=0.15)
    axis.set_ylim(len(names) - 0.5, -0.5)
  figure.suptitle(title, fontsize=11)
  return to_png(figure)
