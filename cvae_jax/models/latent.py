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


class PriorNetwork(nn.Module):
  """p(z|c), where it is learnt: a Gaussian that starts as N(0, I) for every c.

  Attributes:
    latent_dim: D.
    hidden: units of its one hidden layer.
  """

  latent_dim: int
  hidden: int = 128

  @nn.compact
  def __call__(self, condition: jax.Array) -> Latent:
    x = nn.gelu(nn.Dense(self.hidden)(condition))
    zeros = nn.initializers.zeros
    mean = nn.Dense(self.latent_dim, kernel_init=zeros, name="mean")(x)
    logvar = nn.Dense(self.latent_dim, kernel_init=zeros, name="logvar")(x)
    return Latent(mean, jnp.clip(logvar, -12.0, 6.0))


class LabelCritic(nn.Module):
  """Guesses labels from z, so that an encoder can be taught to leave it nothing to go by.

  Attributes:
    sizes: number of values of each label.
    hidden: units of its one hidden layer.
  """

  sizes: tuple[int, ...]
  hidden: int = 128

  @nn.compact
  def __call__(self, z: jax.Array) -> tuple[jax.Array, ...]:
    x = nn.gelu(nn.Dense(self.hidden)(z))
    return tuple(nn.Dense(size, name=f"label_{i}")(x) for i, size in enumerate(self.sizes))


@jax.custom_vjp
def reverse_gradient(x: jax.Array) -> jax.Array:
  """x itself, its gradient turned over: what comes before learns the contrary of what comes after.

  Source: Ganin & Lempitsky 2015, "Unsupervised Domain Adaptation by Backpropagation".
  """
  return x


reverse_gradient.defvjp(lambda x: (x, None), lambda _, cotangent: (-cotangent,))
