"""The training loop, from a config to a workdir."""

from collections.abc import Callable
import logging
import os
import time
from typing import Any
from typing import NamedTuple

import grain
import jax
import ml_collections
import numpy as np

from cvae_jax import evaluate
from cvae_jax import methods
from cvae_jax.core import config_check
from cvae_jax.core import config_file
from cvae_jax.core import errors
from cvae_jax.core import platforms
from cvae_jax.data import forms
from cvae_jax.data import label_table
from cvae_jax.data import pipeline
from cvae_jax.methods.common import feature_statistics
from cvae_jax.methods.common import inversion as inversion_lib
from cvae_jax.training import checkpoint
from cvae_jax.training import distributed
from cvae_jax.training import outcome
from cvae_jax.training import profile as profile_lib
from cvae_jax.training import progress
from cvae_jax.training import reporter as reporter_lib
from cvae_jax.training import sharding
from cvae_jax.training import stages as stages_lib
from cvae_jax.training import steps as steps_lib
from cvae_jax.training import stop_request
from cvae_jax.training import summaries as summaries_lib
from cvae_jax.training import warm_start
from cvae_jax.training import workdir_lock

_log = logging.getLogger(__name__)

_AGREE_EVERY = 10  # dispatches after which many processes ask each other whether to stop

ShouldStop = Callable[[int], bool]


class Run(NamedTuple):
  """What the loop works with.

  Attributes:
    config: a whole one.
    data: its examples.
    steps: its compiled functions.
    iterator: of training batches.
    checkpoints: of the workdir.
    summaries: of the workdir.
    profile: of the steps that the config asks for.
    started: when it was started, by `time.monotonic`.
  """

  config: ml_collections.ConfigDict
  data: pipeline.Data
  steps: steps_lib.Steps
  iterator: grain.DatasetIterator
  checkpoints: checkpoint.Checkpoints
  summaries: summaries_lib.Summaries
  profile: profile_lib.Profile
  started: float


def log_parameters(params: Any) -> None:
  """Logs a table of the parameters, and their number."""
  from clu import parameter_overview

  _log.info("%s", parameter_overview.get_parameter_overview(params, include_stats=False))


def check_settings(config: ml_collections.ConfigDict, workdir: str) -> None:
  """Raises UserError for what can be known to be wrong before any data is opened."""
  config_check.check(config)
  platforms.check()
  config_file.check_same_run(config, workdir)
  parts = config.train.accumulate_steps
  sharding.check_batch_size(config.train.batch_size, "train.batch_size", parts)
  sharding.check_batch_size(config.eval.batch_size, "eval.batch_size")


def check_same_data(data: pipeline.Data, workdir: str) -> None:
  """Raises UserError where a workdir's run was begun with other training data."""
  change = label_table.find_change(workdir, data.table)
  if change is not None:
    raise errors.UserError(
      f"the data have changed since the run in {workdir} began: {change}. Put them back, or give "
      "another --workdir"
    )


def check_best_by(
  config: ml_collections.ConfigDict, method: methods.Method, data: pipeline.Data
) -> None:
  """Raises UserError where `checkpoint.best_by` is none of the metrics that evaluation returns."""
  if not config.checkpoint.keep_best:
    return
  state = jax.eval_shape(steps_lib.make_init(config, method, data.train))
  batch = {**steps_lib.make_example(data.train), "mask": np.ones(2, np.float32)}
  sums = jax.eval_shape(method.eval_step, state.best_params, batch, jax.random.key(0))
  names = evaluate.metric_names(sums)
  if method.phase is not None and method.turn is None:
    raise errors.UserError(
      f"checkpoint.keep_best must be 0: the {method.phase.name} of this run is trained after "
      "train.steps, and a checkpoint from before would not have it"
    )
  if config.checkpoint.best_by not in names:
    raise errors.UserError(
      f"checkpoint.best_by must be one of {', '.join(names)}, got '{config.checkpoint.best_by}'"
    )


def find_statistics(
  config: ml_collections.ConfigDict, workdir: str, data: pipeline.Data
) -> feature_statistics.FeatureStatistics | None:
  """Those of the features: the workdir's own, or else of its training examples; None for none."""
  representation = config.get("representation")
  if representation is None or not representation.standardize:
    return None
  if not isinstance(data.form, forms.Waveform):
    return None
  if os.path.exists(os.path.join(workdir, feature_statistics.FILENAME)):
    return feature_statistics.load(workdir)
  count = min(feature_statistics.NUM_NOTES, len(data.train))
  rows = np.random.default_rng(config.seed).choice(len(data.train), count, replace=False)
  batches = pipeline.eval_batches(data.train, config.eval.batch_size, np.sort(rows))
  return feature_statistics.measure(methods.make_representation(config, data.form), batches)


