"""Mel filterbank and its inverse, and an interpolated mel axis."""

import functools
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array
from jaxtyping import Float
import numpy as np
import scipy.fft

from cvae_jax.audio import check
from cvae_jax.core import errors
from cvae_jax.core import lazy_librosa


@functools.lru_cache(maxsize=8)
def make_filterbank(
  sample_rate: int, n_fft: int, n_mels: int, fmin: float, fmax: float, htk: bool = False
) -> np.ndarray:
  """Triangular mel filters of unit area, from `librosa.filters.mel`.

  Args:
    sample_rate: in Hz.
    n_fft: length of the transform, in samples.
    n_mels: number of filters.
    fmin: lowest frequency, in Hz.
    fmax: highest frequency, in Hz, at most half the sample rate.
    htk: HTK's mel scale instead of Slaney's.

  Returns:
    [n_mels, 1 + n_fft // 2] float32.

  Raises:
    UserError: if there are so many filters that some contain no bin.
  """
  import warnings

  librosa = lazy_librosa.load()

  with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # librosa warns of empty filters; that is an error here.
    filters = librosa.filters.mel(
      sr=sample_rate, n_fft=n_fft, n_mels=n_mels, fmin=fmin, fmax=fmax, htk=htk
    )
  empty = np.flatnonzero(filters.max(axis=1) == 0)
  if empty.size:
    raise errors.UserError(
      f"{empty.size} of {n_mels} mel filters hold no bin at n_fft {n_fft}: "
      "use fewer mels, a larger n_fft or a higher fmin"
    )
  return filters.astype(np.float32)


@functools.lru_cache(maxsize=8)
def _make_inverse(sample_rate, n_fft, n_mels, fmin, fmax, htk):
  filters = make_filterbank(sample_rate, n_fft, n_mels, fmin, fmax, htk)
  return np.linalg.pinv(filters.astype(np.float64)).astype(np.float32)


def band_centers(n_mels: int, fmin: float, fmax: float) -> tuple[float, ...]:
  """Centre frequencies of the filters of `make_filterbank`, in Hz (Slaney's scale)."""
  librosa = lazy_librosa.load()

  return tuple(librosa.mel_frequencies(n_mels + 2, fmin=fmin, fmax=fmax)[1:-1].tolist())


def linear_to_mel(
  magnitude: Float[Array, "*batch N F"],
  sample_rate: int,
  n_mels: int = 128,
  fmin: float = 0.0,
  fmax: float | None = None,
  htk: bool = False,
) -> Float[Array, "*batch N M"]:
  """Mel spectrogram of a magnitude spectrogram ([..., N, F] to [..., N, n_mels]).

  Agrees with `librosa.feature.melspectrogram(S=magnitude)`, axes swapped.
  """
  check.check_array(magnitude, "the magnitudes", 2)
  n_fft = 2 * (magnitude.shape[-1] - 1)
  filters = make_filterbank(sample_rate, n_fft, n_mels, fmin, fmax or sample_rate / 2, htk)
  return magnitude @ filters.T


def mel_to_linear(
  mel: Float[Array, "*batch N M"],
  sample_rate: int,
  n_fft: int,
  fmin: float = 0.0,
  fmax: float | None = None,
  htk: bool = False,
) -> Float[Array, "*batch N F"]:
  """Estimates magnitudes from a mel spectrogram ([..., N, M] to [..., N, F]).

  Least squares by the filterbank's pseudo-inverse, clipped at 0. `librosa.feature.inverse` solves
  for non-negative magnitudes instead, which is more accurate and far slower.
  """
  check.check_array(mel, "the mel spectrogram", 2)
  n_mels = mel.shape[-1]
  inverse = _make_inverse(sample_rate, n_fft, n_mels, fmin, fmax or sample_rate / 2, htk)
  return jnp.maximum(mel @ inverse.T, 0.0)


def cepstrum(log_mel: Float[Array, "*batch M"], count: int) -> Float[Array, "*batch C"]:
  """The first mel-frequency cepstral coefficients of the logarithm of a mel spectrogram.

  Agrees with `librosa.feature.mfcc` (an orthonormal DCT-II).
  """
  matrix = scipy.fft.dct(np.eye(log_mel.shape[-1]), norm="ortho")[:, :count]
  return log_mel @ matrix.astype(np.float32)


class MelAxis(NamedTuple):
  """A mel axis of any resolution, with maps from and to linear bins; for levels, not for energy.

  Attributes:
    center: [M] centre of each mel bin, in linear bins.
    half_width: [M] half width of each mel bin's average, in linear bins; at least 1.
    to_mel: [M, F] weights that sum to 1 in every row.
    to_linear: [F, M] interpolation between the two mel bins around each linear bin.
    covered: [F] 1 for linear bins between the first and the last mel bin, else 0.
  """

  center: np.ndarray
  half_width: np.ndarray
  to_mel: np.ndarray
  to_linear: np.ndarray
  covered: np.ndarray


@functools.lru_cache(maxsize=8)
def make_axis(sample_rate: int, n_fft: int, n_mels: int, fmin: float, fmax: float) -> MelAxis:
  """Makes a mel axis of `n_mels` bins from `fmin` to `fmax` Hz (Slaney's scale).

  Args:
    sample_rate: in Hz.
    n_fft: length of the transform, in samples.
    n_mels: number of bins; bins finer than the STFT's resolution interpolate.
    fmin: lowest frequency, in Hz.
    fmax: highest frequency, in Hz, at most half the sample rate.

  Raises:
    UserError: if there are fewer than 2 bins, or the frequencies are out of order.
  """
  librosa = lazy_librosa.load()

  if n_mels < 2 or not 0 <= fmin < fmax <= sample_rate / 2:
    raise errors.UserError(
      f"a mel axis needs 2 bins or more and 0 <= fmin < fmax <= {sample_rate / 2:g} Hz, got "
      f"{n_mels} bins, {fmin:g} and {fmax:g} Hz"
    )
  edges = librosa.mel_frequencies(n_mels, fmin=fmin, fmax=fmax) * n_fft / sample_rate
  bins = np.arange(1 + n_fft // 2)
  half_width = np.maximum(np.gradient(edges), 1.0)
  weights = np.maximum(0.0, 1.0 - np.abs(bins - edges[:, None]) / half_width[:, None])
  weights /= weights.sum(axis=1, keepdims=True)
  # Row k interpolates bin k between two mel bins; bins outside use the nearest.
  position = np.interp(bins, edges, np.arange(n_mels))
  lower = np.minimum(position.astype(int), n_mels - 2)
  to_linear = np.zeros((bins.size, n_mels))
  to_linear[bins, lower] = 1.0 - (position - lower)
  to_linear[bins, lower + 1] = position - lower
  covered = (bins >= np.floor(edges[0])) & (bins <= np.ceil(edges[-1]))
  return MelAxis(*(x.astype(np.float32) for x in (edges, half_width, weights, to_linear, covered)))
