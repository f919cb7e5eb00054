"""Metrics of training: read one dispatch late, so that the device never waits, and reported."""

from collections.abc import Iterator
import contextlib
import logging
import time
from typing import NamedTuple

import jax
import ml_collections
import numpy as np

from cvae_jax.core import cli
from cvae_jax.data import sources
from cvae_jax.training import checkpoint
from cvae_jax.training import failures
from cvae_jax.training import progress
from cvae_jax.training import stages as stages_lib
from cvae_jax.training import summaries as summaries_lib

_log = logging.getLogger(__name__)


class _Pending(NamedTuple):
  """A dispatch whose metrics have not been read."""

  step: int
  metrics: dict[str, jax.Array]
  rows: list[np.ndarray]


class Reporter:
  """Prints and records the metrics of training.

  Args:
    config: a whole one.
    stage: whose metrics they are.
    first: the step that this process begins at.
    started: when it was started, by `time.monotonic`.
    source: of the training examples, to name those of a loss that is not finite.
    checkpoints: of the run.
    summaries: of the run.
  """

  def __init__(
    self,
    config: ml_collections.ConfigDict,
    stage: stages_lib.Stage,
    first: int,
    started: float,
    source: sources.Source,
    checkpoints: checkpoint.Checkpoints,
    summaries: summaries_lib.Summaries,
  ):
    self._stage, self._log_every = stage, stage.log_every or config.train.log_every_steps
    self._first = self._reported = first
    self._started, self._source = started, source
    self._checkpoints, self._summaries = checkpoints, summaries
    self._progress = progress.Progress(stage.last, stage.batch_size)
    self._pending: _Pending | None = None
    self._last: dict[str, float] = {}  # The last of each: not every kind of step has all.

  def push(self, step: int, metrics: dict[str, jax.Array], rows: list[np.ndarray]) -> None:
    """Takes the metrics of a dispatch that ends with `step`; they are read at the next `settle`."""
    self._pending = _Pending(step, metrics, rows)

  def settle(self) -> None:
    """Reads the metrics of the last dispatch, and reports them if they are due.

    Raises:
      TrainingError: a loss that is not finite.
    """
    if self._pending is None:
      return
    step, metrics, rows = self._pending
    self._pending = None
    values = jax.device_get(metrics)
    saved = self._checkpoints.latest_step
    failures.check_finite(step, values["loss"], rows, self._source, saved)
    self._last |= {name: float(value[-1]) for name, value in values.items()}
    if self._reported == self._first:
      cli.release_memory()  # The compiler's.
      if self._stage.name == stages_lib.MAIN:
        _log.info("first step done %.0f s after the start", time.monotonic() - self._started)
      self._progress.restart()
      self._reported = step
    elif step // self._log_every > self._reported // self._log_every or step == self._stage.last:
      speed = self._progress.report(step, step - self._reported, self._last)
      self._reported = step
      self._summaries.scalars(step, self._stage.name, {**self._last, **speed})
      self._last = {}

  @contextlib.contextmanager
  def paused(self) -> Iterator[None]:
    """Settles, and stops the clock of the speed: what is done within is not training."""
    self.settle()
    self._progress.pause()
    yield
    self._progress.resume()
