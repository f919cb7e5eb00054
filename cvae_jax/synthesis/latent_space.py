"""Operations in the latent space: encoding, decoding, interpolation, relabelling, traversal.

A `Point` is a code z, of any shape, with the labels that its decoding is conditioned on. Labels may
be mixed: a pitch may be fractional, a family or a source a vector of weights.
"""

from collections.abc import Mapping
from collections.abc import Sequence
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

_BATCH_SIZE = 16  # codes drawn at a time
PATHS = ("linear", "spherical")
PARTS = ("code", "labels", "both")


class Point(NamedTuple):
  """One or more examples in a run's latent space.

  Attributes:
    code: [M, *code_shape], such as [M, D], or [M, N, D] of a sequence.
    labels: columns of M rows; labels that the run is not conditioned on have no effect.
  """

  code: np.ndarray
  labels: dict[str, np.ndarray]


@functools.cache
def make_encoder(synth: Synthesizer):
  """Compiles a run's `Method.encode`; raises UserError if it has none."""
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
  """Encodes an example as a point; labels are inferred if not given.

  Args:
    synth: the run.
    example: of the run's form.
    labels: as returned by `Synthesizer.infer_labels`.
    seed: of the inference of labels.
  """
  example = synth.form.check(example)
  columns = dict(labels) if labels is not None else synth.infer_labels(example, seed)
  code = make_encoder(synth)(synth.params, {**columns, synth.form.key: example[None]})
  return Point(np.asarray(code), columns)


def decode(synth: Synthesizer, point: Point, seed: int = 0) -> np.ndarray:
  """Decodes a point to [M, ...] examples; sounds have the level of their velocity.

  Args:
    synth: the run.
    point: of M examples.
    seed: of random draws in decoding, such as phases; shared by all examples, so that similar codes
      give similar sounds.
  """
  labels = vocabulary_lib.select(point.labels, synth.vocabulary)
  examples = _decoder(synth)(synth.params, point.code, labels, jax.random.key(seed))
  gain = synth.method.gain(labels)
  return np.asarray(examples) if gain is None else np.asarray(examples) * np.asarray(gain)[:, None]


@functools.cache
def _drawer(synth: Synthesizer, key_axis: int | None = None):
  draw = synth.method.draw_code
  if draw is None:
    raise errors.UserError("this run has no prior to draw from: it can only reconstruct")

  def one(params, labels, key):
    return draw(params, jax.tree.map(lambda x: x[None], labels), key)[0]

  return compilation.jit(jax.vmap(one, in_axes=(None, 0, key_axis)))


def _noise_key(seed):
  """The key of the first example of `Synthesizer.sample` with a seed."""
  return jax.random.split(jax.random.fold_in(jax.random.key(seed), 0))[0]


@functools.cache
def _noise_keys():  # Not at import: a process whose backend has started cannot be forked.
  return compilation.jit(jax.vmap(_noise_key))


def draw_code(
  synth: Synthesizer,
  labels: Mapping[str, np.ndarray],
  seed: int = 0,
  temperature: float = 1.0,
  count: int | None = None,
) -> np.ndarray:
  """Draws [M, ...] codes from the prior, with the same noise for all examples.

  The noise is that of the first example of `Synthesizer.sample` with this seed.

  Args:
    synth: the run.
    labels: of M examples, as returned by `Synthesizer.draw_labels`.
    seed: as in `Synthesizer.sample`.
    temperature: as in `Synthesizer.sample`.
    count: M, if there are no labels.
  """
  run_labels = vocabulary_lib.select(labels, synth.vocabulary)
  if count is None:
    count = len(next(iter(run_labels.values()))) if run_labels else 1
  conditions = methods.at_temperature(run_labels, count, temperature)
  key = _noise_key(seed)
  size = 1 if count == 1 else _BATCH_SIZE  # Two compiled sizes serve all counts.
  codes = []
  for rows, padded_rows in notes.batches(np.arange(count), size):
    batch_labels = {name: column[padded_rows] for name, column in conditions.items()}
    codes.append(np.asarray(_drawer(synth)(synth.params, batch_labels, key))[: rows.size])
  return np.concatenate(codes)


def draw_codes(
  synth: Synthesizer,
  labels: Mapping[str, np.ndarray],
  seeds: Sequence[int],
  temperatures: Sequence[float],
) -> np.ndarray:
  """Draws [M, ...] codes from the prior, each with the noise of its own seed.

  Row i is that of `draw_code` with `seeds[i]` and `temperatures[i]`.

  Args:
    synth: the run.
    labels: of M examples, as returned by `Synthesizer.draw_labels`.
    seeds: M, as in `Synthesizer.sample`.
    temperatures: M, as in `Synthesizer.sample`.
  """
  run_labels = vocabulary_lib.select(labels, synth.vocabulary)
  conditions = methods.at_temperature(run_labels, len(seeds))
  conditions[methods.TEMPERATURE] = np.asarray(temperatures, np.float32)
  codes = []
  for rows, padded_rows in notes.batches(np.arange(len(seeds)), _BATCH_SIZE):
    batch_labels = {name: column[padded_rows] for name, column in conditions.items()}
    keys = _noise_keys()(np.asarray(seeds, np.uint32)[padded_rows])
    codes.append(np.asarray(_drawer(synth, 0)(synth.params, batch_labels, keys))[: rows.size])
  return np.concatenate(codes)


