"""Recurrent layers whose state can be carried from block to block."""

from flax import linen as nn
import jax
import jax.numpy as jnp


class GRU(nn.Module):
  """Gated recurrent units over a sequence.

    z, r = sigmoid(x W + h U + b);  n = tanh(x W + b + r (h U + b'));  h = (1 - z) n + z h

  Source: Cho et al. 2014, in the form of cuDNN and of Keras' `reset_after`, whose two biases of z
  and r are one here.

  Attributes:
    features: H, of the state.
  """

  features: int

  @nn.compact
  def __call__(self, x: jax.Array, carry: jax.Array | None = None) -> tuple[jax.Array, jax.Array]:
    """Runs over [B, N, C] inputs.

    Args:
      x: inputs.
      carry: [B, H] state before the first; zeros by default.

    Returns:
      The state [B, H] after the last, and all states [B, N, H].
    """
    projected = nn.Dense(3 * self.features, name="input")(x)
    kernel = self.param("recurrent", _orthogonal_gates, (self.features, 3 * self.features))
    bias = self.param("recurrent_bias", nn.initializers.zeros, (self.features,))
    if carry is None:
      carry = jnp.zeros((x.shape[0], self.features), x.dtype)
    states = _run(jnp.moveaxis(projected, 1, 0), kernel, bias, carry)
    return states[-1], jnp.moveaxis(states, 0, 1)


def _orthogonal_gates(rng, shape, dtype=jnp.float32):
  """[H, 3H]: an orthogonal matrix for each gate."""
  init, size = nn.initializers.orthogonal(), shape[0]
  return jnp.concatenate([init(key, (size, size), dtype) for key in jax.random.split(rng, 3)], 1)


def _step(kernel, bias, h, projected):
  """The next state [B, H], and what its gradient is computed from."""
  recurrent, size = h @ kernel, h.shape[-1]
  z = jax.nn.sigmoid(projected[:, :size] + recurrent[:, :size])
  r = jax.nn.sigmoid(projected[:, size : 2 * size] + recurrent[:, size : 2 * size])
  candidate = recurrent[:, 2 * size :] + bias
  n = jnp.tanh(projected[:, 2 * size :] + r * candidate)
  return n + z * (h - n), (z, r, n, candidate)


@jax.custom_vjp
def _run(projected, kernel, bias, carry):
  """[N, B, H] states of projected inputs [N, B, 3H]."""

  def step(h, inputs):
    h, _ = _step(kernel, bias, h, inputs)
    return h, h

  return jax.lax.scan(step, carry, projected)[1]


def _run_forward(projected, kernel, bias, carry):
  def step(h, inputs):
    h, kept = _step(kernel, bias, h, inputs)
    return h, (h, kept)

  _, (states, kept) = jax.lax.scan(step, carry, projected)
  return states, (states, kept, kernel, carry)


def _run_backward(residuals, gradient):
  """The gradient to the kernel is one product after the recurrence, rather than a sum within it."""
  states, kept, kernel, carry = residuals
  before = jnp.concatenate([carry[None], states[:-1]])

  def step(to_state, inputs):
    gradient, (z, r, n, candidate), h = inputs
    to_state += gradient
    to_n = to_state * (1.0 - z) * (1.0 - jnp.square(n))
    to_z = to_state * (h - n) * z * (1.0 - z)
    to_r = to_n * candidate * r * (1.0 - r)
    to_recurrent = jnp.concatenate([to_z, to_r, to_n * r], axis=-1)
    return to_state * z + to_recurrent @ kernel.T, (to_recurrent, to_n)

  start = jnp.zeros_like(carry)
  inputs = (gradient, kept, before)
  to_carry, (to_recurrent, to_n) = jax.lax.scan(step, start, inputs, reverse=True)
  size = carry.shape[-1]
  to_kernel = jnp.einsum("nbh,nbg->hg", before, to_recurrent)
  to_bias = jnp.sum(to_recurrent[..., 2 * size :], axis=(0, 1))
  to_projected = jnp.concatenate([to_recurrent[..., : 2 * size], to_n], axis=-1)
  return to_projected, to_kernel, to_bias, to_carry


_run.defvjp(_run_forward, _run_backward)
