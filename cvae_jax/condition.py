"""Conditions: from a note's labels to the vector c that a network is given."""

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from cvae_jax import errors
from cvae_jax.data import labels as labels_lib

LABELS = ("pitch", "family", "source", "velocity", "instrument", "qualities")


class Condition(NamedTuple):
  """A function from labels to c.

  Attributes:
    labels: which labels c is built from, in order; none for an unconditional model.
    dim: C, length of c.
    pitch: where in c the pitch is, as (first, last + 1), or None where c has none.
    encode: a batch's labels ([B] integers each, qualities [B, 10]) to [B, C] float32.
  """

  labels: tuple[str, ...]
  dim: int
  pitch: tuple[int, int] | None
  encode: Callable[[Mapping[str, jax.Array]], jax.Array]


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
        parts.append(jnp.sqrt(one_hot[name]) * jax.nn.one_hot(value, one_hot[name]))
      elif name == "velocity":
        parts.append(value.astype(jnp.float32)[:, None] / 127.0)
      else:
        parts.append(value.astype(jnp.float32))
    if not parts:
      return jnp.zeros((batch["pitch"].shape[0], 0), jnp.float32)
    return jnp.concatenate(parts, axis=-1)

  pitch = None
  if "pitch" in names:
    first = sum(sizes[name] for name in names[: names.index("pitch")])
    pitch = (first, first + sizes["pitch"])
  return Condition(names, sum(sizes[name] for name in names), pitch, encode)
