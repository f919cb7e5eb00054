"""An instrument: one z over a keyboard, and over layers of velocity."""

from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import numpy as np

from cvae_jax import errors
from cvae_jax import latent_space
from cvae_jax import synthesizer
from cvae_jax.audio import level
from cvae_jax.data import labels
from cvae_jax.data import notes
from cvae_jax.play import loops

_BATCH = 16


class Key(NamedTuple):
  """A note of an instrument.

  Attributes:
    pitch: MIDI number that it sounds at.
    velocity: MIDI velocity that it was made for; its level is full all the same.
    audio: [T], blended for its loop where it has one.
    loop: where it can be held; None where it cannot.
  """

  pitch: int
  velocity: int
  audio: np.ndarray
  loop: loops.Loop | None


def _make(synth, columns, seed, temperature):
  """The notes of labels by one z ([T] each), a batch of one size at a time."""
  count = len(columns["pitch"])
  for start in range(0, count, _BATCH):
    rows = np.arange(start, min(start + _BATCH, count))
    filled = notes.fill_up(rows, _BATCH)
    chosen = {name: column[filled] for name, column in columns.items()}
    code = latent_space.draw_code(synth, chosen, seed, temperature)
    yield from latent_space.decode(synth, latent_space.Point(code, chosen), seed)[: rows.size]


def make_instrument(
  synth: synthesizer.Synthesizer,
  pitches: Sequence[int],
  velocities: Sequence[int] = (127,),
  seed: int = 0,
  temperature: float = 1.0,
  **asked: Any,
) -> list[Key]:
  """Makes the notes of an instrument: all of one z, so that it is one instrument.

  Args:
    synth: a run that is conditioned on the pitch.
    pitches: MIDI numbers.
    velocities: of the layers; a run that is not conditioned on velocity has one.
    seed: the same one gives the same instrument.
    temperature: of z, as in `Synthesizer.sample`.
    **asked: labels, as in `Synthesizer.resolve`; what is not asked for is drawn, once for all keys.

  Returns:
    Keys by rising velocity and pitch.

  Raises:
    UserError: a run that knows no pitches, or labels that it cannot be asked for.
  """
  if "pitch" not in synth.conditions:
    raise errors.UserError("this run is not conditioned on the pitch: it has no keyboard")
  if synth.method.sample is None or synth.method.decode is None:
    raise errors.UserError("this run has nothing to sample from: it makes no instrument")
  if "velocity" not in synth.conditions:
    velocities = (labels.VELOCITIES[-1],)
  grid = [(int(p), int(v)) for v in velocities for p in pitches]
  for pitch, velocity in grid:
    labels.check_range(pitch, 127, "pitch")
    labels.check_range(velocity, 127, "velocity")
  drawn = synth.draw_labels(1, seed, **asked)
  columns = {name: np.repeat(value, len(grid), axis=0) for name, value in drawn.items()}
  columns["pitch"] = np.asarray([p for p, _ in grid], np.int32)
  columns["velocity"] = np.asarray([v for _, v in grid], np.int32)
  keys = []
  for (pitch, velocity), note in zip(grid, _make(synth, columns, seed, temperature), strict=True):
    gain = float(level.velocity_to_gain(velocity))
    full = note / gain if gain > 0 else note
    loop = loops.find_loop(full, labels.SAMPLE_RATE)
    if loop is not None:
      full = loops.blend(full, loop, labels.SAMPLE_RATE)
    keys.append(Key(pitch, velocity, full.astype(np.float32), loop))
  return keys
