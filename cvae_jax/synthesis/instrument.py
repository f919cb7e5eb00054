"""Instruments: notes of one z at several pitches and velocities."""

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
    pitch: MIDI number.
    velocity: MIDI velocity that the note was generated with; samples are at full level.
    audio: [T], crossfaded at the loop if there is one.
    loop: loop points; None if the note cannot be sustained.
  """

  pitch: int
  velocity: int
  audio: np.ndarray
  loop: loops.Loop | None


def _decode(synth, code, columns, seed):
  """Decodes codes in batches of a fixed size; yields notes [T]."""
  for rows, padded_rows in notes.batches(np.arange(len(code)), _BATCH):
    batch_labels = {name: column[padded_rows] for name, column in columns.items()}
    point = latent_space.Point(code[padded_rows], batch_labels)
    yield from latent_space.decode(synth, point, seed)[: rows.size]


def make_instrument(
  synth: synthesizer.Synthesizer,
  pitches: Sequence[int],
  velocities: Sequence[int] = (127,),
  seed: int = 0,
  temperature: float = 1.0,
  **labels: Any,
) -> list[Key]:
  """Generates the notes of an instrument, all from one z.

  Args:
    synth: a run that is conditioned on the pitch.
    pitches: MIDI numbers.
    velocities: of the layers; a run that is not conditioned on velocity has a single layer.
    seed: of z and of the labels that are not given.
    temperature: of z, as in `Synthesizer.sample`.
    **labels: as in `Synthesizer.resolve`; missing labels are drawn once, for all keys.

  Returns:
    Keys, by increasing velocity and pitch.

  Raises:
    UserError: if the run makes no instruments, or does not support the labels.
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
  drawn_labels = synth.draw_labels(1, seed, **labels)
  columns = {name: np.repeat(value, len(grid), axis=0) for name, value in drawn_labels.items()}
  pitch_column = np.asarray([p for p, _ in grid], np.int32)
  velocity_column = np.asarray([v for _, v in grid], np.int32)
  columns[vocabulary_lib.PITCH] = pitch_column
  if velocity_label is not None:
    columns[velocity_label.name] = velocity_column
  code = latent_space.draw_code(synth, columns, seed, temperature)
  audio = np.stack(list(_decode(synth, code, columns, seed)))
  return to_keys(synth, pitch_column, velocity_column, audio)


def check(synth: synthesizer.Synthesizer) -> None:
  """Raises UserError if a run cannot generate notes at given pitches."""
  forms.need_waveform(synth.form, "an instrument")
  if vocabulary_lib.PITCH not in synth.conditions:
    raise errors.UserError("this run is not conditioned on the pitch: it has no keyboard")
  if not synth.method.can_sample:
    raise errors.UserError("this run has no prior to sample from: it makes no instrument")


def to_keys(
  synth: synthesizer.Synthesizer,
  pitches: np.ndarray,
  velocities: np.ndarray,
  audio: np.ndarray,
) -> list[Key]:
  """Makes keys from notes: at full level, and crossfaded at their loops.

  Args:
    synth: the run.
    pitches: [M] MIDI numbers.
    velocities: [M] MIDI velocities of the notes.
    audio: [M, T] as `latent_space.decode` gives them.
  """
  gain = synth.method.gain({vocabulary_lib.VELOCITY: np.asarray(velocities)})
  gains = np.ones(len(audio)) if gain is None else np.asarray(gain)
  full_level = audio / np.where(gains > 0, gains, 1.0)[:, None]
  note_loops = loops.find_loops(full_level, synth.sample_rate)
  return [
    Key(
      int(pitch),
      int(velocity),
      (note if loop is None else loops.blend(note, loop, synth.sample_rate)).astype(np.float32),
      loop,
    )
    for pitch, velocity, note, loop in zip(pitches, velocities, full_level, note_loops, strict=True)
  ]
