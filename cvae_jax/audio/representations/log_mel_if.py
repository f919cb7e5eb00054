"""Log-magnitude and instantaneous frequency on a mel axis: GANSynth's best features.

Mel bins that are narrower than the STFT's interpolate, so that low partials keep the STFT's
resolution; wider ones average, so that high partials merge. Frequencies are averaged with the power
as weight, so that a bin has the frequency of its loudest partial. `griffin_lim_iters` iterations
reduce the inconsistency that the averaging causes.
"""

import jax.numpy as jnp
import ml_collections
from ml_collections import config_dict
import numpy as np

from cvae_jax.audio import decibel
from cvae_jax.audio import instantaneous_frequency
from cvae_jax.audio import mel
from cvae_jax.audio import representations
from cvae_jax.audio import stft
from cvae_jax.core import config_check

_TINY = 1e-12  # relative to full-scale power


def make_representation(config, num_samples: int, sample_rate: int):
  """See `representations.Representation`; reads the STFT's fields, n_mels, fmin_hz, fmax_hz."""
  ref = representations.full_scale(config)
  transform = representations.make_transform(config)
  axis = mel.make_axis(
    sample_rate, config.n_fft, config.n_mels, config.fmin_hz, config.fmax_hz or sample_rate / 2
  )
  frequencies_hz = tuple((axis.center * sample_rate / config.n_fft).tolist())
  bins = np.arange(config.n_fft // 2 + 1)
  turns = config.hop_length / config.n_fft  # cycles per hop of one bin
  middle = (2 * np.pi * ((config.hop_length * bins) % config.n_fft) / config.n_fft).astype(
    np.float32
  )
  # A partial's frequency may be a bin outside of those that a mel bin averages.
  reach = (axis.half_width + 1.0).astype(np.float32)

  def encode(audio):
    spectrum = transform(audio) / ref
    power = jnp.square(jnp.abs(spectrum)) + _TINY
    angle = instantaneous_frequency.angle(spectrum)
    turned = instantaneous_frequency.wrap(jnp.diff(angle, axis=1) - middle)
    turned = jnp.concatenate([turned[:, :1], turned], axis=1)
    frequency = bins + turned / (2 * np.pi * turns)  # in bins
    mel_power = power @ axis.to_mel.T
    mel_frequency = ((power * frequency) @ axis.to_mel.T) / mel_power
    level = decibel.power_to_db(mel_power, top_db=None)
    offset = jnp.clip((mel_frequency - axis.center) / reach, -1.0, 1.0)
    offset = jnp.where(level > config.floor_db, offset, 0.0)
    return jnp.stack([decibel.to_unit(level, config.floor_db), offset], axis=-1)

  def level_db(features):
    return decibel.from_unit(features[..., 0], config.floor_db)

  def decode(features, key):
    level = level_db(features) @ axis.to_linear.T
    frequency = (axis.center + jnp.clip(features[..., 1], -1.0, 1.0) * reach) @ axis.to_linear.T
    rate = instantaneous_frequency.wrap(2 * np.pi * turns * frequency)
    start = jnp.cumsum(rate, axis=1) + np.pi * (bins % 2)
    magnitude = ref * decibel.audible(level, config.floor_db) * axis.covered
    start = instantaneous_frequency.wrap(start)
    return representations.recover_waveform(magnitude, key, config, num_samples, start)

  shape = (stft.num_frames(num_samples, config.hop_length), config.n_mels, 2)
  return representations.Representation(
    shape, (True, False), frequencies_hz, encode, decode, level_db
  )


def get_config() -> ml_collections.ConfigDict:
  """Default fields of the representation."""
  config = ml_collections.ConfigDict()
  config.griffin_lim_iters = 8
  config.n_mels = 256  # number of mel bins
  config.fmin_hz = 27.5  # lowest frequency; A0
  # Highest frequency; half the sample rate if not given.
  config.fmax_hz = config_dict.placeholder(float)
  return config


def check(config: ml_collections.ConfigDict) -> None:
  """Raises UserError for invalid values; `config` is a whole one."""
  config_check.need_not_negative(config, "representation.griffin_lim_iters")


def tiny(config: ml_collections.ConfigDict) -> None:
  """Fewer bins, and fewer iterations of phase recovery."""
  config.representation.n_mels = 32
  config.representation.griffin_lim_iters = 4
