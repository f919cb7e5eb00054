"""Pseudo-quadrature mirror filters: a waveform as M critically sampled bands, and back.

A cosine modulates one low-pass prototype to all bands. What a band aliases, its neighbours cancel;
what remains is set by the prototype, here a Kaiser window whose cutoff is searched for.
"""

import functools

import jax.numpy as jnp
from jaxtyping import Array
from jaxtyping import Float
import numpy as np
import scipy.optimize
import scipy.signal

from cvae_jax import errors
from cvae_jax.audio import check
from cvae_jax.audio import stft


@functools.lru_cache(maxsize=8)
def make_prototype(num_bands: int, attenuation_db: float = 88.0) -> np.ndarray:
  """The low-pass filter that all bands share ([2 m M + 1] float64, symmetric).

  The cutoff is the one at which the filter's autocorrelation comes nearest to that of a perfect
  reconstruction: zero at every multiple of 2 M but the first.

  Args:
    num_bands: M.
    attenuation_db: of the stop band.

  Raises:
    UserError: fewer than 2 bands.

  Source: Lin & Vaidyanathan 1998, "A Kaiser window approach for the design of prototype filters of
  cosine modulated filterbanks".
  """
  if num_bands < 2:
    raise errors.UserError(f"a filter bank must have at least 2 bands, got {num_bands}")
  # By trial: 88 dB and this width lose least, under -74 dB; more of either loses more.
  taps, beta = scipy.signal.kaiserord(attenuation_db, 0.5 / num_bands)
  taps = 2 * num_bands * -(-taps // (2 * num_bands)) + 1

  def design(cutoff):
    return scipy.signal.firwin(taps, cutoff, window=("kaiser", beta), scale=False)

  def deviation(cutoff):
    h = design(cutoff)
    product = np.convolve(h, h[::-1])[taps - 1 :: 2 * num_bands]
    return np.max(np.abs(product[1:])) / product[0]

  found = scipy.optimize.minimize_scalar(
    deviation, bounds=(0.3 / num_bands, 0.8 / num_bands), method="bounded", options={"xatol": 1e-10}
  )
  h = design(found.x)
  return h / np.sqrt(2 * np.sum(np.square(h)))


@functools.lru_cache(maxsize=8)
def make_filters(num_bands: int, attenuation_db: float = 88.0) -> np.ndarray:
  """Analysis filters ([M, taps] float32), band 0 the lowest; synthesis reverses them in time."""
  prototype = make_prototype(num_bands, attenuation_db)
  n = np.arange(prototype.size) - (prototype.size - 1) / 2
  k = np.arange(num_bands)[:, None]
  angles = (2 * k + 1) * np.pi / (2 * num_bands) * n + (-1.0) ** k * np.pi / 4
  return (2 * prototype * np.cos(angles)).astype(np.float32)


def _reach(num_bands):
  """Frames before the waveform, and after it, whose filters still touch it."""
  return (make_filters(num_bands).shape[-1] - 1) // (2 * num_bands) - 1


def num_frames(num_samples: int, num_bands: int) -> int:
  """Frames of `analyse`: what covers the waveform, and what rings before and after it."""
  return -(-num_samples // num_bands) + 2 * _reach(num_bands) + 1


def analyse(audio: Float[Array, "*batch T"], num_bands: int = 16) -> Float[Array, "*batch N M"]:
  """Splits a waveform into bands.

  Args:
    audio: [..., T] waveform.
    num_bands: M, the bands and the decimation.

  Returns:
    [..., N, M], band 0 the lowest, orthonormal: the bands have the waveform's energy. N is
    `num_frames(T, M)`: the first frames ring before the waveform and the last after it, so that its
    ends come back as well as its middle. Odd bands are mirrored in frequency by the decimation.

  Agrees with `scipy.signal.upfirdn` by each filter.
  """
  check.check_audio(audio)
  filters = make_filters(num_bands)
  frames = num_frames(audio.shape[-1], num_bands)
  before = filters.shape[-1] - 1 - num_bands
  after = (frames - 1) * num_bands + filters.shape[-1] - before - audio.shape[-1]
  audio = jnp.pad(audio, [(0, 0)] * (audio.ndim - 1) + [(before, after)])
  return stft.frame(audio, filters.shape[-1], num_bands) @ filters[:, ::-1].T


def synthesise(
  bands: Float[Array, "*batch N M"], length: int | None = None
) -> Float[Array, "*batch T"]:
  """The waveform of `analyse`'s bands: equal to it but for an error 65 dB below.

  Args:
    bands: [..., N, M].
    length: samples of the result; as many as N frames can be of, without one.

  Returns:
    [..., T] waveform.
  """
  check.check_array(bands, "the bands", 2)
  count, num_bands = bands.shape[-2:]
  filters = make_filters(num_bands)
  reach = _reach(num_bands)
  if count <= 2 * reach + 1:
    raise ValueError(f"{count} frames of {num_bands} bands are none that a waveform gives")
  length = (count - 2 * reach - 1) * num_bands if length is None else length
  audio = stft.overlap_add(bands @ filters[:, ::-1], num_bands)
  return audio[..., filters.shape[-1] - 1 - num_bands :][..., :length]
