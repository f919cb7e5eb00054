"""Signals that ask a run to stop."""

import logging
import signal
from typing import Any

_log = logging.getLogger(__name__)


class StopRequest:
  """Turns SIGINT and SIGTERM into a request that the loop answers between two steps.

  A second signal of the same kind does what it would have done without this.
  """

  def __init__(self) -> None:
    self.signum: int | None = None
    self._previous: dict[int, Any] = {}

  def __enter__(self) -> "StopRequest":
    for signum in (signal.SIGINT, signal.SIGTERM):
      try:
        self._previous[signum] = signal.signal(signum, self._note)
      except ValueError:  # Not in the main thread: whoever runs it there has its own ways.
        pass
    return self

  def __exit__(self, *unused) -> None:
    for signum, previous in self._previous.items():
      signal.signal(signum, previous)

  def _note(self, signum, frame) -> None:
    del frame
    self.signum = signum
    signal.signal(signum, self._previous[signum])
    _log.info("%s: saving before the run ends", signal.Signals(signum).name)
