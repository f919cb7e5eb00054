"""Phase recovery: waveforms from magnitudes.

With a Gaussian window the phase's derivatives in time and frequency equal those of the
log-magnitude in frequency and time, up to factors. `integrate_phase` integrates them along the
partials in one pass; `griffin_lim` refines the result iteratively.
"""

from collections.abc import Callable
import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array
from jaxtyping import Float
from jaxtyping import Key
import numpy as np

from cvae_jax.audio import check
from cvae_jax.audio import instantaneous_frequency
from cvae_jax.audio import stft as stft_lib
from cvae_jax.core import errors

STARTS = ("integrated", "random")
# Bins on both sides of a peak to which its phase is propagated: beyond a Hann window's main lobe.
_REACH = 4
# Floor of magnitudes relative to a note's loudest cell (-120 dB), below which slopes are 0.
_TOLERANCE = 1e-6
# Bound of the log-magnitude's slope; the polynomial is fitted to a main lobe, whose slopes are
# less.
_MAX_SLOPE = 4.0


@functools.lru_cache(maxsize=16)
def gaussian_width(window: str, win_length: int) -> float:
  """Least-squares fit of a Gaussian exp(-pi t^2 / gamma) to a window; gamma in samples squared.

  It is 0.258 win_length^2 for a Hann window; Prusa et al. 2017 give 0.256.
  """
  values = stft_lib.make_window(window, win_length, win_length + win_length % 2)[:win_length]
  t = (np.arange(win_length) - win_length // 2) / win_length

  low, high = 0.01, 4.0
  # The distance has a single minimum, which lies between the neighbours of a grid's best point.
  while high - low > 1e-7:
    gammas = np.linspace(low, high, 16)
    gaussians = np.exp(-np.pi * np.square(t) / gammas[:, None])
    distances = np.sum(np.square(gaussians - values), axis=1)
    best = int(np.argmin(distances))
    low, high = gammas[max(best - 1, 0)], gammas[min(best + 1, gammas.size - 1)]
  return (low + high) / 2 * win_length**2


@functools.lru_cache(maxsize=16)
def _offset_polynomial(window: str, win_length: int, n_fft: int) -> tuple[float, float, float]:
  """Polynomial from the slope of the log-magnitude at a peak to a sine's offset from the bin.

  With a Gaussian window the offset is linear in the slope; with a Hann window this is off by 6 %.
  An odd polynomial fitted to the window's main lobe avoids the error.

  Returns:
    Coefficients of slope, slope^3 and slope^5; the offset is in bins, the slope the difference of
    the neighbours' logarithms.
  """
  linear = n_fft**2 / gaussian_width(window, win_length) / (4 * np.pi)
  oversampling = 64
  weights = stft_lib.make_window(window, win_length, n_fft).astype(np.float64)
  lobe = np.abs(np.fft.fft(weights, n_fft * oversampling))[: 2 * oversampling]
  offset = np.arange(-0.6, 0.61, 1 / oversampling)

  def level(bins):
    return np.log(np.interp(np.abs(bins) * oversampling, np.arange(lobe.size), lobe) + 1e-30)

  slope = level(1 - offset) - level(-1 - offset)
  if not np.all(np.diff(slope) > 0):  # A main lobe narrower than 4 bins, such as a boxcar's.
    return linear, 0.0, 0.0
  basis = np.stack([slope, slope**3, slope**5], axis=1)
  first, third, fifth = np.linalg.lstsq(basis, offset, rcond=None)[0]
  return float(first), float(third), float(fifth)


def _shift(x, by):
  """Neighbours on the last axis: the bin above for 1, below for -1; edges are repeated."""
  if by > 0:
    return jnp.concatenate([x[..., 1:], x[..., -1:]], axis=-1)
  return jnp.concatenate([x[..., :1], x[..., :-1]], axis=-1)


@functools.partial(jax.jit, static_argnames=("hop_length", "win_length", "window"))
def _integrate(magnitude, hop_length, win_length, window):
  n_fft = 2 * (magnitude.shape[-1] - 1)
  gamma = gaussian_width(window, win_length)
  first, third, fifth = _offset_polynomial(window, win_length, n_fft)
  num_frames, num_bins = magnitude.shape[-2:]
  bins = np.arange(num_bins)
  # Phase advance of each bin's centre frequency per hop, in radians.
  turn = (hop_length * bins % n_fft * (2 * np.pi / n_fft)).astype(np.float32)
  peak = jnp.max(magnitude, axis=(-2, -1), keepdims=True)
  # The smallest normal number keeps the logarithm of silence finite, with slope 0.
  floor = _TOLERANCE * peak + np.finfo(np.float32).tiny
  log_magnitude = jnp.moveaxis(jnp.log(jnp.maximum(magnitude, floor)), -2, 0)  # [N, ..., F]

  def slopes(n):
    """Phase changes [..., F] per hop, per bin and from the louder neighbour, and which that is."""
    earlier, here, later = (log_magnitude[jnp.clip(n + i, 0, num_frames - 1)] for i in (-1, 0, 1))
    below, above = _shift(here, -1), _shift(here, 1)
    slope = jnp.clip(above - below, -_MAX_SLOPE, _MAX_SLOPE)
    square = jnp.square(slope)
    offset = slope * (first + square * (third + square * fifth))
    rate = (2 * np.pi * hop_length / n_fft) * offset + turn
    over_frequency = (-gamma / (hop_length * n_fft) / 2) * (later - earlier)
    rise = (over_frequency + _shift(over_frequency, -1)) / 2  # from the bin below
    is_below = (below > here) & (below >= above)
    is_above = (above > here) & ~is_below
    edge = jnp.where(is_below, rise, jnp.where(is_above, -_shift(rise, 1), 0.0))
    return rate, rise, edge, is_below, is_above

  def step(sign, carry, n):
    phase, rate_before = carry
    rate, _, edge, is_below, is_above = slopes(n)
    phase = phase + sign * (rate + rate_before) / 2
    for _ in range(_REACH):
      uphill = jnp.where(is_below, _shift(phase, -1), jnp.where(is_above, _shift(phase, 1), phase))
      phase = uphill + edge
    phase = instantaneous_frequency.wrap(phase)
    return (phase, rate), phase

  # Integrates in both directions from the second frame, which contains the whole attack.
  start = min(1, num_frames - 1)
  rate, rise, *_ = slopes(start)
  begin = instantaneous_frequency.wrap(jnp.cumsum(rise, axis=-1))
  forward, backward = functools.partial(step, 1.0), functools.partial(step, -1.0)
  _, after = jax.lax.scan(forward, (begin, rate), jnp.arange(start + 1, num_frames))
  _, before = jax.lax.scan(backward, (begin, rate), jnp.arange(start), reverse=True)
  phase = jnp.moveaxis(jnp.concatenate([before, begin[None], after]), 0, -2)
  # The phase of `stft` refers to a frame's first sample, half a frame before the window's centre.
  return instantaneous_frequency.wrap(phase + (np.pi * (bins % 2)).astype(np.float32))


def integrate_phase(
  magnitude: Float[Array, "*batch N F"],
  hop_length: int | None = None,
  win_length: int | None = None,
  window: str = "hann",
) -> Float[Array, "*batch N F"]:
  """Estimates phases from the gradient of the log-magnitudes, without iterations.

  From frame to frame the phase of a spectral peak advances by its instantaneous frequency; within a
  frame it is propagated from each peak to its flanks along the group delay. This is phase gradient
  heap integration with a fixed order, peaks first: each frame takes a few vector operations for all
  bins and notes, where a heap visits single cells.

  Args:
    magnitude: [..., N, F] magnitudes of a centred STFT.
    hop_length: in samples; a quarter of `win_length` by default.
    win_length: in samples; n_fft by default.
    window: a name that `scipy.signal.get_window` knows.

  Returns:
    [..., N, F] phase in radians, -pi to pi, of `stft`'s convention.

  Source: Prusa, Balazs & Sondergaard 2017 for the derivatives; Beauregard, Harish & Wyse 2015 for
  the peaks.
  """
  check.check_array(magnitude, "the magnitudes", 2)
  hop_length, win_length = _parameters(magnitude, hop_length, win_length)
  return _integrate(magnitude, hop_length, win_length, window)


def _parameters(magnitude, hop_length, win_length):
  n_fft = 2 * (magnitude.shape[-1] - 1)
  win_length = n_fft if win_length is None else win_length
  hop_length = win_length // 4 if hop_length is None else hop_length
  stft_lib.check_parameters(n_fft, win_length, hop_length)
  return hop_length, win_length


def _polar(magnitude, phase):
  return jax.lax.complex(magnitude * jnp.cos(phase), magnitude * jnp.sin(phase))


def _with_magnitude(magnitude, spectrum):
  """Combines magnitudes with the phases of a spectrum; the phase is 0 where it is 0."""
  re, im = jnp.real(spectrum), jnp.imag(spectrum)
  power = jnp.square(re) + jnp.square(im)
  # Squares underflow below 1e-19, which is inaudible; rsqrt(0) would be infinite.
  scale = magnitude * jax.lax.rsqrt(jnp.maximum(power, np.finfo(np.float32).tiny))
  return jax.lax.complex(re * scale, im * scale)


@functools.partial(
  jax.jit,
  static_argnames=("num_iters", "hop_length", "win_length", "window", "length", "momentum"),
)
def _griffin_lim(magnitude, phase, num_iters, hop_length, win_length, window, length, momentum):
  n_fft = 2 * (magnitude.shape[-1] - 1)
  settings = dict(hop_length=hop_length, win_length=win_length, window=window)
  inverse: Callable = functools.partial(stft_lib.istft, length=length, **settings)
  forward: Callable = functools.partial(stft_lib.stft, n_fft=n_fft, **settings)

  def iterate(_, carry):
    spectrum, previous = carry
    rebuilt = forward(inverse(spectrum))
    update = rebuilt - (momentum / (1 + momentum)) * previous
    return _with_magnitude(magnitude, update), rebuilt

  spectrum = _polar(magnitude, phase)
  spectrum, _ = jax.lax.fori_loop(
    0, num_iters, iterate, (spectrum, jnp.zeros_like(spectrum)), unroll=2
  )
  return inverse(spectrum)


def griffin_lim(
  magnitude: Float[Array, "*batch N F"],
  key: Key[Array, ""] | None = None,
  num_iters: int = 32,
  hop_length: int | None = None,
  win_length: int | None = None,
  window: str = "hann",
  length: int | None = None,
  momentum: float = 0.99,
  start: str | Float[Array, "*batch N F"] = "random",
) -> Float[Array, "*batch T"]:
  """Fast Griffin-Lim.

  Args:
    magnitude: [..., N, F] magnitudes of a centred STFT.
    key: random key of the initial phases, if they are random.
    num_iters: iterations, each an inverse and a forward transform.
    hop_length: in samples; a quarter of `win_length` by default.
    win_length: in samples; n_fft by default.
    window: a name that `scipy.signal.get_window` knows.
    length: samples of the result.
    momentum: 0 for the original algorithm, 0.99 for the fast one.
    start: initial phases: 'random', as in the original; 'integrated', those of `integrate_phase`;
      or phases in radians.

  Returns:
    [..., T] float32 waveform; silence for silence.

  Raises:
    UserError: if the start is unknown, or parameters are inconsistent.
    ValueError, TypeError: if magnitudes are not finite, empty, or integers.

  Source: Griffin & Lim 1984; Perraudin, Balazs & Sondergaard 2013, algorithm 2. The parameters
  and the update are those of `librosa.griffinlim` and, except for names, of
  `torchaudio.functional.griffinlim` with power 1.
  """
  check.check_array(magnitude, "the magnitudes", 2)
  hop_length, win_length = _parameters(magnitude, hop_length, win_length)
  if not isinstance(start, str):
    phase = start
  elif start == "integrated":
    phase = integrate_phase(magnitude, hop_length, win_length, window)
  elif start == "random":
    if key is None:
      raise ValueError("random phases need a key")
    phase = jax.random.uniform(key, magnitude.shape, maxval=2 * jnp.pi)
  else:
    raise errors.UserError(f"the start of phases must be {' or '.join(STARTS)}, got '{start}'")
  length = (magnitude.shape[-2] - 1) * hop_length if length is None else length
  return _griffin_lim(magnitude, phase, num_iters, hop_length, win_length, window, length, momentum)
