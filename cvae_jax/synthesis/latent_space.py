"""What can be done with an example as a code: interpolation, other labels, single dimensions.

A `Point` is a code z, of any shape, with the labels that it is decoded under. Labels may be mixed:
a pitch between two keys is a float, a family or a source is a weight for each of them.
"""

from collections.abc import Mapping
import functools
from typing import Any
from typing import NamedTuple

import jax
import numpy as np

from cvae_jax import methods
from cvae_jax.core import errors
from cvae_jax.data import notes
from cvae_jax.data import vocabulary as vocabulary_lib
from cvae_jax.synthesis.synthesizer import Synthesizer
from cvae_jax.training import compilation

_DRAWN = 16  # codes at a time
PATHS = ("linear", "spherical")
PARTS = ("code", "labels", "both")


class Point(NamedTuple):
  """An example, or several, in a run's latent space.

  Attributes:
    code: [M, *code_shape], such as [M, D], or [M, N, D] of a sequence.
    labels: columns of M rows; those that the run is not conditioned on have no effect.
  """

  code: np.ndarray
  labels: dict[str, np.ndarray]


@functools.cache
def make_encoder(synth: Synthesizer):
  """A run's `Method.encode`, compiled; UserError where it has none."""
  if synth.method.encode is None:
    raise errors.UserError("this run has no encoder")
  return compilation.jit(synth.method.encode)


@functools.cache
def _decoder(synth: Synthesizer):
  decode = synth.method.decode
  if decode is None:
    raise errors.UserError("this run has no decoder")

  def one(params, code, labels, key):
    batch = jax.tree.map(lambda x: x[None], labels)
    return decode(params, code[None], batch, key)[0]

  return compilation.jit(jax.vmap(one, in_axes=(None, 0, 0, None)))


def encode(
  synth: Synthesizer, example: np.ndarray, labels: Mapping[str, Any] | None = None, seed: int = 0
) -> Point:
  """An example as a point; labels that are not given are inferred by the run itself.

  Args:
    synth: the run.
    example: of its form.
    labels: as `Synthesizer.infer_labels` gives them.
    seed: of that search.
  """
  example = synth.form.check(example)
  found = dict(labels) if labels is not None else synth.infer_labels(example, seed)
  code = make_encoder(synth)(synth.params, {**found, synth.form.key: example[None]})
  return Point(np.asarray(code), found)


def decode(synth: Synthesizer, point: Point, seed: int = 0) -> np.ndarray:
  """[M, ...]: the point's examples; sounds at the level of their velocity.

  Args:
    synth: the run.
    point: of M examples.
    seed: of what is random in decoding; every example has the same, so that neighbours are alike.
  """
  wanted = vocabulary_lib.select(point.labels, synth.vocabulary)
  examples = _decoder(synth)(synth.params, point.code, wanted, jax.random.key(seed))
  gain = synth.method.gain(wanted)
  return np.asarray(examples) if gain is None else np.asarray(examples) * np.asarray(gain)[:, None]


@functools.cache
def _drawer(synth: Synthesizer):
  draw = synth.method.draw_code
  if draw is None:
    raise errors.UserError("this run has no prior to draw from: it can reconstruct")

  def one(params, labels, key):
    return draw(params, jax.tree.map(lambda x: x[None], labels), key)[0]

  return compilation.jit(jax.vmap(one, in_axes=(None, 0, None)))


def draw_code(
  synth: Synthesizer,
  labels: Mapping[str, np.ndarray],
  seed: int = 0,
  temperature: float = 1.0,
  count: int | None = None,
) -> np.ndarray:
  """[M, ...] codes of the prior, one draw for all examples: the first one's of this seed.

  Args:
    synth: the run.
    labels: of M examples, as `Synthesizer.draw_labels` gives them.
    seed: of the draw, as in `Synthesizer.sample`.
    temperature: as in `Synthesizer.sample`.
    count: M, where there are no labels.
  """
  known = vocabulary_lib.select(labels, synth.vocabulary)
  if count is None:
    count = len(next(iter(known.values()))) if known else 1
  wanted = methods.at_temperature(known, count, temperature)
  key = jax.random.split(jax.random.fold_in(jax.random.key(seed), 0))[0]
  size = 1 if count == 1 else _DRAWN  # One compiled function serves all that are more than one.
  codes = []
  for rows, filled in notes.batches(np.arange(count), size):
    chosen = {name: column[filled] for name, column in wanted.items()}
    codes.append(np.asarray(_drawer(synth)(synth.params, chosen, key))[: rows.size])
  return np.concatenate(codes)


