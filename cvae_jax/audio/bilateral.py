"""Smooths levels over time where they hardly change, and keeps their attacks and releases.

A network predicts the level of a partial a few dB off, anew in every frame. Together such levels
are a sound whose partials waver, which is heard as a haze around them.
"""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array
from jaxtyping import Float
import numpy as np


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
  total: Any = level_db
  weights: Any = jnp.ones_like(level_db)
  inside = np.arange(num_frames)
  for distance in range(1, min(reach, num_frames - 1) + 1):
    near = 1.0 - (distance / (reach + 1)) ** 2
    for shift in (distance, -distance):
      other = jnp.roll(level_db, -shift, axis=-2)
      exists = (inside + shift >= 0) & (inside + shift < num_frames)
      closeness = jnp.maximum(1.0 - jnp.square((other - level_db) / tolerance_db), 0.0)
      weight = jnp.square(closeness) * (near * exists[:, None])
      total += weight * other
      weights += weight
  return total / weights
