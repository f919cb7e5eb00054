"""A run's parameters in one small file: what inference needs, in 8 or 16 bits."""

from collections.abc import Mapping
import os
from typing import Any

import numpy as np

from cvae_jax.core import atomic
from cvae_jax.core import errors
from cvae_jax.core import npz_file

FILENAME = "params.npz"
BITS = (8, 16, 32)
_STEP, _SEPARATOR, _SCALE = "step", "/", " scale"
_FEWEST = 4096  # numbers of an array, under which it is kept in 32 bits


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, np.ndarray]:
  flat: dict[str, np.ndarray] = {}
  for name, value in tree.items():
    if isinstance(value, Mapping):
      flat |= _flatten(value, f"{prefix}{name}{_SEPARATOR}")
    else:
      flat[prefix + name] = np.asarray(value)
  return flat


def quantize(array: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """An array [..., n] as int8, and the scale [n] of each column: symmetric around 0."""
  largest = np.abs(array.reshape(-1, array.shape[-1])).max(axis=0)
  scale = (np.maximum(largest, 1e-20) / 127.0).astype(np.float32)
  return np.round(array / scale).astype(np.int8), scale


def save(params: Mapping[str, Any], step: int, workdir: str, bits: int = 8) -> None:
  """Writes params.npz into a workdir, whole or not at all.

  Args:
    params: to generate with, nested by name.
    step: of the checkpoint that they are of.
    workdir: of the packaged run.
    bits: of a number. Small arrays, biases and scales among them, keep 32.
  """
  arrays: dict[str, Any] = {_STEP: np.asarray(step)}
  for name, array in _flatten(params).items():
    is_large = array.size >= _FEWEST and array.ndim > 1
    if is_large and bits == 8:
      arrays[name], arrays[name + _SCALE] = quantize(array)
    else:
      arrays[name] = array.astype(np.float16) if is_large and bits == 16 else array
  with atomic.open_file(os.path.join(workdir, FILENAME), "wb") as f:
    np.savez_compressed(f, **arrays)


def exists(workdir: str) -> bool:
  """Whether a workdir holds packaged parameters."""
  return os.path.exists(os.path.join(workdir, FILENAME))


def load(workdir: str) -> tuple[int, dict[str, Any]]:
  """Step and parameters of a workdir's params.npz, as float32.

  Raises:
    UserError: a file that cannot be read.
  """
  path = os.path.join(workdir, FILENAME)
  stored = npz_file.load(path, _STEP)
  params: dict[str, Any] = {}
  for name, array in stored.items():
    if name == _STEP or name.endswith(_SCALE):
      continue
    if array.dtype == np.int8:
      if name + _SCALE not in stored:
        raise errors.UserError(f"{path} cannot be read (it has no array '{name}{_SCALE}')")
      array = array * stored[name + _SCALE]
    *sections, last = name.split(_SEPARATOR)
    place = params
    for section in sections:
      place = place.setdefault(section, {})
    place[last] = array.astype(np.float32)
  return int(stored[_STEP]), params
