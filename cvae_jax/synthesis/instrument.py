"""An instrument: one z over a keyboard, and over layers of velocity."""

from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import numpy as np

from cvae_jax.core import errors
from cvae_jax.data import forms
from cvae_jax.data import notes
from cvae_jax.data import vocabulary as vocabulary_lib
from cvae_jax.synthesis import latent_space
from cvae_jax.synthesis import loops
from cvae_jax.synthesis import synthesizer

_BATCH = 16
_FULL_VELOCITY = 127


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


def _decode(synth, code, columns, seed):
  """The notes of codes ([T] each), a batch of one size at a time."""
  for rows, filled in notes.batches(np.arange(len(code)), _BATCH):
    chosen = {name: column[filled] for name, column in columns.items()}
    point = latent_space.Point(code[filled], chosen)
    yield from latent_space.decode(synth, point, seed)[: rows.size]


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
  check(synth)
  velocity_label = synth.vocabulary.find(vocabulary_lib.VELOCITY)
  if velocity_label is None or velocity_label.name not in synth.conditions:
    velocities = (_FULL_VELOCITY,)
  grid = [(int(p), int(v)) for v in velocities for p in pitches]
  for pitch, velocity in grid:
    synth.vocabulary.get(vocabulary_lib.PITCH).parse_number(pitch)
    if velocity_label is not None:
      velocity_label.parse_number(velocity)
  drawn = synth.draw_labels(1, seed, **asked)
  columns = {name: np.repeat(value, len(grid), axis=0) for name, value in drawn.items()}
  pitch_column = np.asarray([p for p, _ in grid], np.int32)
  velocity_column = np.asarray([v for _, v in grid], np.int32)
  columns[vocabulary_lib.PITCH] = pitch_column
  if velocity_label is not None:
    columns[velocity_label.name] = velocity_column
  code = latent_space.draw_code(synth, columns, seed, temperature)
  made = np.stack(list(_decode(synth, code, columns, seed)))
  return to_keys(synth, pitch_column, velocity_column, made)


def check(synth: synthesizer.Synthesizer) -> None:
  """Raises UserError for a run that makes no instrument."""
  forms.need_waveform(synth.form, "an instrument")
  if vocabulary_lib.PITCH not in synth.conditions:
    raise errors.UserError("this run is not conditioned on the pitch: it has no keyboard")
  if not synth.method.can_sample:
    raise errors.UserError("this run has nothing to sample from: it makes no instrument")


def to_keys(
  synth: synthesizer.Synthesizer,
  pitches: np.ndarray,
  velocities: np.ndarray,
  audio: np.ndarray,
) -> list[Key]:
  """Notes as keys: at full level, and blended for their loops.

  Args:
    synth: the run.
    pitches: [M] MIDI numbers.
    velocities: [M] that the notes were made for.
    audio: [M, T] as `latent_space.decode` gives them.
  """
  gain = synth.method.gain({vocabulary_lib.VELOCITY: np.asarray(velocities)})
  gains = np.ones(len(audio)) if gain is None else np.asarray(gain)
  full = audio / np.where(gains > 0, gains, 1.0)[:, None]
  found = loops.find_loops(full, synth.sample_rate)
  return [
    Key(
      int(pitch),
      int(velocity),
      (note if loop is None else loops.blend(note, loop, synth.sample_rate)).astype(np.float32),
      loop,
    )
    for pitch, velocity, note, loop in zip(pitches, velocities, full, found, strict=True)
  ]
