"""Constant-Q transform: bins at equal steps of pitch, with windows that scale with the period.

Each octave's filters are applied in the frequency domain, in frames as long as its longest filter.
Octaves are not resampled, so that all are exact. librosa halves the sample rate with every octave:
it agrees to rounding where it does not resample, and within a few percent elsewhere.
"""

import functools
from typing import Any
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array
from jaxtyping import Complex
from jaxtyping import Float
import numpy as np

from cvae_jax.audio import check
from cvae_jax.audio import stft
from cvae_jax.core import errors
from cvae_jax.core import lazy_librosa

# Bins of a filter's spectrum that are 100 dB or more below its peak are left out of the product.
_NEGLIGIBLE = 1e-5
_RIDGE = 1e-4  # regularisation, relative to the mean power of a filter
_C1_HZ = 32.70319566257483


class _Octave(NamedTuple):
  """Filters that share a frame length: spectra [K, bins], starting at bin `first_bin`."""

  n_fft: int
  first_bin: int
  spectra: np.ndarray


def frequencies(n_bins: int, fmin_hz: float, bins_per_octave: int) -> np.ndarray:
  """Centre frequencies in Hz ([n_bins]), as `librosa.cqt_frequencies`."""
  return fmin_hz * 2.0 ** (np.arange(n_bins) / bins_per_octave)


@functools.lru_cache(maxsize=8)
def _filter_lengths(sample_rate, n_bins, fmin_hz, bins_per_octave):
  """Length of each filter in samples ([n_bins]), and their common relative bandwidth.

  Raises:
    UserError: if parameters are invalid, or bins exceed half the sample rate.
  """
  librosa = lazy_librosa.load()

  if n_bins < 2 or bins_per_octave < 1 or fmin_hz <= 0:
    raise errors.UserError(
      "a constant-Q transform needs n_bins of 2 or more, bins_per_octave of 1 or more and a "
      f"positive fmin, got {n_bins}, {bins_per_octave} and {fmin_hz:g} Hz"
    )
  # (r^2 - 1) / (r^2 + 1) for a frequency ratio r of adjacent bins, as in librosa.
  step = 2.0 ** (2.0 / bins_per_octave)
  alpha = (step - 1) / (step + 1)
  lengths, cutoff_hz = librosa.filters.wavelet_lengths(
    freqs=frequencies(n_bins, fmin_hz, bins_per_octave),
    sr=sample_rate,
    alpha=np.full(n_bins, alpha),
  )
  if cutoff_hz > sample_rate / 2:
    raise errors.UserError(
      f"{n_bins} constant-Q bins from {fmin_hz:g} Hz reach {cutoff_hz:.0f} Hz, beyond half the "
      f"sample rate of {sample_rate}: use fewer bins"
    )
  return lengths, alpha


