"""Convolution over time and frequency: the thesis' network.

Three hidden layers of stride-2 convolutions a side, flatten and a linear layer to the latent, a
linear layer and unflatten back, stride-2 transposed convolutions with the channels mirrored. The
output is cut to the input's size, or padded with zeros where it falls short. The condition joins
the flattened code on the way in and z on the way out, each by concatenation.

Nearly all parameters are in the linear layers: 262,144 activations of an input of 256 x 512 for
each dimension of the latent. `flat_channels` has a 1 x 1 convolution bring them down to fewer
channels before they are flattened, and another bring them up after.
"""

from typing import Any

from flax import linen as nn
import jax
import jax.numpy as jnp
import ml_collections

from cvae_jax import condition as condition_lib
from cvae_jax.audio import representations
from cvae_jax.models import latent
from cvae_jax.models import layers


class Conv2D(nn.Module):
  """Autoencoder of [B, N, F, C] features taken as an image of C channels.

  Attributes:
    feature_shape: (N, F, C) of the features.
    floored: of each channel of the features, whether it is a level.
    latent_dim: D.
    channels: of the encoder's layers; the decoder has them mirrored.
    kernel_size: frames, and bins.
    gaussian: whether the latent has a variance.
    flat_channels: channels of what is flattened; None for those of the last layer.
    dtype: of the computation.
  """

  feature_shape: tuple[int, int, int]
  floored: tuple[bool, ...]
  latent_dim: int
  channels: tuple[int, ...]
  kernel_size: int
  gaussian: bool
  flat_channels: int | None = None
  dtype: jnp.dtype = jnp.float32

  def setup(self):
    settings: dict[str, Any] = dict(
      kernel_size=(self.kernel_size,) * 2, strides=(2, 2), dtype=self.dtype
    )
    self.down = [layers.Conv(c, **settings) for c in self.channels]
    self.head = latent.LatentHead(self.latent_dim, self.gaussian)
    shrink = 2 ** len(self.channels)
    flat_channels = self.flat_channels or self.channels[-1]
    self.start_shape = (*(-(-n // shrink) for n in self.feature_shape[:2]), flat_channels)
    rows, columns, depth = self.start_shape
    self.start = nn.Dense(rows * columns * depth, dtype=self.dtype)
    if self.flat_channels:
      self.narrow = nn.Dense(flat_channels, dtype=self.dtype)
      self.widen = nn.Dense(self.channels[-1], dtype=self.dtype)
    self.up = [
      *(layers.ConvTranspose(c, **settings) for c in self.channels[::-1][1:]),
      layers.ConvTranspose(self.feature_shape[-1], output=self.floored, **settings),
    ]

  def encode(self, features: jax.Array, condition: jax.Array, train: bool = False) -> latent.Latent:
    """[B, N, F, C] features and [B, K] condition to the latent; K may be 0."""
    del train
    x = features.astype(self.dtype)
    for layer in self.down:
      x = nn.relu(layer(x))  # [B, N / 2, F / 2, C]
    if self.flat_channels:
      x = nn.relu(self.narrow(x))
    x = x.reshape(x.shape[0], -1)
    return self.head(jnp.concatenate([x, condition.astype(x.dtype)], axis=-1))

  def decode(self, z: jax.Array, condition: jax.Array, train: bool = False) -> jax.Array:
    """[B, D] latent and [B, K] condition to [B, N, F, C] features."""
    del train
    x = jnp.concatenate([z, condition], axis=-1).astype(self.dtype)
    x = nn.relu(self.start(x)).reshape(-1, *self.start_shape)
    if self.flat_channels:
      x = nn.relu(self.widen(x))
    for i, layer in enumerate(self.up):
      x = layer(x)
      if i < len(self.up) - 1:
        x = nn.relu(x)
    x = layers.fit(x, self.feature_shape[:2]).astype(jnp.float32)
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
  del condition  # Flax reads its size from c.
  return Conv2D(
    feature_shape=representation.shape,
    floored=representation.floored,
    latent_dim=config.latent_dim,
    channels=tuple(config.channels),
    kernel_size=config.kernel_size,
    gaussian=gaussian,
    flat_channels=config.flat_channels,
    dtype=jnp.dtype(config.dtype),
  )
