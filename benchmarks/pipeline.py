"""How fast notes come from the disk to a batch on the device, in notes/s.

python benchmarks/pipeline.py

Reads the embedded data set by the pipeline that training reads it by: with nothing in memory, with
all notes in memory, and with all notes on the device (data.device_cache). Beside them what bounds
the first, the records alone; and what bounds the others, batches copied out of one array. And the
rate at which `synth_notes/factors` is made. Prints Markdown.
"""

import argparse
import concurrent.futures
import os
import time

import jax
import numpy as np

from cvae_jax.core import cli
from cvae_jax.core import config as config_lib
from cvae_jax.data import data_sets
from cvae_jax.data import labels
from cvae_jax.data import notes
from cvae_jax.data import pipeline
from cvae_jax.data import sources
from cvae_jax.data.builders import synth_factors
from cvae_jax.data.synthetic import factors
from cvae_jax.training import resident
from cvae_jax.training import sharding


def time_iterator(source, config, batch_size: int, batches: int, kept=None) -> float:
  """Notes/s of batches put on the device, or gathered out of what is there, from the third on."""
  iterator = pipeline.make_train_iterator(source, config, batch_size, seed=0)
  gather = jax.jit(resident.gather)

  def draw():
    batch = next(iterator)
    if kept is None:
      drawn = jax.device_put({key: batch[key] for key in sources.batch_keys(source)})
    else:
      drawn = gather(kept, batch["row"])
    jax.block_until_ready(drawn)

  for _ in range(3):
    draw()
  start = time.perf_counter()
  for _ in range(batches):
    draw()
  return batches * batch_size / (time.perf_counter() - start)


def time_records(source_records, num_threads: int) -> tuple[float, float]:
  """Notes/s of reading records alone, and of reading and parsing them."""
  rows = np.random.default_rng(0).permutation(len(source_records))[:1000].tolist()
  rates = []
  for read in (lambda i: source_records[i], lambda i: notes.parse(source_records[i])):
    with concurrent.futures.ThreadPoolExecutor(num_threads) as pool:
      start = time.perf_counter()
      for _ in pool.map(read, rows):
        pass
      rates.append(len(rows) / (time.perf_counter() - start))
  return rates[0], rates[1]


def time_copies(batch_size: int, batches: int) -> float:
  """Notes/s of gathering 16-bit notes out of one array into float32 batches, and no more."""
  kept = np.zeros((1024, labels.NUM_SAMPLES), np.int16)
  rng = np.random.default_rng(0)
  start = time.perf_counter()
  for _ in range(batches):
    kept[rng.integers(0, len(kept), batch_size)].astype(np.float32)
  return batches * batch_size / (time.perf_counter() - start)


def time_making(notes_of_each: int = 512) -> float:
  """Notes/s of rendering `synth_notes/factors`, as many notes by each of its methods."""
  table = factors.draw(2 * notes_of_each * len(factors.METHODS), 0, labels.VELOCITIES)
  rows = [np.flatnonzero(table.method == m)[:notes_of_each] for m in range(len(factors.METHODS))]
  table = table.take(np.concatenate(rows))
  for _ in synth_factors.render_table(table.take(np.arange(0, table.method.size, 8)), 0):
    pass  # Compiles.
  start = time.perf_counter()
  made = sum(1 for _ in synth_factors.render_table(table, 0))
  return made / (time.perf_counter() - start)


def main() -> None:
  """Runs what the flags ask for and prints it."""
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("--batch_size", type=int, default=32)
  parser.add_argument("--batches", type=int, default=100)
  args = parser.parse_args()
  config = config_lib.get_base_config().data
  config.num_threads = os.cpu_count() or 1
  data_set = data_sets.load(config)
  print(f"jax {jax.__version__} ({jax.devices()[0].platform}, {os.cpu_count()} cores), batches of "
        f"{args.batch_size}\n\n| source | notes/s |\n|---|---|")  # fmt: skip
  uncached = pipeline.open_split(data_set, "train", 0.0)
  records, parsed = time_records(uncached.records, config.num_threads)
  print(f"| records, not parsed, {config.num_threads} threads | {records:.0f} |")
  print(f"| records, parsed | {parsed:.0f} |")
  rate = time_iterator(uncached, config, args.batch_size, args.batches)
  print(f"| disk to device | {rate:.0f} |", flush=True)
  cached = pipeline.open_split(data_set, "train", 4.0)
  for i in range(len(cached)):
    cached[i]
  rate = time_iterator(cached, config, args.batch_size, args.batches)
  print(f"| memory to device | {rate:.0f} |")
  replicated = sharding.replicated(sharding.make_mesh())
  kept = resident.load(cached, replicated, 4.0, config.num_threads)
  config.device_cache = True
  rate = time_iterator(cached, config, args.batch_size, 10 * args.batches, kept)
  print(f"| on the device | {rate:.0f} |")
  print(f"| synthesis, nothing read | {time_making():.0f} |", flush=True)
  print(f"| copying from one array, 1 thread | {time_copies(args.batch_size, args.batches):.0f} |")


if __name__ == "__main__":
  cli.use_huge_pages()  # As training does.
  main()
