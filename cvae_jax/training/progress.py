"""Progress of a run in the terminal: step, loss, speed, time left."""

from collections.abc import Mapping
import logging
import os
import time

_log = logging.getLogger(__name__)

_SHOWN = ("kl", "rmse_db", "spectral", "matching", "adversarial", "critic")  # beside the loss


def clock(seconds: float) -> str:
  """Seconds as m:ss, or h:mm:ss from an hour up."""
  minutes, seconds = divmod(round(seconds), 60)
  hours, minutes = divmod(minutes, 60)
  return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def host_memory() -> dict[str, float]:
  """{'host_memory_gb': of this process now}; empty where the system has no /proc."""
  try:
    with open("/proc/self/statm") as f:
      pages = int(f.read().split()[1])
  except OSError:
    return {}
  return {"host_memory_gb": pages * os.sysconf("SC_PAGE_SIZE") / 1e9}


class Progress:
  """Counts steps and the time that they take; what is spent on evaluation does not count."""

  def __init__(self, total_steps: int, batch_size: int):
    self._total = total_steps
    self._batch_size = batch_size
    self._seconds = 0.0
    self._since = time.monotonic()

  def pause(self) -> None:
    """Stops the clock: what follows is not training."""
    self._seconds += time.monotonic() - self._since

  def restart(self) -> None:
    """Forgets the time so far: the first step's, which is mostly compilation."""
    self._seconds = 0.0
    self._since = time.monotonic()

  def resume(self) -> None:
    """Starts the clock again."""
    self._since = time.monotonic()

  def report(self, step: int, steps: int, metrics: Mapping[str, float]) -> dict[str, float]:
    """Prints a line on the `steps` steps since the last one.

    Returns:
      {'notes_per_s': of these steps, 'host_memory_gb': of this process, where the system tells}.
    """
    self.pause()
    rate = steps * self._batch_size / max(self._seconds, 1e-9)
    left = (self._total - step) * self._batch_size / max(rate, 1e-9)
    parts = [f"loss {metrics['loss']:.4f}"]
    parts += [f"{name} {metrics[name]:.3g}" for name in _SHOWN if name in metrics]
    width = len(str(self._total))
    _log.info(
      "step %*d/%d  %s  %.0f notes/s  %s left",
      width,
      step,
      self._total,
      "  ".join(parts),
      rate,
      clock(left),
    )
    self.restart()
    return {"notes_per_s": rate, **host_memory()}
