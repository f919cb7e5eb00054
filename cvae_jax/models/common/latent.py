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

  It is as if the condition were concatenated to what is flattened, but for its weights, which begin
  at 0. Weights drawn at random would give every pitch a place of its own in z before anything is
  learnt; the KL of such an offset is next to nothing, so that it would stay there to be read.

  Attributes:
    latent_dim: D.
    gaussian: whether there is a variance.
    zero: whether all weights begin at 0, beside a linear path that does the work.
  """

  latent_dim: int
  gaussian: bool
  zero: bool = False

  @nn.compact
  def __call__(self, hidden: jax.Array, condition: jax.Array | None = None) -> Latent:
    """[B, H] hidden units, and [B, K] condition where it enters here, to the latent."""
    # The KL is a difference of near numbers.
    hidden = hidden.astype(jnp.promote_types(hidden.dtype, jnp.float32))

    def condition_term(name):
      if condition is None or not condition.shape[-1]:
        return 0.0
      zeros = nn.initializers.zeros
      return nn.Dense(self.latent_dim, use_bias=False, kernel_init=zeros, name=name)(condition)

    kernel_init = nn.initializers.zeros if self.zero else nn.initializers.lecun_normal()
    mean = nn.Dense(self.latent_dim, kernel_init=kernel_init, name="mean")(hidden)
    mean += condition_term("mean_condition")
    if not self.gaussian:
      return Latent(mean, None)
    # Zeros: before anything is learnt, q(z|x) has the prior's variance of 1.
    logvar = nn.Dense(self.latent_dim, kernel_init=nn.initializers.zeros, name="logvar")(hidden)
    logvar += condition_term("logvar_condition")
    return Latent(mean, clip_logvar(logvar))


def clip_logvar(logvar: jax.Array) -> jax.Array:
  """Variances past e^-12 and e^6 say nothing more, and would overflow before they came back."""
  return jnp.clip(logvar, -12.0, 6.0)


class PriorNetwork(nn.Module):
  """p(z|c), where it is learnt: a Gaussian that starts as N(0, I) for every c.

  With several levels it is hierarchical, p(z_1|c) p(z_2|z_1, c) ...: each level is a Gaussian given
  c and all of z above it, so that what a note is like as a whole (z_1) can say what goes with it.

  Attributes:
    levels: dimensions of each, from the top; D together.
    hidden: units of the one hidden layer of each.

  Source: Sønderby et al. 2016, "Ladder Variational Autoencoders", for levels with a top-down prior.
  """

  levels: tuple[int, ...]
  hidden: int = 128

  @nn.compact
  def __call__(self, condition: jax.Array, z: jax.Array) -> Latent:
    """[B, K] condition, and [B, D] z of which every level sees what is above it, to p(z|c)."""
    zeros = nn.initializers.zeros
    means, logvars = [], []
    for i, size in enumerate(self.levels):
      suffix, above = (f"_{i}", z[:, : sum(self.levels[:i])]) if i else ("", None)
      x = condition if above is None else jnp.concatenate([condition, above], axis=-1)
      x = nn.gelu(nn.Dense(self.hidden, name=f"Dense_{i}")(x))
      means.append(nn.Dense(size, kernel_init=zeros, name=f"mean{suffix}")(x))
      logvars.append(nn.Dense(size, kernel_init=zeros, name=f"logvar{suffix}")(x))
    logvar = jnp.concatenate(logvars, axis=-1)
    return Latent(jnp.concatenate(means, axis=-1), clip_logvar(logvar))


class LabelCritic(nn.Module):
  """Predicts labels from z, so that an encoder can be trained to leave none of them in it.

  See `regularization.critic_losses` for the two losses.

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
