"""Networks of RAVE: band waveforms to latents that vary in time, and back, whole or block by block.

Bands are those of `cvae_jax.audio.pqmf.to_bands`. An encoder gives 2 D numbers for each latent
frame, of which `posterior` makes a Gaussian; a decoder gives bands. Both take a whole sequence or a
`streaming.Block`; `encode_block` and `decode_block` stream waveforms, filter bank included.

Source: Caillon & Esling 2021, "RAVE: A variational autoencoder for fast and high-quality neural
audio synthesis", and the `acids-rave` package: its tag v1, which is the paper's, and its versions
v1 and v2 since. Where a centred model of the package is trained, its filter bank is a row of bands
late; here it is on time.
"""

from collections.abc import Mapping
import functools
import math
from typing import Any
from typing import NamedTuple

from flax import linen as nn
import jax
import jax.numpy as jnp

from cvae_jax.audio import filters
from cvae_jax.audio import pqmf
from cvae_jax.models.common import latent as latent_lib
from cvae_jax.models.common import streaming

LEAKY, SNAKE = "leaky", "snake"  # activations

_leaky = functools.partial(nn.leaky_relu, negative_slope=0.2)
_NOISE_BIAS = -5.0  # what noise begins with: next to nothing
_MIN_DEVIATION = 1e-4


def _conv(features: int, kernel_size: int, **settings: Any) -> streaming.Conv:
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
      return streaming.apply(_leaky, x)
    channels = (x.values if isinstance(x, streaming.Block) else x).shape[-1]
    rate = self.param("rate", nn.initializers.ones, (channels,))
    return streaming.apply(lambda v: v + jnp.sin(rate * v) ** 2 / (rate + 1e-9), x)


