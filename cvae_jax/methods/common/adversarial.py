"""Objectives of a generator and its discriminators, per example.

Discriminators give features: for each of them, a sequence of arrays [B, ...] of its layers, whose
last one holds its scores. The mean over the batch is taken once, in the train step.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

Features = Sequence[Sequence[jax.Array]]


def _mean(x):
  return jnp.mean(x, axis=tuple(range(1, x.ndim)))


def discriminator_hinge(real: Features, made: Features) -> jax.Array:
  """[B] sum over discriminators of the mean of max(0, 1 - score) and max(0, 1 + score of a fake).

  Args:
    real: features of recordings.
    made: features of what the generator made.

  Source: Lim & Ye 2017, "Geometric GAN", equation 12.
  """
  losses = [
    _mean(jax.nn.relu(1.0 - r[-1])) + _mean(jax.nn.relu(1.0 + m[-1]))
    for r, m in zip(real, made, strict=True)
  ]
  return sum(losses[1:], losses[0])


def generator_hinge(made: Features) -> jax.Array:
  """[B] minus the sum over discriminators of the mean score.

  Args:
    made: features of what the generator made.

  Source: Lim & Ye 2017, "Geometric GAN", equation 13.
  """
  losses = [-_mean(m[-1]) for m in made]
  return sum(losses[1:], losses[0])


def feature_matching(
  real: Features,
  made: Features,
  is_relative: bool = False,
  num_skipped: int = 0,
  over_batch: bool = False,
) -> jax.Array:
  """[B] mean over discriminators and their layers of the mean absolute difference of features.

  Args:
    real: features of recordings, to which no gradient goes.
    made: features of what the generator made.
    is_relative: whether a layer's difference is divided by its features' mean absolute value.
    num_skipped: of the first layers of each discriminator.
    over_batch: whether that value is the batch's, as in the `acids-rave` package, and not each
      example's.

  Source: Larsen et al. 2016, "Autoencoding beyond pixels using a learned similarity metric"; its
  relative form is that of `acids-rave` 2, which skips one layer.
  """
  losses = []
  for layers, made_layers in zip(real, made, strict=True):
    pairs = list(zip(layers, made_layers, strict=True))[num_skipped:]
    for target, features in pairs:
      target = jax.lax.stop_gradient(target)
      difference = _mean(jnp.abs(target - features))
      if is_relative:
        size = _mean(jnp.abs(target))
        difference /= jnp.mean(size) if over_batch else size
      losses.append(difference / len(pairs))
  return sum(losses[1:], losses[0]) / len(real)