def mix(a: np.ndarray, b: np.ndarray, weight: np.ndarray, path: str = "linear") -> np.ndarray:
  """[M, ...] values from a to b ([1, ...] each), at weights [M] from 0 to 1.

  Args:
    a: at weight 0.
    b: at weight 1.
    weight: [M].
    path: 'linear', or 'spherical': along the arc between the directions of two codes, where the
      codes of a Gaussian prior lie; lengths go in a straight line. A code of any shape counts as
      one vector.

  Source: White 2016, "Sampling Generative Networks", for the spherical path.
  """
  if path not in PATHS:
    raise errors.UserError(f"path must be one of {', '.join(PATHS)}, got '{path}'")
  weight = weight.reshape(-1, *[1] * (a.ndim - 1))
  if path == "linear":
    return (1.0 - weight) * a + weight * b
  axes = tuple(range(1, a.ndim))
  lengths = [np.sqrt(np.sum(np.square(x), axis=axes, keepdims=True)) for x in (a, b)]
  lengths = [np.maximum(x, 1e-9) for x in lengths]
  unit_a, unit_b = a / lengths[0], b / lengths[1]
  angle = np.arccos(np.clip(np.sum(unit_a * unit_b, axis=axes, keepdims=True), -1.0, 1.0))
  sine = np.sin(angle)
  near = sine < 1e-4  # Codes on one line: the straight way is the arc.
  safe = np.where(near, 1.0, sine)
  of_a = np.where(near, 1.0 - weight, np.sin((1.0 - weight) * angle) / safe)
  of_b = np.where(near, weight, np.sin(weight * angle) / safe)
  length = (1.0 - weight) * lengths[0] + weight * lengths[1]
  return (of_a * unit_a + of_b * unit_b) * length


def interpolate(
  synth: Synthesizer, a: Point, b: Point, steps: int, path: str = "linear", part: str = "both"
) -> Point:
  """Points from one example to another, both ends among them.

  Args:
    synth: the run.
    a: of one example.
    b: of one example.
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
  soft_a, soft_b = (synth.vocabulary.soften(x.labels) for x in (a, b))
  mixed = {}
  for label in synth.vocabulary.labels:
    name = label.name
    if label.open_set:  # There is nothing between two instruments, or two files.
      mixed[name] = np.repeat(soft_a[name], steps)
    else:
      mixed[name] = mix(soft_a[name], soft_b[name], still if part == "code" else weight)
  return Point(code.astype(np.float32), mixed)


def relabel(synth: Synthesizer, point: Point, semitones: float = 0.0, **asked: Any) -> Point:
  """The same codes under other labels: this note as a flute, or a fifth higher.

  Args:
    synth: the run.
    point: of M examples.
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
    synth.resolve(pitch=60)  # Refuses where the run is not conditioned on the pitch.
    pitch = synth.vocabulary.get(vocabulary_lib.PITCH)
    moved = np.asarray(changed["pitch"], np.float32) + semitones
    if not (moved.min() >= pitch.low and moved.max() <= pitch.high):
      raise errors.UserError(
        f"{semitones:+g} semitones lead to pitch {moved.max():g}, out of {pitch.low}-{pitch.high}"
      )
    changed["pitch"] = moved if (moved % 1).any() else moved.astype(int)
  return Point(point.code, changed)


def traverse(point: Point, dimensions: np.ndarray, values: np.ndarray) -> Point:
  """One example with single dimensions of its code at other values.

  Args:
    point: of one example.
    dimensions: [K] of the code's last axis; of a sequence they change at every position.
    values: [K, S] that they take.

  Returns:
    A point of K S examples: all of the first dimension, then of the second.
  """
  count, steps = values.shape
  code = np.repeat(point.code, count * steps, axis=0)
  for row, (dimension, value) in enumerate(
    zip(np.repeat(dimensions, steps), values.ravel(), strict=True)
  ):
    code[row, ..., dimension] = value
  repeat = lambda column: np.repeat(np.asarray(column), count * steps, axis=0)
  return Point(code, {name: repeat(column) for name, column in point.labels.items()})
