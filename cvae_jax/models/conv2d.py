"""Convolution over time and frequency: the thesis' network, and the choices around it.

Hidden layers that halve the image, flatten and a linear layer to the latent; a linear layer and
unflatten back, and layers that double it, with the channels mirrored. As the thesis has it these
are three of stride-2 convolutions and three of transposed ones with ReLU, and the condition joins
the flattened code on the way in and z on the way out; every one of these choices is a field.

Nearly all parameters are in the linear layers: 262,144 activations of an input of 256 x 512 for
each dimension of the latent. `flat_channels` has a 1 x 1 convolution bring them down to fewer
channels before they are flattened, and another bring them up after.
"""

import functools

from flax import linen as nn
import jax
import jax.numpy as jnp
import ml_collections
from ml_collections import config_dict

from cvae_jax import models
from cvae_jax.audio import representations
from cvae_jax.core import config_check
from cvae_jax.core import errors
from cvae_jax.methods.common import condition as condition_lib
from cvae_jax.models.common import latent
from cvae_jax.models.common import layers
from cvae_jax.models.common import linear_path
from cvae_jax.models.common import resampling

ACTIVATIONS = {
  "relu": nn.relu,
  "leaky_relu": nn.leaky_relu,
  "elu": nn.elu,
  "gelu": nn.gelu,
  "silu": nn.silu,
}


class Stage(nn.Module):
  """What follows a layer: normalisation, the condition, activation, and residual blocks.

  Attributes:
    activation: of `ACTIVATIONS`.
    norm: 'none', 'layer' or 'group'.
    film: whether the condition scales and shifts every channel (Perez et al. 2018).
    residual_blocks: of two convolutions each, after the activation.
    kernel_size: taps along each axis, of these.
    dtype: of the computation.
  """

  activation: str
  norm: str
  film: bool
  residual_blocks: int
  kernel_size: tuple[int, int]
  dtype: jnp.dtype

  def _normalize(self, x: jax.Array, name: str) -> jax.Array:
    if self.norm == "layer":
      return nn.LayerNorm(dtype=self.dtype, name=name)(x)
    if self.norm == "group":
      groups = next(n for n in (8, 4, 2, 1) if x.shape[-1] % n == 0)
      return nn.GroupNorm(groups, dtype=self.dtype, name=name)(x)
    return x

  @nn.compact
  def __call__(self, x: jax.Array, condition: jax.Array) -> jax.Array:
    activation = ACTIVATIONS[self.activation]
    channels = x.shape[-1]
    x = self._normalize(x, "norm")
    if self.film and condition.shape[-1]:
      to_film = nn.Dense(
        2 * channels, kernel_init=nn.initializers.zeros, dtype=self.dtype, name="film"
      )
      scale, shift = jnp.split(to_film(condition)[:, None, None], 2, axis=-1)
      x = x * (1.0 + scale) + shift
    x = activation(x)
    for i in range(self.residual_blocks):
      h = x
      for j in range(2):
        h = activation(self._normalize(h, f"block_{i}_norm_{j}"))
        h = layers.Conv(channels, self.kernel_size, (1, 1), self.dtype, name=f"block_{i}_{j}")(h)
      x = x + h
    return x


