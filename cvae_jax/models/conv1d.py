"""Convolution over time with the frequency bins as channels: the default network.

A layer sees all frequencies at once, so harmonics that lie far apart meet in one step, and the
first and last layers carry most of the parameters. The condition enters at every layer, as a bias
that is linear in c: the same as concatenating c to the channels of each layer's input, at a
fraction of the work. Or it scales and shifts the normalised channels (conditional normalisation,
Dumoulin et al. 2017; FiLM, Perez et al. 2018).

At the output a bias can add a spectrum that belongs to a pitch, but not let it fade. So c also
gives a few spectra of its own, the templates, whose weights over time come from the decoder: a
non-negative matrix factorisation's idea of a note, learnt end to end and without the sign.

Where c holds the pitch and the features are levels over frequency, there are also templates that
need not be learnt, the partials of that pitch in bands (`harmonics.py`): the decoder weighs them,
and the encoder is given the level of each.
"""

import functools
import math
from typing import Any

from flax import linen as nn
import jax
import jax.numpy as jnp
import ml_collections

from cvae_jax import models
from cvae_jax.audio import representations
from cvae_jax.core import config_check
from cvae_jax.methods.common import condition as condition_lib
from cvae_jax.models.common import harmonics
from cvae_jax.models.common import latent
from cvae_jax.models.common import layers
from cvae_jax.models.common import linear_path


