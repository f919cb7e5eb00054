"""What an encoder says of a latent vector."""

from typing import NamedTuple

from flax import linen as nn
import jax
import jax.numpy as jnp


class Latent(NamedTuple):
  """q(z|x, c), a Gaussian with diagonal covariance; or a point, where `logvar` is None.

  Attributes:
    mean: [B, D].
    logvar: [B, D] log of the variance, or None for a plain autoencoder.
  """

  mean: jax.Array
  logvar: jax.Array | None


class LatentHead(nn.Module):
  """A linear layer to the latent: flatten first, as the thesis does.

  Attributes:
    latent_dim: D.
    gaussian: whether there is a variance.
  """

  latent_dim: int
  gaussian: bool

  @nn.compact
  def __call__(self, hidden: jax.Array) -> Latent:
    hidden = hidden.astype(jnp.float32)  # The KL is a difference of near numbers.
    mean = nn.Dense(self.latent_dim, name="mean")(hidden)
    if not self.gaussian:
      return Latent(mean, None)
    # Zeros: before anything is learnt, q(z|x) has the prior's variance of 1.
    logvar = nn.Dense(self.latent_dim, kernel_init=nn.initializers.zeros, name="logvar")(hidden)
    # Variances past e^-12 and e^6 say nothing more, and would overflow before they could come back.
    return Latent(mean, jnp.clip(logvar, -12.0, 6.0))
