"""Figures for people to look at, drawn with matplotlib and librosa's display.

python -m cvae_jax.figures clip.wav --out=figures/    # what a clip looks like, in every transform
"""

import argparse
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
import io
import os
from typing import Any

import numpy as np

from cvae_jax import atomic
from cvae_jax import cli
from cvae_jax import errors
from cvae_jax import lazy_librosa
from cvae_jax.data import labels


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
  from matplotlib.backends import backend_agg
  from matplotlib.figure import Figure

  librosa = lazy_librosa.load()
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
  return _to_png(figure)


def _to_png(figure) -> bytes:
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


def _new_figure(width: float, height: float, rows: int = 1, columns: int = 1, **kwargs):
  from matplotlib.backends import backend_agg
  from matplotlib.figure import Figure

  figure = Figure(figsize=(width, height), layout="constrained")
  backend_agg.FigureCanvasAgg(figure)
  return figure, figure.subplots(rows, columns, squeeze=False, **kwargs)


def _specshow(axis, values, sample_rate, hop_length, y_axis="log", **kwargs):
  """librosa's display of [F, N] values with the settings that all figures share."""
  librosa = lazy_librosa.load()

  mesh = librosa.display.specshow(
    values, sr=sample_rate, hop_length=hop_length, x_axis="s", y_axis=y_axis, ax=axis, **kwargs
  )
  axis.set_xlabel("time, s")
  axis.set_ylabel("frequency, Hz")
  return mesh


def draw_data_set(splits: Mapping[str, Any]) -> bytes:
  """Draws what a data set holds: notes by family and source, by pitch, by velocity, by level.

  Args:
    splits: `data.statistics.Split` by name; the bars of splits stand beside or over each other.

  Returns:
    A PNG file's bytes.
  """
  from matplotlib import ticker

  figure, axes = _new_figure(11.0, 6.5, 2, 2)
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
  return _to_png(figure)


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
  figure, axes = _new_figure(width, 1.3 + 0.36 * len(names), 1, len(panels), sharey=True)
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
  return _to_png(figure)


