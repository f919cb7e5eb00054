"""Measures from outside the package: modules with a function `measure(run)`."""

import importlib

from cvae_jax.evaluation import measures


def measure_own(run: measures.Run) -> dict[str, float] | None:
  """Calls `measure(run)` of every module of `eval.measures`.

  A measure returns numbers by name, or None where a run has no such measure.

  Returns:
    The numbers, by '<last part of the module's path>_<name>'; None where there are none.
  """
  results: dict[str, float] = {}
  for path in run.config.eval.measures:
    name = path.rpartition(".")[2]
    numbers = importlib.import_module(path).measure(run) or {}
    results |= {f"{name}_{key}": float(value) for key, value in numbers.items()}
  return results or None
