"""Networks for the velocity of a flow: on vectors, and on sequences of them."""

from flax import linen as nn
import jax
import jax.numpy as jnp

_FREQUENCIES = 8  # of the time's embedding


def _embed(t):
  """[B] times to [B, 2 K] cosines and sines."""
  phase = jnp.pi * t[:, None] * jnp.arange(1, _FREQUENCIES + 1)
  return jnp.concatenate([jnp.cos(phase), jnp.sin(phase)], axis=-1)


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
    inputs = jnp.concatenate([x, condition, _embed(t)], axis=-1)
    hidden = nn.Dense(self.hidden, name="start")(inputs)
    for i in range(self.blocks):
      update = nn.Dense(self.hidden, name=f"in_{i}")(nn.LayerNorm(name=f"norm_{i}")(hidden))
      hidden += nn.Dense(self.hidden, kernel_init=zeros, name=f"out_{i}")(nn.gelu(update))
    return nn.Dense(self.dim, kernel_init=zeros, name="velocity")(nn.gelu(hidden))


class SequenceVelocityNetwork(nn.Module):
  """v(x, t, known | c) of a flow on sequences of vectors of which the first may be known.

  Residual blocks of dilated convolutions over the frames. It begins as v = 0.

  Attributes:
    dim: D of the vectors.
    hidden: channels of every layer.
    dilations: of the blocks.
  """

  dim: int
  hidden: int = 128
  dilations: tuple[int, ...] = (1, 2, 4, 8, 1, 2)

  @nn.compact
  def __call__(self, x: jax.Array, t: jax.Array, is_known: jax.Array, c: jax.Array) -> jax.Array:
    """[B, N, D] velocities of [B, N, D] points at [B] times.

    Args:
      x: points; frames that are known are as they will be.
      t: times.
      is_known: [B, N] ones and zeros.
      c: [B, K] conditions; K is 0 without any.
    """
    zeros = nn.initializers.zeros
    # Ends are padded with zeros: a channel of ones tells where they are.
    inputs = jnp.concatenate([x, is_known[..., None], jnp.ones_like(x[..., :1])], axis=-1)
    times = nn.Dense(self.hidden, name="time")(jnp.concatenate([_embed(t), c], axis=-1))[:, None]
    hidden = nn.Conv(self.hidden, (3,), name="start")(inputs)
    for i, dilation in enumerate(self.dilations):
      update = nn.LayerNorm(name=f"norm_{i}")(hidden) + times
      conv = nn.Conv(self.hidden, (3,), kernel_dilation=(dilation,), name=f"in_{i}")
      update = nn.Conv(self.hidden, (1,), kernel_init=zeros, name=f"out_{i}")(
        nn.gelu(conv(nn.gelu(update)))
      )
      hidden += update
    return nn.Conv(self.dim, (1,), kernel_init=zeros, name="velocity")(nn.gelu(hidden))
