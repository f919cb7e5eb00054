"""Codes of many notes: nearest neighbours, attribute vectors, and dimensions in use."""

from collections.abc import Callable
from typing import Any
from typing import NamedTuple

import jax
import numpy as np

from cvae_jax import methods
from cvae_jax.core import errors
from cvae_jax.data import notes
from cvae_jax.data import pipeline
from cvae_jax.data import sources
from cvae_jax.synthesis import latent_space
from cvae_jax.synthesis.synthesizer import Synthesizer


class Codes(NamedTuple):
  """Codes of some examples of a source.

  Attributes:
    code: [M, *code_shape].
    rows: [M] rows in the source.
    source: of the examples.
  """

  code: np.ndarray
  rows: np.ndarray
  source: sources.Source

  @property
  def flat(self) -> np.ndarray:
    """[M, size] flattened codes."""
    return self.code.reshape(len(self.code), -1)

  def labels(self) -> dict[str, np.ndarray]:
    """Labels of the examples, as columns of M rows, with `id`."""
    return {name: column[self.rows] for name, column in self.source.labels.items()}


def encode_notes(
  synth: Synthesizer, source: sources.Source, num_notes: int = 2048, batch_size: int = 32
) -> Codes:
  """Encodes evenly spaced notes of a source.

  Args:
    synth: the run.
    source: of the notes.
    num_notes: maximal number of notes.
    batch_size: notes per batch.
  """
  rows = notes.spread_rows(len(source), num_notes)
  return Codes(
    encode_rows(latent_space.make_encoder(synth), synth.params, source, rows, batch_size),
    rows,
    source,
  )


def encode_rows(
  encode: Callable[..., jax.Array],
  params: Any,
  source: sources.Source,
  rows: np.ndarray,
  batch_size: int,
  rng: jax.Array | None = None,
) -> np.ndarray:
  """Encodes rows of a source with their own labels; returns [M, *code_shape].

  Args:
    encode: of a method, jitted.
    params: of the network.
    source: of the notes.
    rows: [M] rows to encode.
    batch_size: notes per batch.
    rng: for draws from the posterior; None returns the posterior mean.
  """
  codes = []
  for i, batch in enumerate(pipeline.eval_batches(source, batch_size, rows)):
    inputs = {name: batch[name] for name in sources.batch_keys(source)}
    key = () if rng is None else (jax.random.fold_in(rng, i),)
    codes.append(np.asarray(encode(params, inputs, *key))[batch["mask"] > 0])
  return np.concatenate(codes)


def neighbours(codes: Codes, code: np.ndarray, num: int = 5) -> tuple[np.ndarray, np.ndarray]:
  """Finds the codes nearest to a code: ([num] indices into `codes`, [num] distances), sorted.

  Args:
    codes: codes to search.
    code: of the codes' shape.
    num: number of neighbours.
  """
  distance = np.linalg.norm(codes.flat - code.reshape(-1), axis=1)
  nearest = np.argsort(distance, kind="stable")[:num]
  return nearest, distance[nearest]


def attribute_vector(codes: Codes, has: np.ndarray) -> np.ndarray:
  """Attribute vector [*code_shape]: mean code of notes with an attribute minus that without it.

  Args:
    codes: of notes.
    has: [M] bool, whether a note has the attribute.

  Raises:
    UserError: if all notes have it, or none.

  Source: Engel et al. 2017; Roberts et al. 2018, "MusicVAE", section 5.3.
  """
  has = np.asarray(has, bool)
  if has.all() or not has.any():
    raise errors.UserError(
      f"{has.sum()} of {has.size} notes have the attribute: an attribute vector needs both kinds"
    )
  return codes.code[has].mean(axis=0) - codes.code[~has].mean(axis=0)


def widest_dimensions(codes: Codes, num: int) -> np.ndarray:
  """[num] dimensions of the largest standard deviation, in decreasing order.

  For sequences the deviation is over examples and positions.
  """
  return np.argsort(-spread(codes.code)[1], kind="stable")[:num]


def main_dimensions(codes: Codes, num: int, method: methods.Method) -> dict[int, str]:
  """The dimensions that have a meaning, and then the widest of the others: `num` with their names.

  Args:
    codes: of many notes.
    num: how many.
    method: whose dimensions have a meaning, or are measured.
  """
  count = codes.code.shape[-1]
  widest = widest_dimensions(codes, count).tolist()
  meanings = dict(enumerate(method.meanings))
  names = meanings | dict(enumerate(method.measured, count - len(method.measured)))
  order = [*meanings, *(d for d in widest if d not in meanings)][:num]
  return {d: names.get(d) or f"dimension {d}" for d in order}


def spread(code: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """([D] mean, [D] standard deviation) of codes [M, ..., D], over examples and positions."""
  vectors = code.reshape(-1, code.shape[-1])
  return vectors.mean(axis=0), vectors.std(axis=0)
