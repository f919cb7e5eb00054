"""Oscillators with controls that vary from frame to frame: harmonic, FM and wavetable.

They are differentiable in all controls. Frequencies are in Hz, phases in cycles, controls
[B, N] or [B, N, K], waveforms [B, T] with T = N * hop_length; see `frame_controls`.

Source: Engel et al. 2020, "DDSP: Differentiable Digital Signal Processing".
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array
from jaxtyping import Float
from jaxtyping import UInt32
import numpy as np

from cvae_jax.audio import frame_controls
from cvae_jax.audio import synthesis

_CHUNK = 16  # harmonics
_TINY = 1e-7  # of a sum of amplitudes that others are divided by


def distribute(
  amplitude: Float[Array, "B N"],
  distribution: Float[Array, "B N K"],
  f0_hz: Float[Array, "B N"],
  sample_rate: int,
) -> Float[Array, "B N K"]:
  """Amplitudes of K harmonics that sum to an amplitude, without those over half the sample rate.

  Args:
    amplitude: of the whole.
    distribution: of the harmonics, not negative; divided by its sum.
    f0_hz: fundamental frequency.
    sample_rate: in Hz.
  """
  numbers = np.arange(1, distribution.shape[-1] + 1, dtype=np.float32)
  audible = f0_hz[..., None] * numbers < 0.5 * sample_rate
  kept = jnp.where(audible, distribution, 0.0)
  return amplitude[..., None] * kept / jnp.maximum(jnp.sum(kept, axis=-1, keepdims=True), _TINY)


def _turn(phase):
  return synthesis.sine(phase + 0.25), synthesis.sine(phase)


def _ends(amplitudes):
  """[B, N, K] amplitudes at the start of each frame, and what is added until its end."""
  return amplitudes, frame_controls.following(amplitudes, 1) - amplitudes


def _chunks(amplitudes):
  """Amplitudes [B, N, K] as [chunks, B, N, 1, c] at the start and end of frames, and 1 to K."""
  count = amplitudes.shape[-1]
  size = min(_CHUNK, -(-count // 2))  # Two chunks at least: a loop of one is no loop to XLA.
  spare = -count % size
  split = lambda x: jnp.moveaxis(
    jnp.pad(x, [(0, 0), (0, 0), (0, spare)]).reshape(*x.shape[:2], 1, -1, size), 3, 0
  )
  numbers = jnp.arange(1, count + spare + 1, dtype=jnp.float32).reshape(-1, size)
  return (*map(split, _ends(amplitudes)), numbers)


def _add_up(phase, amplitudes, limit, term):
  """[B, N, H] sum over k <= limit of term(k, a_k, cos, sin), of 2 pi k phase.

  A sine is a turn of the one before, which takes a tenth of the time of K sines. The turns of a
  chunk are unrolled, so that they stay in registers; chunks are a loop, into which XLA does not
  repeat what phases and amplitudes are computed from. After 100 turns the error is some 5e-6.
  """
  rise = frame_controls.hann_rise(phase.shape[-1])
  cos_1, sin_1 = _turn(phase)

  def add(carry, chunk):
    cos, sin, total = carry
    low, step, numbers = chunk
    for i in range(low.shape[-1]):
      amplitude = jnp.where(numbers[i] < limit, low[..., i] + step[..., i] * rise, 0.0)
      total += term(numbers[i], amplitude, cos, sin)
      cos, sin = cos * cos_1 - sin * sin_1, sin * cos_1 + cos * sin_1
    return (cos, sin, total), None

  start = (cos_1, sin_1, jnp.zeros_like(phase))
  (_, _, total), _ = jax.lax.scan(add, start, _chunks(amplitudes))
  return total


@jax.custom_vjp
def _sum_harmonics(phase, amplitudes, limit):
  """[B, N, H] sum over k < limit of a_k sin(2 pi k phase)."""
  return _add_up(phase, amplitudes, limit, lambda k, amplitude, cos, sin: amplitude * sin)


def _sum_forward(phase, amplitudes, limit):
  return _sum_harmonics(phase, amplitudes, limit), (phase, amplitudes, limit)


def _sum_backward(kept, gradient):
  phase, amplitudes, limit = kept
  rise = frame_controls.hann_rise(phase.shape[-1])
  cos_1, sin_1 = _turn(phase)
  to_phase = _add_up(phase, amplitudes, limit, lambda k, amplitude, cos, sin: k * amplitude * cos)

  def correlate(turn, k):
    cos, sin = turn
    part = jnp.where(k < limit, gradient * sin, 0.0)
    sums = jnp.stack([jnp.sum(part * (1.0 - rise), -1), jnp.sum(part * rise, -1)])
    return (cos * cos_1 - sin * sin_1, sin * cos_1 + cos * sin_1), sums

  numbers = jnp.arange(1, amplitudes.shape[-1] + 1)
  _, (now, after) = jax.tree.map(
    lambda x: jnp.moveaxis(x, 0, -1) if x.ndim == 3 else x.transpose(1, 2, 3, 0),
    jax.lax.scan(correlate, (cos_1, sin_1), numbers),
  )
  # What a frame is given as the next of the one before; the last is its own next.
  to_amplitudes = now + jnp.pad(after, [(0, 0), (1, 0), (0, 0)])[:, :-1]
  to_amplitudes = to_amplitudes.at[:, -1].add(after[:, -1])
  return gradient * to_phase * (2.0 * np.pi), to_amplitudes, jnp.zeros_like(limit)


_sum_harmonics.defvjp(_sum_forward, _sum_backward)


def harmonics(
  f0_hz: Float[Array, "B N"],
  amplitudes: Float[Array, "B N K"],
  hop_length: int,
  sample_rate: int,
  start: UInt32[Array, " B"] | None = None,
) -> Float[Array, "B T"]:
  """Sum of K harmonics of a varying fundamental.

  Amplitudes go from frame to frame by Hann windows, the fundamental in straight lines. A harmonic
  is silent while it is over half the sample rate.

  Args:
    f0_hz: fundamental frequency.
    amplitudes: of the harmonics, see `distribute`.
    hop_length: samples of a frame.
    sample_rate: in Hz.
    start: phase before the first sample, in 2^-32 cycles; 0 by default.
  """
  start = frame_controls.zero_phase(len(f0_hz)) if start is None else start
  f0_of_samples_hz = frame_controls.interpolate_linearly(f0_hz, hop_length)
  phase = frame_controls.accumulate_phase(f0_of_samples_hz, start, sample_rate)
  by_frame = lambda x: x.reshape(*f0_hz.shape, hop_length)
  limit = 0.5 * sample_rate / jnp.maximum(by_frame(f0_of_samples_hz), 1e-3)
  limit = jax.lax.stop_gradient(limit)
  audio = _sum_harmonics(by_frame(phase), amplitudes, limit)
  return audio.reshape(f0_hz.shape[0], -1)


def modulated(
  f0_hz: Float[Array, "B N"],
  amplitude: Float[Array, "B N"],
  ratio: Float[Array, " B"],
  index: Float[Array, "B N"],
  hop_length: int,
  sample_rate: int,
) -> Float[Array, "B T"]:
  """A sine whose phase a second one modulates: sin(2 pi phase + index sin(2 pi ratio phase)).

  It is not band-limited: partials at f0 (1 + n ratio) are heard up to some n of index + 1.

  Args:
    f0_hz: frequency of the carrier.
    amplitude: of the result.
    ratio: of the modulator's frequency to the carrier's.
    index: largest deviation of the phase, in radians.
    hop_length: samples of a frame.
    sample_rate: in Hz.

  Source: Chowning 1973, "The Synthesis of Complex Audio Spectra by Means of Frequency Modulation".
  """
  f0_of_samples_hz = frame_controls.interpolate_linearly(f0_hz, hop_length)
  start = frame_controls.zero_phase(len(f0_hz))
  carrier = frame_controls.accumulate_phase(f0_of_samples_hz, start, sample_rate)
  modulator = frame_controls.accumulate_phase(f0_of_samples_hz * ratio[:, None], start, sample_rate)
  by_windows = lambda x: frame_controls.interpolate_by_windows(x, hop_length)
  deviation = by_windows(index) / (2.0 * np.pi) * synthesis.sine(modulator)
  return by_windows(amplitude) * synthesis.sine(carrier + deviation)


def wavetable(
  f0_hz: Float[Array, "B N"],
  amplitude: Float[Array, "B N"],
  tables: Float[Array, "B N W"],
  hop_length: int,
  sample_rate: int,
) -> Float[Array, "B T"]:
  """Reads a period of W samples at a varying frequency; both are interpolated linearly.

  Args:
    f0_hz: frequency at which a table is read.
    amplitude: of the result.
    tables: a period for every frame; one that goes from frame to frame is a mix of both.
    hop_length: samples of a frame.
    sample_rate: in Hz.
  """
  count = tables.shape[-1]
  f0_of_samples_hz = frame_controls.interpolate_linearly(f0_hz, hop_length)
  phase = frame_controls.accumulate_phase(
    f0_of_samples_hz, frame_controls.zero_phase(len(f0_hz)), sample_rate
  )
  position = phase.reshape(*f0_hz.shape, hop_length) * count
  low = jnp.floor(position)
  weight = position - low
  index = low.astype(jnp.int32) % count

  def read(rows):
    at = lambda i: jnp.take_along_axis(rows, i, axis=-1)
    return at(index) + weight * (at((index + 1) % count) - at(index))

  now = read(tables)
  after = read(frame_controls.following(tables, 1))
  rise = np.arange(hop_length, dtype=np.float32) / hop_length
  audio = (now + rise * (after - now)).reshape(len(f0_hz), -1)
  return frame_controls.interpolate_by_windows(amplitude, hop_length) * audio
