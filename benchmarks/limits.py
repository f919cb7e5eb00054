"""What a device could do at most: its measured peaks, and what a compiled function asks of it.

The operations and bytes of a function are XLA's own count of it as compiled, fusions and all, as if
nothing that is written stayed in a cache until it is read. A function cannot be faster than either
count allows, but for what caches save it.
"""

from collections.abc import Callable
import functools
import time
from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp

from cvae_jax.training import compilation


class Cost(NamedTuple):
  """Of one call: operations, a multiplication and an addition being two; and bytes moved."""

  operations: float
  bytes: float

  def __add__(self, other: Any) -> "Cost":
    return Cost(self.operations + other.operations, self.bytes + other.bytes)

  def scaled(self, factor: float) -> "Cost":
    return Cost(self.operations * factor, self.bytes * factor)


class Peaks(NamedTuple):
  """Of a device: operations/s of a product of matrices, bytes/s of reading and writing."""

  operations: float
  bytes: float

  def seconds(self, cost: Cost) -> tuple[float, float]:
    """The least time for a cost's operations, and for its bytes."""
    return cost.operations / self.operations, cost.bytes / self.bytes


def best_time(function: Callable[[], Any], rounds: int) -> float:
  """Seconds of the fastest of some calls, after one that compiles."""
  jax.block_until_ready(function())
  times = []
  for _ in range(rounds):
    start = time.perf_counter()
    jax.block_until_ready(function())
    times.append(time.perf_counter() - start)
  return min(times)


def measure_peaks(dtype: str = "float32", small: bool = True) -> Peaks:
  """The fastest product of two matrices, and the fastest pass over an array."""
  best = 0.0
  for size in (512, 1024, 2048) if small else (4096, 8192, 16384):
    a = jax.random.normal(jax.random.key(0), (size, size), dtype)
    product = compilation.jit(lambda x, y: x @ y)
    best = max(best, 2.0 * size**3 / best_time(functools.partial(product, a, a), 5))
  array = jnp.zeros(2**26 if small else 2**30, jnp.float32)  # 256 MB, or 4 GB
  # In place: fresh memory would have to be mapped first.
  double = compilation.jit(lambda x: 2.0 * x, donate_argnums=0)

  def run():
    nonlocal array
    array = double(array)
    return array

  return Peaks(best, 2.0 * array.nbytes / best_time(run, 5))


def cost_of(function: Callable, *arguments: Any) -> Cost:
  """Of one call; the rounds of a loop count once, whatever their number."""
  analysis = compilation.jit(function).lower(*arguments).compile().cost_analysis()
  first = analysis[0] if isinstance(analysis, list) else analysis
  return Cost(float(first["flops"]), float(first["bytes accessed"]))
