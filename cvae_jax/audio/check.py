"""Checks of the transforms' inputs, at trace time."""

import jax
import jax.numpy as jnp
import numpy as np


def check_array(array: jax.Array, what: str, min_ndim: int = 1) -> None:
  """Checks dtype, rank and, outside of `jax.jit`, values of an array.

  Values are not known while a function is traced; there, set `jax_debug_nans`.

  Args:
    array: floating point or complex.
    what: name of the array, for the message.
    min_ndim: minimal number of axes.

  Raises:
    TypeError: for integers, whose full scale is ambiguous.
    ValueError: for too few axes, an empty array, or values that are not finite.
  """
  if not jnp.issubdtype(array.dtype, jnp.inexact):
    raise TypeError(
      f"{what} must be floating point, got {array.dtype}: divide 16-bit samples by 32768"
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
  """Checks a waveform: `check_array`, and its length.

  Args:
    audio: [..., T] waveform.
    min_samples: minimal T.
    what: name of what needs so many samples, for the message.

  Raises:
    ValueError, TypeError: as `check_array`, or if the waveform is too short.
  """
  check_array(audio, "the waveform")
  if audio.shape[-1] < min_samples:
    raise ValueError(
      f"a waveform of {audio.shape[-1]} samples is too short for {what} of {min_samples}"
    )
