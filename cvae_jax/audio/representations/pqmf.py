"""Bands of a pseudo-QMF filter bank: the waveform, `num_bands` times slower and wider.

A frame holds `samples_per_frame` samples of every band, one after the other: networks whose layers
halve the frames would spend their time on the first few of them, at 1,000 frames a second.
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
  # A sine lies in one band, whose samples are a num_bands-th: each holds as many times its energy.
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
  """Its fields."""
  config = ml_collections.ConfigDict()
  config.num_bands = 16
  config.samples_per_frame = 8  # of every band, that make a frame
  return config


def check(config: ml_collections.ConfigDict) -> None:
  """Raises UserError for values that it cannot use; `config` is a whole one."""
  config_check.need_positive(config, "representation.samples_per_frame")
