"""The linear path beside a network against a PCA and a probabilistic PCA that we did not write."""

from conftest import SHORT
from conftest import example_batch
from conftest import get_config
from conftest import make_method
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn import decomposition
from sklearn import linear_model

from cvae_jax.models.common import linear_path
from cvae_jax.training import checkpoint
from cvae_jax.training import loop

SHAPE, DIM, CLASSES = (6, 10, 2), 5, 3


def make_examples(count=400, seed=0):
  """Features of a few directions, whose mean depends on a one-hot condition, and some noise."""
  rng = np.random.default_rng(seed)
  directions = rng.normal(size=(DIM, *SHAPE)) * np.asarray([5, 4, 3, 2, 1.5])[:, None, None, None]
  c = np.eye(CLASSES)[rng.integers(CLASSES, size=count)]
  means = 4.0 * rng.normal(size=(CLASSES, *SHAPE))
  x = np.einsum("bd,dnfc->bnfc", rng.normal(size=(count, DIM)), directions)
  x += np.einsum("bk,knfc->bnfc", c, means) + 0.3 * rng.normal(size=x.shape) + 1.0
  return x.astype(np.float32), c.astype(np.float32)


def fit_path(x, c, ranks=(6, 20), variance=None, weights=None):
  path = linear_path.LinearPath(SHAPE, DIM, c.shape[1], ranks)
  variables = path.init(jax.random.key(0), x[:1], c[:1], method="encode")
  shapes = variables[linear_path.COLLECTION]
  batches = [(x[i : i + 64], c[i : i + 64]) for i in range(0, len(x), 64)]
  fitted = linear_path.fit(shapes, batches, variance, weights)
  return lambda function, *inputs: path.apply(
    {linear_path.COLLECTION: fitted}, *inputs, method=function
  )


def test_of_full_rank_and_without_a_condition_it_is_the_pca():
  x, _ = make_examples()
  none = np.zeros((len(x), 0), np.float32)
  apply = fit_path(x, none)
  latent = apply("encode", x, none)
  pca = decomposition.PCA(DIM, whiten=True).fit(x.reshape(len(x), -1))
  expected = pca.transform(x.reshape(len(x), -1))
  np.testing.assert_allclose(np.abs(latent.mean), np.abs(expected), rtol=0.01, atol=0.01)
  back = pca.inverse_transform(expected).reshape(x.shape)
  np.testing.assert_allclose(apply("decode", latent.mean, none), back, atol=0.02)


def test_with_a_condition_it_is_the_pca_of_what_a_regression_leaves():
  x, c = make_examples()
  apply = fit_path(x, c)
  flat = x.reshape(len(x), -1)
  regression = linear_model.Ridge(0.1).fit(c, flat)
  left = flat - regression.predict(c)
  pca = decomposition.PCA(DIM).fit(left)
  expected = regression.predict(c) + pca.inverse_transform(pca.transform(left))
  back = apply("decode", apply("encode", x, c).mean, c)
  np.testing.assert_allclose(back.reshape(len(x), -1), expected, atol=0.03)


def test_a_gaussian_posterior_is_that_of_a_probabilistic_pca():
  x, _ = make_examples()
  none, variance = np.zeros((len(x), 0), np.float32), 0.09
  apply = fit_path(x, none, variance=variance)
  latent = apply("encode", x, none)
  flat = x.reshape(len(x), -1)
  # Section 3: W = U (L - s I)^(1/2), M = W^T W + s I and z|x ~ N(M^-1 W^T x, s M^-1).
  covariance = np.cov(flat.T, bias=True)
  values, vectors = np.linalg.eigh(covariance)
  values, vectors = values[::-1][:DIM], vectors[:, ::-1][:, :DIM]
  weights = vectors * np.sqrt(values - variance)
  inverse = np.linalg.inv(weights.T @ weights + variance * np.eye(DIM))
  mean = (flat - flat.mean(axis=0)) @ weights @ inverse
  np.testing.assert_allclose(np.abs(latent.mean), np.abs(mean), rtol=0.01, atol=0.01)
  np.testing.assert_allclose(np.exp(latent.logvar[0]), variance * np.diag(inverse), rtol=0.02)
  unit = apply("decode", jnp.eye(DIM), none[:DIM]) - apply("decode", jnp.zeros((1, DIM)), none[:1])
  np.testing.assert_allclose(np.abs(unit), np.abs(weights.T.reshape(DIM, *SHAPE)), atol=0.05)


def test_weights_of_frames_make_it_the_pca_of_weighted_errors():
  x, _ = make_examples()
  none = np.zeros((len(x), 0), np.float32)
  gain = np.sqrt(np.array([9.0, 4.0, 1.0, 1.0, 1.0, 1.0]))[:, None, None]
  apply = fit_path(x, none, weights=np.square(gain).ravel().tolist())
  pca = decomposition.PCA(DIM).fit((x * gain).reshape(len(x), -1))
  weighed = pca.transform((x * gain).reshape(len(x), -1))
  expected = pca.inverse_transform(weighed).reshape(x.shape) / gain
  back = apply("decode", apply("encode", x, none).mean, none)
  np.testing.assert_allclose(back, expected, atol=0.02)


def test_a_path_of_an_older_run_has_no_weights():
  x, c = make_examples(8)
  path = linear_path.LinearPath(SHAPE, DIM, CLASSES, (6, 20))
  variables = path.init(jax.random.key(0), x, c, method="encode")[linear_path.COLLECTION]
  older = {name: value for name, value in variables.items() if name != "gain"}
  run = lambda v: path.apply({linear_path.COLLECTION: v}, x, c, method="encode").mean
  np.testing.assert_array_equal(run(older), run(variables))


def test_examples_fewer_than_components_leave_the_rest_zero():
  x, c = make_examples(count=4)
  apply = fit_path(x, c[:, :0])
  latent = apply("encode", x, c[:, :0])
  np.testing.assert_allclose(apply("decode", latent.mean, c[:, :0]), x, atol=0.02)
  assert np.all(np.asarray(latent.mean)[:, 3:] == 0)


@pytest.mark.parametrize("name", ["ae", "vae", "cvae"])
def test_a_run_begins_as_the_linear_path(name, tfds_dir, tmp_path):
  config = get_config(name, "tiny", **{
    **SHORT, "train.steps": 2, "data.tfds_dir": tfds_dir, "model.linear_ranks": (8, 40),
    "optimizer.learning_rate": 1e-30, "optimizer.ema_decay": 0.0, "method.prior": "standard",
  })  # fmt: skip
  loop.train_and_evaluate(config, str(tmp_path / "run"))
  _, params = checkpoint.restore_params(str(tmp_path / "run"))
  path = params[linear_path.COLLECTION][linear_path.NAME]
  assert np.all(np.asarray(path["scale_out"]) > 0)
  method = make_method(config)
  fresh = method.init(jax.random.key(config.seed), example_batch()).params
  trained = {"params": params["params"]}
  moved = jax.tree.map(lambda a, b: np.max(np.abs(a - np.asarray(b))), fresh, trained)
  assert max(jax.tree.leaves(moved)) < 1e-6
