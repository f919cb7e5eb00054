"""Networks of RAVE: band waveforms to latents that vary in time, and back, whole or block by block.

Bands are those of `cvae_jax.audio.pqmf.to_bands`. An encoder gives 2 D numbers for each latent
frame, of which `posterior` makes a Gaussian; a decoder gives bands. Both take a whole sequence or a
`streaming.Block`; `rave_stream` has them on waveforms, block by block, filter bank included.

Source: Caillon & Esling 2021, "RAVE: A variational autoencoder for fast and high-quality neural
audio synthesis", and the `acids-rave` package: its tag v1, which is the paper's, and its versions
v1 and v2 since. Where a centred model of the package is trained, its filter bank is a row of bands
late; here it is on time.
"""

import functools
import math
from typing import Any

from flax import linen as nn
import jax
import jax.numpy as jnp

from cvae_jax.models.common import latent as latent_lib
from cvae_jax.models.common import rave_layers as layers
from cvae_jax.models.common import streaming

_MIN_DEVIATION = 1e-4


def posterior(outputs: jax.Array) -> latent_lib.Latent:
  """[B, N, 2 D] of an encoder to Gaussians of [B, N, D], of deviation softplus(s) + 1e-4."""
  mean, scale = jnp.split(outputs, 2, axis=-1)
  return latent_lib.Latent(mean, 2.0 * jnp.log(jax.nn.softplus(scale) + _MIN_DEVIATION))


def hop_length(network: Any) -> int:
  """Samples of a latent frame of an encoder or decoder."""
  return network.num_bands * math.prod(network.ratios)


class EncoderV1(nn.Module):
  """Strided convolutions, with batch norm in between: the paper's.

  Attributes:
    num_bands: M.
    capacity: channels before the first ratio; doubled by each.
    ratios: strides.
    latent_dim: D.
    num_outputs: numbers for each of the D: 2 for a Gaussian.
    causal: whether a latent depends on no sample after its frame's first.
    use_bias: as in tag v1; not in v1 since.

  Statistics of the batch norm are in the collection `batch_stats`.
  """

  num_bands: int = 16
  capacity: int = 64
  ratios: tuple[int, ...] = (4, 4, 4, 2)
  latent_dim: int = 128
  num_outputs: int = 2
  causal: bool = False
  use_bias: bool = True

  @nn.compact
  def __call__(self, bands: streaming.Frames, train: bool = False) -> streaming.Frames:
    """[B, N, M] bands to [B, N / hop, num_outputs D].

    Args:
      bands: N a multiple of the ratios' product.
      train: whether the batch's statistics are used, and kept in `batch_stats`.
    """
    conv = functools.partial(streaming.Conv, causal=self.causal, use_bias=self.use_bias)
    x = conv(self.capacity, 7)(bands)
    for i, ratio in enumerate(self.ratios):
      norm = nn.BatchNorm(use_running_average=not train, momentum=0.9, epsilon=1e-5)
      x = streaming.apply(layers.leaky, streaming.apply(norm, x))
      x = conv(2 ** (i + 1) * self.capacity, 2 * ratio + 1, stride=ratio)(x)
    x = streaming.apply(layers.leaky, x)
    return conv(self.num_outputs * self.latent_dim, 5, groups=self.num_outputs)(x)


class DecoderV1(nn.Module):
  """Transposed convolutions and residual units; waveforms x loudness + noise: the paper's.

  Attributes:
    num_bands: M.
    capacity: channels after the last ratio.
    ratios: strides of the transposed convolutions, in their order, which is the encoder's.
    causal: whether a frame of the bands depends on no latent that follows.
    use_bias: as in tag v1; not in v1 since.
    dilations: of the residual units; (1, 3, 5) in v1 since.
    noise_ratios: strides of the noise synthesizer; () for none.
    noise_amplitudes: of each band's spectrum.
    activation: of `rave_layers.Activation`.
  """

  num_bands: int = 16
  capacity: int = 64
  ratios: tuple[int, ...] = (4, 4, 4, 2)
  causal: bool = False
  use_bias: bool = True
  dilations: tuple[int, ...] = (1, 3, 9)
  noise_ratios: tuple[int, ...] = (4, 4, 4)
  noise_amplitudes: int = 5
  activation: str = layers.LEAKY

  @nn.compact
  def __call__(self, z: streaming.Frames, noise_rng: jax.Array | None = None) -> streaming.Frames:
    """[B, N, D] latents to [B, N * hop, M] bands.

    Args:
      z: latents.
      noise_rng: of the noise; None for none of it, as in the paper's first phase.
    """
    settings: dict[str, Any] = {"causal": self.causal, "use_bias": self.use_bias}
    conv: Any = functools.partial(layers.conv, **settings)
    x = conv(2 ** len(self.ratios) * self.capacity, 7)(z)
    for i, ratio in enumerate(self.ratios):
      features = 2 ** (len(self.ratios) - i - 1) * self.capacity
      x = layers.Activation(self.activation)(x)
      x = streaming.ConvTranspose(features, stride=ratio, **settings, weight_norm=True)(x)
      for dilation in self.dilations:
        x = layers.DilatedUnit(dilation, (3, 3), **settings, activation=self.activation)(x)
    waveform, loudness = conv(self.num_bands, 7)(x), conv(1, 3)(x)
    bands = streaming.combine(lambda w, a: jnp.tanh(w) * layers.mod_sigmoid(a), waveform, loudness)
    if not self.noise_ratios or (noise_rng is None and not self.is_initializing()):
      return streaming.Onset()(bands)
    noise = layers.Noise(
      self.num_bands,
      self.noise_amplitudes,
      self.noise_ratios,
      activation=self.activation,
      **settings,
    )
    rng = jax.random.key(0) if noise_rng is None else noise_rng
    return streaming.Onset()(streaming.combine(jnp.add, bands, noise(x, rng)))


