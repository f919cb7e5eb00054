"""Ways to halve an image and to double it, between which a network's config chooses.

All of them are SAME: halving gives ceil(n / 2), doubling 2 n.
"""

from flax import linen as nn
import jax
from jax import lax
import jax.numpy as jnp
import numpy as np

from cvae_jax.models.common import layers

DOWN = ("stride", "max_pool", "avg_pool", "blur_pool")
UP = ("transposed", "resize", "subpixel")


def blur_pool(x: jax.Array) -> jax.Array:
  """[B, N, F, C] low-passed by (1, 2, 1) / 4 along both axes, and every other sample of it.

  Source: Zhang 2019, "Making Convolutional Networks Shift-Invariant Again".
  """
  taps = np.asarray([1.0, 2.0, 1.0]) / 4.0
  kernel = jnp.asarray(np.outer(taps, taps)[..., None, None], x.dtype)
  kernel = jnp.tile(kernel, (1, 1, 1, x.shape[-1]))
  # At the edges what is outside is what is at the edge: a constant stays one.
  padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
  return lax.conv_general_dilated(
    padded,
    kernel,
    (2, 2),
    "VALID",
    dimension_numbers=("NHWC", "HWIO", "NHWC"),
    feature_group_count=x.shape[-1],
  )


def pixel_shuffle(x: jax.Array) -> jax.Array:
  """[B, N, F, 4 C] to [B, 2 N, 2 F, C]: every pixel's channels laid out as four pixels.

  Source: Shi et al. 2016, "Real-Time Single Image and Video Super-Resolution".
  """
  batch, rows, columns, channels = x.shape
  x = x.reshape(batch, rows, columns, 2, 2, channels // 4)
  return x.transpose(0, 1, 3, 2, 4, 5).reshape(batch, 2 * rows, 2 * columns, channels // 4)


class _Down(nn.Module):
  """A convolution of stride 1, and a pool.

  Attributes:
    kind: of `DOWN`, but for 'stride'.
    features: output channels.
    kernel_size: taps along each axis.
    dtype: of the computation.
  """

  kind: str
  features: int
  kernel_size: tuple[int, int]
  dtype: jnp.dtype

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    x = layers.Conv(self.features, self.kernel_size, (1, 1), self.dtype, name="conv")(x)
    if self.kind == "blur_pool":
      return blur_pool(x)
    pool = nn.max_pool if self.kind == "max_pool" else nn.avg_pool
    # An average of what is there alone, where half of a window lies outside.
    options = {} if self.kind == "max_pool" else {"count_include_pad": False}
    return pool(x, (2, 2), (2, 2), "SAME", **options)


class _Up(nn.Module):
  """Every pixel four times and a convolution, or a convolution to four times the channels.

  Attributes:
    kind: of `UP`, but for 'transposed'.
    features: output channels.
    kernel_size: taps along each axis.
    dtype: of the computation.
    output: as of `layers.ConvTranspose`.
  """

  kind: str
  features: int
  kernel_size: tuple[int, int]
  dtype: jnp.dtype
  output: tuple[bool, ...] | None = None

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    if self.kind == "resize":
      x = jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)
      return layers.Conv(
        self.features, self.kernel_size, (1, 1), self.dtype, self.output, name="conv"
      )(x)
    output = None if self.output is None else self.output * 4
    x = layers.Conv(4 * self.features, self.kernel_size, (1, 1), self.dtype, output, name="conv")(x)
    return pixel_shuffle(x)


def make_down(
  kind: str,
  features: int,
  kernel_size: tuple[int, int],
  dtype: jnp.dtype,
  strides: tuple[int, int] = (2, 2),
) -> nn.Module:
  """A layer that halves: [B, N, F, C] to [B, ceil(N / 2), ceil(F / 2), features].

  Of kind 'stride' it may divide each axis by another number.
  """
  if kind == "stride":
    return layers.Conv(features, kernel_size, strides, dtype)
  return _Down(kind, features, kernel_size, dtype)


def make_up(
  kind: str,
  features: int,
  kernel_size: tuple[int, int],
  dtype: jnp.dtype,
  output: tuple[bool, ...] | None = None,
  strides: tuple[int, int] = (2, 2),
) -> nn.Module:
  """A layer that doubles: [B, N, F, C] to [B, 2 N, 2 F, features].

  Of kind 'transposed' it may multiply each axis by another number.
  """
  if kind == "transposed":
    return layers.ConvTranspose(features, kernel_size, strides, dtype, output)
  return _Up(kind, features, kernel_size, dtype, output)
