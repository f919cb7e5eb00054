"""A sound that can be played at any pitch, and its conversion to points in the latent space."""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import numpy as np

from cvae_jax.core import errors
from cvae_jax.data import vocabulary as vocabulary_lib
from cvae_jax.play import palette as palette_lib
from cvae_jax.synthesis import latent_space
from cvae_jax.synthesis import synthesizer

_MIDDLE_C, _HIGHEST = 60, 127


class Sound(NamedTuple):
  """A sound, independent of pitch.

  Attributes:
    labels: as in `Synthesizer.resolve`, except the pitch.
    seed: of z, and of the labels that are not given.
    temperature: of the prior.
    code: latent code, flattened; drawn from the prior if None.
    places: coordinates on the palette's first directions; None keeps the code's own.
  """

  labels: Mapping[str, Any] = {}
  seed: int = 0
  temperature: float = 1.0
  code: Sequence[float] | None = None
  places: Sequence[float | None] = ()


def to_point(
  synth: synthesizer.Synthesizer,
  palette: palette_lib.Palette | None,
  sound: Sound,
  pitches: Sequence[float] = (_MIDDLE_C,),
) -> latent_space.Point:
  """The notes of a sound at several pitches, as a point.

  Args:
    synth: the run.
    palette: of the run; None without one.
    sound: labels, code and coordinates.
    pitches: MIDI numbers; no effect if the run is not conditioned on the pitch.

  Raises:
    UserError: if the run does not support the labels, the code or the coordinates.
  """
  for pitch in pitches:
    if not 0 <= pitch <= _HIGHEST:
      raise errors.UserError(f"pitch must be 0-{_HIGHEST}, got {pitch:g}")
  _check(synth, palette, sound)
  count = len(pitches)
  drawn_labels = synth.draw_labels(1, sound.seed, **sound.labels)
  columns = {name: np.repeat(value, count, axis=0) for name, value in drawn_labels.items()}
  if vocabulary_lib.PITCH in columns:
    is_whole = all(float(p).is_integer() for p in pitches)
    columns[vocabulary_lib.PITCH] = np.asarray(pitches, np.int32 if is_whole else np.float32)
  if sound.code is not None:
    code = np.repeat(_given_code(synth, sound)[None], count, axis=0)
  else:
    soft = synth.vocabulary.soften(columns)
    code = latent_space.draw_code(synth, soft, sound.seed, sound.temperature, count)
  if palette is not None:
    code = palette.move(code, sound.places)
  return latent_space.Point(code, columns)


def to_points(
  synth: synthesizer.Synthesizer,
  palette: palette_lib.Palette | None,
  sounds: Sequence[Sound],
) -> latent_space.Point:
  """Several sounds without pitches as a point of as many, whose codes are drawn in one batch.

  Row i is `to_point` of sound i, with softened labels.

  Raises:
    UserError: as `to_point`.
  """
  rows = []
  for sound in sounds:
    _check(synth, palette, sound)
    rows.append(synth.vocabulary.soften(synth.draw_labels(1, sound.seed, **sound.labels)))
  columns = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
  if all(sound.code is not None for sound in sounds):
    code = np.stack([_given_code(synth, sound) for sound in sounds])
  else:
    code = latent_space.draw_codes(
      synth, columns, [s.seed for s in sounds], [s.temperature for s in sounds]
    ).copy()
  for i, sound in enumerate(sounds):
    if sound.code is not None:
      code[i] = _given_code(synth, sound)
    if palette is not None:
      code[i : i + 1] = palette.move(code[i : i + 1], sound.places)
  return latent_space.Point(code, columns)


def _check(synth, palette, sound):
  """Raises UserError for a code or coordinates that the run does not support."""
  size, method = synth.method.code_size, synth.method
  if sound.code is not None and len(sound.code) != size:
    raise errors.UserError(f"code must be {size} numbers, got {len(sound.code)}")
  if sound.code is None and not method.can_sample:
    raise errors.UserError("this run has no prior to draw from: give a code")
  if any(p is not None for p in sound.places) and palette is None:
    raise errors.UserError("this run has no map of its latent space: places must be empty")


def _given_code(synth, sound):
  return np.asarray(sound.code, np.float32).reshape(synth.method.code_shape or ())


def describe_labels(synth: synthesizer.Synthesizer, point: latent_space.Point) -> dict[str, Any]:
  """The first example's labels by name, pitch included, as `Synthesizer.resolve` takes them."""
  label_values: dict[str, Any] = {}
  soft = synth.vocabulary.soften({name: column[:1] for name, column in point.labels.items()})
  for label in synth.vocabulary.labels:
    value = soft[label.name][0]
    if label.kind == vocabulary_lib.NUMBER:
      number = round(float(value), 3)
      label_values[label.name] = number if label.between else round(number)
    elif label.kind == vocabulary_lib.FLAGS:
      label_values[label.name] = [label.names[i] for i in np.flatnonzero(value > 0.5)]
    elif label.open_set:
      if value >= 0:
        label_values[label.name] = label.names[int(value)]
    else:
      weights = {label.names[i]: round(float(w), 4) for i, w in enumerate(value) if w > 1e-4}
      if weights:
        label_values[label.name] = next(iter(weights)) if len(weights) == 1 else weights
  return label_values
