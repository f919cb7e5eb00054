"""Notes of an instrument as the API hands them out."""

import base64

import numpy as np

from cvae_jax.play import schema
from cvae_jax.synthesis import formats
from cvae_jax.synthesis import loops


def make_key(pitch: float, audio: np.ndarray, loop: loops.Loop | None) -> schema.Key:
  """A note [T] at full level, with its loop if it has one."""
  loop_points = None if loop is None else schema.Loop(start=loop.start, end=loop.end)
  text = base64.b64encode(formats.to_pcm(audio)).decode()
  return schema.Key(pitch=float(pitch), loop=loop_points, audio=text)
