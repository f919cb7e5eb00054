"""MDCT coefficients: real, as many as samples, exactly invertible; companded, because a partial's
coefficient is a thousand times that of what surrounds it."""

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
  mdct.make_window(_WINDOW, num_bins)  # Refuses an odd number of bins.
  scale = math.sqrt(num_bins / 2)  # A full-scale sine's largest coefficient, in round numbers.

  def encode(audio):
    x = mdct.mdct(audio, num_bins, _WINDOW) / scale
    if mu:
      x = jnp.sign(x) * jnp.log1p(mu * jnp.abs(x)) / math.log1p(mu)
    return x[..., None]

  def decode(features, key):
    del key
    x = features[..., 0]
    if mu:
      # A network's overshoot is held where a full-scale sine lies: it grows exponentially.
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
  """Its fields."""
  config = ml_collections.ConfigDict()
  config.companding = 255.0  # mu of its mu-law; 0.0 for none
  return config


def check(config: ml_collections.ConfigDict) -> None:
  """Raises UserError for values that it cannot use; `config` is a whole one."""
  config_check.need_not_negative(config, "representation.companding")
