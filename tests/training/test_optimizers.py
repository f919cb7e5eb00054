"""Optimizers, and learning rates by step."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from cvae_jax.core import config as config_lib
from cvae_jax.core import errors
from cvae_jax.training import optimizers


def make(schedule, warmup_steps, **fields):
  config = config_lib.get_optimizer()
  config.update(schedule=schedule, warmup_steps=warmup_steps, learning_rate=0.5, **fields)
  return optimizers.make_schedule(config, 100)


@pytest.mark.parametrize("schedule", config_lib.SCHEDULES)
def test_without_a_warm_up_it_begins_at_the_peak(schedule):
  assert float(make(schedule, 0)(0)) == pytest.approx(0.5)


@pytest.mark.parametrize("schedule", config_lib.SCHEDULES)
def test_a_warm_up_is_a_straight_line_to_the_peak(schedule):
  learning_rate = make(schedule, 10)
  assert [float(learning_rate(i)) for i in (0, 5, 10)] == pytest.approx([0.0, 0.25, 0.5])


def test_after_it_each_falls_in_its_way():
  at = lambda schedule, step: float(make(schedule, 0, decay_steps=40, decay_rate=0.25)(step))
  assert at("constant", 90) == 0.5
  assert at("cosine", 40) == pytest.approx(0.005)
  assert at("exponential", 20) == pytest.approx(0.25) and at("step", 20) == pytest.approx(0.5)
  assert at("exponential", 80) == at("step", 80) == pytest.approx(0.5 / 16)


def one_update(name, params, grads, **fields):
  """What the first step adds to parameters, without a warm-up."""
  config = config_lib.get_optimizer()
  config.update(name=name, schedule="constant", warmup_steps=0, clip_norm=0.0, **fields)
  optimizer = optimizers.make_optimizer(config, 10)
  return optimizer.update(grads, optimizer.init(params), params)[0]


def random_tree(seed):
  """Parameters of a convolution, a recurrence, a kernel with one input, and one of another name."""
  shapes = {
    "conv": {"kernel": (3, 4, 6), "bias": (6,)},
    "lstm": {"recurrent": (5, 20)},
    "thin": {"kernel": (1, 8)},
    "table": {"embedding": (7, 3)},
  }
  rng = np.random.default_rng(seed)
  is_shape = lambda x: isinstance(x, tuple)
  draw = lambda shape: jnp.asarray(rng.normal(size=shape), jnp.float32)
  return jax.tree.map(draw, shapes, is_leaf=is_shape)


def test_muon_evens_the_singular_values_of_kernels_and_moves_them_by_its_rate():
  update = one_update("muon", random_tree(0), random_tree(1), kernel_rate=0.01)
  for values in (update["conv"]["kernel"].reshape(12, 6), update["lstm"]["recurrent"]):
    singular = np.linalg.svd(values, compute_uv=False)
    grads = random_tree(1)["conv"]["kernel"].reshape(12, 6)
    before = np.linalg.svd(grads, compute_uv=False)
    assert singular.max() / singular.min() < 2.0 < before.max() / before.min()
    assert np.sqrt(np.mean(np.square(values))) == pytest.approx(0.01, rel=0.25)


def test_muon_moves_all_else_as_adam_does():
  params, grads = random_tree(0), random_tree(1)
  update = one_update("muon", params, grads)
  nesterov = optax.adamw(2e-3, b1=0.9, b2=0.98, weight_decay=0.0, nesterov=True)
  expected = nesterov.update(grads, nesterov.init(params), params)[0]
  for name, field in (("conv", "bias"), ("thin", "kernel"), ("table", "embedding")):
    np.testing.assert_allclose(update[name][field], expected[name][field], rtol=1e-5)


def test_muon_decays_weights_by_its_schedule_of_the_learning_rate():
  params = random_tree(0)
  zeros = jax.tree.map(jnp.zeros_like, params)
  update = one_update("muon", params, zeros, weight_decay=0.1, learning_rate=0.5)
  for name, field in (("conv", "kernel"), ("conv", "bias")):
    np.testing.assert_allclose(update[name][field], -0.05 * params[name][field], rtol=1e-4)


def test_an_optimizer_that_there_is_not_is_refused():
  config = config_lib.get_optimizer()
  config.name = "sgd"
  with pytest.raises(errors.UserError, match="must be one of adam, muon, got 'sgd'"):
    optimizers.make_optimizer(config, 10)