def mix(a: np.ndarray, b: np.ndarray, weight: np.ndarray, path: str = "linear") -> np.ndarray:
  """Interpolates from a to b ([1, ...] each) at weights [M] from 0 to 1; returns [M, ...].

  Args:
    a: at weight 0.
    b: at weight 1.
    weight: [M].
    path: 'linear', or 'spherical': along the arc between the directions of two codes, which stays
      where a Gaussian prior has its mass; norms are interpolated linearly. Codes are flattened.

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
  near = sine < 1e-4  # Collinear codes: the arc is a straight line.
  safe = np.where(near, 1.0, sine)
  of_a = np.where(near, 1.0 - weight, np.sin((1.0 - weight) * angle) / safe)
  of_b = np.where(near, weight, np.sin(weight * angle) / safe)
  length = (1.0 - weight) * lengths[0] + weight * lengths[1]
  return (of_a * unit_a + of_b * unit_b) * length


def interpolate(
  synth: Synthesizer, a: Point, b: Point, steps: int, path: str = "linear", part: str = "both"
) -> Point:
  """Interpolates between two examples, both ends included.

  Args:
    synth: the run.
    a: point of one example.
    b: point of one example.
    steps: number of points, 2 or more.
    path: of the codes, see `mix`.
    part: what is interpolated: 'code' (with the labels of a), 'labels' (with the code of a) or
      'both'.

  Raises:
    UserError: if there are too few steps, or the path or part is unknown.
  """
  if steps < 2:
    raise errors.UserError(f"the number of steps must be 2 or more, got {steps}")
  if part not in PARTS:
    raise errors.UserError(f"part must be one of {', '.join(PARTS)}, got '{part}'")
  weight = np.linspace(0.0, 1.0, steps, dtype=np.float32)
  zeros = np.zeros(steps, np.float32)
  code = mix(a.code, b.code, zeros if part == "labels" else weight, path)
  soft_a, soft_b = (synth.vocabulary.soften(x.labels) for x in (a, b))
  mixed = {}
  for label in synth.vocabulary.labels:
    name = label.name
    if label.open_set:  # Instruments and files cannot be mixed.
      mixed[name] = np.repeat(soft_a[name], steps)
    else:
      mixed[name] = mix(soft_a[name], soft_b[name], zeros if part == "code" else weight)
  return Point(code.astype(np.float32), mixed)


def relabel(synth: Synthesizer, point: Point, semitones: float = 0.0, **labels: Any) -> Point:
  """Replaces labels and keeps the codes: the same note as a flute, or a fifth higher.

  Args:
    synth: the run.
    point: of M examples.
    semitones: added to the pitch.
    **labels: as in `Synthesizer.resolve`.

  Raises:
    UserError: as `Synthesizer.resolve`, or if the pitch leaves its range.
  """
  count = len(point.code)
  columns = dict(point.labels)
  for name, value in synth.resolve(**labels).items():
    columns[name] = np.repeat(np.asarray(value)[None], count, axis=0)
  if semitones:
    synth.resolve(pitch=60)  # Raises if the run is not conditioned on the pitch.
    pitch = synth.vocabulary.get(vocabulary_lib.PITCH)
    shifted = np.asarray(columns["pitch"], np.float32) + semitones
    if not (shifted.min() >= pitch.low and shifted.max() <= pitch.high):
      raise errors.UserError(
        f"{semitones:+g} semitones lead to pitch {shifted.max():g}, out of {pitch.low}-{pitch.high}"
      )
    columns["pitch"] = shifted if (shifted % 1).any() else shifted.astype(int)
  return Point(point.code, columns)


def traverse(point: Point, dimensions: np.ndarray, values: np.ndarray) -> Point:
  """Varies single dimensions of an example's code.

  Args:
    point: of one example.
    dimensions: [K] indices into the code's last axis; in a sequence they vary at all positions.
    values: [K, S] values of each dimension.

  Returns:
    A point of K S examples: all values of the first dimension, then of the second.
  """
  count, steps = values.shape
  code = np.repeat(point.code, count * steps, axis=0)
  for row, (dimension, value) in enumerate(
    zip(np.repeat(dimensions, steps), values.ravel(), strict=True)
  ):
    code[row, ..., dimension] = value
  repeat = lambda column: np.repeat(np.asarray(column), count * steps, axis=0)
  return Point(code, {name: repeat(column) for name, column in point.labels.items()})
