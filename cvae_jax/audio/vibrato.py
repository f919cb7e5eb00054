"""Vibrato as a warp of time: found in a note, taken from it, and given back.

A vibrato moves all partials of a note alike, in proportion to their frequency, so that the note is
a steady one played at a time that swings: x(t) = s(t + e(t)), with

    e(t) = depth / (2 pi rate) fade(t) sin(2 pi rate t + phase),   fade(t) = 1 - exp(-t / fade_s)

whose derivative is the deviation of the frequency. A steady note has partials that lie still, which
a spectrogram's mean does not blur; noise and amplitudes are left as they are.
"""

import functools
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array
from jaxtyping import Float
import numpy as np

from cvae_jax.audio import frame_controls
from cvae_jax.audio import stft
from cvae_jax.training import compilation

RATES_HZ = (3.5, 8.0)  # of the vibrato that is looked for
FADES_S = (0.05, 0.2, 0.4, 0.8, 1.6)
DEEPEST = 0.03  # relative deviation of a partial that is taken for vibrato: half a semitone
_STEP_HZ = 0.05
_WINDOW_S = 0.064  # of the frames whose frequency is measured: a third of a vibrato's period
_NUM_HARMONICS = 16
_LEAST_DEPTH = 5e-4  # relative, 0.9 cents; a smaller one is none
_LEAST_SHARE = 0.5  # of the deviation's variance that a vibrato must explain
_SOFT = 0.01  # energy of a frame, relative to the loudest, that counts half
_KNOT_S = 0.001  # between which a warp is a straight line, to a hundredth of a sample
_NODES = (-2, -1, 0, 1, 2, 3)  # of Lagrange's polynomial, about a position from 0 to 1
_HIGHEST_HZ = 4000.0  # of the bins that a deviation is measured in


class Vibrato(NamedTuple):
  """Of each note.

  Attributes:
    depth: [B] largest deviation of the frequency, relative to it; 0 for none.
    rate_hz: [B].
    phase: [B] radians, of the sine in e(t) at t = 0.
    fade_s: [B] time constant of the fade-in.
  """

  depth: Float[Array, " B"]
  rate_hz: Float[Array, " B"]
  phase: Float[Array, " B"]
  fade_s: Float[Array, " B"]


def warp_s(vibrato: Vibrato, time_s: Float[Array, "*B T"]) -> Float[Array, "B T"]:
  """[B, T] e(t) in seconds at times [T] or [B, T]."""
  depth, rate, phase, fade = (x[:, None] for x in vibrato)
  angular = 2.0 * jnp.pi * rate
  swing = depth / angular * jnp.sin(angular * time_s + phase)
  return jnp.where(depth > 0.0, (1.0 - jnp.exp(-time_s / fade)) * swing, 0.0)


def add(audio: Float[Array, "B T"], vibrato: Vibrato, sample_rate: int) -> Float[Array, "B T"]:
  """Steady notes with vibrato: x(t) = s(t + e(t)); beyond the ends there is silence."""
  return _warp(audio, functools.partial(warp_s, vibrato), sample_rate)


def remove(audio: Float[Array, "B T"], vibrato: Vibrato, sample_rate: int) -> Float[Array, "B T"]:
  """Notes without their vibrato, the inverse of `add`: s(u) = x(t) with t + e(t) = u."""

  def shift_s(time_s):
    shift = jnp.zeros((len(audio), len(time_s)))
    for _ in range(2):  # The slope of e is at most the depth: each round gains its factor.
      shift = -warp_s(vibrato, time_s + shift)
    return shift

  return _warp(audio, shift_s, sample_rate)


