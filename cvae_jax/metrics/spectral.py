"""Distance of waveforms' spectra: one ruler for models whose features differ."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from cvae_jax.audio import decibel
from cvae_jax.audio import level
from cvae_jax.audio import stft

_N_FFT, _HOP_LENGTH, _FLOOR_DB = 2048, 512, -80.0


@jax.jit
def _level_db(audio):
  """[B, N, F] in dB below a full-scale sine, of waveforms brought to one peak."""
  magnitude = jnp.abs(stft.stft(level.normalize(audio), _N_FFT, _HOP_LENGTH, _N_FFT, "hann"))
  ref = _N_FFT / 4.0
  floor = ref * 10.0 ** (_FLOOR_DB / 20.0)
  return jnp.minimum(decibel.amplitude_to_db(magnitude, ref, floor, None), 0.0)


def log_spectral_distance(audio: np.ndarray, predicted: np.ndarray) -> np.ndarray:
  """[M] dB: the RMS over frequency of the difference of levels, averaged over frames.

  Args:
    audio: [M, T] waveforms; DC offset and peak level do not count.
    predicted: [M, T].

  Levels are those of 2,048-sample spectra, hop 512, in dB below a full-scale sine, no lower than
  -80. Source: Gray & Markel 1976, "Distance Measures for Speech Processing".
  """
  difference = functools.reduce(
    jnp.subtract, (_level_db(jnp.asarray(x, jnp.float32)) for x in (audio, predicted))
  )
  return np.asarray(jnp.mean(jnp.sqrt(jnp.mean(jnp.square(difference), axis=2)), axis=1))
