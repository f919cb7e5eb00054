"""Objectives: one formula each, per example.

Everything here sums over features or latent dimensions and keeps the batch axis: these are
log-likelihoods and divergences in nats, so that a negative ELBO is their plain sum. The mean over
the batch is taken once, in the train step, where the sum is also divided by the number of features
("nats per feature"): that leaves the optimum alone and makes one learning rate serve all sizes.
"""

import math

import jax.numpy as jnp
from jaxtyping import Array
from jaxtyping import Float
from jaxtyping import Int


def gaussian_nll(
  features: Float[Array, "B *shape"], mean: Float[Array, "B *shape"], sigma: float
) -> Float[Array, " B"]:
  """-log N(features; mean, sigma^2 I), summed over all axes but the first.

  Args:
    features: [B, ...] observed.
    mean: [B, ...] predicted.
    sigma: standard deviation of the observation, in the features' units.

  Returns:
    [B] nats. Its gradient is that of the squared error over 2 sigma^2.
  """
  axes = tuple(range(1, features.ndim))
  scaled = jnp.square((features - mean) / sigma)
  constant = math.log(sigma) + 0.5 * math.log(2.0 * math.pi)
  return jnp.sum(0.5 * scaled + constant, axis=axes)


def kl_to_standard_normal(
  mean: Float[Array, "B D"], logvar: Float[Array, "B D"]
) -> Float[Array, "B D"]:
  """KL(N(mean, exp(logvar)) || N(0, 1)) of each latent dimension.

  Args:
    mean: [B, D].
    logvar: [B, D] log of the variance.

  Returns:
    [B, D] nats; the sum over D is the divergence of the whole.

  Source: Kingma & Welling 2014, appendix B.
  """
  return 0.5 * (jnp.square(mean) + jnp.exp(logvar) - 1.0 - logvar)


def beta_schedule(step: Int[Array, ""], beta: float, warmup_steps: int) -> Float[Array, ""]:
  """Weight of the KL at a step: from 0 up to `beta` in a straight line, then held.

  Source: Bowman et al. 2016 (KL annealing); Higgins et al. 2017 for beta.
  """
  return beta * jnp.clip(step / max(warmup_steps, 1), 0.0, 1.0)