def _warp(audio, shift_s, sample_rate):
  """[B, T] at times shifted by [B, K] s, a function of [K] times in s: straight between knots."""
  num_samples, hop_length = audio.shape[-1], round(_KNOT_S * sample_rate)
  knots = jnp.arange(-(-num_samples // hop_length) + 1) * (hop_length / sample_rate)
  shift = frame_controls.interpolate_linearly(compilation.materialize(shift_s(knots)), hop_length)
  return _read(audio, shift[:, :num_samples] * sample_rate)


def _read(audio, shift):
  """[B, T] at positions shifted by [B, T] samples: at twice the rate by Lagrange's polynomial."""
  num_samples = audio.shape[-1]
  length = 1 << num_samples.bit_length()  # Above it: what is read beyond the end is silence.
  spectrum = jnp.fft.rfft(audio, length)
  spectrum = jnp.concatenate([spectrum[..., :-1], 0.5 * spectrum[..., -1:]], axis=-1)
  dense = 2.0 * jnp.fft.irfft(spectrum, 2 * length)
  position = 2.0 * jnp.clip(jnp.arange(num_samples) + shift, 0.0, length - 3.0)
  position = compilation.materialize(position)
  low = jnp.floor(position)
  x, index = position - low, low.astype(jnp.int32)
  total = jnp.zeros_like(audio)
  for node in _NODES:
    others = [n for n in _NODES if n != node]
    scale = np.prod([1.0 / (node - n) for n in others])
    weight = functools.reduce(jnp.multiply, [x - n for n in others]) * scale
    value = jnp.take_along_axis(dense, jnp.maximum(index + node, 0), axis=-1)
    total += weight * value
  return total


def _frame_length(sample_rate):
  return 1 << round(np.log2(_WINDOW_S * sample_rate))


def measure_deviation(
  audio: Float[Array, "B T"], f0_hz: Float[Array, " B"], sample_rate: int
) -> tuple[Float[Array, "B N"], Float[Array, "B N"]]:
  """Relative deviation of the partials from multiples of f0, frame by frame, and its weight.

  The frequency in a bin is that of the reassigned spectrogram (Auger & Flandrin 1995), whose mean
  counts bins near the first partials by their energy and their number: the higher a partial, the
  farther it moves.

  Returns:
    ([B, N] deviation, [B, N] energy), frames half a window apart.
  """
  n_fft = _frame_length(sample_rate)
  padded = jnp.pad(audio, [(0, 0), (n_fft // 2, n_fft // 2)])
  count = round(_HIGHEST_HZ / sample_rate * n_fft)
  bare = jnp.fft.rfft(stft.frame(padded, n_fft, n_fft // 2))[..., : count + 2]
  # Spectra through a Hann window and its derivative, from the one without: of a frame that begins
  # at 0, the window is 1/2 - (e^ix + e^-ix) / 4, and its derivative pi / n_fft sin x.
  before = jnp.concatenate([jnp.conj(bare[..., 1:2]), bare[..., :count]], axis=-1)
  after = bare[..., 1:]
  spectrum = 0.5 * bare[..., : count + 1] - 0.25 * (before + after)
  sloped = (before - after) / 2.0j  # times pi / n_fft
  power = jnp.square(jnp.real(spectrum)) + jnp.square(jnp.imag(spectrum))
  cross = jnp.imag(sloped) * jnp.real(spectrum) - jnp.real(sloped) * jnp.imag(spectrum)
  bins = jnp.arange(count + 1)
  cycles = bins - 0.5 * cross / (power + 1e-12)  # in bins
  f0_bins = f0_hz[:, None, None] * n_fft / sample_rate
  number = jnp.round(cycles / f0_bins)
  deviation = cycles / (jnp.maximum(number, 1.0) * f0_bins) - 1.0
  is_partial = (number >= 1) & (number <= _NUM_HARMONICS) & (jnp.abs(deviation) < DEEPEST)
  is_near = jnp.abs(bins - cycles) < 1.5
  weight = jnp.where(is_partial & is_near, power * jnp.square(number), 0.0)
  energy = jnp.sum(weight, axis=-1)
  return jnp.sum(weight * deviation, axis=-1) / (energy + 1e-12), energy


@functools.lru_cache(maxsize=4)
def _make_basis(num_frames, frame_s):
  """Frequencies' deviations of vibratos of depth 1: [G, N, 2] by sine and cosine, and [G, 2]."""
  rates = np.arange(RATES_HZ[0], RATES_HZ[1] + 1e-6, _STEP_HZ)
  rate, fade = (x.reshape(-1) for x in np.meshgrid(rates, FADES_S, indexing="ij"))
  time_s = np.arange(num_frames) * frame_s
  angular = 2.0 * np.pi * rate[:, None]
  faded = np.exp(-time_s / fade[:, None])
  sine, cosine = np.sin(angular * time_s), np.cos(angular * time_s)
  # Derivatives of (1 - faded) sin / angular and (1 - faded) cos / angular.
  by_sine = (1.0 - faded) * cosine + faded / fade[:, None] * sine / angular
  by_cosine = -(1.0 - faded) * sine + faded / fade[:, None] * cosine / angular
  # A frame has a mean over its window, whose transform at the rate is so much.
  x = rate * _WINDOW_S
  gain = np.sinc(x) / (1.0 - np.square(x))
  basis = np.stack([by_sine, by_cosine], axis=-1) * gain[:, None, None]
  return basis.astype(np.float32), np.stack([rate, fade], axis=-1).astype(np.float32)


def estimate(audio: Float[Array, "B T"], f0_hz: Float[Array, " B"], sample_rate: int) -> Vibrato:
  """The vibrato of notes of known pitch, by least squares over rates and fade-ins.

  Args:
    audio: notes.
    f0_hz: their fundamental frequencies, within a quarter tone.
    sample_rate: in Hz.

  Returns:
    Their vibrato; without one that explains half of the deviation's variance, a depth of 0 and the
    middle of the rates.
  """
  deviation, energy = measure_deviation(audio, f0_hz, sample_rate)
  basis, grid = _make_basis(deviation.shape[-1], _frame_length(sample_rate) / 2 / sample_rate)
  loudest = jnp.max(energy, axis=-1, keepdims=True)
  weight = energy / (energy + _SOFT * loudest + 1e-12)
  by_sine, by_cosine, share = _regress(deviation, weight, basis)
  best = jnp.argmax(share, axis=-1)
  at = lambda x: jnp.take_along_axis(x, best[:, None], axis=-1)[:, 0]
  depth = jnp.hypot(at(by_sine), at(by_cosine))
  phase = jnp.arctan2(at(by_cosine), at(by_sine))
  rate, fade = jnp.asarray(grid)[best].T
  is_inside = (rate > RATES_HZ[0] + _STEP_HZ / 2) & (rate < RATES_HZ[1] - _STEP_HZ / 2)
  is_large = (depth > _LEAST_DEPTH) & (depth < DEEPEST)
  or_none = lambda x, none: jnp.where((at(share) > _LEAST_SHARE) & is_large & is_inside, x, none)
  return Vibrato(
    or_none(depth, 0.0),
    or_none(rate, float(np.mean(RATES_HZ))),
    or_none(phase, 0.0),
    or_none(fade, float(np.median(FADES_S))),
  )


def _regress(deviation, weight, basis):
  """Weighted least squares of [B, N] deviations on each of [G, N, 2], beside a straight line.

  Returns:
    [B, G] two coefficients, and the share of the variance about the line that they explain.
  """
  num_frames = deviation.shape[-1]
  line = np.stack([np.ones(num_frames), np.linspace(-1.0, 1.0, num_frames)], axis=-1)
  gram = jnp.linalg.inv(jnp.einsum("bn,ni,nj->bij", weight, line, line))
  slope = jnp.einsum("bij,nj,bn->bi", gram, line, weight * deviation)
  y = deviation - slope @ line.T
  p, q = basis[..., 0], basis[..., 1]
  along = lambda x, values: x @ jnp.asarray(values.T, jnp.float32)  # [B, N] @ [N, G]
  # What of the sums of products is left when the line has explained its part.
  crossed = [jnp.stack([along(weight * line[:, i], x) for i in (0, 1)], axis=-1) for x in (p, q)]

  def inner(i, j, product):
    return along(weight, product) - jnp.einsum("bgi,bij,bgj->bg", crossed[i], gram, crossed[j])

  pp, pq, qq = inner(0, 0, p * p), inner(0, 1, p * q), inner(1, 1, q * q)
  py, qy = along(weight * y, p), along(weight * y, q)
  determinant = jnp.maximum(pp * qq - jnp.square(pq), 1e-9)
  a, b = (qq * py - pq * qy) / determinant, (pp * qy - pq * py) / determinant
  total = jnp.sum(weight * jnp.square(y), axis=-1, keepdims=True)
  return a, b, (a * py + b * qy) / (total + 1e-12)
