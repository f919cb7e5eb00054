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
_LOWEST_HZ = 1.0  # of a logarithm
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


def measure_loudness(
  audio: Float[Array, "*batch T"], sample_rate: int, hop_length: int
) -> Float[Array, "*batch N"]:
  """A-weighted loudness in dB of N = T // hop_length frames, not under -`RANGE_DB`."""
  n_fft = 2 ** round(np.log2(_LOUDNESS_WINDOW_S * sample_rate))
  measured_db = loudness.loudness(audio, sample_rate, n_fft, hop_length)
  return jnp.maximum(measured_db[..., : audio.shape[-1] // hop_length], -RANGE_DB)


def measure(audio: Float[Array, "*batch T"], sample_rate: int, tracking: Tracking) -> Controls:
  """The controls of a waveform; N = T // hop_length."""
  f0_hz, confidence = tracking.track(audio, sample_rate)
  loudness_db = measure_loudness(audio, sample_rate, tracking.hop_length)
  return Controls(f0_hz, loudness_db, confidence)


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
