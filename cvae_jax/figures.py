"""Figures for people to look at, drawn with matplotlib and librosa's display."""

from collections.abc import Sequence
import io
import os

import numpy as np

from cvae_jax import errors


def _spectrogram_db(audio: np.ndarray, n_fft: int, hop_length: int) -> np.ndarray:
  """Magnitudes in dB below a full-scale sine ([F, N])."""
  import librosa

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
  import librosa.display
  from matplotlib.backends import backend_agg
  from matplotlib.figure import Figure

  n_fft, hop_length = 2048, 256
  figure = Figure(figsize=(1.2 + 3.1 * len(columns), 0.9 + 1.75 * len(rows)), layout="constrained")
  backend_agg.FigureCanvasAgg(figure)
  axes = figure.subplots(len(rows), len(columns), sharex=True, sharey=True, squeeze=False)
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
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path + ".tmp", "wb") as f:
      f.write(png)
    os.replace(path + ".tmp", path)
  except OSError as e:
    raise errors.UserError(f"{path} cannot be written ({e})") from None
