"""The waveform itself, cut into frames of `hop_length` samples."""

import jax.numpy as jnp

from cvae_jax.audio import representations


def make_representation(config, num_samples: int, sample_rate: int):
  """See `representations.Representation`; reads hop_length."""
  del sample_rate
  num_frames = -(-num_samples // config.hop_length)

  def encode(audio):
    short = num_frames * config.hop_length - num_samples
    return jnp.pad(audio, [(0, 0), (0, short)]).reshape(-1, num_frames, config.hop_length, 1)

  def decode(features, key):
    del key
    return features.reshape(features.shape[0], -1)[:, :num_samples]

  return representations.Representation(
    (num_frames, config.hop_length, 1),
    (False,),
    None,
    encode,
    decode,
    representations.waveform_level_db(decode, config),
  )
