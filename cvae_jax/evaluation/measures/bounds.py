"""The bounds of reconstruction: what a mean and a PCA reach in the model's own features."""

from collections.abc import Callable
from collections.abc import Mapping
import logging

import numpy as np

from cvae_jax import methods
from cvae_jax.data import notes
from cvae_jax.data import pipeline
from cvae_jax.evaluation import measures
from cvae_jax.evaluation.metrics import baselines
from cvae_jax.training import compilation

_log = logging.getLogger(__name__)


def make_features(method: methods.Method) -> Callable[[Mapping[str, np.ndarray]], np.ndarray]:
  """A function from a batch of `pipeline.eval_batches` to the features of its notes."""
  assert method.features is not None
  to_features = method.features
  encode = compilation.jit(lambda audio: to_features({"audio": audio}))
  return lambda batch: np.asarray(encode(batch["audio"]))[batch["mask"] > 0]


def fit_pca(run: measures.Run) -> baselines.Pca:
  """The PCA of the training notes' features, of as many components as the latent has dimensions.

  Of many notes `eval.baseline_notes` are taken, spread evenly: time grows with their square.
  """
  features_of = make_features(run.method)
  train = run.data.train
  rows = notes.spread_rows(len(train), run.config.eval.baseline_notes)
  everything, filled = np.empty((0,), np.float16), 0
  for batch in pipeline.eval_batches(train, run.batch_size, rows):
    features = features_of(batch)
    if not filled:  # In one piece from the start: it is as large as all else together.
      everything = np.empty((len(rows), *features.shape[1:]), np.float16)
    everything[filled : filled + len(features)] = features
    filled += len(features)
  return baselines.fit_pca(everything, run.method.code_size)


def measure_bounds(run: measures.Run) -> dict[str, dict[str, float]] | None:
  """What the mean spectrogram and a PCA, fitted on the training split, reach on the held-out one.

  Returns:
    {'mean', 'pca_<D>'} to {'rmse_db', 'lsd_db'}, D the numbers of a code.
  """
  method = run.method
  if method.features is None or method.level_db is None or not run.config.eval.baselines:
    return None
  if not method.code_size:
    return None
  count = min(len(run.data.train), run.config.eval.baseline_notes)
  _log.info("fitting the baselines on %d training notes", count)
  features_of, level_db = make_features(method), compilation.jit(method.level_db)
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
