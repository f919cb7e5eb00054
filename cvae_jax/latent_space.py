"""What can be done with a note as a code: on the way to another one, under other labels.

A `Point` is a code z with the labels that it is decoded under. Labels may be mixed: a pitch between
two keys is a float, a family or a source is a weight for each of them.
"""

from collections.abc import Mapping
import functools
from typing import Any
from typing import NamedTuple

import jax
import numpy as np

from cvae_jax import compilation
from cvae_jax import errors
from cvae_jax import methods
from cvae_jax.audio import level
from cvae_jax.data import labels
from cvae_jax.data import notes
from cvae_jax.synthesizer import Synthesizer

_MIXED = {"family": len(labels.FAMILIES), "source": len(labels.SOURCES)}
_DRAWN = 16  # codes at a time
PATHS = ("linear", "spherical")
PARTS = ("code", "labels", "both")


class Point(NamedTuple):
  """A note, or several, in a run's latent space.

  Attributes:
    code: [M, D].
    labels: columns of M rows; those that the run is not conditioned on count for nothing.
  """

  code: np.ndarray
  labels: dict[str, np.ndarray]


@functools.cache
def make_encoder(synth: Synthesizer):
  """A run's `Method.encode`, compiled; UserError where it has none."""
  if synth.method.encode is None:
    raise errors.UserError("this run cannot encode notes")
  return compilation.jit(synth.method.encode)


@functools.cache
def _decoder(synth: Synthesizer):
  decode = synth.method.decode
  if decode is None:
    raise errors.UserError("this run cannot decode codes")

  def one(params, code, note_labels, key):
    batch = jax.tree.map(lambda x: x[None], note_labels)
    return decode(params, code[None], batch, key)[0]

  return compilation.jit(jax.vmap(one, in_axes=(None, 0, 0, None)))


def encode(
  synth: Synthesizer, audio: np.ndarray, note_labels: Mapping[str, Any] | None = None, seed: int = 0
) -> Point:
  """A note as a point; labels that are not given are found by the run itself.

  Args:
    synth: the run.
    audio: [T] waveform at its sample rate.
    note_labels: as `Synthesizer.infer_labels` gives them.
    seed: of that search.
  """
  found = dict(note_labels) if note_labels is not None else synth.infer_labels(audio, seed)
  code = make_encoder(synth)(synth.params, {**found, "audio": np.asarray(audio, np.float32)[None]})
  return Point(np.asarray(code), found)


def decode(synth: Synthesizer, point: Point, seed: int = 0) -> np.ndarray:
  """[M, T] float32: the point's notes, at the level of their velocity.

  Args:
    synth: the run.
    point: of M notes.
    seed: of the phases' recovery; every note has the same, so that neighbours sound alike.
  """
  wanted = {name: np.asarray(point.labels[name]) for name in notes.BATCH_LABELS}
  audio = _decoder(synth)(synth.params, point.code, wanted, jax.random.key(seed))
  gain = level.velocity_to_gain(wanted["velocity"])
  return np.asarray(audio) * np.asarray(gain)[:, None]


@functools.cache
def _drawer(synth: Synthesizer):
  draw = synth.method.draw_code
  if draw is None:
    raise errors.UserError("this run is a plain autoencoder: it has no prior to draw from")

  def one(params, note_labels, key):
    return draw(params, jax.tree.map(lambda x: x[None], note_labels), key)[0]

  return compilation.jit(jax.vmap(one, in_axes=(None, 0, None)))


def draw_code(
  synth: Synthesizer, note_labels: Mapping[str, np.ndarray], seed: int = 0, temperature: float = 1.0
) -> np.ndarray:
  """[M, D] codes of the prior, one draw for all notes: that of the first note of this seed.

  Args:
    synth: the run.
    note_labels: of M notes, as `Synthesizer.draw_labels` gives them.
    seed: of the draw, as in `Synthesizer.sample`.
    temperature: as in `Synthesizer.sample`.
  """
  known = {name: np.asarray(note_labels[name]) for name in notes.BATCH_LABELS}
  wanted = methods.at_temperature(known, temperature)
  count = len(known["pitch"])
  key = jax.random.split(jax.random.fold_in(jax.random.key(seed), 0))[0]
  size = 1 if count == 1 else _DRAWN  # One compiled function serves all that are more than one.
  codes = []
  for rows, filled in notes.batches(np.arange(count), size):
    chosen = {name: column[filled] for name, column in wanted.items()}
    codes.append(np.asarray(_drawer(synth)(synth.params, chosen, key))[: rows.size])
  return np.concatenate(codes)


