"""The mel scale: filterbank, and the way back to linear frequency."""

import functools

import jax.numpy as jnp
from jaxtyping import Array
from jaxtyping import Float
import numpy as np

from cvae_jax import errors


@functools.lru_cache(maxsize=8)
def make_filterbank(
  sample_rate: int, n_fft: int, n_mels: int, fmin: float, fmax: float
) -> np.ndarray:
  """Slaney's triangular mel filters, from `librosa.filters.mel`.

  Args:
    sample_rate: in Hz.
    n_fft: length of the transform, in samples.
    n_mels: number of filters.
    fmin: lowest frequency, in Hz.
    fmax: highest frequency, in Hz, at most half the sample rate.

  Returns:
    [n_mels, 1 + n_fft // 2] float32.

  Raises:
    UserError: where so many filters are asked for that some hold no bin at all.
  """
  import warnings

  import librosa.filters  # Takes half a second, which only mel features should cost.

  with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # librosa warns of empty filters; that is an error here.
    filters = librosa.filters.mel(sr=sample_rate, n_fft=n_fft, n_mels=n_mels, fmin=fmin, fmax=fmax)
  empty = np.flatnonzero(filters.max(axis=1) == 0)
  if empty.size:
    raise errors.UserError(
      f"{empty.size} of {n_mels} mel filters hold no bin at n_fft {n_fft}: "
      "use fewer mels, a larger n_fft or a higher fmin"
    )
  return filters.astype(np.float32)


@functools.lru_cache(maxsize=8)
def _make_inverse(sample_rate, n_fft, n_mels, fmin, fmax):
  filters = make_filterbank(sample_rate, n_fft, n_mels, fmin, fmax)
  return np.linalg.pinv(filters.astype(np.float64)).astype(np.float32)


def linear_to_mel(
  magnitude: Float[Array, "*batch N F"],
  sample_rate: int,
  n_mels: int = 128,
  fmin: float = 0.0,
  fmax: float | None = None,
) -> Float[Array, "*batch N M"]:
  """Mel spectrogram of a magnitude spectrogram ([..., N, F] to [..., N, n_mels]).

  Agrees with `librosa.feature.melspectrogram(S=magnitude)`, axes swapped.
  """
  n_fft = 2 * (magnitude.shape[-1] - 1)
  filters = make_filterbank(sample_rate, n_fft, n_mels, fmin, fmax or sample_rate / 2)
  return magnitude @ filters.T


def mel_to_linear(
  mel: Float[Array, "*batch N M"],
  sample_rate: int,
  n_fft: int,
  fmin: float = 0.0,
  fmax: float | None = None,
) -> Float[Array, "*batch N F"]:
  """Magnitudes whose mel spectrogram comes near the given one ([..., N, M] to [..., N, F]).

  Least squares by the filterbank's pseudo-inverse, then nothing below 0. `librosa.feature.inverse`
  solves for non-negative magnitudes instead, which is closer and far slower.
  """
  inverse = _make_inverse(sample_rate, n_fft, mel.shape[-1], fmin, fmax or sample_rate / 2)
  return jnp.maximum(mel @ inverse.T, 0.0)
