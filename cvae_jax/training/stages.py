"""The stages of a run: its training on batches of examples, and then its method's phase."""

from collections.abc import Callable
import logging
from typing import Any
from typing import NamedTuple

import grain
import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from cvae_jax import methods
from cvae_jax.data import notes
from cvae_jax.data import pipeline
from cvae_jax.training import checkpoint
from cvae_jax.training import compilation
from cvae_jax.training import failures
from cvae_jax.training import sharding
from cvae_jax.training import steps as steps_lib

_log = logging.getLogger(__name__)

MAIN = "train"  # the name of the first stage


class Stage(NamedTuple):
  """A part of a run's steps.

  Attributes:
    name: under which its metrics are recorded.
    last: the step that it ends with.
    batch_size: examples of one step.
    train: (state, its step, number of steps) to the state after them, their metrics [steps] by
      name, and the rows of their examples, by which a loss that is not finite is traced to them.
    is_evaluated: whether the held-out split is evaluated while it lasts.
    log_every: steps between two reports; None for `train.log_every_steps`.
    phase_of: see `methods.Method`.
  """

  name: str
  last: int
  batch_size: int
  train: Callable[[Any, int, int], tuple[Any, dict[str, jax.Array], list[np.ndarray]]]
  is_evaluated: bool = True
  log_every: int | None = None
  phase_of: Callable[[int], str] = lambda step: ""

  def ends_phase(self, step: int) -> bool:
    """Whether the next step is of another phase than the one before it, or there is none."""
    return step >= self.last or self.phase_of(step) != self.phase_of(step + 1)


def count_steps(config: ml_collections.ConfigDict, method: methods.Method) -> int:
  """Steps of a whole run."""
  return config.train.steps + (method.phase.steps if method.phase is not None else 0)


def make_main(
  config: ml_collections.ConfigDict,
  method: methods.Method,
  steps: steps_lib.Steps,
  iterator: grain.DatasetIterator,
  checkpoints: checkpoint.Checkpoints,
) -> Stage:
  """Training on batches of examples, for `train.steps`."""

  phases = [""]  # that have begun in this process

  def announce(step):
    phase = method.phase_of(step + 1)
    if phase != phases[-1]:
      _log.info("step %d: %s", step, phase)
      phases.append(phase)

  def train(state, step, count):
    announce(step)
    batches = failures.draw(iterator, count, checkpoints.latest_step)
    state, metrics = steps.train(state, batches, step)
    return state, metrics, [batch["row"] for batch in batches]

  return Stage(MAIN, config.train.steps, config.train.batch_size, train, phase_of=method.phase_of)


def prepare_rows(
  config: ml_collections.ConfigDict,
  phase: methods.Phase,
  data: pipeline.Data,
  steps: steps_lib.Steps,
  params: Any,
) -> dict[str, jax.Array]:
  """What a phase is trained on: an array [M, ...] by name, the same on every device."""
  _log.info("%s: encoding the training examples", phase.name)
  prepare = compilation.jit(phase.prepare, out_shardings=steps.replicated)
  chosen = notes.spread_rows(len(data.train), phase.num_examples)
  batches = []
  for batch in pipeline.eval_batches(data.train, config.eval.batch_size, chosen):
    inputs = steps.put({key: value for key, value in batch.items() if key != "id"})
    is_real = batch["mask"] > 0
    made = jax.device_get(prepare(params, inputs))
    batches.append({name: array[is_real] for name, array in made.items()})
  rows = {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
  return sharding.replicate(rows, steps.replicated)


def begin_phase(
  config: ml_collections.ConfigDict,
  phase: methods.Phase,
  data: pipeline.Data,
  steps: steps_lib.Steps,
  state: Any,
) -> tuple[Any, Stage]:
  """The state that a phase goes on from, and its stage."""
  rows = prepare_rows(config, phase, data, steps, state.best_params)
  first, replicated = config.train.steps, steps.replicated
  if int(state.step) == first:
    begin = compilation.jit(phase.begin, out_shardings=replicated, donate_argnums=0)
    state = begin(state, rows)
  num_rows = len(next(iter(rows.values())))

  def train_steps(state, rows, numbers):
    def step(state, _):
      rng = jax.random.fold_in(jax.random.key(config.seed), state.step)
      chosen = jax.random.randint(rng, (phase.batch_size,), 0, num_rows)
      batch = {name: jnp.take(array, chosen, axis=0) for name, array in rows.items()}
      return phase.train_step(state, batch)

    return compilation.scan(step, state, numbers)

  compiled = compilation.jit(
    train_steps,
    in_shardings=(replicated, replicated, replicated),
    out_shardings=(replicated, replicated),
    donate_argnums=0,
  )

  def train(state, step, count):
    del step
    state, metrics = compiled(state, rows, np.zeros(count, np.int32))
    return state, metrics, [np.zeros(0, np.int64)] * count

  last = first + phase.steps
  log_every = max(config.train.log_every_steps, phase.steps // 10)  # Its steps are short.
  return state, Stage(phase.name, last, phase.batch_size, train, False, log_every)
