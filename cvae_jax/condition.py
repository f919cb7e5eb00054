"""Conditions: from a note's labels to the vector c that a network is given."""

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
import itertools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from cvae_jax import errors
from cvae_jax.data import labels as labels_lib

LABELS = ("pitch", "family", "source", "velocity", "instrument", "qualities")


class Condition(NamedTuple):
  """A function from labels to c.

  Attributes:
    labels: which labels c is built from, in order; none for an unconditional model.
    dim: C, length of c.
    places: where in c each label is, as (first, last + 1).
    encode: a batch's labels ([B] integers each, qualities [B, 10]) to [B, C] float32. A label that
      is negative is not known, and is all zeros. A mix is said by weights, [B, n]; a pitch between
      two keys by a float.
  """

  labels: tuple[str, ...]
  dim: int
  places: dict[str, tuple[int, int]]
  encode: Callable[[Mapping[str, jax.Array]], jax.Array]

  @property
  def pitch(self) -> tuple[int, int] | None:
    """Where in c the pitch is, or None where c has none."""
    return self.places.get("pitch")

  def drop(self, c: jax.Array, rng: jax.Array, rate: float) -> jax.Array:
    """c ([B, C]) with every label, by itself, made unknown at a rate.

    What is taught with it can be asked for some labels, or for none. Source: Ho & Salimans 2021,
    "Classifier-Free Diffusion Guidance", which drop all of them at once.
    """
    keep = jax.random.bernoulli(rng, 1.0 - rate, (c.shape[0], len(self.labels)))
    widths = np.asarray([last - first for first, last in self.places.values()])
    return c * jnp.repeat(keep, widths, axis=1, total_repeat_length=c.shape[1])


def make_condition(names: Sequence[str], num_instruments: int) -> Condition:
  """Builds the condition from the labels that a config names.

  Pitch, family, source and instrument are one-hot; velocity is a number, velocity / 127, so that
  every velocity between those seen means something; qualities are ten numbers of 0 or 1. The hot
  entry of n is sqrt(n): the mean square of c is then about 1, which is what a layer's initial
  weights are made for. With a hot entry of 1 the pitch would be a whisper beside the features, and
  its weights would have to grow for most of a short run.

  Args:
    names: of `LABELS`, without repetition.
    num_instruments: how many instruments the data set has.

  Raises:
    UserError: a name that is no label, or given twice.
  """
  names = tuple(names)
  for name in names:
    if name not in LABELS:
      raise errors.UserError(f"condition.labels must be of {', '.join(LABELS)}, got '{name}'")
    if names.count(name) > 1:
      raise errors.UserError(f"condition.labels names '{name}' twice")
  one_hot = {
    "pitch": labels_lib.NUM_PITCHES,
    "family": len(labels_lib.FAMILIES),
    "source": len(labels_lib.SOURCES),
    "instrument": num_instruments,
  }
  sizes = {**one_hot, "velocity": 1, "qualities": len(labels_lib.QUALITIES)}

  def encode(batch):
    parts = []
    for name in names:
      value = jnp.asarray(batch[name])
      if name in one_hot:
        parts.append(jnp.sqrt(one_hot[name]) * _weights(value, one_hot[name]))
      elif name == "velocity":
        parts.append(jnp.maximum(value.astype(jnp.float32), 0.0)[:, None] / 127.0)
      else:
        parts.append(jnp.maximum(value.astype(jnp.float32), 0.0))
    if not parts:
      return jnp.zeros((batch["pitch"].shape[0], 0), jnp.float32)
    return jnp.concatenate(parts, axis=-1)

  ends = np.cumsum([0, *(sizes[name] for name in names)]).tolist()
  places = dict(zip(names, itertools.pairwise(ends), strict=True))
  return Condition(names, ends[-1], places, encode)


def _weights(value, size):
  """[B, n] of a label's values: one-hot, or a mix of them."""
  if value.ndim == 2:
    return value / jnp.maximum(jnp.sum(value, axis=-1, keepdims=True), 1e-6)
  if jnp.issubdtype(value.dtype, jnp.floating):  # Between two values, of both.
    near = jnp.maximum(1.0 - jnp.abs(value[:, None] - jnp.arange(size)), 0.0)
    return jnp.where(value[:, None] < 0.0, 0.0, near)
  return jax.nn.one_hot(value, size)
