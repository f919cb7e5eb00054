"""Oscillator banks as matrix products, additive and granular synthesis, and delays.

Within a block of samples, a sine of constant frequency is a fixed rotation of its phase at the
block's start. A bank of K sines is therefore a product of a [blocks, 2 K] and a [2 K, samples]
matrix, which needs few evaluations of sine. Frequencies are in Hz, signals [B, T] float32.

The factors are compiled separately: in one function, XLA on CPU recomputes them for each use, which
takes twice as long.
"""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array
from jaxtyping import Float

from cvae_jax.audio import synthesis


@functools.partial(jax.jit, static_argnums=(1, 2, 3))
def _turns(frequency_hz, count, stride, sample_rate):
  """(cos, sin) at coarse steps of the samples, and at the fine steps in between."""
  increment = jnp.round(frequency_hz / sample_rate * 2.0**32).astype(jnp.uint32)[..., None]
  fine = max(int(count**0.5), 1)
  steps = jnp.arange(-(-count // fine)) * (fine * stride), jnp.arange(fine) * stride
  cycles = [((increment * n.astype(jnp.uint32)) >> 8).astype(jnp.float32) / 2.0**24 for n in steps]
  return [(synthesis.sine(c + 0.25), synthesis.sine(c)) for c in cycles]


@functools.partial(jax.jit, static_argnums=1)
def _expand(turns, count):
  (cos_a, sin_a), (cos_b, sin_b) = turns
  cos_a, sin_a, cos_b, sin_b = (
    cos_a[..., :, None],
    sin_a[..., :, None],
    cos_b[..., None, :],
    sin_b[..., None, :],
  )
  flat = lambda x: x.reshape(*x.shape[:-2], -1)[..., :count]
  return flat(cos_a * cos_b - sin_a * sin_b), flat(sin_a * cos_b + cos_a * sin_b)


def rotations(
  frequency_hz: Float[Array, "*batch"], count: int, stride: int, sample_rate: int
) -> tuple[Float[Array, "*batch count"], Float[Array, "*batch count"]]:
  """cos and sin of 2 pi f n / sample_rate at every `stride`-th sample n.

  Args:
    frequency_hz: [...], below half the sample rate.
    count: number of samples n.
    stride: distance of the samples n.
    sample_rate: in Hz.

  Returns:
    ([..., count], [..., count]); the phase is accurate to 2^-24 cycles, as in
    `synthesis.phase_ramp`.
  """
  return _expand(_turns(frequency_hz, count, stride, sample_rate), count)


def oscillator(
  frequency_hz: Float[Array, " B"], num_samples: int, sample_rate: int
) -> Float[Array, "B T"]:
  """sin(2 pi f t) at a constant frequency ([B, T])."""
  return rotations(frequency_hz, num_samples, 1, sample_rate)[1]


@jax.jit
def _ahead(rotation, cycles):
  """Rotations ([B, K, n] each) advanced by a phase in cycles, concatenated: [B, 2 K, n]."""
  cos_a, sin_a = rotation
  cos_b, sin_b = synthesis.sine(cycles + 0.25), synthesis.sine(cycles)
  return jnp.concatenate([cos_a * cos_b - sin_a * sin_b, sin_a * cos_b + cos_a * sin_b], axis=1)


@jax.jit
def _product(starts, inside):
  """[B, blocks, n] sums of sines: sin(a + b) = cos a sin b + sin a cos b."""
  cos_b, sin_b = jnp.split(inside, 2, axis=1)
  inside = jnp.concatenate([sin_b, cos_b], axis=1)
  return jnp.einsum("bkm,bkn->bmn", starts, inside)


@jax.jit
def _weighted(rotation, amplitudes):
  """Rotations ([B, K, n] each) times amplitudes ([B, n or 1, K]), concatenated: [B, 2 K, n]."""
  amplitudes = jnp.swapaxes(amplitudes, 1, 2)
  return jnp.concatenate([amplitudes * x for x in rotation], axis=1)


def bank(
  frequencies_hz: Float[Array, "B K"],
  amplitudes: Float[Array, "B #blocks K"],
  phases: Float[Array, "B K"],
  num_samples: int,
  sample_rate: int,
  block: int = 64,
) -> Float[Array, "B T"]:
  """Additive synthesis: sum of K sines of constant frequency and varying amplitude.

  Args:
    frequencies_hz: [B, K]; partials above `synthesis.BAND_LIMIT` are left out.
    amplitudes: [B, 1, K], or [B, T / block + 1, K] at every block's first sample and the end, with
      linear interpolation.
    phases: [B, K] in cycles, at the first sample.
    num_samples: T, a multiple of `block`.
    sample_rate: in Hz.
    block: samples per block.

  Returns:
    [B, T] sum over k of a_k(t) sin(2 pi (f_k t + phase_k)).

  Raises:
    ValueError: if T is not a multiple of `block`.
  """
  if num_samples % block:
    raise ValueError(f"num_samples {num_samples} must be a multiple of {block}")
  audible = frequencies_hz < synthesis.BAND_LIMIT * sample_rate
  amplitudes = jnp.where(audible[:, None], amplitudes, 0.0)
  starts = rotations(frequencies_hz, num_samples // block, block, sample_rate)
  inside = _ahead(rotations(frequencies_hz, block, 1, sample_rate), phases[..., None])
  if amplitudes.shape[1] == 1:
    wave = _product(_weighted(starts, amplitudes), inside)
  else:
    wave = _product(_weighted(starts, amplitudes[:, :-1]), inside)
    rise = jnp.arange(block) / block
    wave += rise * (_product(_weighted(starts, amplitudes[:, 1:]), inside) - wave)
  return wave.reshape(wave.shape[0], num_samples)


def grains(
  frequencies_hz: Float[Array, "B K"],
  amplitudes: Float[Array, "B K"],
  offsets: Float[Array, "B grains"],
  num_samples: int,
  sample_rate: int,
  length: int = 512,
) -> Float[Array, "B T"]:
  """Granular synthesis: Hann-windowed grains of one tone, each with its own time offset.

  Args:
    frequencies_hz: [B, K] of the tone's partials.
    amplitudes: [B, K].
    offsets: [B, T / hop + 1] samples by which each grain is advanced; all 0 give the tone.
    num_samples: T, a multiple of the hop.
    sample_rate: in Hz.
    length: of a grain, in samples; the hop is half of it.

  Returns:
    [B, T].

  Source: Roads 1988, "Introduction to Granular Synthesis".
  """
  hop = length // 2
  count = num_samples // hop + 1
  amplitudes = synthesis.band_limit(amplitudes, frequencies_hz, sample_rate)
  cycles = jnp.swapaxes(frequencies_hz[:, None] * offsets[..., None] / sample_rate, 1, 2)
  starts = _ahead(rotations(frequencies_hz, count, hop, sample_rate), cycles)  # [B, 2 K, grains]
  starts = starts * jnp.tile(amplitudes, 2)[..., None]
  window = 0.5 - 0.5 * jnp.cos(2 * jnp.pi * jnp.arange(length) / length)
  inside = _ahead(rotations(frequencies_hz, length, 1, sample_rate), 0.0 * amplitudes[..., None])
  wave = _product(starts, inside * window)  # [B, grains, length]
  # The first grain is centred on the first sample: its first half is dropped.
  total = wave[:, :-1, hop:] + wave[:, 1:, :hop]
  return total.reshape(total.shape[0], -1)[:, :num_samples]


def delay(audio: Float[Array, "B T"], samples: Float[Array, "B T"]) -> Float[Array, "B T"]:
  """Variable delay of a signal, with Lagrange interpolation over six samples.

  Args:
    audio: [B, T]; extended by its first and last samples.
    samples: [B, T] delay in samples; negative values look ahead.

  Returns:
    [B, T]; the error of a sine is below 1 % up to 0.2 of the sample rate.
  """
  length = audio.shape[-1]
  position = jnp.arange(length) - samples
  whole = jnp.floor(position)
  x = position - whole
  nodes = range(-2, 4)
  total = jnp.zeros_like(audio)
  for node in nodes:
    weight = jnp.ones_like(x)
    for other in nodes:
      if other != node:
        weight = weight * (x - other) / (node - other)
    index = jnp.clip(whole.astype(jnp.int32) + node, 0, length - 1)
    read = jnp.take_along_axis(audio, index, axis=-1, mode="promise_in_bounds")
    total = total + weight * read
  return total
