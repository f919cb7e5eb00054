"""A linear path from features to code and back, beside a network: it begins as the PCA.

A PCA of as many components as a code has numbers reconstructs better than a network that has been
trained for an hour on two cores. With this path a run begins where the PCA ends, and its network,
whose outputs begin at zero, learns only what is not linear.

Components are not kept over all N F features: these are first projected onto their main directions
over time and over frequency (a Tucker decomposition), which takes a tenth of the numbers and loses
nothing. Where errors of some frames weigh more than others, so they do here, by a gain before and
after. A condition has a part of its own, linear as well: what a regression on c predicts of the
features is added to the output, and the PCA is of what it leaves.

For a Gaussian posterior, code and variance begin as those of a probabilistic PCA, whose variance of
the observation is beta sigma^2 of the objective.

Source: Tipping & Bishop 1999, "Probabilistic Principal Component Analysis", for posterior and
decoder; Tucker 1966 and Lu et al. 2008, "MPCA", for the two steps.
"""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence
import functools
from typing import Any

from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg

from cvae_jax.models.common import latent as latent_lib

COLLECTION = "linear"  # of its variables, which no gradient moves
NAME = "linear_path"  # of the submodule in a network
# Of `layers.above_silence`: what the path predicts of silence is right, and should not be bent up.
SHARPNESS = 40.0
_FOR_DIRECTIONS = 512  # examples that the directions over time and frequency are fitted on
_RIDGE = 0.1  # of the regression on the condition, in examples
_LEAST = 1e-6  # variance of a component, relative to the largest, under which it is none


class LinearPath(nn.Module):
  """Encoder and decoder of [B, N, F, C] features that are linear in features, code and condition.

  Attributes:
    feature_shape: (N, F, C) of the features.
    latent_dim: D.
    condition_dim: K.
    ranks: directions over the N frames, and over the F C bins.
  """

  feature_shape: tuple[int, int, int]
  latent_dim: int
  condition_dim: int
  ranks: tuple[int, ...]

  def setup(self):
    num_frames, num_bins, depth = self.feature_shape
    r, s = min(self.ranks[0], num_frames), min(self.ranks[1], num_bins * depth)
    self.core_shape = (r, s)
    zeros = lambda name, *shape: self.variable(COLLECTION, name, jnp.zeros, shape)
    self.mean = zeros("mean", num_frames, num_bins * depth)
    # Runs from before frames had weights have none: 1.
    has_gain = self.is_initializing() or self.has_variable(COLLECTION, "gain")
    ones = functools.partial(jnp.ones, num_frames)
    self.gain = self.variable(COLLECTION, "gain", ones).value if has_gain else ones()
    self.frames = zeros("frames", num_frames, r)
    self.bins = zeros("bins", num_bins * depth, s)
    if self.condition_dim:
      self.regression = zeros("regression", self.condition_dim, r * s)
    self.components = zeros("components", r * s, self.latent_dim)
    self.scale_in = zeros("scale_in", self.latent_dim)
    self.scale_out = zeros("scale_out", self.latent_dim)
    self.logvar = zeros("logvar", self.latent_dim)

  def _by_condition(self, condition: jax.Array) -> jax.Array | float:
    """[B, r s] of the core that the regression predicts."""
    return condition @ self.regression.value if self.condition_dim else 0.0

  def encode(self, features: jax.Array, condition: jax.Array) -> latent_lib.Latent:
    """[B, N, F, C] features and [B, K] condition to the latent."""
    x = features.reshape(*features.shape[:2], -1) - self.mean.value
    core = project(x, self.frames.value * self.gain[:, None], self.bins.value)
    core = core.reshape(x.shape[0], -1) - self._by_condition(condition)
    mean = (core @ self.components.value) * self.scale_in.value
    return latent_lib.Latent(mean, jnp.broadcast_to(self.logvar.value, mean.shape))

  def decode(self, z: jax.Array, condition: jax.Array) -> jax.Array:
    """[B, D] latent and [B, K] condition to [B, N, F, C] features."""
    core = (z * self.scale_out.value) @ self.components.value.T
    core += self._by_condition(condition)
    by_bin = jnp.einsum("brs,fs->brf", core.reshape(-1, *self.core_shape), self.bins.value)
    x = _over_frames(self.frames.value / self.gain[:, None], by_bin) + self.mean.value
    return x.reshape(-1, *self.feature_shape)


def combine(code: latent_lib.Latent, linear: latent_lib.Latent) -> latent_lib.Latent:
  """The latent of both paths: means are added, and so are the logs of variances."""
  if code.logvar is None or linear.logvar is None:
    return latent_lib.Latent(code.mean + linear.mean, None)
  logvar = latent_lib.clip_logvar(code.logvar + linear.logvar)
  return latent_lib.Latent(code.mean + linear.mean, logvar)


def project(x: jax.Array, frames: jax.Array, bins: jax.Array) -> jax.Array:
  """[B, r, s] cores of [B, N, F] centred features, by [N, r] and [F, s] directions."""
  return jnp.einsum("brf,fs->brs", _over_frames(frames.T, x), bins)


