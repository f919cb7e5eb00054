"""Fundamental frequency by YIN."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array
from jaxtyping import Float
import numpy as np

from cvae_jax.audio import check
from cvae_jax.audio import stft
from cvae_jax.core import errors

_CANDIDATES = 8  # troughs of a frame that a path may go through
_NO_TROUGH = 2.0  # where there is none
_PER_OCTAVE = 0.06  # cost of a period that is twice as long
_PER_JUMP, _REFERENCE_HOP_S = 1.0, 0.01  # cost of an octave from frame to frame, at this hop
_MAX_JUMP = 2.0  # of what a jump costs: a new note may be anywhere


def _find_troughs(audio, fmin_hz, fmax_hz, sample_rate, frame_length, hop_length, center):
  """The normalised difference at every period in samples, and where it has a minimum.

  Returns:
    The least period; [..., N, P] differences, whether there is a trough, and the offset of its
    bottom from the sample.
  """
  check.check_audio(audio, 1 if center else frame_length)
  if not 0 < fmin_hz < fmax_hz <= sample_rate / 2:
    raise errors.UserError(
      f"YIN needs 0 < fmin < fmax <= {sample_rate / 2:g} Hz, got {fmin_hz:g} and {fmax_hz:g}"
    )
  if frame_length < 2 * sample_rate / fmin_hz:
    raise errors.UserError(
      f"a frame of {frame_length} samples holds less than two periods of {fmin_hz:g} Hz: "
      f"it needs {math.ceil(2 * sample_rate / fmin_hz)}"
    )
  hop_length = frame_length // 4 if hop_length is None else hop_length
  if center:
    half = frame_length // 2
    audio = jnp.pad(audio, [(0, 0)] * (audio.ndim - 1) + [(half, half)])
  frames = stft.frame(audio, frame_length, hop_length)  # [..., N, L]
  min_period = math.floor(sample_rate / fmax_hz)
  max_period = min(math.ceil(sample_rate / fmin_hz), frame_length - 1)

  # Autocorrelation by FFT, long enough to avoid circular wrapping at the lags used.
  n_fft = 2 ** math.ceil(math.log2(frame_length + max_period + 1))
  power = jnp.square(jnp.abs(jnp.fft.rfft(frames, n_fft)))
  correlation = jnp.fft.irfft(power, n_fft)[..., : max_period + 1]
  energy = jnp.cumsum(jnp.square(frames), axis=-1)
  # d(k) = sum of (y(m) - y(m + k))^2 over all m, with zeros outside of the frame, minus the energy
  # of the first k samples
  difference = 2 * (correlation[..., :1] - correlation[..., 1:]) - energy[..., :max_period]
  lags = np.arange(1, max_period + 1, dtype=np.float32)
  mean = jnp.cumsum(difference, axis=-1) / lags
  tiny = np.finfo(np.float32).tiny
  normalised = (difference / (mean + tiny))[..., min_period - 1 :]  # [..., N, P] periods

  previous, current, following = normalised[..., :-2], normalised[..., 1:-1], normalised[..., 2:]
  curvature, slope = following + previous - 2 * current, (following - previous) / 2
  inside = jnp.abs(slope) < jnp.abs(curvature)
  shift = jnp.where(inside, -slope / jnp.where(inside, curvature, 1.0), 0.0)
  edges = [(0, 0)] * (normalised.ndim - 1)
  shift = jnp.pad(shift, [*edges, (1, 1)])
  trough = jnp.pad((current < previous) & (current <= following), [*edges, (1, 1)])
  trough = trough.at[..., 0].set(normalised[..., 0] < normalised[..., 1])
  trough = trough.at[..., -1].set(normalised[..., -1] < normalised[..., -2])
  return min_period, normalised, trough, shift


def yin(
  audio: Float[Array, "*batch T"],
  fmin_hz: float,
  fmax_hz: float,
  sample_rate: int,
  frame_length: int = 2048,
  hop_length: int | None = None,
  trough_threshold: float = 0.1,
  center: bool = True,
) -> Float[Array, "*batch N"]:
  """Fundamental frequency of every frame in Hz ([..., T] to [..., N]).

  The period is the first lag at which the normalised difference has a minimum below the threshold,
  refined by a parabola; if there is none, the lag of the global minimum. Silent frames get a
  frequency too: use the level to detect them.

  Args:
    audio: [..., T] waveform.
    fmin_hz: lowest frequency.
    fmax_hz: highest frequency.
    sample_rate: in Hz.
    frame_length: in samples; more than two periods of `fmin_hz`.
    hop_length: in samples; a quarter of a frame by default.
    trough_threshold: threshold of the cumulative mean normalised difference.
    center: whether frame n is centred at sample n * hop_length, by zero padding.

  Raises:
    UserError: if the frequencies do not fit the frame length or the sample rate.
    ValueError: if the waveform is shorter than a frame.

  Source: de Cheveigne & Kawahara 2002, equations 6 to 8. Agrees with `librosa.yin`.
  """
  troughs = _find_troughs(audio, fmin_hz, fmax_hz, sample_rate, frame_length, hop_length, center)
  min_period, normalised, trough, shift = troughs
  low = trough & (normalised < trough_threshold)
  period_index = jnp.where(jnp.any(low, -1), jnp.argmax(low, -1), jnp.argmin(normalised, -1))
  refined = jnp.take_along_axis(shift, period_index[..., None], axis=-1)[..., 0]
  return sample_rate / (min_period + period_index + refined)


def _best_path(cost, log_period, weight):
  """Indices [..., N] of the candidates that a path of the least cost goes through (Viterbi).

  Args:
    cost: [..., N, K] of each candidate.
    log_period: [..., N, K], in octaves.
    weight: cost of an octave between two frames.
  """
  cost, log_period = (jnp.moveaxis(x, -2, 0) for x in (cost, log_period))

  def forward(carry, frame):
    total, earlier = carry
    here, now = frame
    jump = weight * jnp.abs(now[..., :, None] - earlier[..., None, :])
    reached = total[..., None, :] + jnp.minimum(jump, _MAX_JUMP)
    return (jnp.min(reached, -1) + here, now), jnp.argmin(reached, -1)

  (total, _), origins = jax.lax.scan(forward, (cost[0], log_period[0]), (cost[1:], log_period[1:]))

  def backward(index, origin):
    before = jnp.take_along_axis(origin, index[..., None], axis=-1)[..., 0]
    return before, index

  first, rest = jax.lax.scan(backward, jnp.argmin(total, -1), origins, reverse=True)
  return jnp.moveaxis(jnp.concatenate([first[None], rest]), 0, -1)


def track(
  audio: Float[Array, "*batch T"],
  fmin_hz: float,
  fmax_hz: float,
  sample_rate: int,
  frame_length: int = 1024,
  hop_length: int = 64,
) -> tuple[Float[Array, "*batch N"], Float[Array, "*batch N"]]:
  """Fundamental frequency of every frame, and how sure it is; N = 1 + T // hop_length.

  Of YIN's troughs, the deepest of every frame are candidates. A path through them is found that is
  deep, prefers short periods a little, and does not jump (Viterbi).

  Args:
    audio: [..., T] waveform.
    fmin_hz: lowest frequency.
    fmax_hz: highest frequency.
    sample_rate: in Hz.
    frame_length: in samples; more than two periods of `fmin_hz`.
    hop_length: in samples. Frame n is centred at sample n * hop_length.

  Returns:
    f0 in Hz; confidence from 0 (noise, silence) to 1 (strictly periodic), which is 1 minus the
    trough's depth. A frame without a pitch goes on with the path's frequency.

  Raises:
    UserError: as `yin`.

  Source: de Cheveigne & Kawahara 2002 for the troughs; Boersma 1993, "Accurate Short-Term Analysis
  of the Fundamental Frequency", section 3.3, for the path and its costs.
  """
  min_period, normalised, trough, shift = _find_troughs(
    audio, fmin_hz, fmax_hz, sample_rate, frame_length, hop_length, True
  )
  depth = jnp.where(trough, normalised, _NO_TROUGH)
  periods = min_period + np.arange(normalised.shape[-1], dtype=np.float32)
  octaves = np.log2(periods).astype(np.float32)
  _, index = jax.lax.top_k(-(depth + _PER_OCTAVE * octaves), min(_CANDIDATES, depth.shape[-1]))
  take = lambda x: jnp.take_along_axis(x, index, axis=-1)
  period = take(jnp.broadcast_to(periods, depth.shape) + shift)
  depth = take(depth)
  log_period = jnp.log2(period)
  # In half of the time a pitch goes half as far: a jump is twice as unlikely.
  weight = _PER_JUMP * _REFERENCE_HOP_S * sample_rate / hop_length
  path = _best_path(depth + _PER_OCTAVE * log_period, log_period, weight)
  chosen = lambda x: jnp.take_along_axis(x, path[..., None], axis=-1)[..., 0]
  return sample_rate / chosen(period), jnp.clip(1.0 - chosen(depth), 0.0, 1.0)