def soften(note_labels: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
  """Labels that can be mixed: pitch and velocity as floats, family and source as weights."""
  soft = dict(note_labels)
  for name in ("pitch", "velocity"):
    soft[name] = np.asarray(soft[name], np.float32)
  for name, count in _MIXED.items():
    value = np.asarray(soft[name])
    soft[name] = np.eye(count, dtype=np.float32)[value] if value.ndim == 1 else value
  return soft


def mix(a: np.ndarray, b: np.ndarray, weight: np.ndarray, path: str = "linear") -> np.ndarray:
  """[M, ...] values from a to b ([1, ...] each), at weights [M] from 0 to 1.

  Args:
    a: at weight 0.
    b: at weight 1.
    weight: [M].
    path: 'linear', or 'spherical': along the arc between the directions of two codes, where the
      codes of a Gaussian prior lie; lengths go in a straight line.

  Source: White 2016, "Sampling Generative Networks", for the spherical path.
  """
  if path not in PATHS:
    raise errors.UserError(f"path must be one of {', '.join(PATHS)}, got '{path}'")
  weight = weight.reshape(-1, *[1] * (a.ndim - 1))
  if path == "linear":
    return (1.0 - weight) * a + weight * b
  lengths = [np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-9) for x in (a, b)]
  unit_a, unit_b = a / lengths[0], b / lengths[1]
  angle = np.arccos(np.clip(np.sum(unit_a * unit_b, axis=-1, keepdims=True), -1.0, 1.0))
  sine = np.sin(angle)
  near = sine < 1e-4  # Codes on one line: the straight way is the arc.
  safe = np.where(near, 1.0, sine)
  of_a = np.where(near, 1.0 - weight, np.sin((1.0 - weight) * angle) / safe)
  of_b = np.where(near, weight, np.sin(weight * angle) / safe)
  length = (1.0 - weight) * lengths[0] + weight * lengths[1]
  return (of_a * unit_a + of_b * unit_b) * length


def interpolate(a: Point, b: Point, steps: int, path: str = "linear", part: str = "both") -> Point:
  """Points from one note to another, both ends among them.

  Args:
    a: of one note.
    b: of one note.
    steps: how many; 2 or more.
    path: of the codes, see `mix`.
    part: what goes over: the 'code' under the labels of a, the 'labels' with the code of a, 'both'.

  Raises:
    UserError: too few steps, or a path or part that there is not.
  """
  if steps < 2:
    raise errors.UserError(f"the number of steps must be 2 or more, got {steps}")
  if part not in PARTS:
    raise errors.UserError(f"what is interpolated must be one of {', '.join(PARTS)}, got '{part}'")
  weight = np.linspace(0.0, 1.0, steps, dtype=np.float32)
  still = np.zeros(steps, np.float32)
  code = mix(a.code, b.code, still if part == "labels" else weight, path)
  soft_a, soft_b = soften(a.labels), soften(b.labels)
  mixed = {}
  for name in notes.BATCH_LABELS:
    if name == "instrument":  # There is none between two.
      mixed[name] = np.repeat(soft_a[name], steps)
    else:
      mixed[name] = mix(
        np.asarray(soft_a[name], np.float32),
        np.asarray(soft_b[name], np.float32),
        still if part == "code" else weight,
      )
  return Point(code.astype(np.float32), mixed)


def relabel(synth: Synthesizer, point: Point, semitones: float = 0.0, **asked: Any) -> Point:
  """The same codes under other labels: this note as a flute, or a fifth higher.

  Args:
    synth: the run.
    point: of M notes.
    semitones: that the pitch is moved by, if it is not asked for.
    **asked: as in `Synthesizer.resolve`.

  Raises:
    UserError: as `Synthesizer.resolve`, or a pitch that leaves 0 to 127.
  """
  count = len(point.code)
  changed = dict(point.labels)
  for name, value in synth.resolve(**asked).items():
    changed[name] = np.repeat(np.asarray(value)[None], count, axis=0)
  if semitones:
    synth.resolve(pitch=60)  # Refuses where the run knows nothing of pitch.
    moved = np.asarray(changed["pitch"], np.float32) + semitones
    if moved.min() < 0 or moved.max() > labels.NUM_PITCHES - 1:
      raise errors.UserError(
        f"{semitones:+g} semitones lead to pitch {moved.max():g}, out of 0-127"
      )
    changed["pitch"] = moved if (moved % 1).any() else moved.astype(int)
  return Point(point.code, changed)


def traverse(point: Point, dimensions: np.ndarray, values: np.ndarray) -> Point:
  """One note with single dimensions of its code at other values.

  Args:
    point: of one note.
    dimensions: [K] that are gone along.
    values: [K, S] that they take.

  Returns:
    A point of K S notes: all of the first dimension, then of the second.
  """
  count, steps = values.shape
  code = np.repeat(point.code, count * steps, axis=0)
  code[np.arange(count * steps), np.repeat(dimensions, steps)] = values.ravel()
  repeat = lambda column: np.repeat(np.asarray(column), count * steps, axis=0)
  return Point(code, {name: repeat(point.labels[name]) for name in notes.BATCH_LABELS})
