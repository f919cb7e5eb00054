"""A flow as the prior of the codes: its draws, its density, its training as a phase of a run."""

import functools

from conftest import SHORT
from conftest import get_config
from conftest import make_method
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import linalg
from scipy import stats
from sklearn import cluster

from cvae_jax.core import errors
from cvae_jax.methods.common import clusters
from cvae_jax.methods.common import flow_prior
from cvae_jax.models.common import latent
from cvae_jax.synthesis import synthesizer
from cvae_jax.training import checkpoint
from cvae_jax.training import loop
from cvae_jax.training import optimizers
from cvae_jax.training import state as state_lib

DIM = 3
MATRIX = np.asarray([[0.4, -0.7, 0.1], [0.5, -0.3, 0.2], [0.0, 0.3, 0.6]])
MEAN, STD = np.asarray([1.0, -2.0, 0.5]), np.asarray([0.5, 2.0, 1.5])
VARIABLES = {"params": {}, "mean": jnp.asarray(MEAN), "std": jnp.asarray(STD)}


class Linear:
  """Stands in for the network: v(x, t, c) = x A^T, whose flow is a matrix exponential."""

  dim = DIM

  def apply(self, params, x, t, c):
    del params, t, c
    return x @ MATRIX.T.astype(np.float32)


def test_draws_and_density_of_a_linear_flow_are_those_of_its_closed_form():
  exact = flow_prior.FlowPrior(Linear(), 64, 0)
  noise = np.random.default_rng(0).normal(size=(50, DIM)).astype(np.float32)
  c = jnp.zeros((50, 0))
  carried = linalg.expm(MATRIX) * 1.0
  z = exact.draw(VARIABLES, noise, c)
  np.testing.assert_allclose(z, noise @ carried.T * STD + MEAN, rtol=1e-3, atol=1e-3)
  covariance = STD[:, None] * (carried @ carried.T) * STD
  expected = stats.multivariate_normal(MEAN, covariance).logpdf(np.asarray(z))
  found = exact.log_density(VARIABLES, z, c, jax.random.key(0))
  np.testing.assert_allclose(found, expected, atol=2e-3)
  estimate = exact._replace(probes=4000, draw_steps=8)
  found = estimate.log_density(VARIABLES, z[:2], c[:2], jax.random.key(1))
  np.testing.assert_allclose(found, expected[:2], atol=0.03)


def test_an_untrained_flow_is_the_standard_normal():
  prior = flow_prior.make_flow_prior(flow_prior.get_config(), DIM)
  c = jnp.ones((4, 2))
  variables = prior.init(jax.random.key(0), c)
  noise = jax.random.normal(jax.random.key(1), (4, DIM))
  np.testing.assert_array_equal(prior.draw(variables, noise, c), noise)
  found = prior.log_density(variables, noise, c, jax.random.key(2))
  np.testing.assert_allclose(found, stats.norm.logpdf(noise).sum(-1), rtol=1e-5)


def test_it_learns_codes_that_are_no_normal_and_follow_the_condition():
  """Two rings, of radius 1 or 3 by the condition: draws lie on the ring that they are asked for."""
  config = flow_prior.get_config()
  config.update(hidden=64, blocks=2, steps=800, draw_steps=16)
  config.optimizer.warmup_steps = 50
  prior = flow_prior.make_flow_prior(config, 2)
  rng = np.random.default_rng(0)
  radius = rng.choice([1.0, 3.0], 4096)
  angle = rng.uniform(0, 2 * np.pi, 4096)
  codes = (radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)).astype(np.float32)
  c = (radius[:, None] == 3.0).astype(np.float32)
  optimizer = optimizers.make_optimizer(config.optimizer, config.steps)
  variables = prior.init(jax.random.key(0), c[:1])
  later = state_lib.init_state(
    {"params": variables["params"]}, optimizer, jax.random.key(0), 0.99
  )  # fmt: skip
  state = state_lib.TrainState(
    jnp.zeros((), jnp.int32), {}, None, None, jax.random.key(0), {"prior": variables}, later
  )
  state = flow_prior.begin(prior, state, latent.Latent(jnp.asarray(codes), None))
  step = jax.jit(functools.partial(flow_prior.train_step, prior, optimizer, 0.99))
  for i in range(config.steps):
    rows = rng.integers(0, 4096, 256)
    state, metrics = step(state, codes[rows], c[rows], jax.random.key(i))
  assert np.isfinite(metrics["loss"]) and int(state.step) == config.steps
  asked = np.repeat([[0.0], [1.0]], 500, axis=0).astype(np.float32)
  noise = jax.random.normal(jax.random.key(5), (1000, 2))
  drawn = np.linalg.norm(jax.jit(prior.draw)(state.buffers["prior"], noise, asked), axis=1)
  for part, wanted in ((drawn[:500], 1.0), (drawn[500:], 3.0)):
    assert np.mean(np.abs(part - wanted) < 0.35) > 0.9, np.percentile(part, [5, 50, 95])


