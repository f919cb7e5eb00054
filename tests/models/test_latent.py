"""A prior in levels: each sees what is above it and nothing else, and draws come from the top."""

from conftest import example_batch
from conftest import get_config
from conftest import labels_of
from conftest import make_method
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cvae_jax.core import errors
from cvae_jax.data import labels
from cvae_jax.methods.common import condition as condition_lib
from cvae_jax.models.common import latent

LEVELS = (2, 3, 1)


@pytest.fixture(scope="module")
def prior():
  network = latent.PriorNetwork(LEVELS, hidden=8)
  c, z = jnp.ones((1, 4)), jnp.zeros((1, 6))
  params = network.init(jax.random.key(0), c, z)
  assert not np.any(network.apply(params, c, z).mean)  # N(0, I) at first, whatever c and z.
  rng = np.random.default_rng(0)
  params = jax.tree.map(lambda p: 0.3 * rng.normal(size=p.shape).astype(np.float32), params)
  return lambda z: network.apply(params, c, z)


def test_a_level_sees_those_above_it_alone(prior):
  def depends(z):
    return jnp.concatenate(prior(z[None]), axis=0)

  jacobian = np.abs(jax.jacobian(depends)(jnp.full(6, 0.3)))  # [mean and logvar, D, by D]
  start = np.cumsum((0, *LEVELS))
  level = np.searchsorted(start, np.arange(6), side="right") - 1
  above = level[None, :] < level[:, None]
  assert np.all(jacobian[:, above] > 0)
  assert not np.any(jacobian[:, ~above])


def make(levels):
  fields = {"condition.labels": ("pitch",), "method.prior_levels": levels}
  return make_method(get_config("cvae_best", "tiny", **fields), 3)


def test_draws_of_the_lower_level_follow_the_upper_one():
  method, count = make((1,)), 4096
  batch = example_batch()
  params = jax.jit(method.init)(jax.random.key(0), batch).params
  network = params["params"]["prior"]
  weights = np.random.default_rng(1).normal(size=network["mean_1"]["kernel"].shape)
  network["mean_1"]["kernel"] = weights.astype(np.float32)
  columns = {name: np.repeat(column[:1], count, axis=0) for name, column in batch.items()}
  asked = labels_of(columns)
  z = np.asarray(jax.jit(method.draw_code)(params, asked, jax.random.key(2)))
  assert z[:, 0].mean() == pytest.approx(0.0, abs=0.05)
  assert z[:, 0].std() == pytest.approx(1.0, abs=0.05)
  # Given z_1 the rest has the network's mean, and a deviation of 1.
  prior = latent.PriorNetwork((1, 3))
  c = condition_lib.make_condition(("pitch",), labels.make_vocabulary(["a", "b", "c"])).encode(
    asked
  )
  given = prior.apply({"params": network}, c, z)
  rest = (z - np.asarray(given.mean))[:, 1:]
  assert rest.mean(axis=0) == pytest.approx(np.zeros(3), abs=0.06)
  assert rest.std(axis=0) == pytest.approx(np.ones(3), abs=0.05)
  assert np.abs(np.corrcoef(z[:, 0], rest.T)[0, 1:]).max() < 0.06
  assert np.abs(np.corrcoef(z.T)[0, 1:]).max() > 0.3


def test_levels_must_leave_something_to_the_last():
  with pytest.raises(errors.UserError, match="prior_levels must leave dimensions of .* 4 .*got"):
    make((4,))
