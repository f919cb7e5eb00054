"""The training loop, from a config to a workdir."""

from collections.abc import Callable
import logging
import os
import time
from typing import Any

import jax
import ml_collections
import numpy as np

from cvae_jax import evaluate
from cvae_jax import methods
from cvae_jax.core import cli
from cvae_jax.core import config_check
from cvae_jax.core import config_file
from cvae_jax.core import errors
from cvae_jax.core import platforms
from cvae_jax.data import forms
from cvae_jax.data import pipeline
from cvae_jax.data import sources
from cvae_jax.evaluation import drawing
from cvae_jax.evaluation import result_tables
from cvae_jax.methods.common import feature_statistics
from cvae_jax.training import checkpoint
from cvae_jax.training import compilation
from cvae_jax.training import distributed
from cvae_jax.training import failures
from cvae_jax.training import profile as profile_lib
from cvae_jax.training import progress as progress_lib
from cvae_jax.training import resident
from cvae_jax.training import samples as samples_lib
from cvae_jax.training import sharding
from cvae_jax.training import stop_request
from cvae_jax.training import summaries as summaries_lib
from cvae_jax.training import workdir_lock

_log = logging.getLogger(__name__)

_AGREE_EVERY = 10  # dispatches after which many processes ask each other whether to stop


def log_parameters(params: Any) -> None:
  """Logs a table of the parameters, and their number."""
  from clu import parameter_overview

  _log.info("%s", parameter_overview.get_parameter_overview(params, include_stats=False))


def _feature_statistics(config, workdir, data):
  """Those that the workdir's run was begun with, or else of its training notes; None for none."""
  if not config.representation.standardize or not isinstance(data.form, forms.Waveform):
    return None
  if os.path.exists(os.path.join(workdir, feature_statistics.FILENAME)):
    return feature_statistics.load(workdir)
  count = min(feature_statistics.NUM_NOTES, len(data.train))
  rows = np.random.default_rng(config.seed).choice(len(data.train), count, replace=False)
  batches = pipeline.eval_batches(data.train, config.eval.batch_size, np.sort(rows))
  return feature_statistics.measure(methods.make_representation(config, data.form), batches)


def check_best_by(config, method, params, example, rng) -> None:
  """Raises UserError where `checkpoint.best_by` is none of the metrics that evaluation returns."""
  if not config.checkpoint.keep_best:
    return
  batch = {**example, "mask": np.ones(2, np.float32)}
  names = evaluate.metric_names(jax.eval_shape(method.eval_step, params, batch, rng))
  if config.checkpoint.best_by not in names:
    raise errors.UserError(
      f"checkpoint.best_by must be one of {', '.join(names)}, got '{config.checkpoint.best_by}'"
    )


