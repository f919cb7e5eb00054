from conftest import get_config
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cvae_jax.methods.common import losses
from cvae_jax.methods.common import regularization
from cvae_jax.models.common import latent as latent_lib


def make(**fields):
  fields = {"beta_warmup_steps": 0, **fields}
  config = get_config("cvae", "tiny", **{f"method.{k}": v for k, v in fields.items()})
  return regularization.make_penalty(config.method, num_notes=1000)


@pytest.fixture(scope="module")
def batch():
  rng = np.random.default_rng(0)
  mean, logvar = jnp.asarray(rng.normal(size=(2, 32, 6)), jnp.float32)
  latent = latent_lib.Latent(mean, logvar)
  z = mean + jnp.exp(0.5 * logvar) * jax.random.normal(jax.random.key(0), mean.shape)
  return latent, z


def cost(batch, step=1, prior=None, **fields):
  latent, z = batch
  return make(**fields)(latent, prior, z, jnp.asarray(step), jax.random.key(1))


def kl_of(batch):
  return float(losses.kl_to_standard_normal(*batch[0]).sum(axis=1).mean())


def test_the_default_is_beta_times_the_kl(batch):
  found = cost(batch, beta=2.0)
  assert float(found.cost) == pytest.approx(2 * kl_of(batch), rel=1e-6)
  assert float(found.metrics["kl"]) == pytest.approx(kl_of(batch), rel=1e-6)


def test_a_learned_prior_that_is_the_posterior_costs_nothing(batch):
  assert float(cost(batch, prior=batch[0]).cost) == pytest.approx(0.0, abs=1e-5)


def test_free_bits_are_free(batch):
  by_dimension = losses.kl_to_standard_normal(*batch[0]).mean(axis=0)
  enough = float(by_dimension.max()) + 0.1
  found = cost(batch, free_bits=enough)
  assert float(found.cost) == pytest.approx(6 * enough, rel=1e-5)
  gradient = jax.grad(
    lambda mean: cost((batch[0]._replace(mean=mean), batch[1]), free_bits=enough).cost
  )(batch[0].mean)
  assert np.abs(gradient).max() == 0.0
  assert float(cost(batch, free_bits=1e-6).cost) == pytest.approx(kl_of(batch), rel=1e-5)


@pytest.mark.parametrize("step,grown", [(0, 0.0), (50, 5.0), (100, 10.0), (500, 10.0)])
def test_the_kl_is_held_at_a_capacity_that_grows(batch, step, grown):
  found = cost(batch, step, capacity=10.0, capacity_steps=100, beta=3.0)
  beta = 3.0 if step else 0.0  # Without a warm-up it is there after the first step.
  assert float(found.cost) == pytest.approx(beta * abs(kl_of(batch) - grown), rel=1e-5)


def test_total_correlation_is_added_to_the_kl(batch):
  parts = losses.decompose_kl(batch[1], *batch[0], 1000)
  wanted = kl_of(batch) + 3.0 * float(parts.total_correlation.mean())
  assert float(cost(batch, tc_weight=4.0).cost) == pytest.approx(wanted, rel=1e-5)


def test_mmd_is_added_and_does_not_care_for_beta(batch):
  found = cost(batch, beta=0.0, mmd_weight=100.0)
  assert float(found.cost) == pytest.approx(100 * float(found.metrics["mmd"]), rel=1e-6)


def test_a_point_has_no_kl_and_may_be_sparse(batch):
  point = (latent_lib.Latent(batch[0].mean, None), batch[1])
  plain = cost(point, posterior="point")
  assert float(plain.cost) == 0.0 and float(plain.metrics["kl"]) == 0.0
  l1 = cost(point, posterior="point", sparsity="l1", sparsity_weight=2.0)
  wanted = 2 * np.abs(np.asarray(batch[0].mean)).sum(axis=1).mean()
  assert float(l1.cost) == pytest.approx(wanted, rel=1e-5)
  kl = cost(point, posterior="point", sparsity="kl", sparsity_weight=1.0, sparsity_target=0.1)
  assert float(kl.cost) == pytest.approx(float(losses.sparsity_kl(batch[0].mean, 0.1)), rel=1e-5)


def test_a_critics_loss_and_the_leakage_reach_parameters_of_their_own():
  logits = jnp.asarray([[2.0, 0.0, -1.0], [0.0, 0.0, 0.0]])
  wanted = [jnp.asarray([0, 2])]
  critic_loss, leakage = regularization.critic_losses(lambda p, z: [p * z], 1.0, logits, wanted)
  p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
  np.testing.assert_allclose(critic_loss, -np.log([p[0, 0], p[1, 2]]), rtol=1e-5)
  np.testing.assert_allclose(leakage, np.sum(p * np.log(p / p.mean(axis=0)), axis=1), atol=1e-6)
  of = lambda i, argument: jax.grad(
    lambda p, z: regularization.critic_losses(lambda p, z: [p * z], p, z, wanted)[i].sum(), argument
  )(1.0, logits)
  assert of(0, 0) != 0.0 and not of(0, 1).any()  # The loss trains the critic alone,
  assert of(1, 0) == 0.0 and of(1, 1).any()  # and the leakage the encoder alone.
  # However sure a critic is of three notes, there is no more to be had than log 3.
  sure = regularization.critic_losses(lambda p, z: [p * z], 1e4, jnp.eye(3), [jnp.arange(3)])[1]
  np.testing.assert_allclose(sure, np.log(3), rtol=1e-4)
  same = regularization.critic_losses(lambda p, z: [p * z], 1e4, jnp.ones((3, 3)), [jnp.arange(3)])
  np.testing.assert_allclose(same[1], 0.0, atol=1e-6)
