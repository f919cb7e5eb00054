"""Checkpoints: state and data iterator together, with Orbax, and none that is damaged is used.

Every array has a CRC-32 beside it, taken before it was written: what is read back and does not fit
is refused, and the checkpoint before it is used. Nothing is unpickled: arrays are arrays, and the
rest is JSON.
"""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import contextlib
import dataclasses
import json
import logging
import os
from typing import Any
import zlib

import jax
import ml_collections
import numpy as np
import orbax.checkpoint as ocp

from cvae_jax.core import errors
from cvae_jax.core import quiet
from cvae_jax.training import distributed
from cvae_jax.training import packaged
from cvae_jax.training import state as state_lib

DIRECTORY = "checkpoints"
BEST = "best"  # in place of a step
_DAMAGED = "damaged-"  # before the step of a checkpoint that was set aside
_log = logging.getLogger(__name__)


def _crc(x: Any) -> int:
  """CRC-32 of an array that is the same on every device."""
  if jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key):
    x = jax.random.key_data(x)
  return zlib.crc32(np.ascontiguousarray(x.addressable_data(0)).data)


def _checksums(tree: Any) -> dict[str, int]:
  """CRC-32 of every array of a tree, by its path."""
  leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
  return {jax.tree_util.keystr(path, simple=True, separator="/"): _crc(x) for path, x in leaves}


def _json_crc(value: Any) -> int:
  return zlib.crc32(json.dumps(value, sort_keys=True).encode())


def _check(tree: Any, saved: Mapping[str, Any]) -> None:
  """Raises ValueError where a tree, or what was saved of the iterator, is not what it was."""
  if _json_crc([saved["iterator"], saved["checksums"]]) != saved["checksum"]:
    raise ValueError("what it says of itself is not what was written")
  for path, crc in _checksums(tree).items():
    if saved["checksums"].get(path) != crc:
      raise ValueError(f"{path} is not what was written")


def _metric(metrics: Mapping[str, float]) -> float:
  """The one metric that is saved with a checkpoint: less of it is better."""
  (value,) = metrics.values()
  return value


@dataclasses.dataclass
class _BestOfPhases:
  """A preservation policy of Orbax's: the best checkpoints of each phase of the training.

  Attributes:
    best: which of one phase are kept.
    phase_of: steps to names of phases.
  """

  best: Any
  phase_of: Callable[[int], str]

  def should_preserve(self, checkpoints: Sequence[Any], *, context: Any) -> list[bool]:
    """Whether each is kept."""
    measured = [info for info in checkpoints if info.metrics is not None]
    kept = set()
    for phase in {self.phase_of(info.step) for info in measured}:
      group = [info for info in measured if self.phase_of(info.step) == phase]
      keep = self.best.should_preserve(group, context=context)
      kept |= {info.step for info, is_kept in zip(group, keep, strict=True) if is_kept}
    return [info.step in kept for info in checkpoints]


def _options(
  config: ml_collections.ConfigDict, phase_of: Callable[[int], str]
) -> ocp.CheckpointManagerOptions:
  """Of the manager that writes: the last checkpoints stay, and the best of each phase."""
  managers = ocp.checkpoint_managers
  rules: list[Any] = [managers.LatestN(n=config.keep)]
  if config.keep_best:
    best = managers.BestN(get_metric_fn=_metric, reverse=True, n=config.keep_best)
    rules.append(_BestOfPhases(best, phase_of))
  return ocp.CheckpointManagerOptions(
    preservation_policy=managers.AnyPreservationPolicy(rules),
    best_fn=_metric if config.keep_best else None,  # Without it no metrics are written.
    best_mode="min",
    create=True,
    cleanup_tmp_directories=True,
  )