@functools.lru_cache(maxsize=8)
def _make_octaves(sample_rate, n_bins, fmin_hz, bins_per_octave) -> tuple[_Octave, ...]:
  lengths, alpha = _filter_lengths(sample_rate, n_bins, fmin_hz, bins_per_octave)
  librosa = lazy_librosa.load()

  freqs_hz = frequencies(n_bins, fmin_hz, bins_per_octave)
  octaves = []
  for start in range(0, n_bins, bins_per_octave):
    rows = slice(start, min(start + bins_per_octave, n_bins))
    alphas: Any = np.full(len(freqs_hz[rows]), alpha)  # librosa annotates it as a float.
    basis, _ = librosa.filters.wavelet(freqs=freqs_hz[rows], sr=sample_rate, alpha=alphas)
    n_fft = basis.shape[1]
    # Scaled as librosa's `scale=True`: a sine's magnitude depends on the filter's length.
    basis = basis * (np.sqrt(lengths[rows]) / n_fft)[:, None]
    spectra = np.fft.fft(basis, axis=1)[:, : n_fft // 2 + 1]
    used_bins = np.flatnonzero(np.abs(spectra).max(axis=0) > _NEGLIGIBLE * np.abs(spectra).max())
    first, last = used_bins[0], used_bins[-1] + 1
    octaves.append(_Octave(n_fft, int(first), spectra[:, first:last].astype(np.complex64)))
  return tuple(octaves)


def cqt(
  audio: Float[Array, "*batch T"],
  sample_rate: int,
  hop_length: int = 512,
  fmin_hz: float = _C1_HZ,
  n_bins: int = 84,
  bins_per_octave: int = 12,
) -> Complex[Array, "*batch N F"]:
  """Constant-Q transform.

  Args:
    audio: [..., T] waveform.
    sample_rate: in Hz.
    hop_length: in samples.
    fmin_hz: frequency of the lowest bin; C1 by default.
    n_bins: F, number of bins.
    bins_per_octave: 12 for semitones.

  Returns:
    [..., N, F] complex64, N = 1 + T // hop_length, frame n centred at sample n * hop_length.

  Raises:
    UserError: if bins exceed half the sample rate.

  Source: Schoerkhuber & Klapuri 2010. Agrees with `librosa.cqt(sparsity=0)`, axes swapped: to
  rounding in its top octave, and within its resampling error in the others.
  """
  check.check_audio(audio)
  parts = []
  for octave in _make_octaves(sample_rate, n_bins, fmin_hz, bins_per_octave):
    half = octave.n_fft // 2
    padded = jnp.pad(audio, [(0, 0)] * (audio.ndim - 1) + [(half, half)])
    spectrum = jnp.fft.rfft(stft.frame(padded, octave.n_fft, hop_length))
    band = spectrum[..., octave.first_bin : octave.first_bin + octave.spectra.shape[1]]
    parts.append(jnp.einsum("...f,kf->...k", band, octave.spectra))
  return jnp.concatenate(parts, axis=-1)


def full_scale(sample_rate: int, n_bins: int, fmin_hz: float, bins_per_octave: int) -> np.ndarray:
  """Magnitude in each bin of a full-scale sine at the bin's centre ([n_bins] float32).

  Raises:
    UserError: as `cqt`.
  """
  lengths, _ = _filter_lengths(sample_rate, n_bins, fmin_hz, bins_per_octave)
  return (np.sqrt(lengths) / 2.0).astype(np.float32)


@functools.lru_cache(maxsize=4)
def _make_inverse(sample_rate, n_fft, n_bins, fmin_hz, bins_per_octave) -> np.ndarray:
  """[n_bins, 1 + n_fft // 2] least-squares map from CQT to STFT magnitudes, over sines."""
  octaves = _make_octaves(sample_rate, n_bins, fmin_hz, bins_per_octave)
  size = max(2 * n_fft, *(octave.n_fft for octave in octaves))
  points = np.arange(1, size // 2)  # Frequencies of unit sines, in units of sample_rate / size.
  # Magnitude of each sine in every constant-Q bin ...
  responses = []
  for octave in octaves:
    kernels = np.zeros((len(octave.spectra), octave.n_fft), np.complex64)
    kernels[:, octave.first_bin : octave.first_bin + octave.spectra.shape[1]] = octave.spectra
    waves = np.conj(np.fft.fft(kernels, axis=1))
    responses.append(np.abs(np.fft.fft(waves, size, axis=1))[:, points].T / 2)
  constant_q = np.concatenate(responses, axis=1)  # [sines, K]
  # ... and in every bin of the STFT.
  window = stft.make_window("hann", n_fft, n_fft)
  lobe = np.abs(np.fft.fft(window, size)) / 2
  bins = np.arange(n_fft // 2 + 1) * (size // n_fft)
  linear = lobe[np.abs(points[:, None] - bins)]  # [sines, F]
  # Sines are weighted equally per octave; the ridge is needed as adjacent filters are similar.
  weighted = constant_q.T / points
  gram = weighted @ constant_q
  ridge = _RIDGE * np.trace(gram) / n_bins
  inverse = np.linalg.solve(gram + ridge * np.eye(n_bins), weighted @ linear)
  return inverse.astype(np.float32)


def cqt_to_linear(
  magnitude: Float[Array, "*batch N K"],
  sample_rate: int,
  n_fft: int,
  fmin_hz: float = _C1_HZ,
  bins_per_octave: int = 12,
) -> Float[Array, "*batch N F"]:
  """STFT magnitudes from constant-Q magnitudes ([..., N, K] to [..., N, F]).

  The least-squares linear map over sines of all frequencies, clipped at 0. Frequencies outside of
  the constant-Q bins are lost, and so is detail finer than the bins at high frequencies.

  Args:
    magnitude: [..., N, K] of `cqt`.
    sample_rate: in Hz.
    n_fft: of the STFT (Hann window of the same length), in samples.
    fmin_hz: as in `cqt`.
    bins_per_octave: as in `cqt`.
  """
  check.check_array(magnitude, "the magnitudes", 2)
  inverse = _make_inverse(sample_rate, n_fft, magnitude.shape[-1], fmin_hz, bins_per_octave)
  return jnp.maximum(magnitude @ inverse, 0.0)
