"""A method's functions, compiled for the devices of a run."""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import functools
import itertools
from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from cvae_jax import methods
from cvae_jax.data import pipeline
from cvae_jax.data import sources
from cvae_jax.training import compilation
from cvae_jax.training import resident as resident_lib
from cvae_jax.training import sharding

Batches = Sequence[dict[str, np.ndarray]]


class Steps(NamedTuple):
  """Compiled functions of a run.

  Attributes:
    init: () to the state that a run begins with.
    train: (state, batches, first step's number) to the state after a step of each, and metrics
      [steps] by name. The state that is given is used up.
    evaluate: `Method.eval_step`.
    put: this process' share of an evaluation batch, to the devices.
    replicated: the sharding of the state.
  """

  init: Callable[[], Any]
  train: Callable[[Any, Batches, int], tuple[Any, dict[str, jax.Array]]]
  evaluate: Callable[..., methods.Sums]
  put: Callable[[Mapping[str, np.ndarray]], Mapping[str, jax.Array]]
  replicated: jax.sharding.NamedSharding


def make_example(source: sources.Source) -> dict[str, np.ndarray]:
  """A batch of two, for the shapes of a batch alone."""
  first = source[0]
  return {key: np.stack([first[key]] * 2) for key in sources.train_keys(source)}


def make_init(config: ml_collections.ConfigDict, method: methods.Method, source: sources.Source):
  """() to the state that a run begins with, not compiled."""
  example, rng = make_example(source), jax.random.key(config.seed)
  return lambda: method.init(rng, example)


def _make_train(
  config: ml_collections.ConfigDict, method: methods.Method, source: sources.Source, mesh
):
  """See `Steps.train`."""
  replicated, stacked = sharding.replicated(mesh), sharding.stacked(mesh)
  is_resident = config.data.device_cache
  keys = ("row",) if is_resident else sources.train_keys(source)
  resident: resident_lib.Resident = {}
  if is_resident:
    settings = config.data
    resident = resident_lib.load(source, replicated, settings.cache_gb, settings.num_threads)

  @functools.cache
  def compiled(train_step):
    def train_steps(state, batches, resident):
      def step(state, batch):
        full = resident_lib.gather(resident, batch["row"]) if is_resident else batch
        return train_step(state, full)

      return compilation.scan(step, state, batches)

    return compilation.jit(
      train_steps,
      in_shardings=(replicated, stacked, replicated),
      out_shardings=(replicated, replicated),
      donate_argnums=0,
    )

  def train(state, batches, first):
    metrics: dict[str, jax.Array] = {}
    for train_step, count in divide(method, first, len(batches)):
      chosen, batches = batches[:count], batches[count:]
      arrays = {key: np.stack([batch[key] for batch in chosen]) for key in keys}
      run = compiled(train_step)
      state, found = run(state, sharding.put_batch(arrays, stacked), resident)
      losses = [x["loss"] for x in (metrics, found) if x]
      metrics = {**metrics, **found, "loss": jnp.concatenate(losses)}
    return state, metrics

  return train


def divide(method: methods.Method, first: int, count: int) -> Iterator[tuple[Callable, int]]:
  """The train steps of `count` steps from number `first` on, and how often each in turn."""
  if method.turn is None:
    yield method.train_step, count
    return
  turns = [method.turn(step).train_step for step in range(first, first + count)]
  for _, group in itertools.groupby(turns, key=id):
    same = list(group)
    yield same[0], len(same)


def compile_steps(
  config: ml_collections.ConfigDict, method: methods.Method, data: pipeline.Data
) -> Steps:
  """The functions of a run; what trains on resident examples loads them first."""
  mesh = sharding.make_mesh()
  replicated, batched = sharding.replicated(mesh), sharding.batched(mesh)
  return Steps(
    compilation.jit(make_init(config, method, data.train), out_shardings=replicated),
    _make_train(config, method, data.train, mesh),
    compilation.jit(method.eval_step, out_shardings=replicated),
    lambda batch: sharding.put_share(batch, batched),
    replicated,
  )