def train_and_evaluate(
  config: ml_collections.ConfigDict,
  workdir: str,
  should_stop: Callable[[int], bool] = lambda step: False,
) -> dict[str, Any]:
  """Trains a run to its last step, or goes on with the one that a workdir holds, and evaluates it.

  Args:
    config: a whole config.
    workdir: gets config.json, labels.npz, checkpoints/, events/, samples/ and results.json.
    should_stop: asked before every step; where it says yes the run saves and ends, as on a signal.

  Returns:
    The results, as in results.json; of many processes the first one's, the others have no figures.

  Raises:
    UserError: a config or data that make no sense, a workdir of another config's run or one that
      another process is training in, or checkpoints of which none is whole.
    TrainingError: a loss that is no number, notes that cannot be read on, a checkpoint that cannot
      be written; the last good one is kept.
    Interrupted: after a signal or `should_stop`, once all is saved.
  """
  started = time.monotonic()
  workdir = os.path.expanduser(workdir)
  config_check.check(config)
  platforms.check()
  config_file.check_same_run(config, workdir)
  parts = config.train.accumulate_steps
  sharding.check_batch_size(config.train.batch_size, "train.batch_size", parts)
  sharding.check_batch_size(config.eval.batch_size, "eval.batch_size")
  first_process = jax.process_index() == 0

  data = pipeline.open_data(config.data)
  statistics = _feature_statistics(config, workdir, data)
  method = methods.make_method(
    config, data.form, data.vocabulary, len(data.train), statistics=statistics
  )
  iterator = pipeline.make_train_iterator(
    data.train, config.data, config.train.batch_size, config.seed
  )

  mesh = sharding.make_mesh()
  replicated, stacked = sharding.replicated(mesh), sharding.stacked(mesh)
  first_example, keys = data.train[0], sources.batch_keys(data.train)
  example = {key: np.stack([first_example[key]] * 2) for key in keys}
  rng = jax.random.key(config.seed)
  init = compilation.jit(lambda: method.init(rng, example), out_shardings=replicated)
  check_best_by(config, method, jax.eval_shape(init).best_params, example, rng)

  on_device = config.data.device_cache
  kept = {}
  if on_device:
    kept = resident.load(data.train, replicated, config.data.cache_gb, config.data.num_threads)
  batch_keys = ("row",) if on_device else keys

  def train_steps(state, batches, kept):
    def step(state, batch):
      return method.train_step(state, resident.gather(kept, batch["row"]) if on_device else batch)

    return compilation.scan(step, state, batches)

  train_steps = compilation.jit(
    train_steps,
    in_shardings=(replicated, stacked, replicated),
    out_shardings=(replicated, replicated),
    donate_argnums=0,
  )
  eval_step = compilation.jit(method.eval_step, out_shardings=replicated)
  put = lambda batch: sharding.put_share(batch, sharding.batched(mesh))
  total, log_every = config.train.steps, config.train.log_every_steps
  pauses = (total, config.eval.every_steps, config.checkpoint.every_steps)

  with (
    workdir_lock.hold(workdir),
    checkpoint.Checkpoints(workdir, config.checkpoint) as checkpoints,
    summaries_lib.Summaries(workdir, first_process) as summaries,
    profile_lib.Profile(workdir, config.profile, first_process) as profile,
  ):
    if first_process:
      config_file.save(config, workdir)
      data.table.save(workdir)
      if statistics is not None:
        statistics.save(workdir)
    if checkpoints.latest_step is None:
      state = init()
      log_parameters(state.params)
    else:
      state = checkpoints.restore(checkpoint.abstract(init, replicated), iterator)
      _log.info("going on at step %d of %s", int(state.step), workdir)
    reported = first = step = int(state.step)
    progress = progress_lib.Progress(total, config.train.batch_size)
    pending: tuple[int, Any, Any] | None = None
    dispatches = 0

    def settle() -> None:
      """Reads the metrics of the last dispatch, one dispatch late so that nobody waits."""
      nonlocal pending, reported
      if pending is None:
        return
      done, metrics, rows = pending
      pending = None
      metrics = jax.device_get(metrics)
      failures.check_finite(done, metrics["loss"], rows, data.train, checkpoints.latest_step)
      metrics = {name: values[-1] for name, values in metrics.items()}
      if reported == first:
        cli.release_memory()  # The compiler's.
        _log.info("first step done %.0f s after the start", time.monotonic() - started)
        progress.restart()
        reported = done
      elif done // log_every > reported // log_every or done == total:
        speed = progress.report(done, done - reported, metrics)
        reported = done
        summaries.scalars(done, "train", {**metrics, **speed})

    with stop_request.StopRequest() as stop:
      while True:
        stopping = stop.signum is not None or should_stop(step)
        if jax.process_count() > 1:  # They agree now and then: to ask is to wait for the device.
          stopping = dispatches % _AGREE_EVERY == 0 and distributed.any_of(stopping)
        best_due = step >= total and config.checkpoint.keep_best > 0
        averages = None
        if (
          step > first
          and not stopping
          and ((step % config.eval.every_steps == 0 and step < total) or best_due)
        ):
          settle()
          progress.pause()
          batches = pipeline.eval_batches(data.held_out, config.eval.batch_size)
          averages = evaluate.average(eval_step, state.best_params, batches, rng, put)
          shown = "  ".join(f"{name} {value:.4g}" for name, value in averages.items())
          _log.info("step %d  held-out: %s", step, shown)
          summaries.scalars(step, "eval", averages)
          progress.resume()
        due = step > first and step % config.checkpoint.every_steps == 0
        if stopping or due or step >= total:
          settle()
          progress.pause()
          checkpoints.save(step, state, iterator, averages)
          progress.resume()
        if step >= total:
          break
        if stopping:
          raise errors.Interrupted(
            f"stopped at step {step}, and saved: the same command goes on from there", stop.signum
          )
        profile.at(step - first, state)
        # As many steps as one dispatch may hold, but no further than the next pause.
        count = min(config.train.steps_per_dispatch, *(n - step % n for n in pauses))
        drawn = failures.draw(iterator, count, checkpoints.latest_step)
        arrays = {key: np.stack([b[key] for b in drawn]) for key in batch_keys}
        state, metrics = train_steps(state, sharding.put_batch(arrays, stacked), kept)
        settle()
        step += count
        dispatches += 1
        pending = (step, metrics, [b["row"] for b in drawn])

    profile.stop()
    _log.info("trained to step %d in %s", step, progress_lib.clock(time.monotonic() - started))
    results = {"step": step, "parameters": sum(x.size for x in jax.tree.leaves(state.params))}
    if first_process:
      params = jax.device_get(state.best_params)  # Of this process, where others have them too.
      results |= evaluate.evaluate_run(config, method, params, data)
      summaries.scalars(step, "eval", results["eval"])
      _log.info("%s", result_tables.describe(results))
      results["seconds"] = round(time.monotonic() - started, 1)
      evaluate.save_results(results, workdir)  # Before anything is drawn that could fail.
      write_samples(config, method, params, data, workdir, summaries, step)
    distributed.wait("evaluated")
  results["seconds"] = round(time.monotonic() - started, 1)
  if first_process:
    evaluate.save_results(results, workdir)
    _log.info("%s", describe_workdir(workdir, method, data.form, results["seconds"]))
  return results


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
  lines = [f"done in {progress_lib.clock(seconds)}; in {workdir}:"]
  paths = {name: os.path.join(workdir, place) for name, place in places.items()}
  lines += [f"  {name:12} {path}" for name, path in paths.items() if os.path.exists(path)]
  command = f"listen: python -m cvae_jax.{{}} --workdir={workdir}"
  if method.can_sample:
    lines.append(command.format("generate") + " --num=4 --out=out/")
  elif method.can_reconstruct:
    lines.append(command.format("reconstruct") + f" in{form.suffix} out{form.suffix}")
  return "\n".join(lines)
