"""Minutes of sound through a run block by block: how fast, the longest block, dropouts.

python benchmarks/stream.py --workdir=runs/rave --minutes=10 --block=2048
python benchmarks/stream.py --config=configs/rave.py --minutes=1     # random weights, at full size

On one core, by affinity. Blocks arrive when their sound is over, as from a device; one that is not
made when it is to be played is a dropout, with `--ahead` blocks of silence played before the first.
Time is counted, not waited for, so that ten minutes take less. Prints Markdown.
"""

import argparse
import os
import time

import numpy as np


def simulate(took: np.ndarray, block_s: float, ahead: int) -> int:
  """Dropouts of blocks that took these seconds to make, one after the other."""
  done, dropouts = 0.0, 0
  for i, seconds in enumerate(took):
    arrived = (i + 1) * block_s
    done = max(arrived, done) + seconds
    dropouts += done > arrived + ahead * block_s
  return dropouts


def make_synth(args):
  """The run of the flags; of a config one with random weights."""
  import jax

  from cvae_jax import methods
  from cvae_jax.core import config as config_lib
  from cvae_jax.data import data_sets
  from cvae_jax.data import label_table
  from cvae_jax.data import vocabulary
  from cvae_jax.synthesis import synthesizer

  if args.workdir:
    return synthesizer.load(args.workdir)
  config = config_lib.load(args.config)
  form = data_sets.make_form(config.data)
  words = vocabulary.Vocabulary(())
  method = methods.make_method(config, form, words)
  state = jax.jit(method.init)(
    jax.random.key(0), {"audio": np.zeros((1, form.num_samples), np.float32)}
  )
  table = label_table.LabelTable({}, words, 0)
  return synthesizer.Synthesizer(config, 0, state.best_params, method, table, form)


def main() -> None:
  """Runs what the flags ask for and prints it."""
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("--workdir", help="of a run that streams or follows")
  parser.add_argument("--config", default="configs/rave.py:small", help="without a --workdir")
  parser.add_argument("--minutes", type=float, default=10.0)
  parser.add_argument("--block", type=int, default=2048, help="samples, to whole frames")
  parser.add_argument("--ahead", type=int, default=1)
  args = parser.parse_args()
  os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # Before XLA counts the cores.

  from cvae_jax import live

  synth = make_synth(args)
  rate = synth.sample_rate
  source = live.make_source(synth, args.block / rate)
  length = source.block_length
  rng = np.random.default_rng(0)
  audio = rng.uniform(-0.3, 0.3, length).astype(np.float32)
  for _ in range(3):
    source.play(audio)
  took = []
  for _ in range(round(args.minutes * 60 * rate / length)):
    start = time.perf_counter()
    source.play(audio)
    took.append(time.perf_counter() - start)
  took, block_s = np.asarray(took), length / rate
  late = 1000 * (source.latency + (1 + args.ahead) * length) / rate
  print(
    "| sound | block | times real time | longest block | dropouts | late by |\n" + "|---" * 6 + "|"
  )
  print(
    f"| {args.minutes:g} min at {rate} Hz | {length} samples, {1000 * block_s:.0f} ms "
    f"| {block_s / took.mean():.1f} | {1000 * took.max():.1f} ms "
    f"| {simulate(took, block_s, args.ahead)} of {len(took)} | {late:.0f} ms |"
  )


if __name__ == "__main__":
  main()
