"""Many notes as codes: what lies near, in which direction an attribute is, what is in use."""

from collections.abc import Callable
from typing import Any
from typing import NamedTuple

import jax
import numpy as np

from cvae_jax.core import errors
from cvae_jax.data import notes
from cvae_jax.data import pipeline
from cvae_jax.data import sources
from cvae_jax.synthesis import latent_space
from cvae_jax.synthesis.synthesizer import Synthesizer


class Codes(NamedTuple):
  """Examples of a split, as codes.

  Attributes:
    code: [M, *code_shape].
    rows: [M] of the split's source.
    source: of the examples.
  """

  code: np.ndarray
  rows: np.ndarray
  source: sources.Source

  @property
  def flat(self) -> np.ndarray:
    """[M, size]: codes of any shape as vectors."""
    return self.code.reshape(len(self.code), -1)

  def labels(self) -> dict[str, np.ndarray]:
    """Their labels, as columns of M rows; `id` among them."""
    return {name: column[self.rows] for name, column in self.source.labels.items()}


def encode_notes(
  synth: Synthesizer, source: sources.Source, num_notes: int = 2048, batch_size: int = 32
) -> Codes:
  """Codes of notes that are spread evenly over a source.

  Args:
    synth: the run.
    source: of the notes.
    num_notes: how many at most.
    batch_size: notes at a time.
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
  """Codes of some of a source's examples ([M, *code_shape]), under their own labels.

  Args:
    encode: of a method, jitted.
    params: of the network.
    source: of the notes.
    rows: [M] of them.
    batch_size: notes at a time.
    rng: for draws from the posterior; its mean without one.
  """
  codes = []
  for i, batch in enumerate(pipeline.eval_batches(source, batch_size, rows)):
    inputs = {name: batch[name] for name in sources.batch_keys(source)}
    key = () if rng is None else (jax.random.fold_in(rng, i),)
    codes.append(np.asarray(encode(params, inputs, *key))[batch["mask"] > 0])
  return np.concatenate(codes)


def neighbours(codes: Codes, code: np.ndarray, num: int = 5) -> tuple[np.ndarray, np.ndarray]:
  """The notes whose codes are nearest: ([num] places in `codes`, [num] distances), nearest first.

  Args:
    codes: to choose from.
    code: of the codes' shape.
    num: how many.
  """
  distance = np.linalg.norm(codes.flat - code.reshape(-1), axis=1)
  nearest = np.argsort(distance, kind="stable")[:num]
  return nearest, distance[nearest]


def attribute_vector(codes: Codes, has: np.ndarray) -> np.ndarray:
  """[*code_shape] from the mean code of notes without an attribute to that of those with it.

  Args:
    codes: of notes.
    has: [M] bool, which of them have it.

  Raises:
    UserError: where all of them have it, or none.

  Source: Engel et al. 2017; Roberts et al. 2018, "MusicVAE", section 5.3.
  """
  has = np.asarray(has, bool)
  if has.all() or not has.any():
    raise errors.UserError(
      f"{has.sum()} of {has.size} notes have the attribute: there is no vector"
    )
  return codes.code[has].mean(axis=0) - codes.code[~has].mean(axis=0)


def widest_dimensions(codes: Codes, num: int) -> np.ndarray:
  """[num] dimensions along which codes differ most, the widest first: those that are in use.

  Of a sequence of codes the deviation is over examples and positions.
  """
  return np.argsort(-spread(codes.code)[1], kind="stable")[:num]


def spread(code: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """([D] mean, [D] deviation) of codes [M, ..., D], over examples and positions."""
  vectors = code.reshape(-1, code.shape[-1])
  return vectors.mean(axis=0), vectors.std(axis=0)
