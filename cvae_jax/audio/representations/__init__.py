"""Representations: pairs of functions between waveforms and features.

Every file is a value of `representation.name` and defines `make_representation(config, num_samples,
sample_rate)`. Networks and methods use only the fields of `Representation`.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import ml_collections

from cvae_jax.audio import decibel
from cvae_jax.audio import phase
from cvae_jax.audio import stft
from cvae_jax.core import config_check
from cvae_jax.core import errors
from cvae_jax.core import parts


class Representation(NamedTuple):
  """A pair of functions between waveforms and features.

  Attributes:
    shape: (N, F, C): frames, bins and channels of one example's features.
    floored: for each channel, whether it is a level, with most cells at the floor of -1; other
      channels are signed and symmetric about 0.
    frequencies_hz: centre frequencies of the F bins if channel 0 is a level over frequency, else
      None.
    encode: [B, T] waveform, normalised as in `level.normalize`, to [B, N, F, C] features. Levels
      are from -1 (the floor, `floor_db`) to 1 (0 dB, a full-scale sine), other channels
      approximately from -1 to 1.
    decode: ([B, N, F, C] features, random key) to [B, T] waveform.
    level_db: [B, N, F, C] features to [B, N, F'] levels in dB below a full-scale sine, clipped at
      `floor_db`: the features' own if they are levels, else those of the waveform's STFT.
    magnitude: [B, N, F, C] features to [B, N, n_fft / 2 + 1] magnitudes of the waveform's STFT, an
      estimate where bins are coarser; None for features that hold phases as well.
  """

  shape: tuple[int, int, int]
  floored: tuple[bool, ...]
  frequencies_hz: tuple[float, ...] | None
  encode: Callable[[jax.Array], jax.Array]
  decode: Callable[[jax.Array, jax.Array], jax.Array]
  level_db: Callable[[jax.Array], jax.Array]
  magnitude: Callable[[jax.Array], jax.Array] | None = None


def make_representation(
  config: ml_collections.ConfigDict, num_samples: int, sample_rate: int
) -> Representation:
  """Makes the representation of `config.name`.

  Args:
    config: the `representation` section of a config.
    num_samples: T, samples of an example.
    sample_rate: in Hz.

  Raises:
    UserError: if the name is unknown, or parameters are inconsistent.
  """
  stft.check_parameters(config.n_fft, config.win_length, config.hop_length)
  if num_samples < config.n_fft:
    raise errors.UserError(
      f"representation.n_fft must be at most the {num_samples} samples of an example, got "
      f"{config.n_fft}"
    )
  if config.floor_db >= 0:
    raise errors.UserError(f"representation.floor_db must be negative, got {config.floor_db}")
  module = parts.load(
    "cvae_jax.audio.representations", config.name, "make_representation", "representation.name"
  )
  return module.make_representation(config, num_samples, sample_rate)


def make_transform(config: ml_collections.ConfigDict) -> Callable[[jax.Array], jax.Array]:
  """Makes the STFT of a config: [B, T] waveform to [B, N, n_fft / 2 + 1]."""

  def transform(audio):
    return stft.stft(audio, config.n_fft, config.hop_length, config.win_length, config.window)

  return transform


def bin_frequencies(config: ml_collections.ConfigDict, sample_rate: int) -> tuple[float, ...]:
  """Centre frequencies of the STFT's bins in Hz, without the Nyquist bin."""
  return tuple(k * sample_rate / config.n_fft for k in range(config.n_fft // 2))


def full_scale(config: ml_collections.ConfigDict) -> float:
  """Magnitude of a full-scale sine: half the window's sum."""
  return float(stft.make_window(config.window, config.win_length, config.n_fft).sum()) / 2.0


def recover_waveform(
  magnitude: jax.Array,
  key: jax.Array,
  config: ml_collections.ConfigDict,
  num_samples: int,
  start: str | jax.Array,
) -> jax.Array:
  """Recovers [B, T] waveforms from [B, N, n_fft / 2 + 1] magnitudes, from phases as `start`."""
  return phase.griffin_lim(
    magnitude,
    key,
    num_iters=config.griffin_lim_iters,
    hop_length=config.hop_length,
    win_length=config.win_length,
    window=config.window,
    length=num_samples,
    start=start,
  )


def make_recovery(
  magnitude: Callable[[jax.Array], jax.Array], config: ml_collections.ConfigDict, num_samples: int
) -> Callable[[jax.Array, jax.Array], jax.Array]:
  """Makes `decode` of a representation with a `magnitude`, by the config's phase recovery."""

  def decode(features, key):
    return recover_waveform(magnitude(features), key, config, num_samples, config.phase_start)

  return decode


def waveform_level_db(
  decode: Callable[[jax.Array, jax.Array], jax.Array], config: ml_collections.ConfigDict
) -> Callable[[jax.Array], jax.Array]:
  """Makes `level_db` for a representation without levels whose decoding is exact."""
  transform = make_transform(config)
  ref = full_scale(config)

  def level_db(features):
    magnitude = jnp.abs(transform(decode(features, jax.random.key(0))))
    level = decibel.amplitude_to_db(magnitude, ref, ref * 10 ** (config.floor_db / 20), None)
    return jnp.minimum(level, 0.0)

  return level_db


PHASE_STARTS = ("integrated", "random")
GRIFFIN_LIM, LEARNED = "griffin_lim", "mcnn:"  # inversion, or what its name begins with


def get_recovery() -> ml_collections.ConfigDict:
  """Default fields of representations that use phase recovery."""
  config = ml_collections.ConfigDict()
  config.phase_start = "integrated"  # integrated, random: initial phases of Griffin-Lim
  config.griffin_lim_iters = 8
  # griffin_lim, or mcnn:RUN: the network of a run of method mcnn, RUN a workdir or pretrained:NAME
  config.inversion = GRIFFIN_LIM
  return config


def check_recovery(config: ml_collections.ConfigDict) -> None:
  """Raises UserError for invalid values of these fields; `config` is a whole one."""
  config_check.need_choices(config, {"representation.phase_start": PHASE_STARTS})
  config_check.need_not_negative(config, "representation.griffin_lim_iters")
  inversion = config.representation.inversion
  named = inversion.removeprefix(LEARNED) if inversion.startswith(LEARNED) else ""
  if inversion != GRIFFIN_LIM and not named:
    raise errors.UserError(
      f"representation.inversion must be {GRIFFIN_LIM} or {LEARNED}RUN, got '{inversion}'"
    )
