"""Companded MDCT coefficients: real, critically sampled and exactly invertible.

Companding reduces the dynamic range: a partial's coefficient can be a thousand times its
neighbours.
"""

import math

import jax.numpy as jnp
import ml_collections

from cvae_jax.audio import mdct
from cvae_jax.audio import representations
from cvae_jax.core import config_check

_WINDOW = "kbd"


def make_representation(config, num_samples: int, sample_rate: int):
  """See `representations.Representation`; reads hop_length (the bins) and companding."""
  del sample_rate
  num_bins, mu = config.hop_length, config.companding
  mdct.make_window(_WINDOW, num_bins)  # Raises for an odd number of bins.
  scale = math.sqrt(num_bins / 2)  # Approximately the largest coefficient of a full-scale sine.

  def encode(audio):
    x = mdct.mdct(audio, num_bins, _WINDOW) / scale
    if mu:
      x = jnp.sign(x) * jnp.log1p(mu * jnp.abs(x)) / math.log1p(mu)
    return x[..., None]

  def decode(features, key):
    del key
    x = features[..., 0]
    if mu:
      # Limits a network's overshoot, which expansion would amplify exponentially.
      x = jnp.clip(x, -1.2, 1.2)
      x = jnp.sign(x) * jnp.expm1(jnp.abs(x) * math.log1p(mu)) / mu
    return mdct.imdct(x * scale, num_samples, _WINDOW)

  return representations.Representation(
    (mdct.num_frames(num_samples, num_bins), num_bins, 1),
    (False,),
    None,
    encode,
    decode,
    representations.waveform_level_db(decode, config),
  )


def get_config() -> ml_collections.ConfigDict:
  """Default fields of the representation."""
  config = ml_collections.ConfigDict()
  config.companding = 255.0  # mu of the mu-law; 0.0 for none
  return config


def check(config: ml_collections.ConfigDict) -> None:
  """Raises UserError for invalid values; `config` is a whole one."""
  config_check.need_not_negative(config, "representation.companding")
