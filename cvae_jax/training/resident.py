"""Notes that stay in the device's memory: a split as integers of 16 bits, of which a step draws.

For where the way to the device is what training waits for: a batch is then a handful of row
numbers, and its audio never leaves the device.
"""

import concurrent.futures

import jax
import jax.numpy as jnp
import numpy as np

from cvae_jax.core import errors
from cvae_jax.data import forms
from cvae_jax.data import notes
from cvae_jax.data import sources

# Notes on the device, by name: audio [M, T], labels [M].
Resident = dict[str, jax.Array]


def load(
  source: sources.Source, sharding: jax.sharding.Sharding, cache_gb: float, num_threads: int
) -> Resident:
  """Reads all notes of a source, and puts them onto the device.

  Args:
    source: of the notes.
    sharding: of the arrays: the same on every device.
    cache_gb: the most that they may take.
    num_threads: that read.

  Returns:
    The notes; audio is int16 where all of it is of 16 bits, and float32 where it is not.

  Raises:
    UserError: more notes than may be kept.
  """
  form = source.form
  keys = [key for key in sources.train_keys(source) if key not in (form.key, *source.controls)]
  labels = {key: np.asarray(source.labels[key]) for key in keys}
  for key in source.controls:
    labels[key] = np.stack([source.stored(i)[key] for i in range(len(source))])
  if not isinstance(form, forms.Waveform):
    arrays = {form.key: np.stack([source[i][form.key] for i in range(len(source))])}
    return _put({**arrays, **labels}, sharding)
  size_gb = len(source) * form.num_samples * 2 / 1e9
  if size_gb > cache_gb:
    raise errors.UserError(
      f"data.device_cache needs {size_gb:.1f} GB for {len(source)} notes, and data.cache_gb is "
      f"{cache_gb}"
    )
  audio = np.empty((len(source), form.num_samples), np.int16)

  def read(index):
    samples = notes.to_int16(source.stored(index)["audio"])
    if samples is not None:
      audio[index] = samples
    return samples is not None

  with concurrent.futures.ThreadPoolExecutor(num_threads) as pool:
    exact = all(pool.map(read, range(len(source))))
  if not exact:
    audio = np.stack([notes.to_float(source.stored(i)["audio"]) for i in range(len(source))])
  return _put({"audio": audio, **labels}, sharding)


def _put(arrays, sharding):
  return {
    name: jax.make_array_from_process_local_data(sharding, array) for name, array in arrays.items()
  }


def gather(resident: Resident, rows: jax.Array) -> dict[str, jax.Array]:
  """The batch of some rows ([B]), as `pipeline.make_train_iterator` has it: audio is float32."""
  batch = {name: array.at[rows].get(mode="promise_in_bounds") for name, array in resident.items()}
  audio = batch.get("audio")
  if audio is None or audio.dtype != jnp.int16:
    return batch
  return {**batch, "audio": audio.astype(jnp.float32) * (1.0 / notes.FULL_SCALE)}
