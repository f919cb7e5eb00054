"""A profile of a few steps, by --config.profile.steps=5."""

import logging
import os
from typing import Any

import jax
import ml_collections

_log = logging.getLogger(__name__)

DIRECTORY = "profile"


class Profile:
  """Traces the steps that a config names, as `jax.profiler.trace` does.

  Args:
    workdir: gets profile/.
    config: the `profile` section of a config.
    active: whether this process is the one that traces.
  """

  def __init__(self, workdir: str, config: ml_collections.ConfigDict, active: bool = True):
    self._path = os.path.join(workdir, DIRECTORY)
    self._first, self._steps = config.first_step, config.steps if active else 0
    self._tracing = False

  def __enter__(self) -> "Profile":
    return self

  def __exit__(self, *unused) -> None:
    self.stop()

  def at(self, step: int, state: Any) -> None:
    """To be called before every dispatch; `step` counts from this process's first."""
    if self._tracing and step >= self._first + self._steps:
      jax.block_until_ready(state)
      self.stop()
      self._steps = 0
    elif self._steps and not self._tracing and step >= self._first:
      jax.block_until_ready(state)
      jax.profiler.start_trace(self._path)
      self._tracing = True

  def stop(self) -> None:
    """Ends the trace, where there is one; steps still under way are not in it."""
    if self._tracing:
      self._tracing = False
      jax.profiler.stop_trace()
      _log.info("profile of up to %d steps: tensorboard --logdir=%s", self._steps, self._path)