def mod_sigmoid(x: jax.Array) -> jax.Array:
  """2 sigmoid(x)^2.3 + 1e-7: from 1e-7 to 2, and not steep where a gain is small."""
  return 2.0 * jax.nn.sigmoid(x) ** 2.3 + 1e-7


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
      x = streaming.apply(_leaky, streaming.apply(norm, x))
      x = conv(2 ** (i + 1) * self.capacity, 2 * ratio + 1, stride=ratio)(x)
    x = streaming.apply(_leaky, x)
    return conv(self.num_outputs * self.latent_dim, 5, groups=self.num_outputs)(x)


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
    conv: Any = functools.partial(_conv, features, causal=self.causal, use_bias=self.use_bias)
    first, second = self.kernel_sizes
    y = conv(first, dilation=self.dilation)(Activation(self.activation)(x))
    y = conv(second)(Activation(self.activation)(y))
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
    activation: LEAKY or SNAKE.
  """

  num_bands: int = 16
  capacity: int = 64
  ratios: tuple[int, ...] = (4, 4, 4, 2)
  causal: bool = False
  use_bias: bool = True
  dilations: tuple[int, ...] = (1, 3, 9)
  noise_ratios: tuple[int, ...] = (4, 4, 4)
  noise_amplitudes: int = 5
  activation: str = LEAKY

  @nn.compact
  def __call__(self, z: streaming.Frames, noise_rng: jax.Array | None = None) -> streaming.Frames:
    """[B, N, D] latents to [B, N * hop, M] bands.

    Args:
      z: latents.
      noise_rng: of the noise; None for none of it, as in the paper's first phase.
    """
    settings: dict[str, Any] = {"causal": self.causal, "use_bias": self.use_bias}
    conv: Any = functools.partial(_conv, **settings)
    x = conv(2 ** len(self.ratios) * self.capacity, 7)(z)
    for i, ratio in enumerate(self.ratios):
      features = 2 ** (len(self.ratios) - i - 1) * self.capacity
      x = Activation(self.activation)(x)
      x = streaming.ConvTranspose(features, stride=ratio, **settings, weight_norm=True)(x)
      for dilation in self.dilations:
        x = DilatedUnit(dilation, (3, 3), **settings, activation=self.activation)(x)
    waveform, loudness = conv(self.num_bands, 7)(x), conv(1, 3)(x)
    bands = streaming.combine(lambda w, a: jnp.tanh(w) * mod_sigmoid(a), waveform, loudness)
    if not self.noise_ratios or (noise_rng is None and not self.is_initializing()):
      return streaming.Onset()(bands)
    noise = Noise(
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
    activation: LEAKY or SNAKE.
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
  activation: str = LEAKY

  @nn.compact
  def __call__(self, bands: streaming.Frames, train: bool = False) -> streaming.Frames:
    """[B, N, M] bands to [B, N / hop, num_outputs D]; `train` changes nothing."""
    del train
    settings: dict[str, Any] = {"causal": self.causal, "use_bias": self.use_bias}
    conv: Any = functools.partial(_conv, **settings)
    unit: Any = functools.partial(
      DilatedUnit,
      kernel_sizes=(self.kernel_size, 1),
      **settings,
      activation=self.activation,
    )
    x = conv(self.capacity, 2 * self.kernel_size + 1)(bands)
    for i, (ratio, dilations) in enumerate(zip(self.ratios, self.dilations, strict=True)):
      for dilation in dilations:
        x = unit(dilation)(x)
      x = Activation(self.activation)(x)
      x = conv(2 ** (i + 1) * self.capacity, 2 * ratio, stride=ratio)(x)
    x = Activation(self.activation)(x)
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
    activation: LEAKY or SNAKE.
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
  activation: str = LEAKY

  @nn.compact
  def __call__(self, z: streaming.Frames, noise_rng: jax.Array | None = None) -> streaming.Frames:
    """[B, N, D] latents to [B, N * hop, M] bands.

    Args:
      z: latents.
      noise_rng: of the noise; None for none of it.
    """
    settings: dict[str, Any] = {"causal": self.causal, "use_bias": self.use_bias}
    conv: Any = functools.partial(_conv, **settings)
    unit: Any = functools.partial(
      DilatedUnit,
      kernel_sizes=(self.kernel_size, 1),
      **settings,
      activation=self.activation,
    )
    x = conv(2 ** len(self.ratios) * self.capacity, self.kernel_size)(z)
    stages = zip(self.ratios, self.dilations, strict=True)
    for i, (ratio, dilations) in reversed(list(enumerate(stages))):
      x = Activation(self.activation)(x)
      x = streaming.ConvTranspose(2**i * self.capacity, stride=ratio, **settings, weight_norm=True)(
        x
      )
      for dilation in dilations:
        x = unit(dilation)(x)
    x = Activation(self.activation)(x)
    parts = 2 if self.has_amplitudes else 1
    bands = conv(parts * self.num_bands, 2 * self.kernel_size + 1)(x)
    if self.has_amplitudes:
      bands = streaming.apply(_modulate, bands)
    if self.noise_ratios and (noise_rng is not None or self.is_initializing()):
      noise = Noise(
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


class Carry(NamedTuple):
  """What a stream of waveforms remembers.

  Attributes:
    bands: of the filter bank.
    network: of the encoder or decoder.
  """

  bands: pqmf.State
  network: Any


def begin_encoding(
  encoder: Any, variables: Mapping[str, Any], batch_size: int, block_length: int
) -> Carry:
  """The carry before the first block of `encode_block`.

  Args:
    encoder: an `EncoderV1` or `EncoderV2`.
    variables: its parameters, of `streaming.fold_weight_norm`, which is faster, or as trained; and
      its `batch_stats`.
    batch_size: B.
    block_length: samples of every block, a multiple of `hop_length`.
  """
  bands = _zeros(batch_size, block_length // encoder.num_bands, encoder.num_bands)
  bank = pqmf.begin(batch_size, encoder.num_bands)
  return Carry(bank, streaming.begin(encoder, variables, bands))


def encode_block(
  encoder: Any, variables: Mapping[str, Any], carry: Carry, audio: jax.Array
) -> tuple[jax.Array, Carry]:
  """[B, T] samples to [B, T / hop, num_outputs D], and the carry after them.

  Equal to the encoder's output for the whole waveform with as many zeros before it as the filter
  bank waits for, late by as many frames as `encoding_delay` says.
  """
  bands, bank = pqmf.to_bands_block(carry.bands, audio, encoder.num_bands)
  outputs, network = streaming.advance(encoder, variables, carry.network, bands)
  return outputs, Carry(bank, network)


def encoding_delay(encoder: Any, variables: Mapping[str, Any]) -> tuple[int, int]:
  """Samples that the filter bank waits for, and latent frames that the encoder does."""
  bands = _zeros(1, math.prod(encoder.ratios), encoder.num_bands)
  return pqmf.latency(encoder.num_bands)[0], streaming.delay(encoder, variables, bands)


def begin_decoding(
  decoder: Any,
  variables: Mapping[str, Any],
  batch_size: int,
  block_frames: int,
  latent_dim: int,
  noise_rng: jax.Array | None = None,
) -> Carry:
  """The carry before the first block of `decode_block`.

  Args:
    decoder: a `DecoderV1` or `DecoderV2`.
    variables: its parameters, as in `begin_encoding`.
    batch_size: B.
    block_frames: latent frames of every block.
    latent_dim: D.
    noise_rng: a key if there will be one; its value is not read.
  """
  z = _zeros(batch_size, block_frames, latent_dim)
  delay = streaming.delay(decoder, variables, z, noise_rng=noise_rng)
  bank = pqmf.begin(batch_size, decoder.num_bands, delay)
  return Carry(bank, streaming.begin(decoder, variables, z, noise_rng=noise_rng))


def decode_block(
  decoder: Any,
  variables: Mapping[str, Any],
  carry: Carry,
  z: jax.Array,
  noise_rng: jax.Array | None = None,
) -> tuple[jax.Array, Carry]:
  """[B, N, D] latents to [B, N * hop] samples, and the carry after them.

  Late by `decoding_delay` samples; then equal to the whole sequence's. `noise_rng` is that of the
  whole sequence too, the same for each block.
  """
  bands, network = streaming.advance(decoder, variables, carry.network, z, noise_rng=noise_rng)
  audio, bank = pqmf.from_bands_block(carry.bands, bands)
  return audio, Carry(bank, network)


def decoding_delay(
  decoder: Any,
  variables: Mapping[str, Any],
  latent_dim: int,
  noise_rng: jax.Array | None = None,
) -> int:
  """Samples by which `decode_block` is late; arguments as in `begin_decoding`."""
  frames = streaming.delay(decoder, variables, _zeros(1, 1, latent_dim), noise_rng=noise_rng)
  return frames * decoder.num_bands + pqmf.latency(decoder.num_bands)[1]


def _zeros(*shape):
  return jnp.zeros(shape)