def _over_frames(matrix: jax.Array, x: jax.Array) -> jax.Array:
  """[B, M, F] product of [M, N] and every [N, F] of [B, N, F].

  As a product for each example, which leaves bins innermost: XLA's CPU backend would transpose all
  of x, and its gradient, for a single one.
  """
  return jnp.broadcast_to(matrix, (len(x), *matrix.shape)) @ x


def _directions(scatter: np.ndarray, rank: int) -> np.ndarray:
  """[n, rank] eigenvectors of a [n, n] matrix, those of the largest eigenvalues first."""
  size = len(scatter)
  return scipy.linalg.eigh(scatter, subset_by_index=[size - rank, size - 1])[1][:, ::-1]


def fit(
  variables: dict[str, Any],
  examples: Iterable[tuple[np.ndarray, np.ndarray]],
  observation_variance: float | None,
  weights: Sequence[float] | None = None,
) -> dict[str, np.ndarray]:
  """The path's variables as the PCA of examples.

  Args:
    variables: of a `LinearPath`, for their shapes.
    examples: batches of features [B, N, F, C] and conditions [B, K]; the first 512 examples should
      be like the rest.
    observation_variance: of a feature, for a Gaussian posterior; None for a code that is a point,
      whose components get deviation 1.
    weights: [N] of the squared errors of frames; None for 1.

  Returns:
    The variables. Of M examples at most M - 1 components can be told: the rest are zero.
  """
  shapes = {name: value.shape for name, value in variables.items()}
  ranks = shapes["frames"][1], shapes["bins"][1]
  gain = np.sqrt(np.asarray(weights or [1.0] * shapes["frames"][0], np.float32))
  projections: dict[str, np.ndarray] = {}
  waiting: list[np.ndarray] = []
  cores, conditions = [], []
  project_jit: Callable[..., jax.Array] = jax.jit(project)

  def start():
    x = np.concatenate(waiting)
    mean = x.mean(axis=0, dtype=np.float32)
    over_frames, over_bins = np.zeros((mean.shape[0],) * 2), np.zeros((mean.shape[1],) * 2)
    for example in x:
      centred = (example.astype(np.float32) - mean) * gain[:, None]
      over_frames += centred @ centred.T
      over_bins += centred.T @ centred
    projections["mean"] = mean
    projections["frames"] = _directions(over_frames, ranks[0]).astype(np.float32)
    projections["bins"] = _directions(over_bins, ranks[1]).astype(np.float32)
    for i in range(0, len(x), 32):
      add(x[i : i + 32])

  def add(x):
    centred = (x - projections["mean"]) * gain[:, None]
    core = project_jit(centred, projections["frames"], projections["bins"])
    cores.append(np.asarray(core).reshape(len(x), -1))

  for features, condition in examples:
    flat = np.asarray(features).reshape(*features.shape[:2], -1)
    conditions.append(condition)
    if projections:
      add(flat)
      continue
    waiting.append(flat.astype(np.float16))
    if sum(map(len, waiting)) >= _FOR_DIRECTIONS:
      start()
  if not projections:
    start()
  core, c = np.concatenate(cores), np.concatenate(conditions).astype(np.float32)
  intercept, fitted = _fit_cores(core, c, shapes["scale_in"][0], observation_variance)
  shift = projections["frames"] @ intercept.reshape(ranks) @ projections["bins"].T
  mean = projections["mean"] + shift / gain[:, None]
  found = {**projections, "mean": mean, "gain": gain, **fitted}
  return {name: found[name] for name in shapes}


def _fit_cores(
  core: np.ndarray, c: np.ndarray, latent_dim: int, observation_variance: float | None
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
  """([r s] intercept, the other variables) of [M, r s] cores and [M, K] conditions."""
  core_mean, c_mean = core.mean(axis=0), c.mean(axis=0)
  core, c = core - core_mean, c - c_mean
  regression = np.linalg.solve(c.T @ c + _RIDGE * np.eye(c.shape[1]), c.T @ core)
  intercept = (core_mean - c_mean @ regression).astype(np.float32)
  core = core - c @ regression
  count = len(core)
  rank = min(latent_dim, count - 1, core.shape[1])
  gram = core @ core.T if count < core.shape[1] else core.T @ core
  values, vectors = scipy.linalg.eigh(gram, subset_by_index=[len(gram) - rank, len(gram) - 1])
  values, vectors = values[::-1], vectors[:, ::-1]
  kept = values > _LEAST * max(values[0], 1e-12)
  values, vectors = values[kept], vectors[:, kept]
  if count < core.shape[1]:
    vectors = core.T @ (vectors / np.sqrt(values))
  variance = values / count
  noise = 0.0 if observation_variance is None else observation_variance
  signal = np.maximum(variance - noise, 0.0)
  result = {
    "regression": regression,
    "components": np.zeros((core.shape[1], latent_dim)),
    "scale_in": np.zeros(latent_dim),
    "scale_out": np.zeros(latent_dim),
    "logvar": np.zeros(latent_dim),
  }
  rank = len(values)
  result["components"][:, :rank] = vectors
  result["scale_in"][:rank] = np.sqrt(signal) / variance
  result["scale_out"][:rank] = np.sqrt(signal)
  if observation_variance is not None:
    result["logvar"][:rank] = np.log(np.minimum(noise / variance, 1.0))
  return intercept, {name: value.astype(np.float32) for name, value in result.items()}
