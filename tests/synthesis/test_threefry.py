"""Random numbers without keys are those of `jax.random`."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cvae_jax.synthesis import threefry

KEY = jax.random.key(7)


def draw(number):
  """Draws by every way that a program has: split and folded keys, in arrays, moved, in calls."""
  first, second = jax.random.split(KEY)
  folded = jax.vmap(lambda i: jax.random.fold_in(second, i))(number + jnp.arange(3))
  uniform = jax.vmap(lambda rng: jax.random.uniform(rng, (2, 5), minval=-1.0), out_axes=1)(folded)
  return {
    "uniform": uniform,
    "bits": jax.jit(lambda rngs: jax.random.bits(rngs[1], (7,)))(folded[::-1]),
    "integers": jax.random.randint(jax.random.key(number), (4,), 0, 1000),
    "normal": jax.random.normal(jax.random.fold_in(first, number), (4000,)),
    "choice": jax.random.bits(jnp.where(number > 3, first, second)),
  }


@pytest.mark.parametrize("number", [0, 5])
def test_numbers_are_the_same_without_keys(number):
  function = threefry.without_keys(draw, [jnp.int32(0)])
  trace = str(jax.make_jaxpr(function)(jnp.int32(0)))
  assert "random_" not in trace and "key<" not in trace and "bitcast" not in trace
  found, wanted = jax.jit(function)(number), draw(number)
  np.testing.assert_allclose(found.pop("normal"), wanted.pop("normal"), atol=1e-4)
  for name, values in wanted.items():
    np.testing.assert_array_equal(found[name], values, name)


def test_what_draws_nothing_is_left_as_it_is():
  function = lambda x: jnp.sin(x) + jax.nn.softplus(x)
  assert threefry.without_keys(function, [jnp.zeros(3)]) is function


def test_what_cannot_be_written_out_is_refused():
  def loop(x):
    return jax.lax.scan(lambda x, rng: (x + jax.random.normal(rng), None), x, jax.random.split(KEY))

  other = lambda x: x + jax.random.normal(jax.random.key(0, impl="rbg"))
  for function, message in ((loop, "within scan"), (other, "rbg")):
    with pytest.raises(NotImplementedError, match=message):
      jax.make_jaxpr(threefry.without_keys(function, [0.0]))(0.0)