@pytest.fixture(scope="module")
def settings(tfds_dir):
  return {**SHORT, "method.prior": "flow", "method.flow.steps": 6, "data.tfds_dir": tfds_dir}


@pytest.fixture(scope="module")
def flow_run(settings, tmp_path_factory):
  workdir = str(tmp_path_factory.mktemp("flow") / "run")
  results = loop.train_and_evaluate(get_config("cvae", "tiny", **settings), workdir)
  return workdir, results


def test_it_is_trained_after_the_autoencoder_which_stays_as_it_was(
  flow_run, settings, tmp_path, tfds_dir
):
  workdir, results = flow_run
  assert results["step"] == 10 and results["train_steps"] == 4
  assert np.isfinite(results["eval"]["elbo"])
  plain = str(tmp_path / "plain")
  loop.train_and_evaluate(
    get_config("cvae", "tiny", **{**settings, "method.prior": "standard"}), plain
  )
  _, with_flow = checkpoint.restore_params(workdir)
  _, without = checkpoint.restore_params(plain)
  jax.tree.map(np.testing.assert_array_equal, with_flow["params"], without["params"])
  velocity = with_flow["prior"]["params"]["velocity"]["kernel"]
  assert np.any(np.asarray(velocity) != 0) and np.all(np.asarray(with_flow["prior"]["std"]) > 0)


@pytest.mark.parametrize("stop_at", [2, 4, 7])
def test_a_run_stopped_in_either_stage_ends_bit_for_bit_the_same(
  flow_run, settings, tmp_path, stop_at
):
  workdir, config = str(tmp_path / "run"), get_config("cvae", "tiny", **settings)
  with pytest.raises(errors.Interrupted, match=f"stopped at step {stop_at}"):
    loop.train_and_evaluate(config, workdir, should_stop=lambda step: step == stop_at)
  results = loop.train_and_evaluate(config, workdir)
  assert results["eval"] == flow_run[1]["eval"]
  whole, stopped = (checkpoint.restore_params(w)[1] for w in (flow_run[0], workdir))
  jax.tree.map(np.testing.assert_array_equal, whole, stopped)


def test_a_run_whose_prior_is_begun_keeps_its_number_of_steps(flow_run, settings):
  config = get_config("cvae", "tiny", **{**settings, "train.steps": 6})
  with pytest.raises(errors.UserError, match="train.steps was 4 when the prior .* cannot be 6 now"):
    loop.train_and_evaluate(config, flow_run[0])


def test_the_best_checkpoints_would_have_no_prior(settings, tmp_path):
  config = get_config("cvae", "tiny", **{**settings, "checkpoint.keep_best": 1})
  with pytest.raises(errors.UserError, match="keep_best must be 0: the prior of this run"):
    loop.train_and_evaluate(config, str(tmp_path / "run"))


def test_an_autoencoder_with_a_flow_can_be_sampled(settings, real_batch):
  config = get_config("ae", "tiny", **{**settings, "data.tfds_dir": ""})
  method = make_method(config)
  assert method.can_sample and method.score is not None and method.log_weight is None
  assert not make_method(get_config("ae", "tiny")).can_sample


