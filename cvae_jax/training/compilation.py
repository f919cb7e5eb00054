"""How whole programs are compiled, by platform: `jit` is `jax.jit` with what a platform needs."""

from collections.abc import Callable
from collections.abc import Iterator
import contextlib
import contextvars
import functools
from typing import Any

import jax
import jax.numpy as jnp

# XLA's CPU backend has come to hand convolutions to YNNPACK, which takes up to eight times as
# long for the gradient of a kernel as the way before it. Products of matrices stay with YNNPACK.
_CPU_OPTIONS = {"xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT"}


@functools.cache
def compiler_options() -> dict[str, str] | None:
  """Options of XLA for the default platform; None where it needs none, or knows none of ours."""
  if jax.default_backend() != "cpu":
    return None
  try:
    jax.jit(lambda: 0, compiler_options=_CPU_OPTIONS)()
  except jax.errors.JaxRuntimeError:  # An XLA of another time than ours.
    return None
  return _CPU_OPTIONS


_plain = contextvars.ContextVar("_plain", default=False)


@contextlib.contextmanager
def plain() -> Iterator[None]:
  """Within it functions are traced without choices by platform, for converters that know none."""
  token = _plain.set(True)
  try:
    yield
  finally:
    _plain.reset(token)


def is_plain() -> bool:
  """Whether this is within `plain`."""
  return _plain.get()


def materialize(x: jax.Array) -> jax.Array:
  """x itself, which XLA's CPU backend then computes once.

  It fuses an elementwise expression into each operation that reads it: what has six readers is
  computed six times, and element by element where one of them transposes it. A barrier does not
  help, as it is removed before. What enters a loop is written to memory, so x enters one that runs
  no round, which the compiler cannot know. Elsewhere, and within `plain`, it is x alone.
  """
  return x if is_plain() else jax.lax.platform_dependent(x, cpu=_through_loop, default=lambda x: x)


def _through_loop(x):
  rounds = jnp.where(x[(0,) * x.ndim] > jnp.inf, 1, 0)
  return jax.lax.while_loop(lambda s: s[0] > 0, lambda s: (s[0] - 1, -s[1]), (rounds, x))[1]


def scan(step: Callable, state: Any, batches: Any) -> tuple[Any, Any]:
  """`jax.lax.scan` of a train step over stacked batches, to be compiled as one program.

  On CPU the steps are compiled one after the other: inside of a loop XLA's gradient of a
  convolution to its kernel takes a hundred times as long.
  """
  length = len(jax.tree.leaves(batches)[0])
  if jax.default_backend() != "cpu" and length > 1:
    return jax.lax.scan(step, state, batches)
  outputs = []
  for i in range(length):  # Not scan's `unroll`, which makes a loop of one round all the same.
    state, output = step(state, jax.tree.map(lambda x, i=i: x[i], batches))
    outputs.append(output)
  return state, jax.tree.map(lambda *x: jnp.stack(x), *outputs)


def jit(function: Callable, **settings: Any) -> Callable:
  """`jax.jit` of a whole program: a train step, the making of a note."""
  return jax.jit(function, compiler_options=compiler_options(), **settings)
