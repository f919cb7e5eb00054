"""A network for the velocity of a flow on vectors."""

from flax import linen as nn
import jax
import jax.numpy as jnp

_FREQUENCIES = 8  # of the time's embedding


class VelocityNetwork(nn.Module):
  """v(x, t, c) of a flow from noise (t = 0) to data (t = 1): residual blocks on vectors.

  It begins as v = 0, so that the flow begins as the identity.

  Attributes:
    dim: D of the vectors.
    hidden: units of every layer.
    blocks: residual blocks, of two layers each.
  """

  dim: int
  hidden: int = 512
  blocks: int = 4

  @nn.compact
  def __call__(self, x: jax.Array, t: jax.Array, condition: jax.Array) -> jax.Array:
    """[B, D] velocities of [B, D] points at [B] times, given [B, K] conditions; K may be 0."""
    zeros = nn.initializers.zeros
    phase = jnp.pi * t[:, None] * jnp.arange(1, _FREQUENCIES + 1)
    inputs = jnp.concatenate([x, condition, jnp.cos(phase), jnp.sin(phase)], axis=-1)
    hidden = nn.Dense(self.hidden, name="start")(inputs)
    for i in range(self.blocks):
      update = nn.Dense(self.hidden, name=f"in_{i}")(nn.LayerNorm(name=f"norm_{i}")(hidden))
      hidden += nn.Dense(self.hidden, kernel_init=zeros, name=f"out_{i}")(nn.gelu(update))
    return nn.Dense(self.dim, kernel_init=zeros, name="velocity")(nn.gelu(hidden))