def find_inversion(
  config: ml_collections.ConfigDict, workdir: str, data: pipeline.Data
) -> inversion_lib.Inversion | None:
  """That of the features: the workdir's own, or else the run that is named; None for none."""
  if not inversion_lib.is_learned(config) or not isinstance(data.form, forms.Waveform):
    return None
  if inversion_lib.is_saved(workdir):
    return inversion_lib.load(workdir)
  return inversion_lib.open_run(config, data.form)


def train_and_evaluate(
  config: ml_collections.ConfigDict,
  workdir: str,
  should_stop: ShouldStop = lambda step: False,
) -> dict[str, Any]:
  """Trains a run to its last step, or resumes the one that a workdir holds, and evaluates it.

  Args:
    config: a whole config.
    workdir: gets config.json, labels.npz, checkpoints/, events/, samples/ and results.json.
    should_stop: asked before every step; where it says yes the run saves and ends, as on a signal.

  Returns:
    The results, as in results.json; of many processes the first one's, the others have no figures.

  Raises:
    UserError: a config or data that make no sense, a workdir of another config's run or one that
      another process is training in, or checkpoints of which none is whole.
    TrainingError: a loss that is not finite, examples that cannot be read on, a checkpoint that
      cannot be written; the last good one is kept.
    Interrupted: after a signal or `should_stop`, once all is saved.
  """
  started, workdir = time.monotonic(), os.path.expanduser(workdir)
  check_settings(config, workdir)
  data = pipeline.open_data(config.data)
  check_same_data(data, workdir)
  warm_start.check(config, data.vocabulary)
  statistics = find_statistics(config, workdir, data)
  inversion = find_inversion(config, workdir, data)
  method = methods.make_method(
    config,
    data.form,
    data.vocabulary,
    len(data.train),
    statistics=statistics,
    inversion=inversion,
  )
  data = pipeline.track_f0(data, method.performer)
  check_best_by(config, method, data)
  batch_size, is_first = config.train.batch_size, jax.process_index() == 0
  iterator = pipeline.make_train_iterator(data.train, config.data, batch_size, config.seed)
  steps = steps_lib.compile_steps(config, method, data)
  with (
    workdir_lock.hold(workdir),
    checkpoint.Checkpoints(workdir, config.checkpoint, method.phase_of) as checkpoints,
    summaries_lib.Summaries(workdir, is_first) as summaries,
    profile_lib.Profile(workdir, config.profile, is_first) as profile,
  ):
    check_resumable(config, method, workdir, checkpoints.latest_step or 0)
    if is_first:
      config_file.save(config, workdir)
      data.table.save(workdir)
      if statistics is not None:
        statistics.save(workdir)
      if inversion is not None and not inversion_lib.is_saved(workdir):
        inversion.save(workdir)
    state = begin(config, method, data, steps, checkpoints, iterator, workdir)
    run = Run(config, data, steps, iterator, checkpoints, summaries, profile, started)
    state = train_stages(run, method, state, should_stop)
    profile.stop()
    elapsed = progress.clock(time.monotonic() - started)
    _log.info("trained to step %d in %s", int(state.step), elapsed)
    results = outcome.finish(config, method, data, state, workdir, summaries, started)
  results["seconds"] = outcome.seconds_since(started)
  if is_first:
    evaluate.save_results(results, workdir)
    _log.info("%s", outcome.describe_workdir(workdir, method, data.form, results["seconds"]))
  return results


def check_resumable(
  config: ml_collections.ConfigDict, method: methods.Method, workdir: str, step: int
) -> None:
  """Raises UserError where a workdir's run, at this step, cannot reach the config's last one."""
  total = stages_lib.count_steps(config, method)
  if step > total:
    after = (
      "" if method.phase is None else f" and the {method.phase.steps} of its {method.phase.name}"
    )
    raise errors.UserError(
      f"the run in {workdir} is at step {step}, past train.steps={config.train.steps}{after}"
    )
  if method.phase is None or not step:
    return
  before = config_file.load(workdir).train.steps
  if step > before and before != config.train.steps:
    raise errors.UserError(
      f"train.steps was {before} when the {method.phase.name} of the run in {workdir} was begun, "
      f"and cannot be {config.train.steps} now: give another --workdir"
    )


def begin(
  config: ml_collections.ConfigDict,
  method: methods.Method,
  data: pipeline.Data,
  steps: steps_lib.Steps,
  checkpoints: checkpoint.Checkpoints,
  iterator: grain.DatasetIterator,
  workdir: str,
) -> Any:
  """A new state, or that of the last checkpoint; the iterator is then where it was."""
  if checkpoints.latest_step is None:
    state = steps.init()
    if config.train.init_from:
      state = sharding.replicate(warm_start.start(config, method, state), steps.replicated)
    elif method.fit is not None:
      state = fit(config, method, data, steps, state)
    log_parameters(state.best_params)
    return state
  state = checkpoints.restore(checkpoint.abstract(steps.init, steps.replicated), iterator)
  _log.info("resuming at step %d of %s", int(state.step), workdir)
  return state


