"""Modified discrete cosine transform: real, critically sampled, and exactly invertible.

Every hop of N samples gives N real coefficients, with frames of 2 N samples that overlap by half;
the aliasing of a frame is cancelled by its neighbours.
"""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array
from jaxtyping import Float
import numpy as np
import scipy.signal

from cvae_jax.audio import check
from cvae_jax.audio import stft
from cvae_jax.core import errors


@functools.lru_cache(maxsize=16)
def make_window(window: str, num_bins: int) -> np.ndarray:
  """A window of 2 N samples that satisfies the Princen-Bradley condition ([2 N] float32).

  Args:
    window: 'sine', or 'kbd' (Kaiser-Bessel derived, beta 4 pi), which leaks less to distant bins.
    num_bins: N.

  Raises:
    UserError: if the name is unknown, or N is odd or not positive.
  """
  if num_bins < 2 or num_bins % 2:
    raise errors.UserError(f"the MDCT's hop must be even and at least 2, got {num_bins}")
  if window == "sine":
    return np.sin(np.pi * (np.arange(2 * num_bins) + 0.5) / (2 * num_bins)).astype(np.float32)
  if window == "kbd":
    derived = scipy.signal.windows.kaiser_bessel_derived(2 * num_bins, beta=4 * np.pi)
    return derived.astype(np.float32)
  raise errors.UserError(f"the MDCT's window must be one of kbd, sine, got '{window}'")


def _dct_iv(x):
  """Orthonormal DCT-IV over the last axis, of even length N, by an FFT of N / 2 points."""
  size = x.shape[-1]
  n = np.arange(size // 2)
  twiddle = np.exp(-1j * np.pi * (8 * n + 1) / (8 * size)).astype(np.complex64)
  packed = jax.lax.complex(x[..., ::2], x[..., ::-2]) * twiddle
  y = jnp.fft.fft(packed, axis=-1) * (twiddle * np.sqrt(2.0 / size).astype(np.float32))
  even, odd = jnp.real(y), -jnp.imag(y)[..., ::-1]
  return jnp.stack([even, odd], axis=-1).reshape(x.shape)


def num_frames(num_samples: int, num_bins: int) -> int:
  """Number of frames of `mdct`: one more than the hops that cover the waveform."""
  return 1 - (-num_samples // num_bins)


def mdct(
  audio: Float[Array, "*batch T"], num_bins: int = 512, window: str = "sine"
) -> Float[Array, "*batch N F"]:
  """Modified discrete cosine transform.

  Args:
    audio: [..., T] waveform; it is padded with F zeros before, and zeros to a whole frame after.
    num_bins: F, coefficients per frame, which is the hop in samples.
    window: 'sine' or 'kbd'.

  Returns:
    [..., ceil(T / F) + 1, F] float32. The transform is orthonormal: it preserves energy.

  Source: Princen, Johnson & Bradley 1987. Agrees with `tf.signal.mdct(norm='ortho')` of the padded
  waveform.
  """
  check.check_audio(audio)
  frames = num_frames(audio.shape[-1], num_bins)
  pad_after = (frames + 1) * num_bins - num_bins - audio.shape[-1]
  audio = jnp.pad(audio, [(0, 0)] * (audio.ndim - 1) + [(num_bins, pad_after)])
  x = stft.frame(audio, 2 * num_bins, num_bins) * make_window(window, num_bins)
  half = num_bins // 2
  a, b, c, d = (x[..., i * half : (i + 1) * half] for i in range(4))
  return _dct_iv(jnp.concatenate([-c[..., ::-1] - d, a - b[..., ::-1]], axis=-1))


def imdct(
  coefficients: Float[Array, "*batch N F"], length: int | None = None, window: str = "sine"
) -> Float[Array, "*batch T"]:
  """The inverse of `mdct`, exact to rounding.

  Args:
    coefficients: [..., N, F].
    length: samples of the result; (N - 1) F by default.
    window: as in `mdct`.

  Returns:
    [..., T] waveform. Agrees with `tf.signal.inverse_mdct(norm='ortho')`.
  """
  check.check_array(coefficients, "the coefficients", 2)
  num_bins = coefficients.shape[-1]
  y = _dct_iv(coefficients)
  first, second = y[..., : num_bins // 2], y[..., num_bins // 2 :]
  x = jnp.concatenate(
    [second, -second[..., ::-1], -first[..., ::-1], -first], axis=-1
  ) * make_window(window, num_bins)
  audio = stft.overlap_add(x, num_bins)[..., num_bins:]
  return audio[..., : (coefficients.shape[-2] - 1) * num_bins if length is None else length]
