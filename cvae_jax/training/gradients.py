"""Gradients of a batch that need not fit into memory at once."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from cvae_jax.training import compilation


def _after(loss, part):
  """A part that there is no computing with before a loss is known.

  On CPU steps are compiled one after the other, not as a loop, and XLA would rather begin with all
  of them at once, in the memory of all; its optimization barriers are gone before it decides that.
  """
  floating = lambda x: jnp.issubdtype(x.dtype, jnp.floating)
  return jax.tree.map(lambda x: x + (0.0 * loss).astype(x.dtype) if floating(x) else x, part)


def of_mean(
  loss_fn: Callable[[Any, Any], tuple[jax.Array, Any]], params: Any, batch: Any, parts: int = 1
) -> tuple[tuple[jax.Array, Any], Any]:
  """`jax.value_and_grad` of a loss that is a mean over a batch, of its parts one after the other.

  Activations are those of one part; parameters' gradients are added up. What a loss says of notes
  together rather than of each, it says of those of a part.

  Args:
    loss_fn: (params, batch) to (loss, metrics), means over the batch.
    params: of the network.
    batch: tree of [B, ...].
    parts: that divide B.

  Returns:
    ((loss, metrics), gradients), as of the whole batch, to rounding.
  """
  gradient = jax.value_and_grad(loss_fn, has_aux=True)
  if parts == 1:
    return gradient(params, batch)

  # Part k has notes k, k + parts, ..: a batch that is split over devices stays where it is.
  split = jax.tree.map(
    lambda x: jnp.swapaxes(x.reshape(x.shape[0] // parts, parts, *x.shape[1:]), 0, 1), batch
  )
  one = jax.tree.map(lambda x: x[0], split)
  zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(gradient, params, one))

  def add(total, part):
    return jax.tree.map(jnp.add, total, gradient(params, _after(total[0][0], part))), None

  total, _ = compilation.scan(add, zeros, split)
  return jax.tree.map(lambda x: x / parts, total)
