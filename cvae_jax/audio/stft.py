"""Short-time Fourier transform and its inverse, with librosa's parameters and values.

The axes are frames, bins ([..., N, F]), not bins, frames as in librosa ([..., F, N]): networks
convolve over time, and the last axis is contiguous in memory.
"""

import functools

import jax.numpy as jnp
from jaxtyping import Array
from jaxtyping import Complex
from jaxtyping import Float
import numpy as np

from cvae_jax.audio import check
from cvae_jax.core import errors


def check_parameters(n_fft: int, win_length: int, hop_length: int) -> None:
  """Raises UserError if STFT parameters are inconsistent."""
  if n_fft < 2 or n_fft % 2:
    raise errors.UserError(f"n_fft must be even and at least 2, got {n_fft}")
  if not 1 <= win_length <= n_fft:
    raise errors.UserError(f"win_length must be 1 to n_fft = {n_fft}, got {win_length}")
  if not 1 <= hop_length <= win_length:
    raise errors.UserError(f"hop_length must be 1 to win_length = {win_length}, got {hop_length}")


@functools.lru_cache(maxsize=32)
def make_window(window: str, win_length: int, n_fft: int) -> np.ndarray:
  """A periodic window of scipy, zero-padded to `n_fft` samples ([n_fft] float32)."""
  if window == "hann":  # From NumPy, since importing scipy.signal takes a second.
    values = np.hanning(win_length + 1)[:-1]
  else:
    import scipy.signal

    try:
      values = scipy.signal.get_window(window, win_length, fftbins=True)
    except ValueError as e:  # An unknown window, or one that needs parameters.
      raise errors.UserError(f"window '{window}' cannot be made: {e}") from None
  left = (n_fft - win_length) // 2
  return np.pad(values, (left, n_fft - win_length - left)).astype(np.float32)


@functools.lru_cache(maxsize=32)
def _inverse_window_sum(window, win_length, n_fft, hop_length, count) -> np.ndarray:
  """Reciprocal of the sum of the squared windows of `count` frames; 1 where the sum is 0."""
  power = np.square(make_window(window, win_length, n_fft).astype(np.float64))
  total = np.zeros(n_fft + (count - 1) * hop_length)
  for start in range(0, count * hop_length, hop_length):
    total[start : start + n_fft] += power
  # librosa's threshold, to avoid division by zero.
  tiny = np.finfo(np.float32).tiny
  return (1.0 / np.where(total > tiny, total, 1.0)).astype(np.float32)


def num_frames(num_samples: int, hop_length: int) -> int:
  """Number of frames of a centred STFT: one more than the whole hops in the waveform."""
  return 1 + num_samples // hop_length


