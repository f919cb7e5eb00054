"""Sound from an audio device through a function of blocks, and back, in real time.

A device calls when it has a block and wants one, on a thread that must not wait. Here it leaves its
block and takes one that is ready; another thread makes them. What is not ready in time is silence,
and is counted.
"""

from collections.abc import Callable
import queue
import threading
import time

import numpy as np


class Duplex:
  """Blocks of an audio device through a function.

  Attributes:
    block_length: samples of a block.
    ahead: blocks of silence that come first: as much as a block may be late.
    played: blocks that the device has taken.
    dropouts: of them, those that were not ready.
    worst_s: the longest that the function took for one.
    error: what the function raised; nothing is made after it.

  Args:
    process: [block_length] samples to as many.
    block_length: of the device.
    ahead: see above.
  """

  def __init__(self, process: Callable[[np.ndarray], np.ndarray], block_length: int, ahead: int):
    self.block_length, self.ahead = block_length, ahead
    self.played = self.dropouts = 0
    self.worst_s = 0.0
    self.error: Exception | None = None
    self._process = process
    self._inputs: queue.SimpleQueue[np.ndarray | None] = queue.SimpleQueue()
    self._outputs: queue.SimpleQueue[np.ndarray] = queue.SimpleQueue()
    self._owed = 0  # blocks that were played as silence and are still to be made
    for _ in range(ahead):
      self._outputs.put(np.zeros(block_length, np.float32))
    self._thread = threading.Thread(target=self._work, name="duplex", daemon=True)

  def exchange(self, audio: np.ndarray) -> np.ndarray:
    """[block_length] samples to play, for as many that were recorded; it does not wait."""
    self._inputs.put(np.array(audio, np.float32))
    self.played += 1
    try:
      while self._owed:  # What comes too late is left out, or all would be late from now on.
        self._outputs.get_nowait()
        self._owed -= 1
      return self._outputs.get_nowait()
    except queue.Empty:
      self.dropouts += 1
      self._owed += 1
      return np.zeros(self.block_length, np.float32)

  def _work(self) -> None:
    while (audio := self._inputs.get()) is not None:
      start = time.perf_counter()
      try:
        made = self._process(audio)
      except Exception as e:  # Another thread says it.
        self.error = e
        return
      self.worst_s = max(self.worst_s, time.perf_counter() - start)
      self._outputs.put(np.clip(made, -1.0, 1.0).astype(np.float32))

  def __enter__(self) -> "Duplex":
    self._thread.start()
    return self

  def __exit__(self, *unused) -> None:
    self._inputs.put(None)
    self._thread.join(timeout=5.0)
