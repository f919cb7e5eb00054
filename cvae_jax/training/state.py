"""What a run carries from step to step, and how an optimizer moves it."""

from collections.abc import Mapping
from typing import Any

from flax import struct
import jax
import jax.numpy as jnp
import optax


class TrainState(struct.PyTreeNode):
  """State of a run with one network and one optimizer.

  A method may have a state of its own, any PyTree that has `step`, `params` and `best_params`. What
  is saved of it is used by its fields' names: `ema_params` (or else `params`) are what is evaluated
  and generated with, merged with `buffers`.

  Attributes:
    step: steps done.
    params: of the network, by collection as Flax has them.
    ema_params: their running average, or None.
    opt_state: of the optimizer.
    rng: the run's random key; a step's key is fold_in(rng, step).
    buffers: other collections of the network, which no gradient moves: batch statistics, codebooks.
      They are neither averaged nor decayed.
    later: the state of a network that a later phase trains (`methods.Phase`); None without one.
  """

  step: jax.Array
  params: Any
  ema_params: Any
  opt_state: Any
  rng: jax.Array
  buffers: Any = None
  later: Any = None

  @property
  def best_params(self) -> Any:
    """What to evaluate and generate with: parameters, averaged where there is an average."""
    return merge({name: getattr(self, name) for name in best_fields(vars(self))})


def best_fields(state: Mapping[str, Any]) -> list[str]:
  """Which fields of a state, in memory or saved, hold `best_params`: see `merge`."""
  first = "ema_params" if jax.tree.leaves(state.get("ema_params")) else "params"
  return [first, *(["buffers"] if jax.tree.leaves(state.get("buffers")) else [])]


def merge(fields: Mapping[str, Any]) -> Any:
  """`best_params` of the fields of `best_fields`: parameters, with buffers beside them."""
  params, *buffers = fields.values()
  return {**params, **buffers[0]} if buffers else params


def split(variables: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
  """A network's variables as parameters, which gradients move, and buffers."""
  params = {"params": variables["params"]}
  return params, {name: value for name, value in variables.items() if name != "params"}


def warm_start(state: TrainState, params: Any) -> TrainState:
  """A new run's state with the `best_params` of another run; what these lack stays as it is."""
  trained, buffers = split(params)
  ema_params = None if state.ema_params is None else jax.tree.map(jnp.copy, trained)
  mine = state.buffers or {}
  kept = {name: _complete(value, buffers.get(name, value)) for name, value in mine.items()}
  return state.replace(params=trained, ema_params=ema_params, buffers=kept or None)


def _complete(mine: Any, theirs: Any) -> Any:
  """Another run's variables, and of one's own those that are newer than it."""
  if not (isinstance(mine, Mapping) and isinstance(theirs, Mapping)):
    return theirs
  newer = {name: value for name, value in mine.items() if name not in theirs}
  return {**newer, **{name: _complete(mine.get(name), value) for name, value in theirs.items()}}


def init_state(
  params: Any,
  optimizer: optax.GradientTransformation,
  rng: jax.Array,
  ema_decay: float,
  buffers: Any = None,
) -> TrainState:
  """State of a run that has not begun."""
  return TrainState(
    step=jnp.zeros((), jnp.int32),
    params=params,
    ema_params=jax.tree.map(jnp.copy, params) if ema_decay else None,
    opt_state=optimizer.init(params),
    rng=rng,
    buffers=buffers,
  )


def apply_gradients(
  state: TrainState, grads: Any, optimizer: optax.GradientTransformation, ema_decay: float
) -> TrainState:
  """One step of the optimizer, and of the average.

  The average's decay starts low, min(decay, (1 + step) / (10 + step)), so that it does not drag the
  initial parameters along (as TensorFlow's ExponentialMovingAverage with num_updates).
  """
  updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
  params = optax.apply_updates(state.params, updates)
  ema_params = state.ema_params
  if ema_params is not None:
    decay = jnp.minimum(ema_decay, (1.0 + state.step) / (10.0 + state.step))
    ema_params = optax.incremental_update(params, ema_params, 1.0 - decay)
  return state.replace(
    step=state.step + 1, params=params, ema_params=ema_params, opt_state=opt_state
  )
