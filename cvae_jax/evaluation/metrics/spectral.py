"""Distances between waveforms, which are comparable between models with different features.

All functions take [M, T] originals and reconstructions and return [M]. They are invariant to DC
offset and peak level.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from cvae_jax.audio import decibel
from cvae_jax.audio import level
from cvae_jax.audio import mel
from cvae_jax.audio import stft
from cvae_jax.methods.common import losses

_N_FFT, _HOP_LENGTH, _FLOOR_DB = 2048, 512, -80.0


@jax.jit
def _level_db(audio):
  """[B, N, F] in dB below a full-scale sine, of normalised waveforms."""
  magnitude = jnp.abs(stft.stft(level.normalize(audio), _N_FFT, _HOP_LENGTH, _N_FFT, "hann"))
  ref = _N_FFT / 4.0
  floor = ref * 10.0 ** (_FLOOR_DB / 20.0)
  return jnp.minimum(decibel.amplitude_to_db(magnitude, ref, floor, None), 0.0)


def log_spectral_distance(audio: np.ndarray, predicted: np.ndarray) -> np.ndarray:
  """[M] log-spectral distance in dB: RMS of level differences over frequency, averaged over frames.

  Args:
    audio: [M, T] waveforms.
    predicted: [M, T].

  Levels are of an STFT with n_fft 2,048 and hop 512, in dB below a full-scale sine, with a floor of
  -80. Source: Gray & Markel 1976, "Distance Measures for Speech Processing".
  """
  difference = functools.reduce(
    jnp.subtract, (_level_db(jnp.asarray(x, jnp.float32)) for x in (audio, predicted))
  )
  return np.asarray(jnp.mean(jnp.sqrt(jnp.mean(jnp.square(difference), axis=2)), axis=1))


def multi_resolution_distance(audio: np.ndarray, predicted: np.ndarray) -> np.ndarray:
  """[M]: spectral convergence and log-magnitude in nepers, `losses.multi_resolution_stft`."""
  a, b = (level.normalize(jnp.asarray(x, jnp.float32)) for x in (audio, predicted))
  return np.asarray(jax.jit(losses.multi_resolution_stft)(a, b))


_NUM_MELS, _NUM_CEPSTRA = 40, 13


@functools.partial(jax.jit, static_argnames="sample_rate")
def _mel_cepstra(audio, sample_rate):
  """[B, N, 13] cepstra of log mel amplitudes, without the first, which is the level."""
  import scipy.fft

  magnitude = jnp.abs(stft.stft(level.normalize(audio), 1024, 256, 1024, "hann"))
  bands = mel.linear_to_mel(
    magnitude, sample_rate=sample_rate, n_mels=_NUM_MELS, fmin=27.5, fmax=sample_rate / 2
  )
  floor = 1024 / 4.0 * 10.0 ** (_FLOOR_DB / 20.0) / _NUM_MELS
  basis = scipy.fft.dct(np.eye(_NUM_MELS), type=2, norm="ortho")[:, 1 : _NUM_CEPSTRA + 1]
  return jnp.log(jnp.maximum(bands, floor)) @ basis.astype(np.float32)


def mel_cepstral_distortion(
  audio: np.ndarray, predicted: np.ndarray, sample_rate: int
) -> np.ndarray:
  """[M] dB: 10 / ln 10 sqrt(2 sum of squared differences of 13 mel cepstra), averaged over frames.

  With 40 mel bands of an STFT with n_fft 1,024 and hop 256, and a floor of -80 dB. Frames are
  compared without alignment. Source: Kubichek 1993.
  """
  a, b = (_mel_cepstra(jnp.asarray(x, jnp.float32), sample_rate) for x in (audio, predicted))
  distance = jnp.sqrt(2.0 * jnp.sum(jnp.square(a - b), axis=-1)) * (10.0 / np.log(10.0))
  return np.asarray(jnp.mean(distance, axis=-1))


def si_sdr(audio: np.ndarray, predicted: np.ndarray) -> np.ndarray:
  """[M] dB: scale-invariant signal-to-distortion ratio; higher is closer.

  It compares waveforms sample by sample, and is low for waveforms with recovered phases even if
  they sound the same. Source: Le Roux et al. 2019, "SDR - half-baked or well done?".
  """
  a, b = (np.asarray(x, np.float64) for x in (audio, predicted))
  a, b = (x - x.mean(axis=1, keepdims=True) for x in (a, b))
  tiny = 1e-30
  scale = np.sum(a * b, axis=1) / np.maximum(np.sum(a * a, axis=1), tiny)
  target = scale[:, None] * a
  noise = np.sum(np.square(b - target), axis=1)
  return 10.0 * np.log10(
    np.maximum(np.sum(np.square(target), axis=1), tiny) / np.maximum(noise, tiny)
  )
