"""Controls of synthesizers: from a value for each frame to one for each sample, and to a phase.

Frame n is the value at sample n * hop; after the last frame its value is held.
"""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array
from jaxtyping import Float
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


@functools.partial(jax.custom_jvp, nondiff_argnums=(2,))
def accumulate_phase(
  frequency_hz: Float[Array, "*batch T"], start_cycles: Float[Array, "*batch"], sample_rate: int
) -> Float[Array, "*batch T"]:
  """Phase of an oscillator of varying frequency, in cycles from 0 to 1.

  The sum is an integer of 32 bits that wraps around, so that it is as accurate after minutes as at
  the start: a float32 sum is off by whole cycles then. A frequency is rounded to 2^-24 of itself,
  some 1e-4 cents, and to 2^-33 of the sample rate.

  Args:
    frequency_hz: of every sample; from 0 to the sample rate.
    start_cycles: phase before the first sample, from 0 to 1.
    sample_rate: in Hz.

  Returns:
    Phase of every sample, its own step included, as in DDSP. The last is the start of what follows.
  """
  steps = jnp.round(frequency_hz * (2.0**32 / sample_rate)).astype(jnp.uint32)
  start = jnp.round(start_cycles * 2.0**24).astype(jnp.uint32) << 8
  total = jnp.cumsum(steps, axis=-1, dtype=jnp.uint32) + start[..., None]
  return (total >> 8).astype(jnp.float32) / 2.0**24


@accumulate_phase.defjvp
def _accumulate_phase_jvp(sample_rate, primals, tangents):
  frequency_tangent, start_tangent = tangents
  phase = accumulate_phase(*primals, sample_rate)
  return phase, jnp.cumsum(frequency_tangent, axis=-1) / sample_rate + start_tangent[..., None]