def fit(
  config: ml_collections.ConfigDict,
  method: methods.Method,
  data: pipeline.Data,
  steps: steps_lib.Steps,
  state: Any,
) -> Any:
  """A new run's state with what is fitted on training examples, drawn at random."""
  assert method.fit is not None
  count = min(len(data.train), method.fit_examples)
  _log.info("fitting on %d training examples", count)
  rows = np.random.default_rng(config.seed).choice(len(data.train), count, replace=False)
  batches = pipeline.eval_batches(data.train, config.eval.batch_size, rows)
  return sharding.replicate(method.fit(state, batches), steps.replicated)


def train_stages(run: Run, method: methods.Method, state: Any, should_stop: ShouldStop) -> Any:
  """Trains to the run's last step: on examples, and then the method's phase.

  Returns:
    The state at the last step.

  Raises:
    TrainingError, Interrupted: see `train_and_evaluate`.
  """
  config, phase = run.config, method.phase
  if phase is None or int(state.step) < config.train.steps:
    main = stages_lib.make_main(config, method, run.steps, run.iterator, run.checkpoints)
    state = train(run, main, state, should_stop)
  if phase is not None:
    state, stage = stages_lib.begin_phase(config, phase, run.data, run.steps, state)
    state = train(run, stage, state, should_stop)
  return state


def train(run: Run, stage: stages_lib.Stage, state: Any, should_stop: ShouldStop) -> Any:
  """Trains to a stage's last step: evaluate if due, save if due, dispatch the next steps.

  Returns:
    The state at the last step.

  Raises:
    TrainingError, Interrupted: see `train_and_evaluate`.
  """
  total, first, dispatches = stage.last, int(state.step), 0
  step = first
  reporter = reporter_lib.Reporter(
    run.config, stage, first, run.started, run.data.train, run.checkpoints, run.summaries
  )
  with stop_request.StopRequest() as stop:
    while True:
      is_stopping = agree_to_stop(stop.signum is not None or should_stop(step), dispatches)
      averages = None
      if step > first and not is_stopping and is_evaluation_due(run.config, stage, step):
        averages = evaluate_held_out(run, reporter, state, step)
      if is_stopping or (step > first and is_save_due(run.config, stage, step)) or step >= total:
        with reporter.paused():
          run.checkpoints.save(step, state, run.iterator, averages)
      if step >= total:
        return state
      if is_stopping:
        raise errors.Interrupted(
          f"stopped at step {step}, and saved: the same command resumes it", stop.signum
        )
      run.profile.at(step - first, state)
      count = count_steps(run.config, stage, step)
      state, metrics, rows = stage.train(state, step, count)
      reporter.settle()
      step, dispatches = step + count, dispatches + 1
      reporter.push(step, metrics, rows)


def agree_to_stop(is_stopping: bool, dispatches: int) -> bool:
  """Whether to stop: of many processes, whether any of them wants to, asked now and then."""
  if jax.process_count() == 1:
    return is_stopping
  # To ask is to wait for the device.
  return dispatches % _AGREE_EVERY == 0 and distributed.any_of(is_stopping)


def is_evaluation_due(
  config: ml_collections.ConfigDict, stage: stages_lib.Stage, step: int
) -> bool:
  """At every `eval.every_steps`, and where phases end if the best of each are kept."""
  if not stage.is_evaluated:
    return False
  if stage.ends_phase(step):
    return config.checkpoint.keep_best > 0
  return step % config.eval.every_steps == 0


def is_save_due(config: ml_collections.ConfigDict, stage: stages_lib.Stage, step: int) -> bool:
  """At every `checkpoint.every_steps`, and where phases end if the best of each are kept."""
  if config.checkpoint.keep_best > 0 and stage.ends_phase(step):
    return True
  return step % config.checkpoint.every_steps == 0


def evaluate_held_out(
  run: Run, reporter: reporter_lib.Reporter, state: Any, step: int
) -> dict[str, float]:
  """Averages of the evaluation step over the held-out split; they are logged."""
  with reporter.paused():
    batches = pipeline.eval_batches(run.data.held_out, run.config.eval.batch_size)
    rng = jax.random.key(run.config.seed)
    averages = evaluate.average(run.steps.evaluate, state.best_params, batches, rng, run.steps.put)
    shown = "  ".join(f"{name} {value:.4g}" for name, value in averages.items())
    _log.info("step %d  held-out: %s", step, shown)
    run.summaries.scalars(step, "eval", averages)
  return averages


def count_steps(config: ml_collections.ConfigDict, stage: stages_lib.Stage, step: int) -> int:
  """Steps of the next dispatch: as many as one may hold, but no further than the next pause."""
  pauses = (stage.last, config.eval.every_steps, config.checkpoint.every_steps)
  most = min(config.train.steps_per_dispatch, *(n - step % n for n in pauses))
  return next((n for n in range(1, most) if stage.ends_phase(step + n)), most)
