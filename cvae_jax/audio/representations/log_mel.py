"""Mel magnitudes in dB, `n_mels` bins; 0 dB is a full-scale sine at the tallest filter's peak."""

import jax.numpy as jnp
import ml_collections
from ml_collections import config_dict

from cvae_jax.audio import decibel
from cvae_jax.audio import mel
from cvae_jax.audio import representations
from cvae_jax.audio import stft


def make_representation(config, num_samples: int, sample_rate: int):
  """See `representations.Representation`; reads the STFT's fields, n_mels, fmin_hz, fmax_hz."""
  fmin_hz, fmax_hz = config.fmin_hz, config.fmax_hz or sample_rate / 2
  filters = mel.make_filterbank(sample_rate, config.n_fft, config.n_mels, fmin_hz, fmax_hz)
  frequencies_hz = mel.band_centers(config.n_mels, fmin_hz, fmax_hz)
  ref = representations.full_scale(config) * float(filters.max())
  transform = representations.make_transform(config)

  def encode(audio):
    magnitude = jnp.abs(transform(audio))
    mels = mel.linear_to_mel(magnitude, sample_rate, config.n_mels, fmin_hz, fmax_hz)
    level = decibel.amplitude_to_db(mels, ref, top_db=None)
    return decibel.to_unit(level, config.floor_db)[..., None]

  def level_db(features):
    return decibel.from_unit(features[..., 0], config.floor_db)

  def magnitude_of(features):
    mels = ref * decibel.audible(level_db(features), config.floor_db)
    return mel.mel_to_linear(mels, sample_rate, config.n_fft, fmin_hz, fmax_hz)

  decode = representations.make_recovery(magnitude_of, config, num_samples)
  shape = (stft.num_frames(num_samples, config.hop_length), config.n_mels, 1)
  return representations.Representation(
    shape, (True,), frequencies_hz, encode, decode, level_db, magnitude_of
  )


def get_config() -> ml_collections.ConfigDict:
  """Default fields of the representation."""
  config = representations.get_recovery()
  config.n_mels = 256  # number of mel bins
  config.fmin_hz = 27.5  # lowest frequency; A0
  # Highest frequency; half the sample rate if not given.
  config.fmax_hz = config_dict.placeholder(float)
  return config


def check(config: ml_collections.ConfigDict) -> None:
  """Raises UserError for invalid values; `config` is a whole one."""
  representations.check_recovery(config)


def tiny(config: ml_collections.ConfigDict) -> None:
  """Fewer bins, and fewer iterations of phase recovery."""
  config.representation.griffin_lim_iters = 4
  config.representation.n_mels = 32
