"""Controls of synthesizers: from a value for each frame to one for each sample, and to a phase.

Frame n is the value at sample n * hop; after the last frame its value is held.
"""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array
from jaxtyping import Float
from jaxtyping import UInt32
import numpy as np


def hann_rise(hop_length: int) -> np.ndarray:
  """[hop] weights of the next frame: the rising half of a Hann window of two hops."""
  return (0.5 - 0.5 * np.cos(np.pi * np.arange(hop_length) / hop_length)).astype(np.float32)


def following(frames: jax.Array, axis: int) -> jax.Array:
  """The next frame of each along an axis; the last is its own next."""
  rows = np.minimum(np.arange(1, frames.shape[axis] + 1), frames.shape[axis] - 1)
  return jnp.take(frames, rows, axis=axis)


def _interpolate(frames, rise):
  samples = frames[..., None] + (following(frames, -1) - frames)[..., None] * rise
  return samples.reshape(*frames.shape[:-1], -1)


def interpolate_linearly(
  frames: Float[Array, "*batch N"], hop_length: int
) -> Float[Array, "*batch T"]:
  """Controls in straight lines from frame to frame; T = N * hop_length."""
  return _interpolate(frames, np.arange(hop_length, dtype=np.float32) / hop_length)


def interpolate_by_windows(
  frames: Float[Array, "*batch N"], hop_length: int
) -> Float[Array, "*batch T"]:
  """Controls by overlapping Hann windows of two hops, without corners; T = N * hop_length.

  Source: Engel et al. 2020 (DDSP), appendix B.2.
  """
  return _interpolate(frames, hann_rise(hop_length))


def resample(frames: Float[Array, "B M C"], num_frames: int, step: float) -> Float[Array, "B N C"]:
  """Frames at another rate, by straight lines; after the last its value is held.

  Args:
    frames: at M times.
    num_frames: N.
    step: frames of the input from one to the next.
  """
  position = np.minimum(np.arange(num_frames) * step, frames.shape[1] - 1)
  low = np.minimum(position.astype(np.int32), max(frames.shape[1] - 2, 0))
  high = np.minimum(low + 1, frames.shape[1] - 1)
  weight = (position - low).astype(np.float32)[:, None]
  return frames[:, low] * (1.0 - weight) + frames[:, high] * weight


def _steps(frequency_hz, sample_rate):
  return jnp.round(frequency_hz * (2.0**32 / sample_rate)).astype(jnp.uint32)


@functools.partial(jax.custom_jvp, nondiff_argnums=(2,))
def accumulate_phase(
  frequency_hz: Float[Array, "*batch T"], start: UInt32[Array, "*batch"], sample_rate: int
) -> Float[Array, "*batch T"]:
  """Phase of an oscillator of varying frequency, in cycles from 0 to 1.

  The sum is an integer of 32 bits that wraps around, so that it is as accurate after minutes as at
  the start: a float32 sum is off by whole cycles then. A frequency is rounded to 2^-24 of itself,
  some 1e-4 cents, and to 2^-33 of the sample rate.

  Args:
    frequency_hz: of every sample; from 0 to the sample rate.
    start: phase before the first sample, in 2^-32 cycles; of `end_phase`.
    sample_rate: in Hz.

  Returns:
    Phase of every sample, its own step included, as in DDSP.
  """
  steps = _steps(frequency_hz, sample_rate)
  total = jnp.cumsum(steps, axis=-1, dtype=jnp.uint32) + start[..., None]
  return (total >> 8).astype(jnp.float32) / 2.0**24


@accumulate_phase.defjvp
def _accumulate_phase_jvp(sample_rate, primals, tangents):
  frequency_tangent, _ = tangents
  phase = accumulate_phase(*primals, sample_rate)
  return phase, jnp.cumsum(frequency_tangent, axis=-1) / sample_rate


def end_phase(
  frequency_hz: Float[Array, "*batch T"], start: UInt32[Array, "*batch"], sample_rate: int
) -> UInt32[Array, "*batch"]:
  """Phase after the last sample, in 2^-32 cycles: the start of what follows."""
  return start + jnp.sum(_steps(frequency_hz, sample_rate), axis=-1, dtype=jnp.uint32)


def zero_phase(batch_size: int) -> UInt32[Array, " B"]:
  """The start of B oscillators."""
  return jnp.zeros(batch_size, jnp.uint32)