class Checkpoints:
  """A workdir's checkpoints, for the run that writes them; a context that waits for the last.

  Args:
    workdir: of the run.
    config: the `checkpoint` section of a config.
    phase_of: see `methods.Method`.
  """

  def __init__(
    self,
    workdir: str,
    config: ml_collections.ConfigDict,
    phase_of: Callable[[int], str] = lambda step: "",
  ):
    self._best_by = config.best_by if config.keep_best else None
    self._manager = ocp.CheckpointManager(
      os.path.join(os.path.abspath(workdir), DIRECTORY), options=_options(config, phase_of)
    )

  def __enter__(self) -> "Checkpoints":
    return self

  def __exit__(self, kind, *unused) -> None:
    with contextlib.suppress(errors.TrainingError) if kind else contextlib.nullcontext():
      with self._writing():
        self._manager.close()

  @property
  def latest_step(self) -> int | None:
    """Of the newest checkpoint; None without any."""
    return self._manager.latest_step()

  @contextlib.contextmanager
  def _writing(self) -> Iterator[None]:
    """Orbax tells at the next call of what went wrong while it was writing."""
    try:
      yield
    except Exception as e:
      kept = f"that of step {self.latest_step} is kept" if self.latest_step else "there is no other"
      raise errors.TrainingError(
        f"a checkpoint cannot be written to {self._manager.directory} ({errors.one_line(e)}): "
        f"{kept}. With room for it, the same command goes on"
      ) from None

  def save(
    self, step: int, state: Any, iterator: Any, metrics: Mapping[str, float] | None = None
  ) -> None:
    """Begins to save; the state may be donated to the next step as soon as this returns.

    Args:
      step: of the state; where it has been saved, nothing is done.
      state: a tree of arrays that are the same on every device.
      iterator: of `pipeline.make_train_iterator`.
      metrics: of the held-out notes at this step, where they were measured.

    Raises:
      TrainingError: where this or the checkpoint before it cannot be written.
      UserError: where `checkpoint.best_by` is none of the metrics.
    """
    if step in self._manager.all_steps():
      return
    if metrics is not None and self._best_by is not None:
      if self._best_by not in metrics:
        names = ", ".join(sorted(metrics))
        raise errors.UserError(f"checkpoint.best_by must be one of {names}, got {self._best_by}")
      metrics = {self._best_by: float(metrics[self._best_by])}
    # The same in every process, so that another number of them can go on.
    about = {"iterator": iterator.get_state(), "checksums": _checksums(state)}
    about["checksum"] = _json_crc([about["iterator"], about["checksums"]])
    with self._writing():
      self._manager.save(
        step,
        args=ocp.args.Composite(state=ocp.args.StandardSave(state), data=ocp.args.JsonSave(about)),
        metrics=metrics if self._best_by else None,
      )

  def restore(self, state: Any, iterator: Any) -> Any:
    """The newest whole checkpoint's state; the iterator is set to its place.

    One that is damaged is set aside, as damaged-STEP, and said so.

    Args:
      state: as `abstract` gives it.
      iterator: of `pipeline.make_train_iterator`; changed.

    Raises:
      UserError: where there is none that is whole.
    """
    problems = []
    for step in sorted(self._manager.all_steps(), reverse=True):
      problem, restored = None, None
      try:
        restored = self._manager.restore(
          step,
          args=ocp.args.Composite(
            state=ocp.args.StandardRestore(state), data=ocp.args.JsonRestore()
          ),
        )
        _check(restored["state"], restored["data"])
      except Exception as e:
        problem = errors.one_line(e)
      if not distributed.any_of(problem is not None):
        assert restored is not None
        iterator.set_state(restored["data"]["iterator"])
        return restored["state"]
      problems.append(f"step {step}: {problem or 'damaged for another process'}")
      _log.warning("the checkpoint of %s; set aside, for the one before it", problems[-1])
      self._set_aside(step)
    raise _none_left(str(self._manager.directory), problems)

  def _set_aside(self, step: int) -> None:
    if jax.process_index() == 0:
      folder = os.fspath(self._manager.directory)
      taken = os.path.join(folder, f"{_DAMAGED}{step}")
      while os.path.exists(taken):
        taken += "-again"
      os.rename(os.path.join(folder, str(step)), taken)
    distributed.wait(f"set aside {step}")
    self._manager.reload()


def _none_left(folder: str, problems: list[str]) -> errors.UserError:
  return errors.UserError(f"no checkpoint in {folder} can be read: {'; '.join(problems)}")


def abstract(init: Callable[[], Any], sharding: jax.sharding.Sharding) -> Any:
  """What `init` would return, as shapes with a sharding: what there is to restore, and where to."""
  return jax.tree.map(
    lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), jax.eval_shape(init)
  )


@quiet.libraries()
def restore_params(workdir: str, step: int | str | None = None) -> tuple[int, Any]:
  """Step and parameters of one of a workdir's checkpoints: those to generate with, and no others.

  Args:
    workdir: of the run.
    step: which; 'best' for the best that was kept by `checkpoint.best_by`; without it the newest
      that is whole.

  Raises:
    UserError: a workdir without a checkpoint, or without this one.
  """
  folder = os.path.join(os.path.abspath(workdir), DIRECTORY)
  if not os.path.isdir(folder) and packaged.exists(workdir):
    packaged_step, params = packaged.load(workdir)
    if step not in (None, BEST, packaged_step):
      raise errors.UserError(f"{workdir} is a packaged run, of step {packaged_step} alone")
    return packaged_step, params
  if not os.path.isdir(folder):
    raise errors.UserError(f"{workdir} holds no checkpoint: {folder} is missing")
  options = ocp.CheckpointManagerOptions(read_only=True)
  with ocp.CheckpointManager(folder, options=options) as manager:
    steps = sorted(manager.all_steps(), reverse=True)
    if not steps:
      raise errors.UserError(f"{workdir} holds no checkpoint: train it first")
    if step is not None:
      steps = [_find(workdir, manager, steps, step)]
    problems = []
    for candidate in steps:
      try:
        return candidate, _read_params(manager, candidate)
      except Exception as e:
        problems.append(f"step {candidate}: {errors.one_line(e)}")
        _log.warning("the checkpoint of %s; it is not used", problems[-1])
  raise _none_left(folder, problems)


def _find(workdir, manager, steps, step):
  """The step that `step` means."""
  if step == BEST:
    measured = {s: m for s in steps if (m := manager.metrics(s))}
    if not measured:
      raise errors.UserError(
        f"{workdir} kept no best checkpoint: train it with --config.checkpoint.keep_best=1"
      )
    return min(measured, key=lambda s: _metric(measured[s]))
  if step not in steps:
    held = ", ".join(map(str, sorted(steps)))
    raise errors.UserError(f"{workdir} holds no checkpoint of step {step}: it has {held}")
  return step


def _read_params(manager, step):
  """The best parameters of a checkpoint, compared with their checksums."""
  saved = ocp.PyTreeCheckpointHandler().metadata(manager.directory / str(step) / "state").tree
  device = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
  part = {
    field: jax.tree.map(
      lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=device), saved[field]
    )
    for field in state_lib.best_fields(saved)
  }
  restore_args = ocp.checkpoint_utils.construct_restore_args(part)
  arguments = ocp.args.PyTreeRestore(part, restore_args, partial_restore=True)
  restored = manager.restore(
    step, args=ocp.args.Composite(state=arguments, data=ocp.args.JsonRestore())
  )
  _check(restored["state"], restored["data"])
  return state_lib.merge({field: restored["state"][field] for field in part})
