"""Convolutions that are fast on every platform: one function, several lowerings.

XLA's CPU backend computes some gradients of a convolution by a slow path: those of a 2-D kernel,
and of any transposed convolution. There, a convolution is patches and a matrix product, and a
transposed one is a plain one with an output channel for every phase: the same functions of the same
parameters, equal to rounding, and several times faster to train. Elsewhere they are XLA's own. The
choice is made here, by platform, and no model knows of it.
"""

from collections.abc import Sequence
import functools
import itertools

from flax import linen as nn
import jax
from jax import lax
import jax.numpy as jnp
import numpy as np

SILENCE = -1.0  # the floor of a representation's features
_SHARPNESS = 10.0  # of `above_silence`: it bends over a tenth of a unit, 4 dB at a floor of -80 dB
_START = SILENCE - 0.25  # an output layer's first bias, which `above_silence` makes silence
Padding = str | Sequence[tuple[int, int]]


def _dimension_numbers(ndim):
  spatial = "DHW"[3 - ndim :]
  return (f"N{spatial}C", f"{spatial}IO", f"N{spatial}C")


def conv_native(
  x: jax.Array, kernel: jax.Array, strides: Sequence[int], padding: Padding = "SAME"
) -> jax.Array:
  """XLA's convolution: x [B, ..., C], kernel [..., C, O]."""
  return lax.conv_general_dilated(
    x, kernel, strides, padding, dimension_numbers=_dimension_numbers(kernel.ndim - 2)
  )


def conv_transpose_native(x: jax.Array, kernel: jax.Array, strides: Sequence[int]) -> jax.Array:
  """XLA's transposed convolution, SAME padding: output size = input size * stride."""
  return lax.conv_transpose(
    x, kernel, strides, "SAME", dimension_numbers=_dimension_numbers(kernel.ndim - 2)
  )


