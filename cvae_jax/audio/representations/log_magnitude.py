"""Magnitudes of the STFT in dB, n_fft / 2 bins: the default, and the thesis' features.

The Nyquist bin is left out, as in GANSynth (Engel et al. 2019), so that the number of bins is a
power of two; decoding sets it to zero. Phases are recovered from the magnitudes.
"""

import jax.numpy as jnp
import ml_collections

from cvae_jax.audio import decibel
from cvae_jax.audio import representations
from cvae_jax.audio import stft


def make_representation(config, num_samples: int, sample_rate: int):
  """See `representations.Representation`; reads n_fft, win_length, hop_length, window, floor_db."""
  frequencies_hz = representations.bin_frequencies(config, sample_rate)
  ref = representations.full_scale(config)
  transform = representations.make_transform(config)

  def encode(audio):
    magnitude = jnp.abs(transform(audio))[..., :-1]
    return decibel.to_unit(decibel.amplitude_to_db(magnitude, ref, top_db=None), config.floor_db)[
      ..., None
    ]

  def level_db(features):
    return decibel.from_unit(features[..., 0], config.floor_db)

  def magnitude_of(features):
    magnitude = ref * decibel.audible(level_db(features), config.floor_db)
    return jnp.pad(magnitude, [(0, 0), (0, 0), (0, 1)])

  decode = representations.make_recovery(magnitude_of, config, num_samples)
  shape = (stft.num_frames(num_samples, config.hop_length), config.n_fft // 2, 1)
  return representations.Representation(
    shape, (True,), frequencies_hz, encode, decode, level_db, magnitude_of
  )


def get_config() -> ml_collections.ConfigDict:
  """Default fields of the representation."""
  config = representations.get_recovery()
  return config


def check(config: ml_collections.ConfigDict) -> None:
  """Raises UserError for invalid values; `config` is a whole one."""
  representations.check_recovery(config)


def tiny(config: ml_collections.ConfigDict) -> None:
  """Fewer iterations of phase recovery."""
  config.representation.griffin_lim_iters = 4
