"""Bands of a pseudo-QMF filter bank: the waveform as `num_bands` decimated bands.

A frame holds `samples_per_frame` consecutive samples of every band, to reduce the frame rate: at
one sample per frame, 1,000 frames per second, a network's first layers would dominate its cost.
"""

import math

import jax.numpy as jnp
import ml_collections

from cvae_jax.audio import pqmf
from cvae_jax.audio import representations
from cvae_jax.core import config_check


def make_representation(config, num_samples: int, sample_rate: int):
  """See `representations.Representation`; reads num_bands, samples_per_frame."""
  del sample_rate
  # A sine lies in one band with 1 / num_bands of the samples, whose amplitude is therefore larger.
  scale = math.sqrt(config.num_bands)
  length = pqmf.num_frames(num_samples, config.num_bands)
  num_frames = -(-length // config.samples_per_frame)
  num_bins = config.samples_per_frame * config.num_bands

  def encode(audio):
    bands = pqmf.analyse(audio, config.num_bands) / scale
    short = num_frames * config.samples_per_frame - length
    return jnp.pad(bands, [(0, 0), (0, short), (0, 0)]).reshape(-1, num_frames, num_bins, 1)

  def decode(features, key):
    del key
    bands = features.reshape(features.shape[0], -1, config.num_bands)[:, :length]
    return pqmf.synthesise(bands * scale, num_samples)

  return representations.Representation(
    (num_frames, num_bins, 1),
    (False,),
    None,
    encode,
    decode,
    representations.waveform_level_db(decode, config),
  )


def get_config() -> ml_collections.ConfigDict:
  """Default fields of the representation."""
  config = ml_collections.ConfigDict()
  config.num_bands = 16
  config.samples_per_frame = 8  # samples of each band per frame
  return config


def check(config: ml_collections.ConfigDict) -> None:
  """Raises UserError for invalid values; `config` is a whole one."""
  config_check.need_positive(config, "representation.samples_per_frame")
