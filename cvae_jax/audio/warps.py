"""Transformations of spectrograms of levels: a tilt of the spectrum, a transposition, a stretch.

They are differentiable in their amounts, each of which is one number for an example.
"""

import jax.numpy as jnp
from jaxtyping import Array
from jaxtyping import Float
import numpy as np

_MIDDLE_HZ = 1000.0  # where a tilt changes nothing
_SILENCE = -1.0  # the floor of a representation's features, where there is nothing to move


def tilt(
  features: Float[Array, "B N F"],
  db_per_octave: Float[Array, " B"],
  frequencies_hz: tuple[float, ...],
  unit_db: float,
) -> Float[Array, "B N F"]:
  """Adds a slope over octaves to levels; 1 kHz keeps its level.

  Args:
    features: levels.
    db_per_octave: slope of each example.
    frequencies_hz: centres of the bins; one at 0 Hz is tilted as the next.
    unit_db: dB of one unit of the features.
  """
  centers_hz = np.asarray(frequencies_hz)
  centers_hz = np.where(centers_hz > 0.0, centers_hz, frequencies_hz[1])
  octaves = np.log2(centers_hz / _MIDDLE_HZ).astype(np.float32)
  return features + db_per_octave[:, None, None] * octaves / unit_db


def _sample(rows, position):
  """Values of [B, F, ...] between rows at positions [B, F] in rows, linearly; silence outside."""
  last = rows.shape[1] - 1
  inside = ((position >= 0.0) & (position <= last)).reshape(*position.shape, 1)
  low = jnp.clip(jnp.floor(position), 0, last - 1).astype(jnp.int32)
  weight = (jnp.clip(position, 0.0, last) - low)[..., None]
  take = lambda index: jnp.take_along_axis(rows, index[..., None], axis=1)
  values = (1.0 - weight) * take(low) + weight * take(low + 1)
  return jnp.where(inside, values, _SILENCE)


def transpose(
  features: Float[Array, "B N F"],
  semitones: Float[Array, " B"],
  frequencies_hz: tuple[float, ...],
) -> Float[Array, "B N F"]:
  """Moves a spectrum along the logarithm of frequency; bins that nothing moves to are silent.

  Args:
    features: levels.
    semitones: upwards.
    frequencies_hz: centres of the bins, rising. They need not be evenly spaced on any scale.
  """
  centers_hz = jnp.asarray(frequencies_hz)
  source_hz = centers_hz * 2.0 ** (-semitones[:, None] / 12.0)
  bins = jnp.arange(len(frequencies_hz), dtype=jnp.float32)
  position = jnp.interp(source_hz, centers_hz, bins, left=-1.0, right=len(frequencies_hz))
  return _sample(features.swapaxes(1, 2), position).swapaxes(1, 2)


def stretch(features: Float[Array, "B N F"], factor: Float[Array, " B"]) -> Float[Array, "B N F"]:
  """Stretches the course of a note from its first frame; frames past its end are silent.

  Args:
    features: levels.
    factor: of its duration; over 1 for slower.
  """
  position = jnp.arange(features.shape[1]) / factor[:, None]
  return _sample(features, position)
