"""Representations: what turns a waveform into a network's features, and features into sound.

A representation is an `encode` and a `decode`, a shape, and a scale to decibels. Both are chosen in
a config by name (`config.representation.name`) and built by `make_representation`.
"""

from collections.abc import Callable
import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import ml_collections

from cvae_jax import errors
from cvae_jax.audio import decibel
from cvae_jax.audio import mel
from cvae_jax.audio import phase
from cvae_jax.audio import stft


class Representation(NamedTuple):
  """A pair of functions between waveforms and features.

  Attributes:
    shape: (N, F), frames and bins of one note's features.
    encode: [B, T] waveform, normalised as in `level.normalize`, to [B, N, F] features. Values lie
      between -1 (the floor, `floor_db`) and 1 (0 dB, a sine at full scale).
    decode: ([B, N, F] features, random key) to [B, T] waveform.
    db_per_unit: decibels in one unit of a feature.
  """

  shape: tuple[int, int]
  encode: Callable[[jax.Array], jax.Array]
  decode: Callable[[jax.Array, jax.Array], jax.Array]
  db_per_unit: float


def _scale(magnitude, ref, floor_db):
  """Magnitudes to dB below `ref`, then floor_db..0 dB to -1..1."""
  level = decibel.amplitude_to_db(magnitude, ref=ref, amin=ref * 10 ** (floor_db / 20), top_db=None)
  return 1.0 - 2.0 * level / floor_db


def _unscale(features, ref, floor_db):
  """The inverse of `_scale`, for features that a network has made.

  What lies within 1 dB of the floor is silence: hundreds of bins at the floor would be heard as
  hiss. What lies above 0 dB is held there: a network's overshoot must not deafen anyone.
  """
  level = jnp.minimum((1.0 - features) * floor_db / 2.0, 0.0)
  magnitude = decibel.db_to_amplitude(level, ref)
  return jnp.where(level > floor_db + 1.0, magnitude, 0.0)


def _make_spectral(config, num_samples, shape, to_features, to_magnitude):
  """A representation on the magnitudes of an STFT, inverted by Griffin-Lim."""
  stft.check_parameters(config.n_fft, config.win_length, config.hop_length)
  if config.floor_db >= 0:
    raise errors.UserError(f"representation.floor_db must be negative, got {config.floor_db}")
  transform = functools.partial(
    stft.stft, n_fft=config.n_fft, hop_length=config.hop_length, win_length=config.win_length
  )

  def encode(audio):
    return to_features(jnp.abs(transform(audio)))  # [B, N, n_fft / 2 + 1] before to_features

  def decode(features, key):
    magnitude = to_magnitude(features)
    return phase.griffin_lim(
      magnitude,
      key,
      num_iters=config.griffin_lim_iters,
      hop_length=config.hop_length,
      win_length=config.win_length,
      length=num_samples,
    )

  return Representation(shape, encode, decode, db_per_unit=-config.floor_db / 2.0)


def _full_scale(config):
  """Magnitude of a sine at full scale: half the window's sum."""
  return float(stft.make_window("hann", config.win_length, config.n_fft).sum()) / 2.0


def make_log_magnitude(config, num_samples: int, sample_rate: int) -> Representation:
  """Magnitudes of the STFT in dB, n_fft / 2 bins.

  The Nyquist bin is left out, as in GANSynth (Engel et al. 2019), so that the number of bins is a
  power of two; decoding puts a zero in its place.
  """
  del sample_rate
  ref = _full_scale(config)

  def to_features(magnitude):
    return _scale(magnitude[..., :-1], ref, config.floor_db)

  def to_magnitude(features):
    magnitude = _unscale(features, ref, config.floor_db)
    return jnp.pad(magnitude, [(0, 0)] * (magnitude.ndim - 1) + [(0, 1)])

  shape = (stft.num_frames(num_samples, config.hop_length), config.n_fft // 2)
  return _make_spectral(config, num_samples, shape, to_features, to_magnitude)


def make_log_mel(config, num_samples: int, sample_rate: int) -> Representation:
  """Mel magnitudes in dB, `n_mels` bins; 0 dB is a full-scale sine where filters peak."""
  filters = mel.make_filterbank(
    sample_rate, config.n_fft, config.n_mels, config.fmin_hz, config.fmax_hz or sample_rate / 2
  )
  ref = _full_scale(config) * float(filters.max())

  def to_features(magnitude):
    mels = mel.linear_to_mel(magnitude, sample_rate, config.n_mels, config.fmin_hz, config.fmax_hz)
    return _scale(mels, ref, config.floor_db)

  def to_magnitude(features):
    mels = _unscale(features, ref, config.floor_db)
    return mel.mel_to_linear(mels, sample_rate, config.n_fft, config.fmin_hz, config.fmax_hz)

  shape = (stft.num_frames(num_samples, config.hop_length), config.n_mels)
  return _make_spectral(config, num_samples, shape, to_features, to_magnitude)


REPRESENTATIONS = {
  "log_magnitude": make_log_magnitude,
  "log_mel": make_log_mel,
}


def make_representation(
  config: ml_collections.ConfigDict, num_samples: int, sample_rate: int
) -> Representation:
  """Builds the representation that `config.name` asks for.

  Args:
    config: the `representation` section of a config.
    num_samples: T, samples of a note.
    sample_rate: in Hz.

  Raises:
    UserError: an unknown name, or parameters that do not fit together.
  """
  if config.name not in REPRESENTATIONS:
    raise errors.UserError(
      f"representation.name must be one of {', '.join(REPRESENTATIONS)}, got '{config.name}'"
    )
  return REPRESENTATIONS[config.name](config, num_samples, sample_rate)
