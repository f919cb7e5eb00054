"""Evaluates a run on a split of its data set; also called at the end of training.

python -m cvae_jax.evaluate --workdir=runs/cvae --full
"""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
import json
import logging
import math
import os
from typing import Any

import jax
import ml_collections
import numpy as np

from cvae_jax import methods
from cvae_jax.core import atomic
from cvae_jax.core import cli
from cvae_jax.core import config as config_lib
from cvae_jax.core import config_check
from cvae_jax.core import errors
from cvae_jax.core import json_file
from cvae_jax.core import outputs
from cvae_jax.core import run_flags
from cvae_jax.data import pipeline
from cvae_jax.evaluation import measures
from cvae_jax.evaluation import result_tables
from cvae_jax.evaluation.measures import artefacts
from cvae_jax.evaluation.measures import bounds
from cvae_jax.evaluation.measures import generation
from cvae_jax.evaluation.measures import latent
from cvae_jax.evaluation.measures import own
from cvae_jax.evaluation.measures import reconstruction
from cvae_jax.evaluation.measures import scores
from cvae_jax.training import compilation
from cvae_jax.training import sharding

_log = logging.getLogger("cvae_jax.evaluate")  # Also when run as __main__.

RESULTS = "results.json"


def average(
  eval_step: Callable[..., methods.Sums],
  params: Any,
  batches: Iterable[Mapping[str, np.ndarray]],
  rng: jax.Array,
  put: Callable[[Mapping[str, np.ndarray]], Mapping[str, jax.Array]],
) -> dict[str, float]:
  """Averages metrics exactly over a split, from the batches' sums and counts.

  Args:
    eval_step: of a method, jitted.
    params: of the network.
    batches: of `pipeline.eval_batches`.
    rng: random key; the key of batch i is `fold_in(rng, i)`.
    put: transfers a batch to the devices.

  Returns:
    Metrics by name. 'mse_db2' is returned as 'rmse_db', the root of its average.
  """
  totals: dict[str, list[float]] = {}
  for i, batch in enumerate(batches):
    device_batch = {k: v for k, v in batch.items() if k != "id"}
    sums = jax.device_get(eval_step(params, put(device_batch), jax.random.fold_in(rng, i)))
    for name, (total, count) in sums.items():
      entry = totals.setdefault(name, [0.0, 0.0])
      entry[0] += float(total)
      entry[1] += float(count)
  return _finish({name: total / count for name, (total, count) in totals.items()})


_ROOT_OF = {"mse_db2": "rmse_db"}  # metrics that are roots of averages


def _finish(metrics: dict[str, float]) -> dict[str, float]:
  for square, root in _ROOT_OF.items():
    if square in metrics:
      metrics[root] = metrics.pop(square) ** 0.5
  return metrics


def metric_names(sums: Mapping[str, Any]) -> list[str]:
  """Names of the metrics of `average`, given what an `eval_step` returns."""
  return sorted(_ROOT_OF.get(name, name) for name in sums)


# By key in the results, in the order of evaluation.
MEASURES: dict[str, Callable[[measures.Run], Any]] = {
  "baselines": bounds.measure_bounds,
  "pitch": generation.measure_pitch,
  "waveform": reconstruction.measure_waveform,
  "probes": latent.measure_probes,
  "use": latent.measure_use,
  "clusters": latent.measure_clusters,
  "interpolation": latent.measure_interpolation,
  "disentanglement": latent.measure_disentanglement,
  "velocity": generation.measure_velocity,
  "generation": generation.measure_generation,
  "artefacts": artefacts.measure_artefacts,
  "scores": scores.measure_scores,
  "own": own.measure_own,
}
# Number of notes of each measure with --full.
FULL = {
  "eval.waveform_notes": 512,
  "eval.probe_notes": 2048,
  "eval.latent_notes": 1024,
  "eval.factor_notes": 1024,
  "eval.generation_notes": 1024,
  "eval.artefact_notes": 1024,
}


def evaluate_run(
  config: ml_collections.ConfigDict,
  method: methods.Method,
  params: Any,
  data: pipeline.Data,
) -> dict[str, Any]:
  """Computes all measures of a run on its evaluation split, with bounds; in a single process.

  Args:
    config: a whole config.
    method: of the run.
    params: to evaluate.
    data: the run's data.

  Returns:
    {'eval': averages over the split}, and the results of those `MEASURES` that the config enables
    and the method supports, by name.
  """
  mesh = sharding.make_mesh(local=True)
  params = jax.device_put(params, sharding.replicated(mesh))
  results: dict[str, Any] = {"split": config.data.eval_split, "notes": len(data.held_out)}
  batches = pipeline.eval_batches(data.held_out, config.eval.batch_size)
  results["eval"] = average(
    compilation.jit(method.eval_step),
    params,
    batches,
    jax.random.key(config.seed),
    lambda batch: jax.device_put(batch, sharding.batched(mesh)),
  )
  run = measures.Run(config, method, params, data)
  for name, measure in MEASURES.items():
    values = measure(run)
    if values is not None:
      results[name] = values
  return results


def save_results(results: Mapping[str, Any], workdir: str) -> None:
  """Writes results.json into a workdir, atomically; numbers that are not finite become null."""
  with atomic.open_file(os.path.join(workdir, RESULTS)) as f:
    json.dump(finite(results), f, indent=2, allow_nan=False)
    f.write("\n")


def finite(value: Any) -> Any:
  """Replaces numbers that are not finite by None, since JSON has no NaN."""
  if isinstance(value, Mapping):
    return {k: finite(v) for k, v in value.items()}
  if isinstance(value, (list, tuple)):
    return [finite(v) for v in value]
  return None if isinstance(value, float) and not math.isfinite(value) else value


def load_results(workdir: str) -> dict[str, Any] | None:
  """Reads a workdir's results.json; None if it is missing or invalid."""
  try:
    results = json_file.load(os.path.join(workdir, RESULTS))
  except (FileNotFoundError, errors.UserError):
    return None
  return finite(results) if isinstance(results, dict) else None


def _training_entries(workdir: str, step: int) -> dict[str, Any]:
  """Entries that training wrote for this checkpoint: number of parameters and duration."""
  old_results = load_results(workdir) or {}
  is_same_step = old_results.get("step") == step
  return {
    name: old_results[name]
    for name in ("parameters", "seconds", "train_steps")
    if is_same_step and name in old_results
  }


def main(argv: list[str] | None = None) -> None:
  """Evaluates a checkpoint of a workdir and prints the table."""
  parser = cli.Parser(prog="python -m cvae_jax.evaluate", description=__doc__)
  run_flags.add_run(parser, is_required=True)
  parser.add_argument("--split", help="split of the data set (default: the run's evaluation split)")
  parser.add_argument("--full", action="store_true", help="compute all measures")
  parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE",
                      help="sets a config field: eval.generation_notes=500")  # fmt: skip
  args = parser.parse_args(argv)

  run = run_flags.load_run(args)
  outputs.check_directory(args.workdir, "--workdir")
  if args.full:
    run.config.update_from_flattened_dict(FULL)
  for setting in args.set:
    config_lib.override(run.config, setting)
  config_check.check(run.config)
  if args.split:
    run.config.data.eval_split = args.split
  data = pipeline.track_f0(pipeline.open_data(run.config.data), run.method.performer)
  results = evaluate_run(run.config, run.method, run.params, data)
  _log.info("%s", result_tables.describe(results))
  save_results(
    {**_training_entries(args.workdir, run.step), **results, "step": run.step}, args.workdir
  )


if __name__ == "__main__":
  cli.run(main)
