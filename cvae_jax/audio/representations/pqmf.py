"""Bands of a pseudo-QMF filter bank: the waveform, `num_bands` times slower and wider."""

import math

from cvae_jax.audio import pqmf
from cvae_jax.audio import representations


def make_representation(config, num_samples: int, sample_rate: int):
  """See `representations.Representation`; reads num_bands."""
  del sample_rate
  # A sine lies in one band, whose samples are a num_bands-th: each holds as many times its energy.
  scale = math.sqrt(config.num_bands)

  def encode(audio):
    return pqmf.analyse(audio, config.num_bands)[..., None] / scale

  def decode(features, key):
    del key
    return pqmf.synthesise(features[..., 0] * scale, num_samples)

  return representations.Representation(
    (pqmf.num_frames(num_samples, config.num_bands), config.num_bands, 1),
    (False,),
    None,
    encode,
    decode,
    representations.waveform_level_db(decode, config),
  )
