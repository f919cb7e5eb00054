"""Optimizers and learning rates, by the fields of `config.get_optimizer`.

`adam` is AdamW (Kingma & Ba 2015; Loshchilov & Hutter 2019). `muon` moves the kernels of linear,
convolutional and recurrent layers by their momentum with all singular values set to one (Jordan et
al. 2024, "Muon: An optimizer for hidden layers in neural networks"), and all else as `adam` does.
"""

from typing import Any

import jax
import ml_collections
import optax
from optax import contrib

from cvae_jax.core import config as config_lib
from cvae_jax.core import errors

_KERNELS = ("kernel", "recurrent")  # names of the parameters that are matrices


def make_schedule(config: ml_collections.ConfigDict, total_steps: int) -> optax.Schedule:
  """Learning rate by step: linear warm-up, and then what `schedule` says.

  'cosine' falls to 1 % of the peak at `decay_steps` (without them at the run's end); 'constant'
  stays; 'exponential' is multiplied by `decay_rate` over every `decay_steps`, smoothly; 'step' at
  every `decay_steps`, at once.
  """
  peak, warmup, kind = config.learning_rate, config.warmup_steps, config.schedule
  if kind == "constant":
    # A linear schedule of no steps would stay at 0.
    return optax.warmup_constant_schedule(0.0 if warmup else peak, peak, warmup)
  decay_steps = max(config.decay_steps or total_steps, warmup + 1)
  if kind == "cosine":
    return optax.warmup_cosine_decay_schedule(0.0, peak, warmup, decay_steps, end_value=0.01 * peak)
  if kind not in config_lib.SCHEDULES:
    raise errors.UserError(
      f"a schedule must be one of {', '.join(config_lib.SCHEDULES)}, got '{kind}'"
    )
  decay = optax.exponential_decay(
    peak, config.decay_steps or total_steps, config.decay_rate, staircase=kind == "step"
  )
  return optax.join_schedules([optax.linear_schedule(0.0, peak, warmup), decay], [warmup])


def make_optimizer(
  config: ml_collections.ConfigDict, total_steps: int
) -> optax.GradientTransformation:
  """An optimizer with a schedule, clipping and decoupled weight decay.

  Args:
    config: a section with the fields of `config.get_optimizer`: `optimizer`, or a method's own.
    total_steps: of the run.

  Raises:
    UserError: an optimizer or a schedule that there is not.
  """
  if config.name not in config_lib.OPTIMIZERS:
    raise errors.UserError(
      f"an optimizer must be one of {', '.join(config_lib.OPTIMIZERS)}, got '{config.name}'"
    )
  clip = optax.clip_by_global_norm(config.clip_norm) if config.clip_norm else optax.identity()
  schedule = make_schedule(config, total_steps)
  adam = {"b1": config.b1, "b2": config.b2, "weight_decay": config.weight_decay}
  if config.name == "adam":
    return optax.chain(clip, optax.adamw(schedule, **adam))
  gain = config.kernel_rate / config.learning_rate
  muon = contrib.muon(
    lambda step: gain * schedule(step),
    consistent_rms=1.0,
    weight_decay=config.weight_decay / gain,
    **{f"adam_{name}": value for name, value in adam.items()},
    adam_learning_rate=schedule,
    muon_weight_dimension_numbers=_find_matrices,
  )
  return optax.chain(clip, muon)


def _find_matrices(params: Any) -> Any:
  """Of each parameter how it is a matrix, from all axes but the last to the last; None if not."""

  def find(path, x):
    if path[-1].key not in _KERNELS or min(x.shape[-1], x.size // x.shape[-1]) < 2:
      return None
    return contrib.MuonDimensionNumbers(tuple(range(x.ndim - 1)), (x.ndim - 1,))

  return jax.tree_util.tree_map_with_path(find, params)
