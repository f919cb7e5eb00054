"""Smooths levels over time where they hardly change, and keeps their attacks and releases.

A network predicts the level of a partial a few dB off, anew in every frame. Together such levels
are a sound whose partials waver, which is heard as a haze around them.
"""

from typing import Any

from jax import lax
import jax.numpy as jnp
from jaxtyping import Array
from jaxtyping import Float

_BEYOND = 1e9  # tolerances


def smooth_over_time(
  level_db: Float[Array, "*batch N F"], tolerance_db: float, reach: int
) -> Float[Array, "*batch N F"]:
  """Bilateral filter along the frames of levels.

  A frame counts by its distance and by how much its level differs from the one that it is averaged
  into: not at all from `tolerance_db` on. The weights are Epanechnikov's in time, and Tukey's
  biweight in level.

  Args:
    level_db: [..., N, F] levels, on any scale that `tolerance_db` is on too.
    tolerance_db: difference of levels that ends the smoothing.
    reach: frames to either side that count; 0 for none.

  Source: Tomasi & Manduchi 1998, "Bilateral Filtering for Gray and Color Images"; Durand & Dorsey
  2002, "Fast Bilateral Filtering", for Tukey's weight.
  """
  num_frames = level_db.shape[-2]
  reach = min(reach, num_frames - 1)
  frames = [(0, 0)] * (level_db.ndim - 2) + [(reach, reach), (0, 0)]
  # What is beyond either end differs from all levels. Slices of one array are one loop on CPU,
  # where rolled arrays are copies: 13 times faster.
  padded = jnp.pad(level_db, frames, constant_values=_BEYOND * tolerance_db)
  total: Any = level_db
  weights: Any = jnp.ones_like(level_db)
  for shift in range(-reach, reach + 1):
    if not shift:
      continue
    near = 1.0 - (shift / (reach + 1)) ** 2
    other = lax.slice_in_dim(padded, reach + shift, reach + shift + num_frames, axis=-2)
    closeness = jnp.maximum(1.0 - jnp.square((other - level_db) / tolerance_db), 0.0)
    weight = near * jnp.square(closeness)
    total += weight * other
    weights += weight
  return total / weights