class Conv1D(nn.Module):
  """Autoencoder of [B, N, F, C] features by 1-D convolutions over the N frames.

  Attributes:
    feature_shape: (N, F, C) of the features.
    floored: of each channel of the features, whether it is a level.
    latent_dim: D.
    channels: of the encoder's layers; the decoder has them mirrored.
    kernel_size: frames.
    gaussian: whether the latent has a variance.
    num_templates: spectra that c gives to the output; 0 for none.
    frequencies_hz: centres of the F bins, for the templates of partials; None for none of these.
    partials: bands of these templates, by the number of the partial.
    vibrato_cents: depths of vibrato that there are wider templates for.
    pitch: where in c the pitch is; None where it is not, and then there are none either.
    condition_dim: K.
    conditioning: what c does to hidden layers: 'bias' or 'film', see `get_config`.
    linear_ranks: of the linear path, see `linear_path.LinearPath`; () for none.
    dtype: of the computation.
  """

  feature_shape: tuple[int, int, int]
  floored: tuple[bool, ...]
  latent_dim: int
  channels: tuple[int, ...]
  kernel_size: int
  gaussian: bool
  num_templates: int = 16
  frequencies_hz: tuple[float, ...] | None = None
  partials: tuple[int, ...] = harmonics.PARTIALS
  vibrato_cents: tuple[float, ...] = ()
  pitch: tuple[int, int] | None = None
  condition_dim: int = 0
  conditioning: str = "bias"
  linear_ranks: tuple[int, ...] = ()
  dtype: jnp.dtype = jnp.float32

  def setup(self):
    num_frames, num_bins, depth = self.feature_shape
    # Beside a linear path the network begins at 0, and not at silence.
    linear = bool(self.linear_ranks)
    output = (False,) * (num_bins * depth) if linear else self.floored * num_bins
    self.num_outputs = num_bins * depth
    dense = functools.partial(layers.Dense, dtype=self.dtype)
    settings: dict[str, Any] = dict(kernel_size=(self.kernel_size,), strides=(2,), dtype=self.dtype)
    self.down = [layers.Conv(c, **settings) for c in self.channels]
    self.down_condition = [self._make_conditioning(c) for c in self.channels]
    self.down_norm = [nn.LayerNorm(dtype=self.dtype) for _ in self.channels]
    self.head = latent.LatentHead(self.latent_dim, self.gaussian, linear)
    if linear:
      self.linear_path = linear_path.LinearPath(
        self.feature_shape, self.latent_dim, self.condition_dim, self.linear_ranks
      )
    self.start_frames = -(-num_frames // 2 ** len(self.channels))
    self.start = dense(self.start_frames * self.channels[-1])
    self.start_norm = nn.LayerNorm(dtype=self.dtype)
    hidden = self.channels[::-1][1:]
    self.up = [
      *(layers.ConvTranspose(c, **settings) for c in hidden),
      layers.ConvTranspose(self.num_outputs, output=output, **settings),
    ]
    self.up_condition = [
      *(self._make_conditioning(c) for c in hidden),
      dense(self.num_outputs, kernel_init=nn.initializers.zeros),
    ]
    self.up_norm = [nn.LayerNorm(dtype=self.dtype) for _ in hidden]
    self.templates = dense(self.num_templates * self.num_outputs, kernel_init=nn.initializers.zeros)
    self.mix = layers.ConvTranspose(self.num_templates, **settings)
    count = harmonics.num_templates(self.partials, self.vibrato_cents)
    mix_output = (False,) * count if linear else None
    self.harmonic_mix = layers.ConvTranspose(count, output=mix_output, **settings)

  def _make_conditioning(self, features):
    """What the condition does to a hidden layer of so many channels."""
    if self.conditioning == "film":  # As no condition, to begin with.
      return layers.Dense(2 * features, kernel_init=nn.initializers.zeros, dtype=self.dtype)
    return layers.Dense(features, dtype=self.dtype)

  def _activate(self, x, to_condition, norm, condition):
    """[B, N, C] of a hidden layer, normalised, conditioned and activated."""
    if not condition.shape[-1]:
      return nn.gelu(norm(x))
    if self.conditioning == "film":
      scale, shift = jnp.split(to_condition(condition)[:, None], 2, axis=-1)
      return nn.gelu(norm(x) * (1.0 + scale) + shift)
    return nn.gelu(norm(x + to_condition(condition)[:, None]))

  def _partials(self, condition):
    """[B, K, F] templates of the pitch in c; between two pitches, of both."""
    if self.frequencies_hz is None or self.pitch is None:
      return None
    first, last = self.pitch
    templates = harmonics.make_templates(
      self.frequencies_hz, last - first, self.partials, self.vibrato_cents
    )
    weights = condition[:, first:last] / math.sqrt(last - first)  # As `condition.py` scales it.
    flat = templates.reshape(len(templates), -1)
    spectra = weights.astype(self.dtype) @ jnp.asarray(flat).astype(self.dtype)
    return spectra.reshape(-1, *templates.shape[1:])

  def encode(self, features: jax.Array, condition: jax.Array, train: bool = False) -> latent.Latent:
    """[B, N, F, C] features and [B, K] condition to the latent; K may be 0."""
    del train
    x = features.reshape(*features.shape[:2], -1).astype(self.dtype)
    partials = self._partials(condition)
    if partials is not None:
      above_floor = features[..., 0].astype(self.dtype) - layers.SILENCE
      level = jnp.einsum("bnf,bkf->bnk", above_floor, partials)
      # A mean over each template, of about the size of a feature.
      x = jnp.concatenate([x, 3.0 * level / (jnp.sum(partials, axis=-1) + 1.0)[:, None]], axis=-1)
    for layer, to_condition, norm in zip(
      self.down, self.down_condition, self.down_norm, strict=True
    ):
      x = self._activate(layer(x), to_condition, norm, condition)  # [B, N / 2, C]
    code = self.head(x.reshape(x.shape[0], -1))
    if not self.linear_ranks:
      return code
    return linear_path.combine(code, self.linear_path.encode(features, condition))

  def decode(self, z: jax.Array, condition: jax.Array, train: bool = False) -> jax.Array:
    """[B, D] latent and [B, K] condition to [B, N, F, C] features."""
    del train
    x = jnp.concatenate([z, condition], axis=-1).astype(self.dtype)
    x = self.start(x).reshape(-1, self.start_frames, self.channels[-1])
    x = nn.gelu(self.start_norm(x))
    conditional = condition.shape[-1] > 0
    *hidden, last = zip(self.up, self.up_condition, strict=True)
    for (layer, to_condition), norm in zip(hidden, self.up_norm, strict=True):
      x = self._activate(layer(x), to_condition, norm, condition)
    h, (layer, to_bias) = x, last
    x = layer(h) + to_bias(condition)[:, None] if conditional else layer(h)
    if conditional and self.num_templates:
      spectra = self.templates(condition).reshape(-1, self.num_templates, self.num_outputs)
      x = x + self.mix(h) @ spectra  # [B, N, S] @ [B, S, F C] for S templates
    x = x.reshape(*x.shape[:2], *self.feature_shape[1:])
    partials = self._partials(condition)
    if partials is not None:
      level = (self.harmonic_mix(h) @ partials)[..., None]
      x = x + jnp.pad(level, [(0, 0)] * 3 + [(0, self.feature_shape[2] - 1)])
    x = layers.fit(x, self.feature_shape[:2]).astype(jnp.float32)
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
  return Conv1D(
    feature_shape=representation.shape,
    floored=representation.floored,
    latent_dim=config.latent_dim,
    channels=tuple(config.channels),
    kernel_size=config.kernel_size,
    gaussian=gaussian,
    num_templates=config.num_templates,
    frequencies_hz=representation.frequencies_hz if config.harmonics else None,
    partials=tuple(config.partials),
    vibrato_cents=tuple(config.vibrato_cents),
    pitch=condition.pitch,
    condition_dim=condition.dim,
    conditioning=config.conditioning,
    linear_ranks=models.choose_linear_ranks(config, representation),
    dtype=jnp.dtype(config.dtype),
  )


def get_config() -> ml_collections.ConfigDict:
  """Its fields."""
  config = ml_collections.ConfigDict()
  config.latent_dim = 128
  config.channels = (128, 256, 256)  # of the encoder's layers; mirrored in the decoder
  config.kernel_size = 3  # frames
  # bias (c is added to a layer's channels), film (it scales and shifts the normalised channels)
  config.conditioning = "bias"
  config.num_templates = 16  # spectra that the condition gives to the output; 0 for none
  config.harmonics = True  # templates of the partials too, where the condition has the pitch
  config.partials = (1, 2, 3, 4, 5, 6, 8, 11, 16, 23, 32, 48, 64)  # their bands, by number
  # Directions over frames and bins of a linear path beside the network; () for none.
  config.linear_ranks = (32, 320)
  config.vibrato_cents = ()  # depths that wider templates of the partials are for
  config.dtype = "float32"  # float32, bfloat16: of the computation; parameters stay float32
  return config


def check(config: ml_collections.ConfigDict) -> None:
  """Raises UserError for values that it cannot use; `config` is a whole one."""
  models.check(config)
  config_check.need_choices(config, {"model.conditioning": ("bias", "film")})


def tiny(config: ml_collections.ConfigDict) -> None:
  """A network of two narrow layers."""
  models.make_tiny(config)
