from flax import linen as nn
import jax
import jax.numpy as jnp
from jax.test_util import check_grads
import numpy as np
import pytest

from cvae_jax.models.common import recurrent


@pytest.fixture(scope="module")
def example():
  gru = recurrent.GRU(5)
  x = jax.random.normal(jax.random.key(0), (2, 9, 3))
  return gru, gru.init(jax.random.key(1), x), x


def test_it_is_the_gru_of_the_formula(example):
  gru, variables, x = example
  p = jax.tree.map(lambda v: np.asarray(v, np.float64) + 0.1, variables["params"])
  sigmoid = lambda v: 1.0 / (1.0 + np.exp(-v))
  h = np.zeros((2, 5))
  for t in range(9):
    a = np.asarray(x[:, t], np.float64) @ p["input"]["kernel"] + p["input"]["bias"]
    u = h @ p["recurrent"]
    z, r = sigmoid(a[:, :5] + u[:, :5]), sigmoid(a[:, 5:10] + u[:, 5:10])
    n = np.tanh(a[:, 10:] + r * (u[:, 10:] + p["recurrent_bias"]))
    h = (1 - z) * n + z * h
  shifted = jax.tree.map(lambda v: v + 0.1, variables)
  carry, states = gru.apply(shifted, x)
  np.testing.assert_allclose(carry, h, atol=1e-6)
  np.testing.assert_array_equal(states[:, -1], carry)


def test_its_gradient_is_right_and_its_state_is_carried(example):
  gru, variables, x = example
  start = jax.random.normal(jax.random.key(2), (2, 5))
  run = lambda v, x, start: gru.apply(v, x, start)
  check_grads(run, (variables, x, start), 1, modes=["rev"], atol=1e-2, rtol=1e-2)
  carry, first = run(variables, x[:, :4], start)
  _, second = run(variables, x[:, 4:], carry)
  _, whole = run(variables, x, start)
  np.testing.assert_allclose(jnp.concatenate([first, second], 1), whole, atol=1e-6)


@pytest.fixture(scope="module")
def long_memory():
  lstm = recurrent.LSTM(5)
  x = jax.random.normal(jax.random.key(0), (9, 2, 3))
  return lstm, lstm.init(jax.random.key(1), x), x


def test_the_lstm_agrees_with_flax(long_memory):
  lstm, variables, x = long_memory
  kernel = variables["params"]["input"]["kernel"]
  bias = jax.random.normal(jax.random.key(3), (20,))
  recurrent_kernel = variables["params"]["recurrent"]
  shifted = {"params": {"input": {"kernel": kernel, "bias": bias}, "recurrent": recurrent_kernel}}
  parts = {}
  for i, gate in enumerate("ifgo"):
    columns = slice(5 * i, 5 * (i + 1))
    parts[f"i{gate}"] = {"kernel": kernel[:, columns]}
    parts[f"h{gate}"] = {"kernel": recurrent_kernel[:, columns], "bias": bias[columns]}
  cell = nn.OptimizedLSTMCell(5)
  carry = start = tuple(jax.random.normal(jax.random.key(2), (2, 2, 5)))
  expected = []
  for step in x:
    carry, output = cell.apply({"params": parts}, carry, step)
    expected.append(output)
  last, outputs = lstm.apply(shifted, x, recurrent.Carry(*start))
  np.testing.assert_allclose(outputs, jnp.stack(expected), atol=1e-6)
  np.testing.assert_allclose(last, carry, atol=1e-6)


def test_gates_begin_with_memories_of_up_to_so_many_steps():
  x = jnp.zeros((1, 1, 3))
  bias = lambda steps: np.asarray(
    recurrent.LSTM(400, steps).init(jax.random.key(0), x)["params"]["input"]["bias"]
  ).reshape(4, 400)
  np.testing.assert_array_equal(bias(0), np.repeat([[0.0], [1.0], [0.0], [0.0]], 400, axis=1))
  keep, forget, *others = bias(100)
  np.testing.assert_array_equal(keep, -forget)
  np.testing.assert_array_equal(others, np.zeros((2, 400)))
  # A constant gate keeps 1 / (1 - f) = 1 + u steps, with u uniform up to 99.
  times = np.sort(1.0 / (1.0 - 1.0 / (1.0 + np.exp(-forget.astype(float)))) - 1.0)
  np.testing.assert_allclose(times, np.linspace(1.0, 99.0, 400), atol=8.0)
  assert np.isfinite(bias(1)).all()


def test_the_lstm_remembers_and_has_the_right_gradient(long_memory):
  lstm, variables, x = long_memory
  np.testing.assert_array_equal(variables["params"]["input"]["bias"][5:10], 1.0)
  start = recurrent.Carry(*jax.random.normal(jax.random.key(2), (2, 2, 5)))
  run = lambda v, x, start: lstm.apply(v, x, start)
  check_grads(run, (variables, x, start), 1, modes=["rev"], atol=1e-2, rtol=1e-2)
  carry, first = run(variables, x[:4], start)
  _, second = run(variables, x[4:], carry)
  _, whole = run(variables, x, start)
  np.testing.assert_allclose(jnp.concatenate([first, second]), whole, atol=1e-6)
  step = lambda x, carry: lstm.apply(variables, lstm.apply(variables, x, method="project"), carry,
                                     method="step")  # fmt: skip
  np.testing.assert_allclose(step(x[4], carry).h, whole[4], atol=1e-6)