def conv_patches(
  x: jax.Array, kernel: jax.Array, strides: Sequence[int], padding: Padding = "SAME"
) -> jax.Array:
  """`conv_native` as one matrix product over patches."""
  size = kernel.shape[:-2]
  if isinstance(padding, str):
    padding = lax.padtype_to_pads(x.shape[1:-1], size, strides, padding)
  x = jnp.pad(x, [(0, 0), *padding, (0, 0)])
  out = [1 + (n - k) // s for n, k, s in zip(x.shape[1:-1], size, strides, strict=True)]
  patches = []
  for offset in itertools.product(*map(range, size)):
    limits = [o + (n - 1) * s + 1 for o, n, s in zip(offset, out, strides, strict=True)]
    patches.append(
      lax.slice(x, (0, *offset, 0), (x.shape[0], *limits, x.shape[-1]), (1, *strides, 1))
    )
  columns = jnp.concatenate(patches, axis=-1)  # [B, ..., K C]
  return columns @ kernel.reshape(-1, kernel.shape[-1])


@functools.lru_cache(maxsize=64)
def _phases(size: int, stride: int) -> tuple[int, np.ndarray]:
  """Which tap of a transposed kernel meets which input, by phase of the output.

  Returns:
    (first shift, [shifts, stride] index of the tap, `size` where there is none).
  """
  pad = size - 1 if stride > size - 1 else -(-(size + stride - 2) // 2)
  first = -((pad) // stride)
  last = (size - 1 - pad + stride - 1) // stride
  taps = (np.arange(first, last + 1) * stride)[:, None] + pad - np.arange(stride)
  return first, np.where((taps >= 0) & (taps < size), taps, size)


def _conv_cpu(x, kernel, strides, padding):
  """The faster lowering on CPU, by measurement.

  In one dimension, or to a few channels, XLA's gradients are as fast as matrix products.
  """
  if kernel.ndim == 3 or kernel.shape[-1] <= 4:
    return conv_native(x, kernel, strides, padding)
  return conv_patches(x, kernel, strides, padding)


def conv(
  x: jax.Array, kernel: jax.Array, strides: Sequence[int], padding: Padding = "SAME"
) -> jax.Array:
  """A convolution by the lowering that suits the platform: `conv_native`, or its equal."""
  return lax.platform_dependent(
    x,
    kernel,
    cpu=lambda x, k: _conv_cpu(x, k, strides, padding),
    default=lambda x, k: conv_native(x, k, strides, padding),
  )


def conv_transpose_phases(x: jax.Array, kernel: jax.Array, strides: Sequence[int]) -> jax.Array:
  """`conv_transpose_native` as a convolution of stride 1, whose channels are the output's phases.

  Output position n s + p of every axis reads only the kernel's taps of phase p, so nothing is
  multiplied by the zeros that a transposed convolution puts between its inputs.
  """
  ndim = kernel.ndim - 2
  spatial = x.shape[1:-1]
  channels, features = kernel.shape[-2:]
  firsts, tables = zip(
    *(_phases(k, s) for k, s in zip(kernel.shape[:ndim], strides, strict=True)), strict=True
  )
  for axis, table in enumerate(tables):  # [.., k, ..] to [.., shifts, stride, ..]
    padding = [(0, 0)] * kernel.ndim
    padding[2 * axis] = (0, 1)
    kernel = jnp.take(jnp.pad(kernel, padding), table, axis=2 * axis)
  shifts = [table.shape[0] for table in tables]
  # [d1, s1, d2, s2, ..., C, O] to [d1, d2, ..., C, s1 s2 ... O]
  order = [2 * i for i in range(ndim)] + [2 * ndim] + [2 * i + 1 for i in range(ndim)]
  kernel = kernel.transpose(*order, 2 * ndim + 1).reshape(*shifts, channels, -1)
  padding = [(-first, first + n - 1) for first, n in zip(firsts, shifts, strict=True)]
  y = conv(x, kernel, (1,) * ndim, padding)
  y = y.reshape(y.shape[0], *spatial, *strides, features)
  # [B, n1, n2, s1, s2, O] to [B, n1, s1, n2, s2, O]
  order = [axis for i in range(ndim) for axis in (1 + i, 1 + ndim + i)]
  y = y.transpose(0, *order, 1 + 2 * ndim)
  return y.reshape(y.shape[0], *(n * s for n, s in zip(spatial, strides, strict=True)), features)


def conv_transpose(x: jax.Array, kernel: jax.Array, strides: Sequence[int]) -> jax.Array:
  """A transposed convolution with SAME padding, by the lowering that suits the platform."""
  return lax.platform_dependent(
    x,
    kernel,
    cpu=lambda x, k: conv_transpose_phases(x, k, strides),
    default=lambda x, k: conv_transpose_native(x, k, strides),
  )


class _Convolution(nn.Module):
  """Kernel and bias with the names, shapes and start of flax's own layers.

  Attributes:
    features: output channels.
    kernel_size: taps along each spatial axis.
    strides: along each spatial axis.
    dtype: of the computation; parameters are float32.
    output: where features come out, for each of them whether it is floored (a level). Levels start
      from silence: most of a spectrogram lies there, and a start around 0 would first have to
      unlearn half of it.
  """

  features: int
  kernel_size: tuple[int, ...]
  strides: tuple[int, ...]
  dtype: jnp.dtype = jnp.float32
  output: tuple[bool, ...] | None = None

  def _apply(self, function, x):
    shape = (*self.kernel_size, x.shape[-1], self.features)
    kernel_init, bias_init = nn.initializers.lecun_normal(), nn.initializers.zeros
    if self.output is not None:
      kernel_init = nn.initializers.zeros
      bias_init = nn.initializers.constant(np.where(self.output, _START, 0.0))
    kernel = self.param("kernel", kernel_init, shape, jnp.float32)
    bias = self.param("bias", bias_init, (self.features,), jnp.float32)
    x, kernel, bias = nn.dtypes.promote_dtype(x, kernel, bias, dtype=self.dtype)
    return function(x, kernel, self.strides) + bias


class Conv(_Convolution):
  """`nn.Conv` with SAME padding: [B, n1, ..., C] to [B, ceil(n1 / s1), ..., features]."""

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    return self._apply(conv, x)


class ConvTranspose(_Convolution):
  """`nn.ConvTranspose` with SAME padding: [B, n1, ..., C] to [B, n1 * s1, ..., features]."""

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    return self._apply(conv_transpose, x)


def fit(x: jax.Array, shape: Sequence[int]) -> jax.Array:
  """Crops the spatial axes to a shape, or pads them with zeros at the end.

  Args:
    x: [B, n1, ..., C].
    shape: (m1, ...) wanted.

  Returns:
    [B, m1, ..., C].
  """
  x = x[(slice(None), *(slice(0, m) for m in shape))]
  short = [(0, m - n) for m, n in zip(shape, x.shape[1:-1], strict=True)]
  return jnp.pad(x, [(0, 0), *short, (0, 0)])


def _above_silence(x):
  return SILENCE + nn.softplus(_SHARPNESS * (x - SILENCE)) / _SHARPNESS


def above_silence(x: jax.Array, floored: Sequence[bool]) -> jax.Array:
  """Bends what lies below the floor up to it: a representation has nothing softer than silence.

  Half of a spectrogram's cells lie at the floor exactly. A linear output would have to hit it in
  each of them; this one has only to fall below.

  Args:
    x: [..., C] features.
    floored: for each channel, whether it is a level; the others are left as they are.
  """
  if all(floored):
    return _above_silence(x)
  if not any(floored):
    return x
  return jnp.where(np.asarray(floored), _above_silence(x), x)
