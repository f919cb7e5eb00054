"""Controls that a sound is played by, a value for each frame: f0, its confidence, loudness.

Source: Engel et al. 2020, "DDSP: Differentiable Digital Signal Processing", appendix B.1.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array
from jaxtyping import Float
import numpy as np

from cvae_jax.audio import f0
from cvae_jax.audio import loudness

F0_KEY, CONFIDENCE_KEY = "f0_hz", "f0_confidence"  # of a batch
RANGE_DB = 80.0  # below 0 dB, that loudness is limited to
_LOUDNESS_WINDOW_S = 0.032  # 512 samples at 16 kHz
_LEAST_POWER = 1e-16
_LOWEST_HZ = 1.0  # of a logarithm
SILENCE_DB = -70.0
CLEAR = 0.8  # confidence of a clear pitch
QUIET_DB = 40.0  # below the loudest frame, where one says little of the playing
A4_HZ, A4_PITCH = 440.0, 69.0


class Tracking(NamedTuple):
  """How f0 is tracked.

  Attributes:
    hop_length: samples of a frame.
    fmin_hz: lowest f0.
    fmax_hz: highest f0.
    frame_length: samples that a frame's f0 is found in; more than two periods of `fmin_hz`.
  """

  hop_length: int
  fmin_hz: float
  fmax_hz: float
  frame_length: int

  def track(
    self, audio: Float[Array, "*batch T"], sample_rate: int
  ) -> tuple[Float[Array, "*batch N"], Float[Array, "*batch N"]]:
    """f0 in Hz and confidence of N = T // hop_length frames; see `f0.track`."""
    f0_hz, confidence = f0.track(
      audio, self.fmin_hz, self.fmax_hz, sample_rate, self.frame_length, self.hop_length
    )
    num_frames = audio.shape[-1] // self.hop_length
    return f0_hz[..., :num_frames], confidence[..., :num_frames]


class Controls(NamedTuple):
  """Controls of N frames.

  Attributes:
    f0_hz: fundamental frequency.
    loudness_db: A-weighted, from -`RANGE_DB`.
    confidence: of f0, from 0 to 1.
  """

  f0_hz: Float[Array, "*batch N"]
  loudness_db: Float[Array, "*batch N"]
  confidence: Float[Array, "*batch N"]


def loud_frames(controls: Controls) -> np.ndarray:
  """Which frames are not quiet beside the loudest, and not silent."""
  loudness_db = np.asarray(controls.loudness_db)
  return loudness_db > max(loudness_db.max() - QUIET_DB, SILENCE_DB)


def clear_frames(controls: Controls) -> np.ndarray:
  """Which loud frames have a clear pitch."""
  return loud_frames(controls) & (np.asarray(controls.confidence) > CLEAR)


def _loudness_fft(sample_rate):
  return 2 ** round(np.log2(_LOUDNESS_WINDOW_S * sample_rate))


def measure_loudness(
  audio: Float[Array, "*batch T"], sample_rate: int, hop_length: int
) -> Float[Array, "*batch N"]:
  """A-weighted loudness in dB of N = T // hop_length frames, not under -`RANGE_DB`."""
  n_fft = _loudness_fft(sample_rate)
  measured_db = loudness.loudness(audio, sample_rate, n_fft, hop_length)
  return jnp.maximum(measured_db[..., : audio.shape[-1] // hop_length], -RANGE_DB)


def measure(audio: Float[Array, "*batch T"], sample_rate: int, tracking: Tracking) -> Controls:
  """The controls of a waveform; N = T // hop_length."""
  f0_hz, confidence = tracking.track(audio, sample_rate)
  loudness_db = measure_loudness(audio, sample_rate, tracking.hop_length)
  return Controls(f0_hz, loudness_db, confidence)


def predict_loudness(
  amplitudes: Float[Array, "B N K"],
  noise: Float[Array, "B N F"],
  f0_hz: Float[Array, "B N"],
  sample_rate: int,
) -> Float[Array, "B N"]:
  """The loudness in dB that harmonics and filtered noise are heard with, in closed form.

  It is `measure_loudness` of `harmonic_noise`, but for what changes within its window.

  Args:
    amplitudes: of the harmonics.
    noise: magnitudes of the filter at frequencies from 0 to half the sample rate.
    f0_hz: fundamental frequency.
    sample_rate: in Hz.
  """
  n_fft = _loudness_fft(sample_rate)
  numbers = np.arange(1, amplitudes.shape[-1] + 1, dtype=np.float32)
  weights = loudness.a_weighting_power(f0_hz[..., None] * numbers)
  bands_hz = np.linspace(0.0, 0.5 * sample_rate, noise.shape[-1])
  noise_weights = 10.0 ** (loudness.a_weighting(bands_hz) / 10.0)
  # Of a Hann window of L samples: 3/8 L. Of uniform noise: 1/3. Half of the bins are counted.
  tonal = 3.0 / 16.0 * jnp.sum(jnp.square(amplitudes) * weights, axis=-1)
  noisy = 1.0 / 8.0 * jnp.mean(jnp.square(noise) * noise_weights.astype(np.float32), axis=-1)
  return 10.0 * jnp.log10(n_fft * (tonal + noisy) + _LEAST_POWER)


def hz_to_pitch(f0_hz: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
  """MIDI pitch, with fractions, of a frequency."""
  return A4_PITCH + 12.0 * jnp.log2(jnp.maximum(f0_hz, _LOWEST_HZ) / A4_HZ)


def pitch_to_hz(pitch: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
  """Frequency of a MIDI pitch, with fractions."""
  return A4_HZ * jnp.exp2((pitch - A4_PITCH) / 12.0)


def scale(f0_hz: jax.Array, loudness_db: jax.Array) -> jax.Array:
  """[..., N, 2] for networks: pitch / 127, and loudness from 0 for -`RANGE_DB` to 1."""
  return jnp.stack([hz_to_pitch(f0_hz) / 127.0, loudness_db / RANGE_DB + 1.0], axis=-1)


def unscale(scaled: jax.Array) -> tuple[jax.Array, jax.Array]:
  """f0 in Hz and loudness in dB of `scale`."""
  return pitch_to_hz(scaled[..., 0] * 127.0), (scaled[..., 1] - 1.0) * RANGE_DB
