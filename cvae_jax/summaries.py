"""What TensorBoard shows of a run, through clu's metric writers (which import TensorFlow)."""

from collections.abc import Mapping
import os

import numpy as np

DIRECTORY = "events"


class Summaries:
  """Writes scalars, audio and images under one workdir; only the first process writes anything."""

  def __init__(self, workdir: str, write: bool):
    self._writer = None
    if write:
      # The accelerator is JAX's alone: TensorFlow would take its memory.
      import tensorflow as tf

      tf.config.set_visible_devices([], "GPU")
      from clu import metric_writers

      self._writer = metric_writers.AsyncWriter(
        metric_writers.SummaryWriter(os.path.join(workdir, DIRECTORY))
      )

  def scalars(self, step: int, prefix: str, values: Mapping[str, float]) -> None:
    """Numbers by name, under 'prefix/name'."""
    if self._writer is not None:
      self._writer.write_scalars(step, {f"{prefix}/{k}": float(v) for k, v in values.items()})

  def audio(self, step: int, values: Mapping[str, np.ndarray], sample_rate: int) -> None:
    """[T] waveforms by name."""
    if self._writer is not None:
      clips = {k: np.clip(v, -1.0, 1.0)[None, :, None] for k, v in values.items()}
      self._writer.write_audios(step, clips, sample_rate=sample_rate)

  def image(self, step: int, name: str, pixels: np.ndarray) -> None:
    """A [height, width, 3] uint8 image."""
    if self._writer is not None:
      self._writer.write_images(step, {name: pixels[None]})

  def __enter__(self) -> "Summaries":
    return self

  def __exit__(self, *unused) -> None:
    if self._writer is not None:  # Waits until all is written.
      self._writer.flush()
      self._writer.close()