def frame(
  audio: Float[Array, "*batch T"], frame_length: int, hop_length: int
) -> Float[Array, "*batch N L"]:
  """Cuts a waveform into overlapping frames; a last, incomplete one is dropped.

  Rows of `hop_length` samples are concatenated, which needs no gather and has a fast gradient.

  Args:
    audio: [..., T] waveform, T at least `frame_length`.
    frame_length: in samples.
    hop_length: in samples; need not divide `frame_length`.

  Returns:
    [..., N, frame_length], N = 1 + (T - frame_length) // hop_length.
  """
  check.check_audio(audio, frame_length)
  num_samples = audio.shape[-1]
  count = 1 + (num_samples - frame_length) // hop_length
  rows_per_frame = -(-frame_length // hop_length)
  rows = count + rows_per_frame - 1
  spare = rows * hop_length - num_samples
  batch_pad = [(0, 0)] * (audio.ndim - 1)
  audio = jnp.pad(audio, [*batch_pad, (0, max(spare, 0))])[..., : rows * hop_length]
  audio = audio.reshape(*audio.shape[:-1], rows, hop_length)
  frames = jnp.concatenate([audio[..., i : i + count, :] for i in range(rows_per_frame)], axis=-1)
  return frames[..., :frame_length]


def overlap_add(frames: Float[Array, "*batch N L"], hop_length: int) -> Float[Array, "*batch T"]:
  """Sums overlapping frames, `hop_length` samples apart: the transpose of `frame`.

  Args:
    frames: [..., N, L].
    hop_length: in samples.

  Returns:
    [..., T], T = L + (N - 1) * hop_length.
  """
  count, frame_length = frames.shape[-2:]
  rows_per_frame = -(-frame_length // hop_length)
  batch_pad = [(0, 0)] * (frames.ndim - 2)
  frames = jnp.pad(frames, [*batch_pad, (0, 0), (0, rows_per_frame * hop_length - frame_length)])
  frames = frames.reshape(*frames.shape[:-1], rows_per_frame, hop_length)
  shifted = [
    jnp.pad(frames[..., i, :], [*batch_pad, (i, rows_per_frame - 1 - i), (0, 0)])
    for i in range(rows_per_frame)
  ]
  total = functools.reduce(jnp.add, shifted)
  num_samples = frame_length + (count - 1) * hop_length
  return total.reshape(*total.shape[:-2], -1)[..., :num_samples]


def stft(
  audio: Float[Array, "*batch T"],
  n_fft: int = 2048,
  hop_length: int | None = None,
  win_length: int | None = None,
  window: str = "hann",
  center: bool = True,
) -> Complex[Array, "*batch N F"]:
  """Short-time Fourier transform.

  Args:
    audio: [..., T] real waveform.
    n_fft: length of the transform, in samples.
    hop_length: in samples; a quarter of `win_length` by default.
    win_length: in samples; `n_fft` by default. A shorter window is centred in the frame.
    window: a name that `scipy.signal.get_window` knows.
    center: whether frame n is centred at sample n * hop_length, by zero padding of n_fft // 2.

  Returns:
    [..., N, F] complex64, F = 1 + n_fft // 2 and, if centred, N = 1 + T // hop_length.

  Raises:
    UserError: if parameters are inconsistent.
    ValueError: if the waveform is empty, not finite or, unless centred, shorter than a frame.
    TypeError: if the waveform is of integers.

  Agrees with `librosa.stft` (pad_mode='constant'), axes swapped.
  """
  win_length = n_fft if win_length is None else win_length
  hop_length = win_length // 4 if hop_length is None else hop_length
  check_parameters(n_fft, win_length, hop_length)
  check.check_audio(audio, 1 if center else n_fft)
  if center:
    audio = jnp.pad(audio, [(0, 0)] * (audio.ndim - 1) + [(n_fft // 2, n_fft // 2)])
  frames = frame(audio, n_fft, hop_length)
  return jnp.fft.rfft(frames * make_window(window, win_length, n_fft), axis=-1)


def istft(
  spectrum: Complex[Array, "*batch N F"],
  hop_length: int | None = None,
  win_length: int | None = None,
  window: str = "hann",
  center: bool = True,
  length: int | None = None,
) -> Float[Array, "*batch T"]:
  """Inverse short-time Fourier transform: the least-squares waveform of a spectrum.

  Args:
    spectrum: [..., N, F] complex.
    hop_length: as in `stft`.
    win_length: as in `stft`.
    window: as in `stft`.
    center: as in `stft`.
    length: samples of the result, which is cut or padded with zeros.

  Returns:
    [..., T] float32 waveform.

  Source: Griffin & Lim 1984, equation 6. Agrees with `librosa.istft`, axes swapped.
  """
  check.check_array(spectrum, "the spectrum", 2)
  n_fft = 2 * (spectrum.shape[-1] - 1)
  win_length = n_fft if win_length is None else win_length
  hop_length = win_length // 4 if hop_length is None else hop_length
  check_parameters(n_fft, win_length, hop_length)
  weights = make_window(window, win_length, n_fft)
  audio = overlap_add(jnp.fft.irfft(spectrum, n_fft, axis=-1) * weights, hop_length)
  audio = audio * _inverse_window_sum(window, win_length, n_fft, hop_length, spectrum.shape[-2])
  if center:
    audio = audio[..., n_fft // 2 :]
    if length is None:
      audio = audio[..., : audio.shape[-1] - n_fft // 2]
  if length is not None:
    short = max(length - audio.shape[-1], 0)
    audio = jnp.pad(audio[..., :length], [(0, 0)] * (audio.ndim - 1) + [(0, short)])
  return audio