def draw_waveform(audio: np.ndarray, sample_rate: int) -> bytes:
  """A PNG of the whole waveform, and of 20 ms of it around its loudest sample."""
  figure, axes = _new_figure(9, 4.6, 2)
  time = np.arange(audio.size) / sample_rate
  axes[0, 0].plot(time, audio, linewidth=0.4)
  axes[0, 0].set_title(f"The whole clip: {audio.size} samples at {sample_rate} Hz")
  middle = int(np.argmax(np.abs(audio)))
  start = int(np.clip(middle - sample_rate // 100, 0, max(0, audio.size - sample_rate // 50)))
  near = slice(start, start + sample_rate // 50)
  axes[1, 0].plot(time[near], audio[near], marker=".", markersize=3, linewidth=0.8)
  axes[1, 0].set_title("20 ms around its loudest sample: a dot is a sample")
  for axis in axes[:, 0]:
    axis.margins(x=0)
    axis.set_xlabel("time, s")
    axis.set_ylabel("amplitude")
    axis.grid(alpha=0.3)
  return _to_png(figure)


def draw_spectrum(audio: np.ndarray, sample_rate: int) -> bytes:
  """A PNG of the magnitudes of the Fourier transform of the whole clip, linear and in dB."""
  figure, axes = _new_figure(9, 4.6, 2)
  magnitude = np.abs(np.fft.rfft(audio * np.hanning(audio.size)))
  magnitude /= max(magnitude.max(), 1e-12)
  frequency_hz = np.fft.rfftfreq(audio.size, 1 / sample_rate)
  axes[0, 0].plot(frequency_hz, magnitude, linewidth=0.7)
  axes[0, 0].set_title("Spectrum, linear: the strongest partials alone can be seen")
  axes[0, 0].set_ylabel("magnitude")
  level_db = 20 * np.log10(np.maximum(magnitude, 1e-6))
  axes[1, 0].plot(frequency_hz, level_db, linewidth=0.4)
  axes[1, 0].set_title("The same in dB: what the ear hears")
  axes[1, 0].set_ylabel("dB below the peak")
  axes[1, 0].set_ylim(-100, 3)
  for axis in axes[:, 0]:
    axis.set_xlim(0, sample_rate / 2)
    axis.set_xlabel("frequency, Hz")
    axis.grid(alpha=0.3)
  return _to_png(figure)


def _magnitude(audio, n_fft=2048, hop_length=256):
  """[F, N] magnitudes; a full-scale sine has 1."""
  import jax.numpy as jnp

  from cvae_jax.audio import stft

  transform = stft.stft(jnp.asarray(audio, jnp.float32), n_fft, hop_length)
  return np.abs(np.asarray(transform)).T / (stft.make_window("hann", n_fft, n_fft).sum() / 2)


def _decibels(magnitude):
  return 20 * np.log10(np.maximum(magnitude, 1e-4))


def _draw_linear_and_db(magnitude, sample_rate, hop_length, y_axis, what) -> bytes:
  figure, axes = _new_figure(11, 4.4, 1, 2)
  mesh = _specshow(axes[0, 0], magnitude, sample_rate, hop_length, y_axis, cmap="magma")
  figure.colorbar(mesh, ax=axes[0, 0], label="magnitude")
  axes[0, 0].set_title(f"{what}, linear")
  level_db = _decibels(magnitude / max(magnitude.max(), 1e-12))
  mesh = _specshow(
    axes[0, 1], level_db, sample_rate, hop_length, y_axis, cmap="magma", vmin=-80, vmax=0
  )
  figure.colorbar(mesh, ax=axes[0, 1], label="dB below the peak")
  axes[0, 1].set_title(f"{what}, in dB")
  return _to_png(figure)


def draw_spectrogram(audio: np.ndarray, sample_rate: int) -> bytes:
  """A PNG of the STFT's magnitudes (2,048 samples, hop 256), linear and in dB."""
  return _draw_linear_and_db(_magnitude(audio), sample_rate, 256, "linear", "Spectrogram")


def draw_mel_spectrogram(audio: np.ndarray, sample_rate: int) -> bytes:
  """A PNG of the mel spectrogram (128 bins), linear and in dB."""
  import jax.numpy as jnp

  from cvae_jax.audio import mel

  magnitude = jnp.asarray(_magnitude(audio).T)
  mels = np.asarray(mel.linear_to_mel(magnitude, sample_rate, 128)).T
  return _draw_linear_and_db(mels, sample_rate, 256, "mel", "Mel spectrogram")


def draw_windows(audio: np.ndarray, sample_rate: int) -> bytes:
  """A PNG of four windows and how far each lets a partial leak into other bins."""
  from cvae_jax.audio import stft

  del audio, sample_rate
  figure, axes = _new_figure(11, 4.4, 1, 2)
  size, oversampling = 1024, 32
  for window in ("boxcar", "hann", "hamming", "blackman"):
    values = stft.make_window(window, size, size).astype(np.float64)
    axes[0, 0].plot(np.arange(size), values, label=window)
    response = np.abs(np.fft.fft(values, size * oversampling)) / values.sum()
    bins = np.arange(-16 * oversampling, 16 * oversampling + 1)
    axes[0, 1].plot(
      bins / oversampling, 20 * np.log10(np.maximum(response[bins], 1e-7)), linewidth=0.9
    )
  axes[0, 0].set_title("Windows of 1,024 samples")
  axes[0, 0].set_xlabel("sample")
  axes[0, 0].set_ylabel("weight")
  axes[0, 0].legend()
  axes[0, 1].set_title("What a sine leaks into other bins")
  axes[0, 1].set_xlabel("distance from the sine, in bins")
  axes[0, 1].set_ylabel("dB below the sine")
  axes[0, 1].set_xlim(-16, 16)
  axes[0, 1].set_ylim(-120, 3)
  for axis in axes[0]:
    axis.grid(alpha=0.3)
  return _to_png(figure)


def draw_resolution(audio: np.ndarray, sample_rate: int) -> bytes:
  """A PNG of the clip's first second by window lengths (across) and hops (down)."""
  windows, overlaps = (256, 1024, 4096), (2, 4, 8)
  figure, axes = _new_figure(12, 8.4, 3, 3, sharex=True, sharey=True)
  for i, overlap in enumerate(overlaps):
    for j, size in enumerate(windows):
      hop_length = size // overlap
      magnitude = _magnitude(audio, size, hop_length)
      level_db = _decibels(magnitude / max(magnitude.max(), 1e-12))
      mesh = _specshow(
        axes[i, j], level_db, sample_rate, hop_length, "linear", cmap="magma", vmin=-80, vmax=0
      )
      axes[i, j].set_title(
        f"window {size} ({1000 * size / sample_rate:.0f} ms, {sample_rate / size:.1f} Hz a bin), "
        f"hop {hop_length}",
        fontsize=9,
      )
      axes[i, j].set_ylim(0, sample_rate / 4)
      axes[i, j].set_xlim(0, min(1.0, audio.size / sample_rate))
      axes[i, j].label_outer()
  figure.colorbar(mesh, ax=axes, label="dB below the peak", shrink=0.6)
  figure.suptitle(
    "A long window tells partials apart, a short one tells when; the hop is how often"
  )
  return _to_png(figure)


def draw_rainbowgram(audio: np.ndarray, sample_rate: int) -> bytes:
  """A PNG of the constant-Q transform: brightness is level, colour instantaneous frequency.

  Source: Engel et al. 2017, figure 1. A steady partial keeps one colour.
  """
  import jax.numpy as jnp
  from matplotlib import colors

  from cvae_jax.audio import cqt
  from cvae_jax.audio import instantaneous_frequency

  librosa = lazy_librosa.load()
  hop_length, fmin_hz, bins_per_octave = 256, 32.703, 36
  # As many as lie with their bandwidth under half the rate.
  n_bins = int(bins_per_octave * np.log2(0.45 * sample_rate / fmin_hz))
  transform = cqt.cqt(
    jnp.asarray(audio, jnp.float32), sample_rate, hop_length, fmin_hz, n_bins, bins_per_octave
  )
  magnitude = np.abs(np.asarray(transform)).T
  frequency = np.asarray(
    instantaneous_frequency.from_phase(instantaneous_frequency.angle(transform))
  ).T
  level_db = _decibels(magnitude / max(magnitude.max(), 1e-12))
  figure, axes = _new_figure(9, 5)
  settings = dict(
    sr=sample_rate,
    hop_length=hop_length,
    fmin=fmin_hz,
    bins_per_octave=bins_per_octave,
    x_axis="s",
    y_axis="cqt_hz",
    ax=axes[0, 0],
  )
  mesh = librosa.display.specshow(frequency, cmap="rainbow", vmin=-1, vmax=1, **settings)
  figure.colorbar(mesh, ax=axes[0, 0], label="instantaneous frequency, half turns a frame")
  # Black over the colours, the more the softer.
  mask = colors.LinearSegmentedColormap.from_list("mask", [(0, 0, 0, 1), (0, 0, 0, 0)])
  librosa.display.specshow(level_db, cmap=mask, vmin=-60, vmax=0, **settings)
  axes[0, 0].set_xlabel("time, s")
  axes[0, 0].set_ylabel("frequency, Hz")
  axes[0, 0].set_title("Rainbowgram: brightness is level, colour is frequency within the bin")
  return _to_png(figure)


FIGURES: dict[str, Callable[[np.ndarray, int], bytes]] = {
  "waveform": draw_waveform,
  "spectrum": draw_spectrum,
  "spectrogram": draw_spectrogram,
  "mel_spectrogram": draw_mel_spectrogram,
  "windows": draw_windows,
  "resolution": draw_resolution,
  "rainbowgram": draw_rainbowgram,
}


def main(argv: list[str] | None = None) -> None:
  """Draws all figures of a clip."""
  parser = argparse.ArgumentParser(prog="python -m cvae_jax.figures", description=__doc__)
  parser.add_argument("clip", help="a WAV or FLAC; of a long one the first ten seconds")
  parser.add_argument("--out", default="figures", help="directory of the PNGs")
  args = parser.parse_args(argv)
  from cvae_jax.audio import files

  audio = files.read_clip(args.clip, labels.SAMPLE_RATE).audio[: 10 * labels.SAMPLE_RATE]
  for name, draw in FIGURES.items():
    path = os.path.join(args.out, f"{name}.png")
    write_png(path, draw(audio, labels.SAMPLE_RATE))
    print(path)


if __name__ == "__main__":
  cli.run(main)
