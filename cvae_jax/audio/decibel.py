"""Conversion between amplitudes, powers and decibels."""

import math

import jax.numpy as jnp
from jaxtyping import Array
from jaxtyping import Float


def amplitude_to_db(
  amplitude: Float[Array, "*shape"],
  ref: float = 1.0,
  amin: float = 1e-5,
  top_db: float | None = 80.0,
) -> Float[Array, "*shape"]:
  """Decibels of an amplitude.

  Args:
    amplitude: non-negative, of any shape.
    ref: the amplitude of 0 dB.
    amin: lower bound of the amplitude.
    top_db: floor in dB below the maximum of the whole array; None for no floor. For batches use
      None, since the floor depends on all examples.

  Returns:
    dB, of the same shape.

  Raises:
    ValueError: if amin, ref or top_db is not positive.

  Agrees with `librosa.amplitude_to_db`.
  """
  if amin <= 0 or ref <= 0 or (top_db is not None and top_db < 0):
    raise ValueError(f"amin, ref and top_db must be positive, got {amin}, {ref}, {top_db}")
  level = 20.0 * jnp.log10(jnp.maximum(amplitude, amin)) - 20.0 * math.log10(max(ref, amin))
  return level if top_db is None else jnp.maximum(level, jnp.max(level) - top_db)


def db_to_amplitude(level_db: Float[Array, "*shape"], ref: float = 1.0) -> Float[Array, "*shape"]:
  """Amplitude of decibels, the inverse of `amplitude_to_db`; as `librosa.db_to_amplitude`."""
  return ref * jnp.power(10.0, level_db / 20.0)


def power_to_db(
  power: Float[Array, "*shape"],
  ref: float = 1.0,
  amin: float = 1e-10,
  top_db: float | None = 80.0,
) -> Float[Array, "*shape"]:
  """Decibels of a power; see `amplitude_to_db`. Agrees with `librosa.power_to_db`."""
  if amin <= 0 or ref <= 0 or (top_db is not None and top_db < 0):
    raise ValueError(f"amin, ref and top_db must be positive, got {amin}, {ref}, {top_db}")
  level = 10.0 * jnp.log10(jnp.maximum(power, amin)) - 10.0 * math.log10(max(ref, amin))
  return level if top_db is None else jnp.maximum(level, jnp.max(level) - top_db)


def db_to_power(level_db: Float[Array, "*shape"], ref: float = 1.0) -> Float[Array, "*shape"]:
  """Power of decibels, the inverse of `power_to_db`; as `librosa.db_to_power`."""
  return ref * jnp.power(10.0, level_db / 10.0)


def to_unit(level_db: Float[Array, "*shape"], floor_db: float) -> Float[Array, "*shape"]:
  """Maps levels from floor_db..0 dB to -1..1; lower levels are clipped.

  Args:
    level_db: of any shape.
    floor_db: negative.
  """
  return 1.0 - 2.0 * jnp.maximum(level_db, floor_db) / floor_db


def from_unit(features: Float[Array, "*shape"], floor_db: float) -> Float[Array, "*shape"]:
  """The inverse of `to_unit`, clipped to floor_db..0 dB for a network's predictions."""
  return jnp.clip((1.0 - features) * floor_db / 2.0, floor_db, 0.0)


def audible(level_db: Float[Array, "*shape"], floor_db: float) -> Float[Array, "*shape"]:
  """Amplitude of levels; 0 within 1 dB of the floor.

  Hundreds of bins at the floor would be audible as hiss.
  """
  return jnp.where(level_db > floor_db + 1.0, db_to_amplitude(level_db), 0.0)
