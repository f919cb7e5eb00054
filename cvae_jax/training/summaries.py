"""What TensorBoard shows of a run, through clu's metric writers.

They import TensorFlow, which takes seconds that nobody should wait for: a thread of its own imports
it as soon as there is something to write, and writes from then on.
"""

from collections.abc import Callable
from collections.abc import Mapping
import logging
import os
import queue
import threading
from typing import Any

import numpy as np

DIRECTORY = "events"
_log = logging.getLogger(__name__)


def _make_writer(directory: str) -> Any:
  # The accelerator is JAX's alone: TensorFlow would take its memory.
  import tensorflow as tf

  tf.config.set_visible_devices([], "GPU")
  from clu import metric_writers

  return metric_writers.SummaryWriter(directory)


class Summaries:
  """Writes scalars, audio and images under one workdir; only the first process writes anything.

  A context that waits until all is written. What cannot be written is said once, and costs the run
  nothing but its TensorBoard.
  """

  def __init__(self, workdir: str, write: bool):
    self._directory = os.path.join(workdir, DIRECTORY)
    self._queue: queue.SimpleQueue[Callable[[Any], None] | None] = queue.SimpleQueue()
    self._thread: threading.Thread | None = None
    self._write = write

  def _put(self, write: Callable[[Any], None]) -> None:
    if not self._write:
      return
    if self._thread is None:
      self._thread = threading.Thread(target=self._work, name="summaries", daemon=True)
      self._thread.start()
    self._queue.put(write)

  def _work(self) -> None:
    writer, failed = None, False
    while (write := self._queue.get()) is not None:
      if failed:
        continue
      try:
        writer = _make_writer(self._directory) if writer is None else writer
        write(writer)
      except Exception as e:
        failed = True
        _log.warning("nothing more is written for TensorBoard (%s: %s)", type(e).__name__, e)
    if writer is not None:
      writer.flush()
      writer.close()

  def scalars(self, step: int, prefix: str, values: Mapping[str, float]) -> None:
    """Numbers by name, under 'prefix/name'."""
    numbers = {f"{prefix}/{k}": float(v) for k, v in values.items()}
    self._put(lambda writer: writer.write_scalars(step, numbers))

  def audio(self, step: int, values: Mapping[str, np.ndarray], sample_rate: int) -> None:
    """[T] waveforms by name."""
    clips = {k: np.clip(v, -1.0, 1.0)[None, :, None] for k, v in values.items()}
    self._put(lambda writer: writer.write_audios(step, clips, sample_rate=sample_rate))

  def image(self, step: int, name: str, pixels: np.ndarray) -> None:
    """A [height, width, 3] uint8 image."""
    self._put(lambda writer: writer.write_images(step, {name: pixels[None]}))

  def __enter__(self) -> "Summaries":
    return self

  def __exit__(self, *unused) -> None:
    if self._thread is not None:
      self._queue.put(None)
      self._thread.join()
