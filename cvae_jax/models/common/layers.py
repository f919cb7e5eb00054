"""Convolutions that are fast on every platform: one function, several lowerings.

XLA's CPU backend multiplies the zeros that a transposed convolution puts between its inputs, and so
does it with the gradient of a strided convolution to its input, which is one. There, each is a few
plain convolutions, one for every phase of its output: the same functions of the same parameters,
equal to rounding, and faster to train. Elsewhere they are XLA's own. The choice is made here, by
platform, and no model knows of it; `compilation.py` has what the whole program needs besides.
"""

from collections.abc import Sequence
import functools
import itertools

from flax import linen as nn
import jax
from jax import lax
import jax.numpy as jnp
import numpy as np

from cvae_jax.training import compilation

SILENCE = -1.0  # the floor of a representation's features
SHARPNESS = 10.0  # of `above_silence`: it bends over a tenth of a unit, 4 dB at a floor of -80 dB
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


def _kernel_gradient(x, cotangent, shape, strides, padding):
  """Gradient of `conv_native` to its kernel of a shape."""
  kernel = jnp.zeros(shape, x.dtype)
  _, transpose = jax.vjp(lambda k: conv_native(x, k, strides, padding), kernel)
  return transpose(cotangent)[0]


def _input_gradient(cotangent, kernel, strides, padding, spatial):
  """Gradient of `conv_native` to its input, of `spatial` size, by phases of the input.

  Position n s + p of an axis meets only the taps t = p + low (mod s), so that no zero is
  multiplied: the phase is a convolution of the cotangent with these taps, of stride 1.
  """
  ndim = kernel.ndim - 2
  counts = [-(-n // s) for n, s in zip(spatial, strides, strict=True)]
  features = jnp.swapaxes(kernel, -1, -2)
  phases = []
  for phase in itertools.product(*map(range, strides)):
    taps, pads = [], []
    for axis, p in enumerate(phase):
      stride, low = strides[axis], padding[axis][0]
      taps.append([t for t in reversed(range(kernel.shape[axis])) if (p + low - t) % stride == 0])
      shifts = [(p + low - t) // stride for t in taps[-1]] or [0]
      pads.append((-shifts[0], shifts[-1] + counts[axis] - cotangent.shape[1 + axis]))
    if all(taps):
      chosen = features
      for axis, some in enumerate(taps):
        chosen = lax.rev(
          lax.slice_in_dim(chosen, some[-1], some[0] + 1, strides[axis], axis), [axis]
        )
      # XLA's CPU backend reads beyond an array that a convolution's negative padding cuts.
      cut = [(min(low, 0), min(high, 0), 0) for low, high in pads]
      inside = lax.pad(cotangent, np.zeros((), cotangent.dtype), [(0, 0, 0), *cut, (0, 0, 0)])
      rest = [(max(low, 0), max(high, 0)) for low, high in pads]
      phases.append(conv_native(inside, chosen, (1,) * ndim, rest))
    else:  # A kernel shorter than the stride leaves gaps.
      phases.append(jnp.zeros((cotangent.shape[0], *counts, kernel.shape[-2]), cotangent.dtype))
  y = jnp.stack(phases, axis=-2)  # [B, n1, n2, s1 s2, C]
  y = y.reshape(*y.shape[:-2], *strides, y.shape[-1])
  # [B, n1, n2, s1, s2, C] to [B, n1, s1, n2, s2, C]
  order = [axis for i in range(ndim) for axis in (1 + i, 1 + ndim + i)]
  y = y.transpose(0, *order, 1 + 2 * ndim)
  y = y.reshape(y.shape[0], *(n * s for n, s in zip(counts, strides, strict=True)), y.shape[-1])
  return y[(slice(None), *(slice(0, n) for n in spatial))]


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _conv_phases(x, kernel, strides, padding):
  return conv_native(x, kernel, strides, padding)


def _conv_phases_bwd(strides, padding, residuals, cotangent):
  x, kernel = residuals
  return (
    _input_gradient(cotangent, kernel, strides, padding, x.shape[1:-1]),
    _kernel_gradient(x, cotangent, kernel.shape, strides, padding),
  )


_conv_phases.defvjp(lambda x, k, *static: (conv_native(x, k, *static), (x, k)), _conv_phases_bwd)


def conv_phases(
  x: jax.Array, kernel: jax.Array, strides: Sequence[int], padding: Padding = "SAME"
) -> jax.Array:
  """`conv_native`, but for the way that its gradient to x is computed."""
  if isinstance(padding, str):
    padding = lax.padtype_to_pads(x.shape[1:-1], kernel.shape[:-2], strides, padding)
  return _conv_phases(x, kernel, tuple(strides), tuple(map(tuple, padding)))


def conv(
  x: jax.Array, kernel: jax.Array, strides: Sequence[int], padding: Padding = "SAME"
) -> jax.Array:
  """A convolution by the lowering that suits the platform: `conv_native`, or its equal."""
  if compilation.is_plain():
    return conv_native(x, kernel, strides, padding)
  return lax.platform_dependent(
    x,
    kernel,
    cpu=lambda x, k: conv_phases(x, k, strides, padding),
    default=lambda x, k: conv_native(x, k, strides, padding),
  )


# Convolutions in groups are at most as many convolutions of their own: the others are multiplied
# with the zeros between them, which takes less time than a call of each.
_GROUPS = 32


def _conv_chunks(x, kernel, strides, padding, groups):
  """A convolution in groups as several without, of a few groups each and zeros between them."""
  together = next(n for n in range(-(-groups // _GROUPS), groups + 1) if groups % n == 0)
  chunks = groups // together
  *size, channels, features = kernel.shape
  if together == 1:
    parts = jnp.split(kernel, chunks, axis=-1)
  else:
    blocks = kernel.reshape(*size, channels, chunks, together, features // groups)
    blocks = jnp.einsum("...cmgo,gh->m...hcgo", blocks, jnp.eye(together, dtype=kernel.dtype))
    parts = list(blocks.reshape(chunks, *size, together * channels, features // chunks))
  outputs = [
    conv_phases(part, parts[i], strides, padding)
    for i, part in enumerate(jnp.split(x, chunks, axis=-1))
  ]
  return jnp.concatenate(outputs, axis=-1)


def conv_grouped(
  x: jax.Array, kernel: jax.Array, strides: Sequence[int], padding: Padding, groups: int
) -> jax.Array:
  """A convolution of groups of channels: x [B, ..., C], kernel [..., C / groups, O].

  XLA's on CPU takes up to a hundred times as long for its gradients.
  """
  native = lambda x, k: lax.conv_general_dilated(
    x,
    k,
    strides,
    padding,
    dimension_numbers=_dimension_numbers(kernel.ndim - 2),
    feature_group_count=groups,
  )
  if compilation.is_plain():
    return native(x, kernel)
  return lax.platform_dependent(
    x, kernel, cpu=lambda x, k: _conv_chunks(x, k, strides, padding, groups), default=native
  )


def _mirror(kernel):
  """The kernel of the convolution that a transposed one with this kernel is the transpose of."""
  return jnp.swapaxes(lax.rev(kernel, range(kernel.ndim - 2)), -1, -2)


def _mirror_padding(size, strides):
  """That convolution's padding, where the transposed one's is SAME: [n s] to [n]."""
  # Of the transposed one, as `lax.conv_transpose` has it.
  padded = [k - 1 if s >= k else -(-(k + s - 2) // 2) for k, s in zip(size, strides, strict=True)]
  lows = [k - 1 - p for k, p in zip(size, padded, strict=True)]
  return [(low, k - s - low) for low, k, s in zip(lows, size, strides, strict=True)]


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _conv_transpose_phases(x, kernel, strides):
  spatial = [n * s for n, s in zip(x.shape[1:-1], strides, strict=True)]
  padding = _mirror_padding(kernel.shape[:-2], strides)
  return _input_gradient(x, _mirror(kernel), strides, padding, spatial)


def _conv_transpose_phases_bwd(strides, residuals, cotangent):
  x, kernel = residuals
  cotangent = compilation.materialize(cotangent)
  mirrored = _mirror(kernel)
  padding = _mirror_padding(kernel.shape[:-2], strides)
  gradient = _kernel_gradient(cotangent, x, mirrored.shape, strides, padding)
  return conv_native(cotangent, mirrored, strides, padding), _mirror(gradient)


_conv_transpose_phases.defvjp(
  lambda x, kernel, strides: (_conv_transpose_phases(x, kernel, strides), (x, kernel)),
  _conv_transpose_phases_bwd,
)


def conv_transpose_phases(x: jax.Array, kernel: jax.Array, strides: Sequence[int]) -> jax.Array:
  """`conv_transpose_native` as a convolution of stride 1 for each phase of the output."""
  return _conv_transpose_phases(x, kernel, tuple(strides))


def conv_transpose(x: jax.Array, kernel: jax.Array, strides: Sequence[int]) -> jax.Array:
  """A transposed convolution with SAME padding, by the lowering that suits the platform."""
  if compilation.is_plain():
    return conv_transpose_native(x, kernel, strides)
  return lax.platform_dependent(
    x,
    kernel,
    cpu=lambda x, k: conv_transpose_phases(x, k, strides),
    default=lambda x, k: conv_transpose_native(x, k, strides),
  )


@jax.custom_vjp
def add_bias(x: jax.Array, bias: jax.Array) -> jax.Array:
  """x [..., C] + bias [C]: the bias' gradient is a product, since XLA's sum on CPU takes longer."""
  return x + bias


def _add_bias_bwd(_, cotangent):
  rows = cotangent.reshape(-1, cotangent.shape[-1])
  return cotangent, jnp.ones(len(rows), rows.dtype) @ rows


add_bias.defvjp(lambda x, bias: (x + bias, None), _add_bias_bwd)


class Dense(nn.Module):
  """`nn.Dense` with the parameters, start and result of flax's, and `add_bias`.

  Attributes:
    features: output channels.
    kernel_init: start of the kernel.
    dtype: of the computation; parameters are float32.
  """

  features: int
  kernel_init: nn.initializers.Initializer = nn.initializers.lecun_normal()
  dtype: jnp.dtype = jnp.float32

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    kernel = self.param("kernel", self.kernel_init, (x.shape[-1], self.features), jnp.float32)
    bias = self.param("bias", nn.initializers.zeros, (self.features,), jnp.float32)
    x, kernel, bias = nn.dtypes.promote_dtype(x, kernel, bias, dtype=self.dtype)
    return add_bias(x @ kernel, bias)


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
    return add_bias(function(x, kernel, self.strides), bias)


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


def fit(x: jax.Array, shape: Sequence[int], floored: Sequence[bool] = ()) -> jax.Array:
  """Crops the spatial axes to a shape, or pads them at the end.

  Args:
    x: [B, n1, ..., C].
    shape: (m1, ...) wanted.
    floored: for each channel, whether it is a level, which is padded with silence; what is not,
      with zeros.

  Returns:
    [B, m1, ..., C].
  """
  x = x[(slice(None), *(slice(0, m) for m in shape))]
  short = [(0, m - n) for m, n in zip(shape, x.shape[1:-1], strict=True)]
  if not any(after for _, after in short):
    return x
  silence = jnp.where(np.asarray(floored, bool), _START, 0.0).astype(x.dtype) if floored else 0.0
  return jnp.pad(x - silence, [(0, 0), *short, (0, 0)]) + silence


@jax.custom_vjp
def _softplus(x):
  """`nn.softplus` of the last thing that a network computes, which many operations read."""
  return nn.softplus(x)


def _softplus_fwd(x):
  # The last two axes as one: loops over an axis of one channel are not vectorized.
  flat = compilation.materialize(x.reshape(*x.shape[:-2], -1))
  return nn.softplus(flat).reshape(x.shape), flat


def _softplus_bwd(flat, cotangent):
  gradient = cotangent.reshape(flat.shape) * nn.sigmoid(flat)
  return (compilation.materialize(gradient).reshape(cotangent.shape),)


_softplus.defvjp(_softplus_fwd, _softplus_bwd)


def above_silence(x: jax.Array, floored: Sequence[bool], sharpness: float = SHARPNESS) -> jax.Array:
  """Bends what lies below the floor up to it: a representation has nothing softer than silence.

  Half of a spectrogram's cells lie at the floor exactly. A linear output would have to hit it in
  each of them; this one has only to fall below.

  Args:
    x: [..., C] features.
    floored: for each channel, whether it is a level; the others are left as they are.
    sharpness: of the bend.
  """
  if not any(floored):
    return x
  bent = SILENCE + _softplus(sharpness * (x - SILENCE)) / sharpness
  return bent if all(floored) else jnp.where(np.asarray(floored), bent, x)
