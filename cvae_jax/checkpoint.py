"""Checkpoints: state and data iterator together, with Orbax."""

from collections.abc import Callable
import os
from typing import Any

import jax
import ml_collections
import orbax.checkpoint as ocp

from cvae_jax import errors
from cvae_jax import state as state_lib

DIRECTORY = "checkpoints"


def make_manager(
  workdir: str, config: ml_collections.ConfigDict | None = None
) -> ocp.CheckpointManager:
  """A manager of a workdir's checkpoints; read-only without a config.

  Args:
    workdir: of the run.
    config: the `checkpoint` section of a config.
  """
  path = os.path.join(os.path.abspath(workdir), DIRECTORY)
  if config is None:
    if not os.path.isdir(path):
      raise errors.UserError(f"{workdir} holds no checkpoint: {path} is missing")
    options = ocp.CheckpointManagerOptions(read_only=True)
  else:
    options = ocp.CheckpointManagerOptions(
      max_to_keep=config.keep, create=True, cleanup_tmp_directories=True
    )
  return ocp.CheckpointManager(path, options=options)


def save(manager: ocp.CheckpointManager, step: int, state: Any, iterator: Any) -> None:
  """Begins to save; the state may be donated to the next step as soon as this returns."""
  if step in manager.all_steps():
    return
  manager.save(
    step,
    args=ocp.args.Composite(
      state=ocp.args.StandardSave(state),
      # The same in every process, so that another number of them can go on.
      data=ocp.args.JsonSave(iterator.get_state()),
    ),
  )


def abstract(init: Callable[[], Any], sharding: jax.sharding.Sharding) -> Any:
  """What `init` would return, as shapes with a sharding: what there is to restore, and where to."""
  return jax.tree.map(
    lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), jax.eval_shape(init)
  )


def restore(manager: ocp.CheckpointManager, state: Any, iterator: Any) -> Any:
  """The newest checkpoint's state; the iterator is set to its place.

  Args:
    manager: with at least one checkpoint.
    state: as `abstract` gives it.
    iterator: of `pipeline.make_train_iterator`; changed.
  """
  restored = manager.restore(
    manager.latest_step(),
    args=ocp.args.Composite(
      state=ocp.args.StandardRestore(state),
      data=ocp.args.JsonRestore(),
    ),
  )
  iterator.set_state(restored["data"])
  return restored["state"]


def restore_params(workdir: str) -> tuple[int, Any]:
  """Step and parameters of a workdir's newest checkpoint: those to generate with, and no others.

  Raises:
    UserError: a workdir without a checkpoint.
  """
  with make_manager(workdir) as manager:
    step = manager.latest_step()
    if step is None:
      raise errors.UserError(f"{workdir} holds no checkpoint: train it first")
    saved = ocp.PyTreeCheckpointHandler().metadata(manager.directory / str(step) / "state").tree
    field = state_lib.best_field(saved)
    device = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    part = {
      field: jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=device), saved[field]
      )
    }
    restore_args = ocp.checkpoint_utils.construct_restore_args(part)
    arguments = ocp.args.PyTreeRestore(part, restore_args, partial_restore=True)
    restored = manager.restore(step, args=ocp.args.Composite(state=arguments))
  return step, restored["state"][field]
