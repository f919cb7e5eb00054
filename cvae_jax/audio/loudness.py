"""Level over time: RMS, and A-weighted loudness."""

import jax.numpy as jnp
from jaxtyping import Array
from jaxtyping import Float
import numpy as np

from cvae_jax.audio import check
from cvae_jax.audio import stft

_POLES_HZ = (12194.217, 20.598997, 107.65265, 737.86223)


def a_weighting(frequencies_hz: np.ndarray, min_db: float | None = -80.0) -> np.ndarray:
  """The A-weighting curve in dB, of any shape.

  Args:
    frequencies_hz: not negative.
    min_db: lower bound of the weights; None for none.

  Source: IEC 61672-1. Agrees with `librosa.A_weighting`.
  """
  poles = np.square(_POLES_HZ)
  squared = np.square(np.asarray(frequencies_hz, np.float64))
  with np.errstate(divide="ignore"):  # At 0 Hz the weight is -inf dB, before min_db.
    weights = 2.0 + 20.0 * (
      np.log10(poles[0])
      + 2 * np.log10(squared)
      - np.log10(squared + poles[0])
      - np.log10(squared + poles[1])
      - 0.5 * np.log10(squared + poles[2])
      - 0.5 * np.log10(squared + poles[3])
    )
  return weights if min_db is None else np.maximum(weights, min_db)


def a_weighting_power(frequencies_hz: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
  """The A-weighting curve as a factor of power, differentiable; see `a_weighting`."""
  poles = np.square(np.asarray(_POLES_HZ) / 1000.0)
  squared = jnp.square(frequencies_hz / 1000.0)
  first, last = squared + poles[1], squared + poles[0]
  middle = (squared + poles[2]) * (squared + poles[3])
  return 10.0**0.2 * jnp.square(poles[0] * jnp.square(squared) / (first * last)) / middle


def rms(
  audio: Float[Array, "*batch T"],
  frame_length: int = 2048,
  hop_length: int = 512,
  center: bool = True,
) -> Float[Array, "*batch N"]:
  """Root mean square of every frame ([..., T] to [..., N]), in full scale.

  Args:
    audio: [..., T] waveform.
    frame_length: in samples.
    hop_length: in samples.
    center: whether frame n is centred at sample n * hop_length, by zero padding.

  Raises:
    ValueError: if the waveform is shorter than a frame.

  Agrees with `librosa.feature.rms`.
  """
  check.check_audio(audio, 1 if center else frame_length)
  if center:
    half = frame_length // 2
    audio = jnp.pad(audio, [(0, 0)] * (audio.ndim - 1) + [(half, half)])
  power = jnp.mean(jnp.square(stft.frame(audio, frame_length, hop_length)), axis=-1)
  # The square root's gradient at 0 is infinite; it is set to 0 for silence.
  is_positive = power > 0.0
  return jnp.where(is_positive, jnp.sqrt(jnp.where(is_positive, power, 1.0)), 0.0)


def loudness(
  audio: Float[Array, "*batch T"],
  sample_rate: int,
  n_fft: int = 2048,
  hop_length: int = 512,
  amin: float = 1e-10,
) -> Float[Array, "*batch N"]:
  """A-weighted power of every frame in dB ([..., T] to [..., N]).

  The powers of the STFT's bins are weighted and averaged.

  Args:
    audio: [..., T] waveform.
    sample_rate: in Hz.
    n_fft: length of the transform, in samples.
    hop_length: in samples.
    amin: lower bound of the mean power.

  Source: Engel et al. 2020 (DDSP), appendix B.1. Agrees with the mean over bins of
  `librosa.perceptual_weighting`, taken in power.
  """
  power = jnp.square(jnp.abs(stft.stft(audio, n_fft, hop_length)))
  frequencies_hz = np.fft.rfftfreq(n_fft, 1.0 / sample_rate)
  weights = 10.0 ** (a_weighting(frequencies_hz) / 10.0)
  mean = jnp.mean(power * weights.astype(np.float32), axis=-1)
  return 10.0 * jnp.log10(jnp.maximum(mean, amin))
