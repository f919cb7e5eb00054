"""What a denoising autoencoder's encoder is given: features with something wrong with them.

Source: Vincent et al. 2008, "Extracting and Composing Robust Features with Denoising Autoencoders";
the masks are those of SpecAugment (Park et al. 2019).
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from cvae_jax.models.common import layers

KINDS = ("none", "gaussian", "time_mask", "frequency_mask")


def corrupt(
  features: jax.Array, rng: jax.Array, kind: str, amount: float, floored: Sequence[bool]
) -> jax.Array:
  """Features as the encoder is to see them.

  Args:
    features: [B, N, F, C].
    rng: random key.
    kind: of `KINDS`. 'gaussian' adds noise; 'time_mask' hides a span of frames of every note, and
      'frequency_mask' one of bins.
    amount: standard deviation of the noise, in features; the longest span, as a share of the axis,
      each length up to it being as likely.
    floored: of each channel, whether it is a level.

  Returns:
    [B, N, F, C].

  Raises:
    ValueError: a kind that there is not.
  """
  if kind == "none":
    return features
  if kind == "gaussian":
    return features + amount * jax.random.normal(rng, features.shape)
  if kind not in KINDS:
    raise ValueError(f"kind must be one of {', '.join(KINDS)}, got '{kind}'")
  axis = 1 if kind == "time_mask" else 2
  size, batch = features.shape[axis], features.shape[0]
  length_rng, start_rng = jax.random.split(rng)
  length = jax.random.uniform(length_rng, (batch, 1)) * amount * size
  start = jax.random.uniform(start_rng, (batch, 1)) * (size - length)
  place = jnp.arange(size) + 0.5
  hidden = (place >= start) & (place < start + length)  # [B, N or F]
  hidden = jnp.expand_dims(hidden, [3 - axis, 3])
  # Of a level, a hidden cell holds silence; of anything else, 0.
  return jnp.where(hidden, np.where(floored, layers.SILENCE, 0.0), features)
