"""The mesh: all devices in one row; state on each of them, a batch split between them."""

from collections.abc import Mapping
from typing import Any

import jax
from jax.sharding import AxisType
from jax.sharding import Mesh
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec
import numpy as np

from cvae_jax.core import errors


def make_mesh(local: bool = False) -> Mesh:
  """A mesh of one axis, 'data', over every device of every process; `local`: of this one."""
  devices = jax.local_devices() if local else jax.devices()
  return jax.make_mesh((len(devices),), ("data",), axis_types=(AxisType.Auto,), devices=devices)


def replicated(mesh: Mesh) -> NamedSharding:
  """The same on every device: state."""
  return NamedSharding(mesh, PartitionSpec())


def batched(mesh: Mesh) -> NamedSharding:
  """Split along the first axis: batches."""
  return NamedSharding(mesh, PartitionSpec("data"))


def stacked(mesh: Mesh) -> NamedSharding:
  """Split along the second axis: the batches of several steps, one after the other."""
  return NamedSharding(mesh, PartitionSpec(None, "data"))


def check_batch_size(batch_size: int, name: str, parts: int = 1) -> None:
  """Raises UserError for a batch that cannot be split evenly, over devices and each into parts."""
  devices = jax.device_count()
  if batch_size % (devices * parts):
    of_each = f" x {parts} parts (train.accumulate_steps)" if parts > 1 else ""
    raise errors.UserError(f"{name} {batch_size} is not divisible by {devices} devices{of_each}")


def replicate(tree: Any, everywhere: NamedSharding) -> Any:
  """Arrays that every process has, those of the host as well, on every device."""

  def put(x):
    if isinstance(x, jax.Array):
      return x
    return jax.make_array_from_process_local_data(everywhere, np.asarray(x))

  return jax.tree.map(put, tree)


def put_share(batch: Mapping[str, np.ndarray], split: NamedSharding) -> dict[str, Any]:
  """Sends this process' share of a batch that every process has the whole of."""
  count, index = jax.process_count(), jax.process_index()

  def share(x):
    size = len(x) // count
    return x[index * size : (index + 1) * size]

  return put_batch({name: share(x) for name, x in batch.items()}, split)


def put_batch(batch: Mapping[str, np.ndarray], split: NamedSharding) -> dict[str, Any]:
  """Sends this process' share of a batch, or of several, to its devices."""
  return jax.tree.map(lambda x: jax.make_array_from_process_local_data(split, x), dict(batch))
