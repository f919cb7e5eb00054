"""Layers of RAVE's networks: activations, residual units, and noise in bands.

Source: Caillon & Esling 2021, and the `acids-rave` package; see `models.common.rave`.
"""

import functools
import math
from typing import Any

from flax import linen as nn
import jax
import jax.numpy as jnp

from cvae_jax.audio import filters
from cvae_jax.models.common import streaming

LEAKY, SNAKE = "leaky", "snake"  # activations

leaky = functools.partial(nn.leaky_relu, negative_slope=0.2)
_NOISE_BIAS = -5.0  # what noise begins with: next to nothing


def conv(features: int, kernel_size: int, **settings: Any) -> streaming.Conv:
  """A convolution with weight normalisation."""
  return streaming.Conv(features, kernel_size, weight_norm=True, **settings)


class Activation(nn.Module):
  """Leaky ReLU, or snake: x + sin^2(a x) / a, with an a for each channel, which begins as 1.

  Attributes:
    kind: LEAKY or SNAKE.

  Source: Ziyin et al. 2020, "Neural networks fail to learn periodic functions and how to fix it".
  """

  kind: str = LEAKY

  @nn.compact
  def __call__(self, x: streaming.Frames) -> streaming.Frames:
    """[B, N, C] to [B, N, C]."""
    if self.kind == LEAKY:
      return streaming.apply(leaky, x)
    channels = (x.values if isinstance(x, streaming.Block) else x).shape[-1]
    rate = self.param("rate", nn.initializers.ones, (channels,))
    return streaming.apply(lambda v: v + jnp.sin(rate * v) ** 2 / (rate + 1e-9), x)


def mod_sigmoid(x: jax.Array) -> jax.Array:
  """2 sigmoid(x)^2.3 + 1e-7: from 1e-7 to 2, and not steep where a gain is small."""
  return 2.0 * jax.nn.sigmoid(x) ** 2.3 + 1e-7


class DilatedUnit(nn.Module):
  """x plus two convolutions of it, the first dilated.

  Attributes:
    dilation: of the first convolution.
    kernel_sizes: of both.
    causal: whether they see no frame that follows.
    use_bias: whether they have one.
    activation: LEAKY or SNAKE.
  """

  dilation: int
  kernel_sizes: tuple[int, int]
  causal: bool = False
  use_bias: bool = True
  activation: str = LEAKY

  @nn.compact
  def __call__(self, x: streaming.Frames) -> streaming.Frames:
    features = (x.values if isinstance(x, streaming.Block) else x).shape[-1]
    normed: Any = functools.partial(conv, features, causal=self.causal, use_bias=self.use_bias)
    first, second = self.kernel_sizes
    y = normed(first, dilation=self.dilation)(Activation(self.activation)(x))
    y = normed(second)(Activation(self.activation)(y))
    return streaming.combine(jnp.add, y, x)


def shape_noise(amplitudes: jax.Array, noise: jax.Array) -> jax.Array:
  """Filters each frame of noise by itself.

  The impulse response of F amplitudes is that of `filters.design`, cut or padded to a frame and
  rotated so that its middle comes first. What it has before its middle therefore falls on the end
  of the frame, and what rings on after the frame is dropped: as `acids-rave` has it.

  Args:
    amplitudes: [..., F] at frequencies from 0 to half the band's sample rate.
    noise: [..., L] samples of a frame.

  Returns:
    [..., L].
  """
  responses, length = filters.design(amplitudes), noise.shape[-1]
  taps = responses.shape[-1]
  total = jnp.zeros_like(noise)
  for tap in range(min(taps, length)):
    late = (tap - (taps + 1) // 2) % length
    shifted = jnp.pad(noise[..., : length - late], [(0, 0)] * (noise.ndim - 1) + [(late, 0)])
    total += responses[..., tap : tap + 1] * shifted
  return total


class Noise(nn.Module):
  """Features to noise in each band, whose spectrum varies from frame to frame.

  Attributes:
    num_bands: M.
    amplitudes: F, of each band's spectrum.
    ratios: strides; their product is a noise frame, in frames of the bands.
    hidden: channels in between; None for as many as come in.
    is_wide: whether kernels are 2 r taps over past frames, as in v2, and not 3.
    causal: whether no frame that follows is seen; v2's see their own.
    use_bias: whether there is one.
    activation: LEAKY or SNAKE.
  """

  num_bands: int
  amplitudes: int = 5
  ratios: tuple[int, ...] = (4, 4, 4)
  hidden: int | None = None
  is_wide: bool = False
  causal: bool = False
  use_bias: bool = True
  activation: str = LEAKY

  @nn.compact
  def __call__(self, x: streaming.Frames, rng: jax.Array) -> streaming.Frames:
    """[B, N, C] features to [B, N, M]; `rng` is that of the whole sequence.

    Raises:
      ValueError: if the ratios' product does not divide N.
    """
    values = x.values if isinstance(x, streaming.Block) else x
    batch_size, count, channels = values.shape
    length = math.prod(self.ratios)
    if count % length:
      raise ValueError(f"{count} frames are no multiple of the noise's {length}")
    widths = [self.hidden or channels] * (len(self.ratios) - 1)
    for i, (ratio, width) in enumerate(
      zip(self.ratios, [*widths, self.num_bands * self.amplitudes], strict=True)
    ):
      x = streaming.Conv(
        width,
        2 * ratio if self.is_wide else 3,
        stride=ratio,
        causal=self.causal,
        padding=(ratio, 0) if self.is_wide else None,
        use_bias=self.use_bias,
      )(Activation(self.activation)(x) if i else x)
    outputs = x.values if isinstance(x, streaming.Block) else x
    gains = mod_sigmoid(outputs + _NOISE_BIAS)
    gains = gains.reshape(batch_size, -1, self.num_bands, self.amplitudes)
    first: Any = 0
    if isinstance(x, streaming.Block):
      frame = self.variable(streaming.CARRY, "frame", jnp.zeros, (), jnp.int32)
      first = frame.value - x.delay
      frame.value += gains.shape[1]
    noise = filters.frame_noise(rng, batch_size * self.num_bands, gains.shape[1], length, first)
    noise = noise.reshape(batch_size, self.num_bands, -1, length).swapaxes(1, 2)
    noise = shape_noise(gains, noise).swapaxes(2, 3).reshape(batch_size, -1, self.num_bands)
    return streaming.Block(noise, x.delay * length) if isinstance(x, streaming.Block) else noise
