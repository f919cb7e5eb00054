"""A method's functions, compiled for the devices of a run."""

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import jax
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
    train: (state, batches) to the state after a step of each, and metrics [steps] by name. The
      state that is given is used up.
    evaluate: `Method.eval_step`.
    put: this process' share of an evaluation batch, to the devices.
    replicated: the sharding of the state.
  """

  init: Callable[[], Any]
  train: Callable[[Any, Batches], tuple[Any, dict[str, jax.Array]]]
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

  def train_steps(state, batches, resident):
    def step(state, batch):
      full = resident_lib.gather(resident, batch["row"]) if is_resident else batch
      return method.train_step(state, full)

    return compilation.scan(step, state, batches)

  compiled = compilation.jit(
    train_steps,
    in_shardings=(replicated, stacked, replicated),
    out_shardings=(replicated, replicated),
    donate_argnums=0,
  )

  def train(state, batches):
    arrays = {key: np.stack([batch[key] for batch in batches]) for key in keys}
    return compiled(state, sharding.put_batch(arrays, stacked), resident)

  return train


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
