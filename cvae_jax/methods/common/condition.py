"""Conditions: from the labels of examples to the vector c that a network is given."""

from collections.abc import Callable
from collections.abc import Sequence
import itertools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from cvae_jax.core import errors
from cvae_jax.data import vocabulary as vocabulary_lib

NUMBER = vocabulary_lib.NUMBER


class Condition(NamedTuple):
  """A function from labels to c.

  Attributes:
    labels: which labels c is built from, in order; none for an unconditional model.
    dim: C, length of c.
    places: where in c each label is, as (first, last + 1).
    encode: a batch's labels ([B] integers each, flags [B, n]) to [B, C] float32. A label that is
      negative is unknown, and is all zeros. A mix is given by weights, [B, n]; a pitch between two
      keys by a float. A batch without labels needs a second argument: how many rows there are.
    pitch: where in c there is an entry for each pitch from 0; None where there is none.
  """

  labels: tuple[str, ...]
  dim: int
  places: dict[str, tuple[int, int]]
  encode: Callable[..., jax.Array]
  pitch: tuple[int, int] | None = None

  def drop(self, c: jax.Array, rng: jax.Array, rate: float) -> jax.Array:
    """c ([B, C]) with every label, by itself, made unknown at a rate; c itself at 0.

    A run trained with it can be conditioned on some labels, or on none. Source: Ho & Salimans 2021,
    "Classifier-Free Diffusion Guidance", which drop all of them at once.
    """
    if not rate or not c.shape[1]:
      return c
    keep = jax.random.bernoulli(rng, 1.0 - rate, (c.shape[0], len(self.labels)))
    widths = np.asarray([last - first for first, last in self.places.values()])
    return c * jnp.repeat(keep, widths, axis=1, total_repeat_length=c.shape[1])


def make_condition(names: Sequence[str], vocabulary: vocabulary_lib.Vocabulary) -> Condition:
  """Builds the condition from the labels that a config names.

  Names, and numbers that are classes (a pitch), are one-hot; other numbers grow from 0 at the low
  end of their range to 1, so that every value between those seen means something (a velocity is
  velocity / 127); flags are numbers of 0 or 1. The hot entry of n is sqrt(n): the mean square of c
  is then about 1, which is what a layer's initial weights are made for. With a hot entry of 1 the
  pitch would be a whisper beside the features, and its weights would have to grow for most of a
  short run.

  Args:
    names: of the vocabulary, without repetition.
    vocabulary: of the data set.

  Raises:
    UserError: a name that is no label, or given twice.
  """
  names = tuple(names)
  for name in names:
    if names.count(name) > 1:
      raise errors.UserError(f"condition.labels names '{name}' twice")
  if unknown := [name for name in names if vocabulary.find(name) is None]:
    known = ", ".join(vocabulary.names)
    raise errors.UserError(
      f"condition.labels names '{unknown[0]}', which these examples do not have: set "
      f"--config.condition.labels=() or to any of ({known})"
      if known
      else f"condition.labels names '{unknown[0]}', and these examples have no labels: set "
      "--config.condition.labels=()"
    )
  labels = [vocabulary.get(name) for name in names]
  sizes = [label.num_values if label.kind != NUMBER or label.one_hot else 1 for label in labels]

  def encode(batch, count=None):
    parts = [_encode(label, jnp.asarray(batch[label.name])) for label in labels]
    if not parts:
      return jnp.zeros((_count(batch) if count is None else count, 0), jnp.float32)
    return jnp.concatenate(parts, axis=-1)

  ends = np.cumsum([0, *sizes]).tolist()
  places = dict(zip(names, itertools.pairwise(ends), strict=True))
  pitch = vocabulary.find(vocabulary_lib.PITCH)
  from_zero = pitch is not None and pitch.is_class and pitch.low == 0
  return Condition(names, ends[-1], places, encode, places.get("pitch") if from_zero else None)


def _count(batch) -> int:
  """How many examples a batch has."""
  return len(jax.tree.leaves(batch)[0])


def _encode(label: vocabulary_lib.Label, value: jax.Array) -> jax.Array:
  """[B, n] of one label's values."""
  if label.is_class:
    value = value - label.low if label.low else value
    return jnp.sqrt(label.num_values) * _weights(value, label.num_values)
  value = value.astype(jnp.float32)
  if label.kind == NUMBER:
    value = value - label.low if label.low else value
    return jnp.maximum(value, 0.0)[:, None] / float(label.high - label.low)
  return jnp.maximum(value, 0.0)


def _weights(value, size):
  """[B, n] of a label's values: one-hot, or a mix of them."""
  if value.ndim == 2:
    return value / jnp.maximum(jnp.sum(value, axis=-1, keepdims=True), 1e-6)
  if jnp.issubdtype(value.dtype, jnp.floating):  # Between two values, of both.
    near = jnp.maximum(1.0 - jnp.abs(value[:, None] - jnp.arange(size)), 0.0)
    return jnp.where(value[:, None] < 0.0, 0.0, near)
  return jax.nn.one_hot(value, size)