class EncoderV2(nn.Module):
  """Residual dilated units and strided convolutions with weight normalisation.

  Attributes:
    num_bands: M.
    capacity: channels before the first ratio; doubled by each.
    ratios: strides.
    latent_dim: D.
    num_outputs: numbers for each of the D: 2 for a Gaussian.
    dilations: of the units before each ratio.
    kernel_size: of the units; of the first convolution, twice as much and one.
    causal: whether a latent depends on no sample after its frame's first.
    use_bias: not in the package.
    activation: of `rave_layers.Activation`.
  """

  num_bands: int = 16
  capacity: int = 96
  ratios: tuple[int, ...] = (4, 4, 4, 2)
  latent_dim: int = 128
  num_outputs: int = 2
  dilations: tuple[tuple[int, ...], ...] = ((1, 3, 9), (1, 3, 9), (1, 3, 9), (1, 3))
  kernel_size: int = 3
  causal: bool = False
  use_bias: bool = False
  activation: str = layers.LEAKY

  @nn.compact
  def __call__(self, bands: streaming.Frames, train: bool = False) -> streaming.Frames:
    """[B, N, M] bands to [B, N / hop, num_outputs D]; `train` changes nothing."""
    del train
    settings: dict[str, Any] = {"causal": self.causal, "use_bias": self.use_bias}
    conv: Any = functools.partial(layers.conv, **settings)
    unit: Any = functools.partial(
      layers.DilatedUnit,
      kernel_sizes=(self.kernel_size, 1),
      **settings,
      activation=self.activation,
    )
    x = conv(self.capacity, 2 * self.kernel_size + 1)(bands)
    for i, (ratio, dilations) in enumerate(zip(self.ratios, self.dilations, strict=True)):
      for dilation in dilations:
        x = unit(dilation)(x)
      x = layers.Activation(self.activation)(x)
      x = conv(2 ** (i + 1) * self.capacity, 2 * ratio, stride=ratio)(x)
    x = layers.Activation(self.activation)(x)
    return conv(self.num_outputs * self.latent_dim, self.kernel_size)(x)


class DecoderV2(nn.Module):
  """The mirror of `EncoderV2`; waveforms x amplitudes, in the range of tanh.

  Attributes:
    num_bands: M.
    capacity: channels after the last ratio.
    ratios: the encoder's, in its order.
    dilations: the encoder's, in its order.
    kernel_size: the encoder's.
    causal: whether a frame of the bands depends on no latent that follows.
    use_bias: not in the package.
    has_amplitudes: whether waveforms are multiplied with amplitudes between 0 and 1.
    noise_ratios: strides of the noise synthesizer; () for none. Noise is in each phase.
    noise_amplitudes: of each band's spectrum.
    noise_hidden: channels of the noise synthesizer.
    activation: of `rave_layers.Activation`.
  """

  num_bands: int = 16
  capacity: int = 96
  ratios: tuple[int, ...] = (4, 4, 4, 2)
  dilations: tuple[tuple[int, ...], ...] = ((1, 3, 9), (1, 3, 9), (1, 3, 9), (1, 3))
  kernel_size: int = 3
  causal: bool = False
  use_bias: bool = False
  has_amplitudes: bool = True
  noise_ratios: tuple[int, ...] = ()
  noise_amplitudes: int = 5
  noise_hidden: int = 128
  activation: str = layers.LEAKY

  @nn.compact
  def __call__(self, z: streaming.Frames, noise_rng: jax.Array | None = None) -> streaming.Frames:
    """[B, N, D] latents to [B, N * hop, M] bands.

    Args:
      z: latents.
      noise_rng: of the noise; None for none of it.
    """
    settings: dict[str, Any] = {"causal": self.causal, "use_bias": self.use_bias}
    conv: Any = functools.partial(layers.conv, **settings)
    unit: Any = functools.partial(
      layers.DilatedUnit,
      kernel_sizes=(self.kernel_size, 1),
      **settings,
      activation=self.activation,
    )
    x = conv(2 ** len(self.ratios) * self.capacity, self.kernel_size)(z)
    stages = zip(self.ratios, self.dilations, strict=True)
    for i, (ratio, dilations) in reversed(list(enumerate(stages))):
      x = layers.Activation(self.activation)(x)
      x = streaming.ConvTranspose(2**i * self.capacity, stride=ratio, **settings, weight_norm=True)(
        x
      )
      for dilation in dilations:
        x = unit(dilation)(x)
    x = layers.Activation(self.activation)(x)
    parts = 2 if self.has_amplitudes else 1
    bands = conv(parts * self.num_bands, 2 * self.kernel_size + 1)(x)
    if self.has_amplitudes:
      bands = streaming.apply(_modulate, bands)
    if self.noise_ratios and (noise_rng is not None or self.is_initializing()):
      noise = layers.Noise(
        self.num_bands,
        self.noise_amplitudes,
        self.noise_ratios,
        self.noise_hidden,
        is_wide=True,
        activation=self.activation,
        **settings,
      )
      rng = jax.random.key(0) if noise_rng is None else noise_rng
      bands = streaming.combine(jnp.add, bands, noise(x, rng))
    return streaming.Onset()(streaming.apply(jnp.tanh, bands))


def _modulate(outputs):
  waveform, amplitude = jnp.split(outputs, 2, axis=-1)
  return waveform * jax.nn.sigmoid(amplitude)
