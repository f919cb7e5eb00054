"""What a run carries from step to step, and the optimizer that moves it."""

from collections.abc import Mapping
from typing import Any

from flax import struct
import jax
import jax.numpy as jnp
import ml_collections
import optax


class TrainState(struct.PyTreeNode):
  """State of a run with one network and one optimizer.

  Attributes:
    step: steps done.
    params: of the network.
    ema_params: their running average, or None.
    opt_state: of the optimizer.
    rng: the run's random key; a step's key is fold_in(rng, step).
  """

  step: jax.Array
  params: Any
  ema_params: Any
  opt_state: Any
  rng: jax.Array

  @property
  def best_params(self) -> Any:
    """The parameters to evaluate and generate with: averaged where there is an average."""
    return getattr(self, best_field(vars(self)))


def best_field(state: Mapping[str, Any]) -> str:
  """Which field of a state, in memory or saved, holds `best_params`."""
  return "ema_params" if jax.tree.leaves(state.get("ema_params")) else "params"


def make_schedule(config: ml_collections.ConfigDict, total_steps: int) -> optax.Schedule:
  """Learning rate by step: linear warm-up, then cosine to 1 % of the peak, or constant."""
  peak, warmup = config.learning_rate, config.warmup_steps
  if config.schedule == "constant":
    return optax.warmup_constant_schedule(0.0, peak, warmup)
  decay_steps = max(config.decay_steps or total_steps, warmup + 1)
  return optax.warmup_cosine_decay_schedule(0.0, peak, warmup, decay_steps, end_value=0.01 * peak)


def make_optimizer(
  config: ml_collections.ConfigDict, total_steps: int
) -> optax.GradientTransformation:
  """Adam with a schedule, clipping and decoupled weight decay, from the `optimizer` section."""
  clip = optax.clip_by_global_norm(config.clip_norm) if config.clip_norm else optax.identity()
  return optax.chain(
    clip,
    optax.adamw(make_schedule(config, total_steps), b2=config.b2, weight_decay=config.weight_decay),
  )


def init_state(
  params: Any, optimizer: optax.GradientTransformation, rng: jax.Array, ema_decay: float
) -> TrainState:
  """State of a run that has not begun."""
  return TrainState(
    step=jnp.zeros((), jnp.int32),
    params=params,
    ema_params=jax.tree.map(jnp.copy, params) if ema_decay else None,
    opt_state=optimizer.init(params),
    rng=rng,
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