def test_clusters_are_those_of_another_implementation():
  rng = np.random.default_rng(0)
  centers = 8.0 * rng.normal(size=(6, 4))
  x = (centers[rng.integers(0, 6, 300)] + rng.normal(size=(300, 4))).astype(np.float32)
  found = clusters.fit(jnp.asarray(x), 6, jax.random.key(0))
  wanted = cluster.KMeans(6, n_init=10, random_state=0).fit(x).cluster_centers_
  order = np.lexsort(np.asarray(found).T), np.lexsort(wanted.T)
  np.testing.assert_allclose(np.asarray(found)[order[0]], wanted[order[1]], atol=1e-4)


def test_of_fewer_codes_than_clusters_some_clusters_are_empty():
  x = jnp.asarray(np.random.default_rng(0).normal(size=(3, 2)), jnp.float32)
  state = state_lib.TrainState(
    jnp.zeros((), jnp.int32), {}, None, None, jax.random.key(0), {"prior": {}}, None
  )
  prior = flow_prior.FlowPrior(Linear(), 4, 0, clusters=5)
  variables = flow_prior.begin(prior, state, latent.Latent(x, None)).buffers["prior"]
  shares = np.asarray(variables["shares"])
  np.testing.assert_allclose(np.sort(shares), [0, 0, 1 / 3, 1 / 3, 1 / 3], atol=1e-6)
  c, log_share = prior.place(variables, x, jnp.zeros((3, 0)))
  np.testing.assert_allclose(log_share, np.log(1 / 3), rtol=1e-6)
  assert len(np.unique(np.argmax(c, axis=1))) == 3


class Moved:
  """Stands in for the network: a shift by the cluster's number, of 3 dimensions."""

  dim = DIM

  def apply(self, params, x, t, c):
    del params, t
    return jnp.argmax(c, axis=1)[:, None] * jnp.ones_like(x)


def test_a_cluster_is_drawn_by_its_share_and_its_density_is_that_of_both():
  prior = flow_prior.FlowPrior(Moved(), 4, 0, clusters=3)
  centers = jnp.arange(3.0)[:, None] * jnp.ones(DIM)
  variables = {
    "params": {}, "mean": jnp.zeros(DIM), "std": jnp.ones(DIM), "centers": centers,
    "shares": jnp.asarray([0.2, 0.0, 0.8]),
  }  # fmt: skip
  z = prior.sample(variables, jnp.zeros((4000, 0)), jnp.full(4000, 1e-3), jax.random.key(0))
  heap, counts = np.unique(np.round(np.asarray(z).mean(axis=1)), return_counts=True)
  np.testing.assert_array_equal(heap, [0, 2])
  np.testing.assert_allclose(counts / 4000, [0.2, 0.8], atol=0.02)
  found = prior.log_density(variables, centers[2:] + 0.25, jnp.zeros((1, 0)), jax.random.key(1))
  wanted = np.log(0.8) + DIM * stats.norm.logpdf(0.25)
  np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_clusters_are_for_runs_without_labels(settings, tmp_path):
  config = get_config("cvae", "tiny", **{**settings, "method.flow.clusters": 4})
  with pytest.raises(errors.UserError, match="clusters must be 0 where condition.labels are given"):
    loop.train_and_evaluate(config, str(tmp_path / "run"))
  assert not (tmp_path / "run").exists()


def test_a_run_with_clusters_is_trained_and_loaded(settings, tmp_path):
  fields = {**settings, "method.flow.clusters": 4, "eval.sample_notes": 1}
  workdir = str(tmp_path / "run")
  results = loop.train_and_evaluate(get_config("vae", "tiny", **fields), workdir)
  assert np.isfinite(results["eval"]["elbo"])
  synth = synthesizer.load(workdir)
  variables = synth.params["prior"]
  assert variables["centers"].shape == (4, synth.method.code_shape[0])
  assert np.sum(variables["shares"]) == pytest.approx(1.0)
  assert np.isfinite(synth.generate(seed=0)).all()
