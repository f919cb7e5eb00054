"""What a player has set: a sound that any key can play, and how it becomes points of a run."""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import numpy as np

from cvae_jax import errors
from cvae_jax import latent_space
from cvae_jax import synthesizer
from cvae_jax.data import labels
from cvae_jax.data import notes as notes_lib
from cvae_jax.play import palette as palette_lib

_MIDDLE_C = 60


class Sound(NamedTuple):
  """A sound, whatever its pitch.

  Attributes:
    labels: that are asked for, as in `Synthesizer.resolve`, but for the pitch.
    seed: of the draw of z, and of labels that are not asked for.
    temperature: of the draw.
    code: [D] in place of a draw.
    places: where it lies on the palette's first directions; None where the code says it.
  """

  labels: Mapping[str, Any] = {}
  seed: int = 0
  temperature: float = 1.0
  code: Sequence[float] | None = None
  places: Sequence[float | None] = ()


def can_sample(synth: synthesizer.Synthesizer) -> bool:
  """Whether a run has a prior to draw from; a plain autoencoder has none."""
  return synth.method.draw_code is not None


def to_point(
  synth: synthesizer.Synthesizer,
  palette: palette_lib.Palette | None,
  sound: Sound,
  pitches: Sequence[float] = (_MIDDLE_C,),
) -> latent_space.Point:
  """The notes of a sound at some pitches.

  Args:
    synth: the run.
    palette: of the run, where it has one.
    sound: what is asked for.
    pitches: MIDI numbers; for a run that is not conditioned on the pitch they count for nothing.

  Raises:
    UserError: what the run cannot be asked for.
  """
  dim = synth.config.model.latent_dim
  for pitch in pitches:
    if not 0 <= pitch <= labels.NUM_PITCHES - 1:
      raise errors.UserError(f"pitch must be 0-{labels.NUM_PITCHES - 1}, got {pitch:g}")
  if sound.code is not None and len(sound.code) != dim:
    raise errors.UserError(f"code must be {dim} numbers, got {len(sound.code)}")
  if sound.code is None and not can_sample(synth):
    raise errors.UserError("this run is a plain autoencoder: it needs a code, and draws none")
  if any(p is not None for p in sound.places) and palette is None:
    raise errors.UserError("this run has no map of its latent space: places mean nothing to it")
  drawn = synth.draw_labels(1, sound.seed, **sound.labels)
  columns = {name: np.repeat(value, len(pitches), axis=0) for name, value in drawn.items()}
  whole = all(float(p).is_integer() for p in pitches)
  columns["pitch"] = np.asarray(pitches, np.int32 if whole else np.float32)
  if sound.code is not None:
    code = np.repeat(np.asarray(sound.code, np.float32)[None], len(pitches), axis=0)
  else:
    soft = latent_space.soften(columns)
    code = latent_space.draw_code(synth, soft, sound.seed, sound.temperature)
  if palette is not None:
    code = palette.move(code, sound.places)
  return latent_space.Point(code, columns)


def describe_labels(point: latent_space.Point) -> dict[str, Any]:
  """The first note's labels by name, as they may be asked for again; the pitch among them."""
  soft = latent_space.soften({name: point.labels[name][:1] for name in notes_lib.BATCH_LABELS})
  named: dict[str, Any] = {
    "pitch": round(float(soft["pitch"][0]), 3),
    "velocity": round(float(soft["velocity"][0])),
  }
  for name, names in (("family", labels.FAMILIES), ("source", labels.SOURCES)):
    weights = {names[i]: round(float(w), 4) for i, w in enumerate(soft[name][0]) if w > 1e-4}
    named[name] = next(iter(weights)) if len(weights) == 1 else weights
  return named
