"""Recurrent layers whose state can be carried from block to block."""

import functools
from typing import NamedTuple

from flax import linen as nn
import jax
import jax.numpy as jnp

from cvae_jax.models.common import layers


class Carry(NamedTuple):
  """State of an LSTM.

  Attributes:
    c: [B, H] memory.
    h: [B, H] output.
  """

  c: jax.Array
  h: jax.Array


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


def _orthogonal_gates(rng, shape, dtype=jnp.float32, count=3):
  """[H, count H]: an orthogonal matrix for each gate."""
  init, size = nn.initializers.orthogonal(), shape[0]
  keys = jax.random.split(rng, count)
  return jnp.concatenate([init(key, (size, size), dtype) for key in keys], 1)


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


class LSTM(nn.Module):
  """Long short-term memory over a sequence, all at once or step by step; time is the first axis.

    i, f, g, o = x W + h U + b;  c = sigmoid(f) c + sigmoid(i) tanh(g);  h = sigmoid(o) tanh(c)

  Inputs are projected apart from the recurrence (x W + b, `project`), so that what is known of a
  sequence before it is run through is one product, and what does not vary in time is projected
  once. Biases of f begin at 1, or where T, `memory_steps`, is given at log u with u drawn from
  [1, T - 1], and those of i at -log u: a unit then keeps what it has seen for about u steps.

  Source: Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000; gates are in the
  order of cuDNN and PyTorch. Tallec & Ollivier 2018, "Can recurrent neural networks warp time?",
  for the biases.

  Attributes:
    features: H, of each half of the state.
    memory_steps: longest memory that units begin with; 0 for biases of 1.
  """

  features: int
  memory_steps: int = 0

  def setup(self):
    self.input = _Projection(4 * self.features, self.memory_steps)
    self.recurrent = self.param(
      "recurrent", functools.partial(_orthogonal_gates, count=4), (self.features, 4 * self.features)
    )

  def project(self, x: jax.Array) -> jax.Array:
    """[..., C] inputs to [..., 4 H]."""
    return self.input(x)

  def step(self, projected: jax.Array, carry: Carry) -> Carry:
    """The state after one step, of a projected input [B, 4 H]."""
    return _lstm_step(self.recurrent, carry, projected)[0]

  def run(self, projected: jax.Array, carry: Carry | None = None) -> tuple[Carry, jax.Array]:
    """Runs over projected inputs.

    Args:
      projected: [N, B, 4 H].
      carry: state before the first; zeros by default.

    Returns:
      The state after the last, and h of all [N, B, H].
    """
    if carry is None:
      zeros = jnp.zeros((projected.shape[1], self.features), projected.dtype)
      carry = Carry(zeros, zeros)
    last_c, outputs = _run_lstm(projected, self.recurrent, carry)
    return Carry(last_c, outputs[-1]), outputs

  def __call__(self, x: jax.Array, carry: Carry | None = None) -> tuple[Carry, jax.Array]:
    """Runs over [N, B, C] inputs, see `run`."""
    return self.run(self.project(x), carry)


class _Projection(nn.Module):
  """A linear layer to [..., features], with biases of gates.

  Attributes:
    features: 4 H.
    memory_steps: as of `LSTM`.
  """

  features: int
  memory_steps: int

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    kernel_init = nn.initializers.lecun_normal()
    kernel = self.param("kernel", kernel_init, (x.shape[-1], self.features))
    init = functools.partial(_remembering, steps=self.memory_steps)
    return layers.add_bias(x @ kernel, self.param("bias", init, (self.features,)))


def _remembering(rng, shape, dtype=jnp.float32, *, steps):
  """Biases [4H] of 0, but for the gates that keep: see `LSTM`."""
  size = shape[0] // 4
  biases = jnp.zeros(shape, dtype)
  if not steps:
    return biases.at[size : 2 * size].set(1.0)
  log_times = jnp.log(jax.random.uniform(rng, (size,), dtype, 1.0, max(steps - 1.0, 1.0 + 1e-3)))
  return biases.at[:size].set(-log_times).at[size : 2 * size].set(log_times)


def _lstm_step(kernel, carry, projected):
  """The next state, and the gates [B, 4H] that its gradient is computed from."""
  size = kernel.shape[0]
  gates = projected + carry.h @ kernel
  i, f, o = (jax.nn.sigmoid(gates[:, k * size : (k + 1) * size]) for k in (0, 1, 3))
  g = jnp.tanh(gates[:, 2 * size : 3 * size])
  c = f * carry.c + i * g
  return Carry(c, o * jnp.tanh(c)), jnp.concatenate([i, f, g, o], axis=-1)


# Steps of a loop's round: half of the time of one step a round was XLA's copies of the state.
_UNROLL = 2


@jax.custom_vjp
def _run_lstm(projected, kernel, carry):
  """The last c [B, H], and h of all steps [N, B, H], of projected inputs [N, B, 4H]."""

  def step(carry, inputs):
    carry, _ = _lstm_step(kernel, carry, inputs)
    return carry, carry.h

  last, outputs = jax.lax.scan(step, carry, projected, unroll=_UNROLL)
  return last.c, outputs


def _run_lstm_forward(projected, kernel, carry):
  def step(carry, inputs):
    carry, gates = _lstm_step(kernel, carry, inputs)
    return carry, (carry, gates)

  _, (states, gates) = jax.lax.scan(step, carry, projected, unroll=_UNROLL)
  return (states.c[-1], states.h), (states, gates, kernel, carry)


def _run_lstm_backward(residuals, gradient):
  """As `_run_backward`: the gradient to the kernel is one product."""
  (states, gates, kernel, carry), (to_last_c, to_outputs) = residuals, gradient
  before = jax.tree.map(lambda first, x: jnp.concatenate([first[None], x[:-1]]), carry, states)

  def step(to_state, inputs):
    to_output, gates, c, c_before = inputs
    i, f, g, o = jnp.split(gates, 4, axis=-1)
    to_h, tanh_c = to_state.h + to_output, jnp.tanh(c)
    to_c = to_state.c + to_h * o * (1.0 - jnp.square(tanh_c))
    to_gates = jnp.concatenate(
      [
        to_c * g * i * (1.0 - i),
        to_c * c_before * f * (1.0 - f),
        to_c * i * (1.0 - jnp.square(g)),
        to_h * tanh_c * o * (1.0 - o),
      ],
      axis=-1,
    )
    return Carry(to_c * f, to_gates @ kernel.T), to_gates

  start = Carry(to_last_c, jnp.zeros_like(to_last_c))
  inputs = (to_outputs, gates, states.c, before.c)
  to_carry, to_gates = jax.lax.scan(step, start, inputs, reverse=True)
  rows = lambda x: x.reshape(-1, x.shape[-1])  # Two axes to contract make a slower product.
  return to_gates, rows(before.h).T @ rows(to_gates), to_carry


_run_lstm.defvjp(_run_lstm_forward, _run_lstm_backward)
