"""Draws figures of a clip: its waveform, and its spectrograms in every transform.

python -m cvae_jax.figures clip.wav --out=figures/
"""

from collections.abc import Callable
import os

import numpy as np

from cvae_jax.core import cli
from cvae_jax.core import lazy_librosa
from cvae_jax.core import outputs
from cvae_jax.core import platforms
from cvae_jax.data import labels
from cvae_jax.evaluation import drawing


def draw_waveform(audio: np.ndarray, sample_rate: int) -> bytes:
  """Draws the waveform, and 20 ms of it around its loudest sample; returns a PNG."""
  figure, axes = drawing.new_figure(9, 4.6, 2)
  time = np.arange(audio.size) / sample_rate
  axes[0, 0].plot(time, audio, linewidth=0.4)
  axes[0, 0].set_title(f"The whole clip: {audio.size} samples at {sample_rate} Hz")
  middle = int(np.argmax(np.abs(audio)))
  start = int(np.clip(middle - sample_rate // 100, 0, max(0, audio.size - sample_rate // 50)))
  near = slice(start, start + sample_rate // 50)
  axes[1, 0].plot(time[near], audio[near], marker=".", markersize=3, linewidth=0.8)
  axes[1, 0].set_title("20 ms around the loudest sample; each dot is a sample")
  for axis in axes[:, 0]:
    axis.margins(x=0)
    axis.set_xlabel("time, s")
    axis.set_ylabel("amplitude")
    axis.grid(alpha=0.3)
  return drawing.to_png(figure)


def draw_spectrum(audio: np.ndarray, sample_rate: int) -> bytes:
  """Draws the magnitude spectrum of the whole clip, linear and in dB; returns a PNG."""
  figure, axes = drawing.new_figure(9, 4.6, 2)
  magnitude = np.abs(np.fft.rfft(audio * np.hanning(audio.size)))
  magnitude /= max(magnitude.max(), 1e-12)
  frequency_hz = np.fft.rfftfreq(audio.size, 1 / sample_rate)
  axes[0, 0].plot(frequency_hz, magnitude, linewidth=0.7)
  axes[0, 0].set_title("Spectrum, linear: only the strongest partials are visible")
  axes[0, 0].set_ylabel("magnitude")
  level_db = 20 * np.log10(np.maximum(magnitude, 1e-6))
  axes[1, 0].plot(frequency_hz, level_db, linewidth=0.4)
  axes[1, 0].set_title("The same in dB, which is closer to perception")
  axes[1, 0].set_ylabel("dB below the peak")
  axes[1, 0].set_ylim(-100, 3)
  for axis in axes[:, 0]:
    axis.set_xlim(0, sample_rate / 2)
    axis.set_xlabel("frequency, Hz")
    axis.grid(alpha=0.3)
  return drawing.to_png(figure)


def _magnitude(audio, n_fft=2048, hop_length=256):
  """[F, N] magnitudes; 1 is a full-scale sine."""
  import jax.numpy as jnp

  from cvae_jax.audio import stft

  transform = stft.stft(jnp.asarray(audio, jnp.float32), n_fft, hop_length)
  return np.abs(np.asarray(transform)).T / (stft.make_window("hann", n_fft, n_fft).sum() / 2)


def _decibels(magnitude):
  return 20 * np.log10(np.maximum(magnitude, 1e-4))


def _draw_linear_and_db(magnitude, sample_rate, hop_length, y_axis, title) -> bytes:
  figure, axes = drawing.new_figure(11, 4.4, 1, 2)
  mesh = drawing.specshow(axes[0, 0], magnitude, sample_rate, hop_length, y_axis, cmap="magma")
  figure.colorbar(mesh, ax=axes[0, 0], label="magnitude")
  axes[0, 0].set_title(f"{title}, linear")
  level_db = _decibels(magnitude / max(magnitude.max(), 1e-12))
  mesh = drawing.specshow(
    axes[0, 1], level_db, sample_rate, hop_length, y_axis, cmap="magma", vmin=-80, vmax=0
  )
  figure.colorbar(mesh, ax=axes[0, 1], label="dB below the peak")
  axes[0, 1].set_title(f"{title}, in dB")
  return drawing.to_png(figure)


def draw_spectrogram(audio: np.ndarray, sample_rate: int) -> bytes:
  """Draws the STFT magnitudes (n_fft 2,048, hop 256), linear and in dB; returns a PNG."""
  return _draw_linear_and_db(_magnitude(audio), sample_rate, 256, "linear", "Spectrogram")


def draw_mel_spectrogram(audio: np.ndarray, sample_rate: int) -> bytes:
  """Draws the mel spectrogram (128 bins), linear and in dB; returns a PNG."""
  import jax.numpy as jnp

  from cvae_jax.audio import mel

  magnitude = jnp.asarray(_magnitude(audio).T)
  mels = np.asarray(mel.linear_to_mel(magnitude, sample_rate, 128)).T
  return _draw_linear_and_db(mels, sample_rate, 256, "mel", "Mel spectrogram")


def draw_windows(audio: np.ndarray, sample_rate: int) -> bytes:
  """Draws four windows and their spectral leakage; returns a PNG."""
  from cvae_jax.audio import stft

  del audio, sample_rate
  figure, axes = drawing.new_figure(11, 4.4, 1, 2)
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
  axes[0, 1].set_title("Leakage of a sine into other bins")
  axes[0, 1].set_xlabel("distance from the sine, in bins")
  axes[0, 1].set_ylabel("dB below the sine")
  axes[0, 1].set_xlim(-16, 16)
  axes[0, 1].set_ylim(-120, 3)
  for axis in axes[0]:
    axis.grid(alpha=0.3)
  return drawing.to_png(figure)


def draw_resolution(audio: np.ndarray, sample_rate: int) -> bytes:
  """Draws spectrograms by window length (columns) and hop (rows); returns a PNG."""
  windows, overlaps = (256, 1024, 4096), (2, 4, 8)
  figure, axes = drawing.new_figure(12, 8.4, 3, 3, sharex=True, sharey=True)
  for i, overlap in enumerate(overlaps):
    for j, size in enumerate(windows):
      hop_length = size // overlap
      magnitude = _magnitude(audio, size, hop_length)
      level_db = _decibels(magnitude / max(magnitude.max(), 1e-12))
      mesh = drawing.specshow(
        axes[i, j], level_db, sample_rate, hop_length, "linear", cmap="magma", vmin=-80, vmax=0
      )
      axes[i, j].set_title(
        f"window {size} ({1000 * size / sample_rate:.0f} ms, {sample_rate / size:.1f} Hz per bin), "
        f"hop {hop_length}",
        fontsize=9,
      )
      axes[i, j].set_ylim(0, sample_rate / 4)
      axes[i, j].set_xlim(0, min(1.0, audio.size / sample_rate))
      axes[i, j].label_outer()
  figure.colorbar(mesh, ax=axes, label="dB below the peak", shrink=0.6)
  figure.suptitle(
    "Long windows resolve partials, short windows resolve time; the hop sets the frame rate"
  )
  return drawing.to_png(figure)


def draw_rainbowgram(audio: np.ndarray, sample_rate: int) -> bytes:
  """Draws the constant-Q transform: brightness is level, colour instantaneous frequency.

  A steady partial has a constant colour. Returns a PNG.

  Source: Engel et al. 2017, figure 1.
  """
  import jax.numpy as jnp
  from matplotlib import colors

  from cvae_jax.audio import cqt
  from cvae_jax.audio import instantaneous_frequency

  librosa = lazy_librosa.load()
  hop_length, fmin_hz, bins_per_octave = 256, 32.703, 36
  # As many bins as lie below half the sample rate with their bandwidth.
  n_bins = int(bins_per_octave * np.log2(0.45 * sample_rate / fmin_hz))
  transform = cqt.cqt(
    jnp.asarray(audio, jnp.float32), sample_rate, hop_length, fmin_hz, n_bins, bins_per_octave
  )
  magnitude = np.abs(np.asarray(transform)).T
  frequency = np.asarray(
    instantaneous_frequency.from_phase(instantaneous_frequency.angle(transform))
  ).T
  level_db = _decibels(magnitude / max(magnitude.max(), 1e-12))
  figure, axes = drawing.new_figure(9, 5)
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
  figure.colorbar(mesh, ax=axes[0, 0], label="instantaneous frequency, half cycles per frame")
  # A black overlay, more opaque for lower levels.
  mask = colors.LinearSegmentedColormap.from_list("mask", [(0, 0, 0, 1), (0, 0, 0, 0)])
  librosa.display.specshow(level_db, cmap=mask, vmin=-60, vmax=0, **settings)
  axes[0, 0].set_xlabel("time, s")
  axes[0, 0].set_ylabel("frequency, Hz")
  axes[0, 0].set_title("Rainbowgram: brightness is level, colour is frequency within the bin")
  return drawing.to_png(figure)


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
  parser = cli.Parser(prog="python -m cvae_jax.figures", description=__doc__)
  parser.add_argument("clip", help="audio file; the first ten seconds are used")
  parser.add_argument("--out", default="figures", help="directory of the PNGs")
  args = parser.parse_args(argv)
  outputs.check_directory(args.out)
  platforms.check()
  from cvae_jax.audio import files

  audio = files.read_clip(args.clip, labels.SAMPLE_RATE, duration_s=10.0).audio
  for name, draw in FIGURES.items():
    path = os.path.join(args.out, f"{name}.png")
    drawing.write_png(path, draw(audio, labels.SAMPLE_RATE))
    print(path)


if __name__ == "__main__":
  cli.run(main)
