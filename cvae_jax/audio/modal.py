"""Many decaying sines at once, as a product of matrices: plates, bells and banks of oscillators.

Source: the factorisation z^(m L + j) = (z^L)^m z^j of samples into blocks of L.
"""

import jax
from jax import lax
import jax.numpy as jnp
from jaxtyping import Array
from jaxtyping import Float

from cvae_jax.audio import synthesis

_BLOCK = 256  # samples


def _powers(frequencies_hz, decay_s, steps, stride, sample_rate):
  """[B, K, M] magnitude and phase in cycles of z^(stride m), for m in `steps`.

  Phases are 32-bit integers that wrap around, as in `synthesis.phase_ramp`.
  """
  increment = jnp.round(frequencies_hz / sample_rate * 2.0**32).astype(jnp.uint32)
  turns = increment[..., None] * (steps * stride).astype(jnp.uint32)
  cycles = (turns >> 8).astype(jnp.float32) / 2.0**24
  seconds = steps.astype(jnp.float32) * (stride / sample_rate)
  return jnp.exp(-seconds / decay_s[..., None]), cycles


def modes(
  frequencies_hz: Float[Array, "B K"],
  amplitudes: Float[Array, "B K"],
  decay_s: Float[Array, "B K"],
  phases: Float[Array, "B K"],
  num_samples: int,
  sample_rate: int,
) -> Float[Array, "B T"]:
  """Sum over k of amplitudes[k] exp(-t / decay_s[k]) sin(2 pi (frequencies_hz[k] t + phases[k])).

  The sum of `synthesis.modes`, with sines and exponentials of T / 256 + 256 instead of T samples:
  for hundreds of modes.

  Args:
    frequencies_hz: [B, K]; what is above the band limit is left out.
    amplitudes: [B, K].
    decay_s: [B, K] time constants.
    phases: [B, K] in cycles.
    num_samples: T.
    sample_rate: in Hz.
  """
  amplitudes = synthesis.band_limit(amplitudes, frequencies_hz, sample_rate)
  num_blocks = -(-num_samples // _BLOCK)
  blocks, samples = jnp.arange(num_blocks), jnp.arange(_BLOCK)
  gain, cycles = _powers(frequencies_hz, decay_s, blocks, _BLOCK, sample_rate)
  gain, cycles = gain * amplitudes[..., None], cycles + phases[..., None]
  outer = gain * synthesis.sine(cycles), gain * synthesis.sine(cycles + 0.25)
  gain, cycles = _powers(frequencies_hz, decay_s, samples, 1, sample_rate)
  inner = gain * synthesis.sine(cycles + 0.25), gain * synthesis.sine(cycles)
  # sin(a + b) = sin(a) cos(b) + cos(a) sin(b)
  total = jnp.einsum(
    "bkm,bkj->bmj",
    jnp.concatenate(outer, axis=1),
    jnp.concatenate(inner, axis=1),
    precision=lax.Precision.HIGHEST,
  )
  return jax.lax.collapse(total, 1)[:, :num_samples]