class Conv2D(nn.Module):
  """Autoencoder of [B, N, F, C] features taken as an image of C channels.

  Attributes:
    feature_shape: (N, F, C) of the features.
    floored: of each channel of the features, whether it is a level.
    latent_dim: D.
    channels: of the encoder's layers; the decoder has them mirrored.
    kernel_size: frames, and bins.
    strides: of each hidden layer, over frames and bins.
    hidden_units: of dense layers between the flattened code and the latent; mirrored.
    gaussian: whether the latent has a variance.
    flat_channels: channels of what is flattened; None for those of the last layer.
    downsampling: of `resampling.DOWN`.
    upsampling: of `resampling.UP`.
    output_size: how 2^layers divides the features: 'exact' decodes to the next multiple and crops,
      'zero_pad' to the one before and pads with silence.
    activation: of `ACTIVATIONS`.
    norm: 'none', 'layer' or 'group'.
    conditioning: 'concat' joins c to the flattened code and to z; 'film' has it scale and shift the
      channels of every hidden layer; 'both'.
    residual_blocks: after every hidden layer.
    condition_dim: K.
    linear_ranks: of the linear path, see `linear_path.LinearPath`; () for none.
    dtype: of the computation.
  """

  feature_shape: tuple[int, int, int]
  floored: tuple[bool, ...]
  latent_dim: int
  channels: tuple[int, ...]
  kernel_size: tuple[int, int]
  gaussian: bool
  strides: tuple[int, int] = (2, 2)
  hidden_units: tuple[int, ...] = ()
  flat_channels: int | None = None
  downsampling: str = "stride"
  upsampling: str = "transposed"
  output_size: str = "exact"
  activation: str = "relu"
  norm: str = "none"
  conditioning: str = "concat"
  residual_blocks: int = 0
  condition_dim: int = 0
  linear_ranks: tuple[int, ...] = ()
  dtype: jnp.dtype = jnp.float32

  def setup(self):
    linear = bool(self.linear_ranks)
    if linear:
      self.linear_path = linear_path.LinearPath(
        self.feature_shape, self.latent_dim, self.condition_dim, self.linear_ranks
      )
    # Beside a linear path the network begins at 0, and not at silence.
    output = (False,) * self.feature_shape[-1] if linear else self.floored
    size, strides = self.kernel_size, self.strides
    self.down = [
      resampling.make_down(self.downsampling, c, size, self.dtype, strides) for c in self.channels
    ]
    self.down_dense = [nn.Dense(n, dtype=self.dtype) for n in self.hidden_units]
    self.up_dense = [nn.Dense(n, dtype=self.dtype) for n in self.hidden_units[::-1]]
    self.head = latent.LatentHead(self.latent_dim, self.gaussian, linear)
    shrink = [stride ** len(self.channels) for stride in strides]
    flat_channels = self.flat_channels or self.channels[-1]
    if self.output_size == "exact":
      start = (-(-n // s) for n, s in zip(self.feature_shape, shrink, strict=False))
    else:
      start = (max(n // s, 1) for n, s in zip(self.feature_shape, shrink, strict=False))
    self.start_shape = (*start, flat_channels)
    rows, columns, depth = self.start_shape
    self.start = nn.Dense(rows * columns * depth, dtype=self.dtype)
    if self.flat_channels:
      self.narrow = nn.Dense(flat_channels, dtype=self.dtype)
      self.widen = nn.Dense(self.channels[-1], dtype=self.dtype)
    hidden = self.channels[::-1][1:]
    self.up = [
      *(resampling.make_up(self.upsampling, c, size, self.dtype, strides=strides) for c in hidden),
      resampling.make_up(
        self.upsampling, self.feature_shape[-1], size, self.dtype, output, strides
      ),
    ]
    stage = functools.partial(
      Stage,
      activation=self.activation,
      norm=self.norm,
      film=self.conditioning != "concat",
      residual_blocks=self.residual_blocks,
      kernel_size=size,
      dtype=self.dtype,
    )
    self.down_stage = [stage() for _ in self.channels]
    self.up_stage = [stage() for _ in hidden]

  def encode(self, features: jax.Array, condition: jax.Array, train: bool = False) -> latent.Latent:
    """[B, N, F, C] features and [B, K] condition to the latent; K may be 0."""
    del train
    x = features.astype(self.dtype)
    for layer, stage in zip(self.down, self.down_stage, strict=True):
      x = stage(layer(x), condition)  # [B, N / 2, F / 2, C]
    if self.flat_channels:
      x = ACTIVATIONS[self.activation](self.narrow(x))
    x = x.reshape(x.shape[0], -1)
    for dense in self.down_dense:
      x = ACTIVATIONS[self.activation](dense(x))
    code = self.head(x, None if self.conditioning == "film" else condition)
    if not self.linear_ranks:
      return code
    return linear_path.combine(code, self.linear_path.encode(features, condition))

  def decode(self, z: jax.Array, condition: jax.Array, train: bool = False) -> jax.Array:
    """[B, D] latent and [B, K] condition to [B, N, F, C] features."""
    del train
    activation = ACTIVATIONS[self.activation]
    x = z if self.conditioning == "film" else jnp.concatenate([z, condition], axis=-1)
    x = x.astype(self.dtype)
    for dense in self.up_dense:
      x = activation(dense(x))
    x = activation(self.start(x)).reshape(-1, *self.start_shape)
    if self.flat_channels:
      x = activation(self.widen(x))
    *hidden, last = self.up
    for layer, stage in zip(hidden, self.up_stage, strict=True):
      x = stage(layer(x), condition)
    padding = () if self.linear_ranks else self.floored
    x = layers.fit(last(x), self.feature_shape[:2], padding).astype(jnp.float32)
    if self.linear_ranks:
      x = x + self.linear_path.decode(z, condition)
      return layers.above_silence(x, self.floored, linear_path.SHARPNESS)
    return layers.above_silence(x, self.floored)

  def __call__(self, features: jax.Array, condition: jax.Array, train: bool = False) -> jax.Array:
    return self.decode(self.encode(features, condition, train).mean, condition, train)


def make_model(
  config: ml_collections.ConfigDict,
  representation: representations.Representation,
  condition: condition_lib.Condition,
  gaussian: bool,
) -> nn.Module:
  """Builds the network from the `model` section of a config."""
  return Conv2D(
    feature_shape=representation.shape,
    floored=representation.floored,
    latent_dim=config.latent_dim,
    channels=tuple(config.channels),
    kernel_size=(config.kernel_size, config.kernel_bins or config.kernel_size),
    gaussian=gaussian,
    strides=tuple(config.strides),
    hidden_units=tuple(config.hidden_units),
    flat_channels=config.flat_channels,
    downsampling=config.downsampling,
    upsampling=config.upsampling,
    output_size=config.output_size,
    activation=config.activation,
    norm=config.norm,
    conditioning=config.conditioning,
    residual_blocks=config.residual_blocks,
    condition_dim=condition.dim,
    linear_ranks=models.choose_linear_ranks(config, representation),
    dtype=jnp.dtype(config.dtype),
  )


def get_config() -> ml_collections.ConfigDict:
  """Its fields."""
  config = ml_collections.ConfigDict()
  config.latent_dim = 128
  config.channels = (128, 256, 256)  # of the encoder's layers; mirrored in the decoder
  config.kernel_size = 3  # frames
  config.kernel_bins = config_dict.placeholder(int)  # bins; as many as frames if none
  config.strides = (2, 2)  # of a hidden layer, over frames and bins
  config.hidden_units = ()  # of dense layers between flattened code and latent; mirrored
  config.flat_channels = config_dict.placeholder(int)  # that are flattened; all if none
  config.downsampling = "stride"  # stride, max_pool, avg_pool, blur_pool
  config.upsampling = "transposed"  # transposed, resize (and convolve), subpixel
  config.output_size = "exact"  # exact (decode more, and crop), zero_pad (decode less, and pad)
  config.activation = "relu"  # relu, leaky_relu, elu, gelu, silu
  config.norm = "none"  # none, layer, group
  config.conditioning = "concat"  # concat (to code and z), film (at every hidden layer), both
  config.residual_blocks = 0  # after every hidden layer
  # Directions over frames and bins of a linear path beside the network, as (32, 320); () for none.
  config.linear_ranks = ()
  config.dtype = "float32"  # float32, bfloat16: of the computation; parameters stay float32
  return config


CHOICES = {
  "model.downsampling": ("stride", "max_pool", "avg_pool", "blur_pool"),
  "model.upsampling": ("transposed", "resize", "subpixel"),
  "model.output_size": ("exact", "zero_pad"),
  "model.activation": ("relu", "leaky_relu", "elu", "gelu", "silu"),
  "model.norm": ("none", "layer", "group"),
  "model.conditioning": ("concat", "film", "both"),
}


def check(config: ml_collections.ConfigDict) -> None:
  """Raises UserError for values that it cannot use; `config` is a whole one."""
  models.check(config)
  config_check.need_choices(config, CHOICES)
  config_check.need_not_negative(config, "model.residual_blocks")
  settings = config.model
  positive = (*settings.strides, *settings.hidden_units, settings.kernel_bins or 1)
  if len(settings.strides) != 2 or min(positive) < 1:
    raise errors.UserError(
      "model.strides must be two positive numbers, and model.kernel_bins and hidden_units "
      f"positive, got {settings.strides}, {settings.kernel_bins} and {settings.hidden_units}"
    )
  if tuple(settings.strides) != (2, 2) and (settings.downsampling, settings.upsampling) != (
    "stride",
    "transposed",
  ):
    raise errors.UserError(
      f"model.strides={settings.strides} need model.downsampling=stride and upsampling=transposed: "
      f"{settings.downsampling} and {settings.upsampling} halve and double"
    )
  flat_channels = config.model.flat_channels
  if flat_channels is not None and flat_channels < 1:
    raise errors.UserError(f"model.flat_channels must be positive, got {flat_channels}")


def tiny(config: ml_collections.ConfigDict) -> None:
  """A network of two narrow layers."""
  models.make_tiny(config)
