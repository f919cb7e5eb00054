"""Phase recovery: from magnitudes alone back to a waveform."""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array
from jaxtyping import Float
from jaxtyping import Key

from cvae_jax.audio import stft as stft_lib


@functools.partial(
  jax.jit,
  static_argnames=("num_iters", "hop_length", "win_length", "window", "length", "momentum"),
)
def griffin_lim(
  magnitude: Float[Array, "*batch N F"],
  key: Key[Array, ""],
  num_iters: int = 32,
  hop_length: int | None = None,
  win_length: int | None = None,
  window: str = "hann",
  length: int | None = None,
  momentum: float = 0.99,
) -> Float[Array, "*batch T"]:
  """Fast Griffin-Lim from random phases.

  Args:
    magnitude: [..., N, F] magnitudes of a centred STFT.
    key: random key of the first phases.
    num_iters: iterations, each an inverse and a forward transform.
    hop_length: in samples; a quarter of `win_length` by default.
    win_length: in samples; n_fft by default.
    window: a name that `scipy.signal.get_window` knows.
    length: samples of the result.
    momentum: 0 for the original algorithm, 0.99 for the fast one.

  Returns:
    [..., T] float32 waveform.

  Source: Griffin & Lim 1984; Perraudin, Balazs & Sondergaard 2013, algorithm 2. The parameters
  and the update are those of `librosa.griffinlim`.
  """
  n_fft = 2 * (magnitude.shape[-1] - 1)
  win_length = n_fft if win_length is None else win_length
  hop_length = win_length // 4 if hop_length is None else hop_length
  inverse = functools.partial(
    stft_lib.istft,
    hop_length=hop_length,
    win_length=win_length,
    window=window,
    length=(magnitude.shape[-2] - 1) * hop_length if length is None else length,
  )
  forward = functools.partial(
    stft_lib.stft, n_fft=n_fft, hop_length=hop_length, win_length=win_length, window=window
  )

  def iterate(_, carry):
    angles, previous = carry
    rebuilt = forward(inverse(magnitude * angles))
    update = rebuilt - (momentum / (1 + momentum)) * previous
    return update / (jnp.abs(update) + 1e-16), rebuilt

  phase = jax.random.uniform(key, magnitude.shape, maxval=2 * jnp.pi)
  angles = jnp.exp(1j * phase)
  angles, _ = jax.lax.fori_loop(0, num_iters, iterate, (angles, jnp.zeros_like(angles)))
  return inverse(magnitude * angles)
