"""Magnitudes of the constant-Q transform in dB, with a fixed number of bins per octave."""

import jax.numpy as jnp
import ml_collections

from cvae_jax.audio import cqt
from cvae_jax.audio import decibel
from cvae_jax.audio import representations
from cvae_jax.audio import stft


def make_representation(config, num_samples: int, sample_rate: int):
  """See `representations.Representation`; reads hop_length, fmin_hz, n_bins, bins_per_octave.

  n_fft and the window are of the STFT from which the waveform is recovered.
  """
  settings = (config.n_bins, config.fmin_hz, config.bins_per_octave)
  frequencies_hz = tuple(cqt.frequencies(*settings).tolist())
  ref = jnp.asarray(cqt.full_scale(sample_rate, *settings))

  def encode(audio):
    transform = cqt.cqt(
      audio,
      sample_rate,
      config.hop_length,
      config.fmin_hz,
      config.n_bins,
      config.bins_per_octave,
    )
    level = decibel.amplitude_to_db(jnp.abs(transform) / ref, top_db=None)
    return decibel.to_unit(level, config.floor_db)[..., None]

  def level_db(features):
    return decibel.from_unit(features[..., 0], config.floor_db)

  def magnitude_of(features):
    magnitude = ref * decibel.audible(level_db(features), config.floor_db)
    return cqt.cqt_to_linear(
      magnitude, sample_rate, config.n_fft, config.fmin_hz, config.bins_per_octave
    )

  decode = representations.make_recovery(magnitude_of, config, num_samples)
  shape = (stft.num_frames(num_samples, config.hop_length), config.n_bins, 1)
  return representations.Representation(
    shape, (True,), frequencies_hz, encode, decode, level_db, magnitude_of
  )


def get_config() -> ml_collections.ConfigDict:
  """Default fields of the representation."""
  config = representations.get_recovery()
  config.fmin_hz = 27.5  # lowest frequency; A0
  config.n_bins = 288
  config.bins_per_octave = 36
  return config


def check(config: ml_collections.ConfigDict) -> None:
  """Raises UserError for invalid values; `config` is a whole one."""
  representations.check_recovery(config)


def tiny(config: ml_collections.ConfigDict) -> None:
  """Fewer iterations of phase recovery."""
  config.representation.griffin_lim_iters = 4
