"""The networks of an autoencoder as one module, and draws of its latent."""

from typing import Any

from flax import linen as nn
import jax
import jax.numpy as jnp

from cvae_jax.methods.common import guidance
from cvae_jax.methods.common import observation as observation_lib
from cvae_jax.models.common import latent as latent_lib

Latent = latent_lib.Latent


class Networks(nn.Module):
  """All that a VAE learns: encoder and decoder, and what stands beside them if it has it.

  The parameters of the autoencoder are at the top of the tree; the others have their own names.

  Attributes:
    autoencoder: a network of `cvae_jax.models`.
    observation: p(x|z, c).
    prior: p(z|c); None for N(0, I).
    critic: of the labels in z; None without one.
    guide: of single dimensions of z; None without one.
  """

  autoencoder: nn.Module
  observation: observation_lib.Observation
  prior: latent_lib.PriorNetwork | None = None
  critic: latent_lib.LabelCritic | None = None
  guide: guidance.Guide | None = None

  def setup(self):
    nn.share_scope(self, self.autoencoder)

  def __call__(self, x: jax.Array, c: jax.Array) -> None:
    """Calls every network once, to initialise its parameters."""
    z = self.encode(x, c).mean
    self.nll(x, self.decode(z, c))
    self.conditional_prior(c, z)
    if self.critic is not None:
      self.critic(z)
    if self.guide is not None:
      self.guide(z)

  def encode(self, x: jax.Array, c: jax.Array) -> Latent:
    """q(z|x, c) of [B, N, F, C] features and [B, K] conditions."""
    return self.autoencoder.encode(x, c)

  def decode(self, z: jax.Array, c: jax.Array) -> jax.Array:
    """[B, D] latents and [B, K] conditions to [B, N, F, C] features."""
    return self.autoencoder.decode(z, c)

  def nll(self, x: jax.Array, predicted: jax.Array) -> jax.Array:
    """[B] -log p(x|z, c) in nats."""
    return self.observation(x, predicted)

  def conditional_prior(self, c: jax.Array, z: jax.Array) -> Latent | None:
    """p(z|c), each level given the levels of z above it; None for N(0, I)."""
    return None if self.prior is None else self.prior(c, z)

  def label_logits(self, z: jax.Array) -> tuple[jax.Array, ...]:
    """The critic's logits of each label."""
    assert self.critic is not None
    return self.critic(z)

  def guide_with(self, function: str, z: jax.Array) -> Any:
    """A function of the guide."""
    return getattr(self.guide, function)(z)


def reparameterize(latent: Latent, noise: jax.Array) -> jax.Array:
  """z = mean + std * noise, so that gradients reach mean and logvar; the mean of a point."""
  if latent.logvar is None:
    return latent.mean
  return latent.mean + jnp.exp(0.5 * latent.logvar) * noise


def draw(latent: Latent, rng: jax.Array) -> jax.Array:
  """[B, D] z of a posterior or prior."""
  return reparameterize(latent, jax.random.normal(rng, latent.mean.shape))
