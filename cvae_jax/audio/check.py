"""What every transform asks of its input, checked while it is traced."""

import jax
import jax.numpy as jnp
import numpy as np


def check_array(array: jax.Array, what: str, min_ndim: int = 1) -> None:
  """Refuses what would come out as a silent NaN, or as nonsense.

  Rank and dtype are known while a function is traced; values only where there are any, which is
  outside of `jax.jit` (inside, set `jax_debug_nans`).

  Args:
    array: floating point or complex.
    what: its name, for the message.
    min_ndim: axes that it must have at least.

  Raises:
    TypeError: integers, whose scale nobody has said.
    ValueError: too few axes, an empty one, or values that are not finite.
  """
  if not jnp.issubdtype(array.dtype, jnp.inexact):
    raise TypeError(
      f"{what} must be floating point, got {array.dtype}: divide samples of 16 bits by 32768"
    )
  if array.ndim < min_ndim:
    raise ValueError(f"{what} must have at least {min_ndim} axes, got shape {array.shape}")
  if 0 in array.shape:
    raise ValueError(f"{what} is empty: its shape is {array.shape}")
  if not isinstance(array, jax.core.Tracer):
    finite = np.isfinite(np.asarray(array))
    if not finite.all():
      first = tuple(int(i) for i in np.argwhere(~finite)[0])
      raise ValueError(
        f"{what} must be finite, got {finite.size - int(finite.sum())} values that are not, "
        f"the first at {first}"
      )


def check_audio(audio: jax.Array, min_samples: int = 1, what: str = "a frame") -> None:
  """`check_array` of a waveform ([..., T]), and that it is long enough.

  Args:
    audio: [..., T] waveform.
    min_samples: T must be at least.
    what: needs so many, for the message.

  Raises:
    ValueError, TypeError: as `check_array`, or a waveform that is too short.
  """
  check_array(audio, "the waveform")
  if audio.shape[-1] < min_samples:
    raise ValueError(
      f"a waveform of {audio.shape[-1]} samples is too short for {what} of {min_samples}"
    )
