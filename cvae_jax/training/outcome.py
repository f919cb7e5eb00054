"""What a run ends with: its evaluation, its samples, and where everything is."""

import logging
import os
import time
from typing import Any

import jax
import ml_collections

from cvae_jax import evaluate
from cvae_jax import methods
from cvae_jax.data import forms
from cvae_jax.data import pipeline
from cvae_jax.evaluation import drawing
from cvae_jax.evaluation import result_tables
from cvae_jax.training import checkpoint
from cvae_jax.training import distributed
from cvae_jax.training import progress
from cvae_jax.training import samples as samples_lib
from cvae_jax.training import summaries as summaries_lib

_log = logging.getLogger(__name__)


def finish(
  config: ml_collections.ConfigDict,
  method: methods.Method,
  data: pipeline.Data,
  state: Any,
  workdir: str,
  summaries: summaries_lib.Summaries,
  started: float,
) -> dict[str, Any]:
  """Evaluates a run at its last step, and writes results.json and samples/ by the first process.

  Returns:
    The results, but for 'seconds': those of other processes have no figures.
  """
  step = int(state.step)
  results = {"step": step, "parameters": sum(x.size for x in jax.tree.leaves(state.best_params))}
  results["train_steps"] = config.train.steps
  if jax.process_index() == 0:
    params = jax.device_get(state.best_params)  # Of this process, where others have them too.
    results |= evaluate.evaluate_run(config, method, params, data)
    summaries.scalars(step, "eval", results["eval"])
    _log.info("%s", result_tables.describe(results))
    results["seconds"] = seconds_since(started)
    evaluate.save_results(results, workdir)  # Before anything is drawn that could fail.
    write_samples(config, method, params, data, workdir, summaries, step)
  distributed.wait("evaluated")
  return results


def seconds_since(started: float) -> float:
  """Of `time.monotonic`, to a tenth."""
  return round(time.monotonic() - started, 1)


def write_samples(config, method, params, data, workdir, summaries, step) -> None:
  """Writes the samples to the workdir and to TensorBoard."""
  if not config.eval.sample_notes or not (method.can_sample or method.can_reconstruct):
    return
  samples = samples_lib.make_samples(method, params, data, config.eval.sample_notes, config.seed)
  png = samples_lib.draw(samples, data)
  samples_lib.write(samples, workdir, png, data.form)
  summaries.image(step, "samples", drawing.to_pixels(png))
  for sample in samples:
    for name, example in samples_lib.versions(sample).items():
      audio, sample_rate = data.form.hear(example)
      summaries.audio(step, {f"{sample.name}/{name}": audio}, sample_rate)


def describe_workdir(workdir: str, method: methods.Method, form: forms.Form, seconds: float) -> str:
  """Where a run's things are, for the terminal."""
  places = {
    "checkpoint": checkpoint.DIRECTORY,
    "TensorBoard": summaries_lib.DIRECTORY,
    "figure": os.path.join(samples_lib.DIRECTORY, samples_lib.FIGURE),
    "samples": samples_lib.DIRECTORY,
    "results": evaluate.RESULTS,
  }
  lines = [f"done in {progress.clock(seconds)}; in {workdir}:"]
  paths = {name: os.path.join(workdir, place) for name, place in places.items()}
  lines += [f"  {name:12} {path}" for name, path in paths.items() if os.path.exists(path)]
  command = f"listen: python -m cvae_jax.{{}} --workdir={workdir}"
  if method.can_sample:
    lines.append(command.format("generate") + " --num=4 --out=out/")
  elif method.performer is not None:
    lines.append(command.format("convert") + " in.wav out.wav")
  elif method.can_reconstruct:
    lines.append(command.format("reconstruct") + f" in{form.suffix} out{form.suffix}")
  return "\n".join(lines)
