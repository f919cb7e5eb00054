"""Pseudo-quadrature mirror filter bank: splits a waveform into M critically sampled bands.

All bands are cosine modulations of one low-pass prototype. Aliasing is cancelled between
neighbouring bands; the remaining error depends on the prototype, here a Kaiser window with an
optimised cutoff.
"""

import functools

from jax import lax
import jax.numpy as jnp
from jaxtyping import Array
from jaxtyping import Float
import numpy as np
import scipy.optimize
import scipy.signal

from cvae_jax.audio import check
from cvae_jax.core import errors


@functools.lru_cache(maxsize=8)
def make_prototype(num_bands: int, attenuation_db: float = 88.0) -> np.ndarray:
  """The low-pass prototype of all bands ([2 m M + 1] float64, symmetric).

  The cutoff minimises the deviation from perfect reconstruction, for which the filter's
  autocorrelation is zero at all multiples of 2 M except 0.

  Args:
    num_bands: M.
    attenuation_db: stopband attenuation.

  Raises:
    UserError: if there are fewer than 2 bands.

  Source: Lin & Vaidyanathan 1998, "A Kaiser window approach for the design of prototype filters of
  cosine modulated filterbanks".
  """
  if num_bands < 2:
    raise errors.UserError(f"a filter bank must have at least 2 bands, got {num_bands}")
  # Found by trial: 88 dB and this width have the smallest error, below -74 dB.
  taps, beta = scipy.signal.kaiserord(attenuation_db, 0.5 / num_bands)
  taps = 2 * num_bands * -(-taps // (2 * num_bands)) + 1

  def design(cutoff):
    return scipy.signal.firwin(taps, cutoff, window=("kaiser", beta), scale=False)

  def deviation(cutoff):
    h = design(cutoff)
    product = np.convolve(h, h[::-1])[taps - 1 :: 2 * num_bands]
    return np.max(np.abs(product[1:])) / product[0]

  result = scipy.optimize.minimize_scalar(
    deviation, bounds=(0.3 / num_bands, 0.8 / num_bands), method="bounded", options={"xatol": 1e-10}
  )
  h = design(result.x)
  return h / np.sqrt(2 * np.sum(np.square(h)))


@functools.lru_cache(maxsize=8)
def make_filters(num_bands: int, attenuation_db: float = 88.0) -> np.ndarray:
  """Analysis filters ([M, taps] float32), lowest band first; reversed in time for synthesis."""
  prototype = make_prototype(num_bands, attenuation_db)
  n = np.arange(prototype.size) - (prototype.size - 1) / 2
  k = np.arange(num_bands)[:, None]
  angles = (2 * k + 1) * np.pi / (2 * num_bands) * n + (-1.0) ** k * np.pi / 4
  return (2 * prototype * np.cos(angles)).astype(np.float32)


# Frames per matrix product: larger blocks multiply more zeros, smaller matrices are less efficient.
_BLOCK = 8


@functools.lru_cache(maxsize=8)
def _block_filters(num_bands, backward):
  """The filters as a convolution over blocks of `_BLOCK` rows of M numbers ([K, in, out]).

  Forward, row n of the output is the sum over i of input row n + i times the filters' taps i M to
  (i + 1) M; backward, of input row n - i.
  """
  filters = make_filters(num_bands)[:, ::-1]
  reach = -(-filters.shape[-1] // num_bands)  # rows covered by a filter
  taps = np.pad(filters, [(0, 0), (0, reach * num_bands - filters.shape[-1])])
  taps = taps.reshape(num_bands, reach, num_bands)  # [band, row, sample]
  taps = taps.transpose(1, 0, 2) if backward else taps.transpose(1, 2, 0)  # [row, in, out]
  size = 1 + -(-(reach + _BLOCK - 2) // _BLOCK)
  kernel = np.zeros((size, _BLOCK, num_bands, _BLOCK, num_bands), np.float32)
  for distance in range(size):
    for row_in in range(_BLOCK):
      for row_out in range(_BLOCK):
        later = distance * _BLOCK + (row_out - row_in if backward else row_in - row_out)
        if 0 <= later < reach:
          kernel[distance, row_in, :, row_out] = taps[later]
  kernel = kernel[::-1] if backward else kernel
  return kernel.reshape(size, _BLOCK * num_bands, _BLOCK * num_bands)


def _convolve_rows(rows, count, num_bands, backward):
  """Filters rows [..., n, M] to [..., count, M], in blocks, with zero padding."""
  kernel = _block_filters(num_bands, backward)
  blocks_in, blocks_out = -(-rows.shape[-2] // _BLOCK), -(-count // _BLOCK)
  batch = rows.shape[:-2]
  rows = rows.reshape(-1, *rows.shape[-2:])
  rows = jnp.pad(rows, [(0, 0), (0, blocks_in * _BLOCK - rows.shape[1]), (0, 0)])
  pad_before = len(kernel) - 1 if backward else 0
  pad_after = blocks_out + len(kernel) - 1 - pad_before - blocks_in
  out = lax.conv_general_dilated(
    rows.reshape(-1, blocks_in, _BLOCK * num_bands),
    kernel,
    (1,),
    [(pad_before, pad_after)],
    dimension_numbers=("NWC", "WIO", "NWC"),
  )
  return out.reshape(*batch, -1, num_bands)[..., :count, :]


def _reach(num_bands):
  """Number of frames before and after the waveform whose filters overlap it."""
  return (make_filters(num_bands).shape[-1] - 1) // (2 * num_bands) - 1


def num_frames(num_samples: int, num_bands: int) -> int:
  """Number of frames of `analyse`, including those that ring before and after the waveform."""
  return -(-num_samples // num_bands) + 2 * _reach(num_bands) + 1


def analyse(audio: Float[Array, "*batch T"], num_bands: int = 16) -> Float[Array, "*batch N M"]:
  """Splits a waveform into bands.

  Args:
    audio: [..., T] waveform.
    num_bands: M, number of bands and decimation factor.

  Returns:
    [..., N, M], lowest band first; the transform is orthonormal and preserves energy. N is
    `num_frames(T, M)`: frames that ring before and after the waveform are included, so that its
    ends are reconstructed as accurately as its middle. Odd bands are mirrored in frequency.

  Agrees with `scipy.signal.upfirdn` for each filter.
  """
  check.check_audio(audio)
  filters = make_filters(num_bands)
  frames = num_frames(audio.shape[-1], num_bands)
  pad_before = filters.shape[-1] - 1 - num_bands
  pad_after = (frames - 1) * num_bands + filters.shape[-1] - pad_before - audio.shape[-1]
  pad_after += -(pad_before + audio.shape[-1] + pad_after) % num_bands  # To whole rows.
  audio = jnp.pad(audio, [(0, 0)] * (audio.ndim - 1) + [(pad_before, pad_after)])
  rows = audio.reshape(*audio.shape[:-1], -1, num_bands)
  return _convolve_rows(rows, frames, num_bands, backward=False)


def synthesise(
  bands: Float[Array, "*batch N M"], length: int | None = None
) -> Float[Array, "*batch T"]:
  """Reconstructs the waveform from `analyse`'s bands, with an error 65 dB below it.

  Args:
    bands: [..., N, M].
    length: samples of the result; by default the longest of which N frames can be.

  Returns:
    [..., T] waveform.
  """
  check.check_array(bands, "the bands", 2)
  count, num_bands = bands.shape[-2:]
  filters = make_filters(num_bands)
  reach = _reach(num_bands)
  if count <= 2 * reach + 1:
    raise ValueError(
      f"{count} frames of {num_bands} bands are too few: at least {2 * reach + 2} are needed"
    )
  length = (count - 2 * reach - 1) * num_bands if length is None else length
  start = filters.shape[-1] - 1 - num_bands
  rows = _convolve_rows(bands, -(-(start + length) // num_bands), num_bands, backward=True)
  return rows.reshape(*rows.shape[:-2], -1)[..., start : start + length]
