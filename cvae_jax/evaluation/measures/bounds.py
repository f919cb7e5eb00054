"""Bounds of reconstruction: errors of a mean and of a PCA, in the model's own features."""

from collections.abc import Callable
from collections.abc import Mapping
import logging

import numpy as np

from cvae_jax.data import notes
from cvae_jax.data import pipeline
from cvae_jax.evaluation import measures
from cvae_jax.evaluation.metrics import baselines
from cvae_jax.training import compilation

_log = logging.getLogger(__name__)


def make_features(run: measures.Run) -> Callable[[Mapping[str, np.ndarray]], np.ndarray]:
  """Makes a function from a batch of `pipeline.eval_batches` to the features of its notes."""
  assert run.method.features is not None
  encode = compilation.jit(run.method.features)
  return lambda batch: np.asarray(encode(run.inputs_of(batch)))[batch["mask"] > 0]


def fit_pca(run: measures.Run) -> baselines.Pca:
  """Fits a PCA to the training notes' features, with as many components as latent dimensions.

  At most `eval.baseline_notes` evenly spaced notes are used: time grows with their square.
  """
  features_of = make_features(run)
  train = run.data.train
  rows = notes.spread_rows(len(train), run.config.eval.baseline_notes)
  all_features, filled = np.empty((0,), np.float16), 0
  for batch in pipeline.eval_batches(train, run.batch_size, rows):
    features = features_of(batch)
    if not filled:  # Allocated once: the largest array of the evaluation.
      all_features = np.empty((len(rows), *features.shape[1:]), np.float16)
    all_features[filled : filled + len(features)] = features
    filled += len(features)
  return baselines.fit_pca(all_features, run.method.code_size)


def measure_bounds(run: measures.Run) -> dict[str, dict[str, float]] | None:
  """Held-out errors of the mean spectrogram and of a PCA, both fitted on the training split.

  Returns:
    {'mean', 'pca_<D>'} to {'rmse_db', 'lsd_db'}, with D values in a code.
  """
  method = run.method
  if method.features is None or method.level_db is None or not run.config.eval.baselines:
    return None
  if not method.code_size:
    return None
  count = min(len(run.data.train), run.config.eval.baseline_notes)
  _log.info("fitting the baselines on %d training notes", count)
  features_of, level_db = make_features(run), compilation.jit(method.level_db)
  pca = fit_pca(run)
  name_of_pca = f"pca_{method.code_size}"
  sums: dict[str, dict[str, float]] = {"mean": {}, name_of_pca: {}}
  for batch in pipeline.eval_batches(run.data.held_out, run.batch_size):
    features = features_of(batch)
    predicted = {
      "mean": np.broadcast_to(pca.mean.reshape(features.shape[1:]), features.shape),
      name_of_pca: pca.reconstruct(features),
    }
    for name, values in predicted.items():
      for metric, value in baselines.error_sums(level_db(features), level_db(values)).items():
        sums[name][metric] = sums[name].get(metric, 0.0) + value
  count = len(run.data.held_out)
  return {
    name: {"rmse_db": (total["mse_db2"] / count) ** 0.5, "lsd_db": total["lsd_db"] / count}
    for name, total in sums.items()
  }
