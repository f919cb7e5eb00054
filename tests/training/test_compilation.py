import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cvae_jax.training import compilation


def products(store):
  """Of the compiled program, how often a product with two readers is computed."""

  def read_twice(x):
    y = store(x * (x + 1.0))
    return y.T + 1.0, jnp.sin(y)

  x = jnp.ones((64, 32))
  text = compilation.jit(read_twice).lower(x).compile().as_text()
  return sum(" multiply(" in line for line in text.splitlines())


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="of XLA's CPU backend")
def test_what_is_materialized_is_computed_once():
  assert products(lambda y: y) == 2
  assert products(compilation.materialize) == 1


@pytest.mark.parametrize("value", [0.0, -2.5, np.inf, -np.inf, np.nan])
def test_what_is_materialized_is_what_it_was(value):
  x = jnp.asarray([[value, 1.0], [np.nan, np.inf]])
  for function in (compilation.materialize, jax.vmap(compilation.materialize)):
    np.testing.assert_array_equal(jax.jit(function)(x), x)


def test_a_converter_sees_no_loop():
  with compilation.plain():
    text = jax.jit(compilation.materialize).lower(jnp.ones(3)).as_text()
  assert "while" not in text
