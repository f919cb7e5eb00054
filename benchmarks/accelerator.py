"""What an accelerator makes of it: training, generation and the input pipeline, in a few minutes.

python benchmarks/accelerator.py            # an accelerator, at full size
python benchmarks/accelerator.py --small    # as on a CPU: small, to see that it works

Needs the package and JAX, no data: notes are noise, which takes no less time than music. Training
is of the default AE, VAE and CVAE and of the thesis' network, on batches that lie on the device,
`steps_per_dispatch` steps at a call. A share of the peak is of the fastest product of two matrices
that was measured on this very device. The input
pipeline's share is what a step takes longer when its batches come from the host. The limits are
those of `limits.py`. Prints Markdown.
"""

import argparse
import functools
import pathlib
import time
from typing import Any

import jax
import jax.numpy as jnp
import limits  # benchmarks/limits.py
import numpy as np

from cvae_jax import methods
from cvae_jax.audio import representations
from cvae_jax.core import config as config_lib
from cvae_jax.data import data_sets
from cvae_jax.data import labels
from cvae_jax.data import notes
from cvae_jax.training import compilation

_PITCHED = ("pitch", "family", "source", "velocity")
# Name to (condition, posterior, variant).
_CONFIGS = {
  "ae": ((), "point", ""),
  "vae": ((), "gaussian", ""),
  "cvae": (_PITCHED, "gaussian", ""),
  "cvae:thesis": (_PITCHED, "gaussian", "thesis"),
}
_REPRESENTATIONS = ("log_magnitude", "log_magnitude_if", "mdct", "pqmf", "waveform")


def make_config(name: str, dtype: str, batch_size: int):
  """The config of a row."""
  condition, posterior, variant = _CONFIGS[name]
  config = config_lib.apply_variants(config_lib.get_base_config(), variant)
  config.condition.labels, config.method.posterior = condition, posterior
  config.model.dtype, config.train.batch_size = dtype, batch_size
  return config


def make_batch(rng: np.random.Generator, size: int) -> dict[str, np.ndarray]:
  """Noise with labels."""
  batch: dict[str, Any] = {name: np.zeros(size, np.int32) for name in notes.BATCH_LABELS}
  batch["pitch"] = rng.integers(labels.MIN_PITCH, labels.MAX_PITCH + 1, size).astype(np.int32)
  batch["velocity"] = rng.integers(25, 128, size).astype(np.int32)
  batch["qualities"] = np.zeros((size, len(labels.QUALITIES)), np.float32)
  batch["audio"] = rng.uniform(-0.5, 0.5, (size, labels.NUM_SAMPLES)).astype(np.float32)
  return batch


def _make_method(config) -> methods.Method:
  return methods.make_method(config, labels.FORM, labels.make_vocabulary(["any"]))


class Training:
  """A run's step, compiled, with its state; batches are given to it.

  Attributes:
    cost: of one step.
  """

  def __init__(self, config, steps: int):
    method = _make_method(config)
    batch = make_batch(np.random.default_rng(0), config.train.batch_size)
    self.state = compilation.jit(lambda: method.init(jax.random.key(0), batch))()
    self.stacked = {k: np.stack([v] * steps) for k, v in batch.items()}
    step = compilation.jit(functools.partial(compilation.scan, method.train_step), donate_argnums=0)
    # Outside of the loop, whose rounds XLA may or may not count.
    self.cost = limits.cost_of(method.train_step, self.state, batch)
    self._step = step

  def __call__(self, batches):
    self.state, metrics = self._step(self.state, batches)
    return metrics


def measure_training(name: str, dtype: str, batch_size: int, steps: int, rounds: int):
  """Notes/s from the device's memory and from the host's; the cost of a note."""
  training = Training(make_config(name, dtype, batch_size), steps)
  resident = jax.device_put(training.stacked)
  seconds = limits.best_time(lambda: training(resident), rounds)
  made = steps * batch_size
  # From the host the way of the loop in train.py: batches are stacked and sent, one call ahead.
  single = {k: v[0] for k, v in training.stacked.items()}
  start, ahead = time.perf_counter(), None
  for _ in range(rounds):
    batches = {k: np.stack([v] * steps) for k, v in single.items()}
    metrics = training(jax.device_put(batches))
    jax.block_until_ready(ahead)
    ahead = metrics
  jax.block_until_ready(ahead)
  from_host = (time.perf_counter() - start) / rounds
  return made / seconds, made / from_host, training.cost.scaled(1 / batch_size)


def measure_generation(name: str, batch_size: int, rounds: int) -> float:
  """Samples of audio a second, from labels and z on the device to waveforms on the device."""
  config = make_config("cvae", "float32", batch_size)
  config_lib.set_part(config, "representation", name)
  method = _make_method(config)
  batch = make_batch(np.random.default_rng(0), batch_size)
  params = compilation.jit(lambda: method.init(jax.random.key(0), batch).params)()
  sample = compilation.jit(method.sample)
  given = {k: v for k, v in batch.items() if k != "audio"}
  asked = jax.device_put(methods.at_temperature(given, batch_size))
  key = jax.random.key(0)
  return (
    batch_size * labels.NUM_SAMPLES / limits.best_time(lambda: sample(params, asked, key), rounds)
  )


def measure_features(batch_size: int, rounds: int) -> float:
  """Notes/s of the default features of waveforms on the device."""
  representation = representations.make_representation(
    config_lib.get_base_config().representation, labels.NUM_SAMPLES, labels.SAMPLE_RATE
  )
  audio = jnp.asarray(make_batch(np.random.default_rng(0), batch_size)["audio"])
  encode = compilation.jit(representation.encode)
  return batch_size / limits.best_time(lambda: encode(audio), rounds)


def make_rave(variant: str):
  """RAVE's config of a variant, and the form of its examples."""
  path = pathlib.Path(__file__).parents[1] / "configs" / f"rave.py:{variant}"
  config = config_lib.load(str(path))
  return config, data_sets.make_form(config.data)


def measure_rave_training(variant: str, rounds: int) -> tuple[float, float]:
  """Steps/s of phase 1, and pairs of turns/s of phase 2, in batches of the config."""
  config, form = make_rave(variant)
  method = methods.make_method(config, form, labels.make_vocabulary(["any"]))
  rng = np.random.default_rng(0)
  audio = rng.uniform(-0.5, 0.5, (config.train.batch_size, form.num_samples)).astype(np.float32)
  batch = jax.device_put({"audio": audio})
  state = compilation.jit(method.init)(jax.random.key(0), batch)
  first = config.method.adversarial_from

  def measure(number):
    step = compilation.jit(method.turn(number).train_step)
    return limits.best_time(lambda: step(state, batch), rounds)

  return 1 / measure(0), 1 / (measure(first) + measure(first + 1))


def measure_rave_decoding(variant: str, batch_size: int, rounds: int) -> float:
  """Samples of audio a second, from latents on the device to waveforms on the device."""
  config, form = make_rave(variant)
  method = methods.make_method(config, form, labels.make_vocabulary(["any"]))
  batch = {"audio": np.zeros((1, form.num_samples), np.float32)}
  params = compilation.jit(lambda: method.init(jax.random.key(0), batch).best_params)()
  codes = jax.random.normal(jax.random.key(0), (batch_size, *method.code_shape))
  decode, key = compilation.jit(method.decode), jax.random.key(0)
  seconds = limits.best_time(lambda: decode(params, codes, {}, key), rounds)
  return batch_size * form.num_samples / seconds


def print_notes_training(small, batch_size, steps, rounds):
  """The table of the networks on notes."""
  dtypes = ("float32",) if small else ("float32", "bfloat16")
  peaks = {dtype: limits.measure_peaks(dtype, small) for dtype in dtypes}
  for dtype, peak in peaks.items():
    print(
      f"{dtype}: fastest product of matrices {peak.operations / 1e12:.2f} TFLOP/s; memory "
      f"{peak.bytes / 1e9:.0f} GB/s"
    )
  print(
    "\n| config | dtype | batch | notes/s | limit by operations | limit by bytes "
    "| share of the peak | from the host | share of the host |\n" + "|---" * 9 + "|"
  )
  for name in _CONFIGS:
    for dtype in dtypes:
      resident, host, cost = measure_training(name, dtype, batch_size, steps, rounds)
      by_operations, by_bytes = peaks[dtype].seconds(cost)
      waiting = max(0.0, 1 - host / resident)
      print(
        f"| {name} | {dtype} | {batch_size} | {resident:.0f} | {1 / by_operations:.0f} "
        f"| {1 / by_bytes:.0f} | {100 * resident * by_operations:.1f} % | {host:.0f} "
        f"| {100 * waiting:.0f} % |",
        flush=True,
      )


def print_notes_generation(small, batch_size, steps, rounds):
  """The table of the representations."""
  del steps
  print(f"\nfeatures alone: {measure_features(batch_size, rounds):.0f} notes/s")
  print("\n| generation | batch | MHz of audio | times real time |\n|---|---|---|---|")
  many = 16 if small else 1024
  for name in _REPRESENTATIONS:
    rate = measure_generation(name, many, rounds)
    print(f"| {name} | {many} | {rate / 1e6:.2f} | {rate / labels.SAMPLE_RATE:.0f} |", flush=True)


def print_rave_training(small, batch_size, steps, rounds):
  """The table of RAVE's steps."""
  del batch_size, steps
  print("\n| RAVE | steps/s, phase 1 | pairs of turns/s, phase 2 |\n|---|---|---|")
  for variant in ("small",) if small else ("small", "", "v2"):
    one, two = measure_rave_training(variant, rounds)
    print(f"| {variant or 'as in the paper'} | {one:.1f} | {two:.1f} |", flush=True)


def print_rave_decoding(small, batch_size, steps, rounds):
  """The table of RAVE's decoders."""
  del steps
  many = 2 if small else batch_size
  print("\n| RAVE | batch | decoded, MHz |\n|---|---|---|")
  for variant in ("small",) if small else ("small", "", "v2"):
    rate = measure_rave_decoding(variant, many, rounds)
    print(f"| {variant or 'as in the paper'} | {many} | {rate / 1e6:.2f} |", flush=True)


_TABLES = {
  "training": print_notes_training,
  "generation": print_notes_generation,
  "rave_training": print_rave_training,
  "rave_decoding": print_rave_decoding,
}


def main() -> None:
  """Runs what the flags ask for and prints it."""
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("--small", action="store_true", help="small batches and few rounds")
  parser.add_argument("--steps_per_dispatch", type=int, help="8, or 2 where small")
  parser.add_argument(
    "--tables", nargs="+", choices=_TABLES, default=list(_TABLES), help="all without it"
  )
  args = parser.parse_args()
  device = jax.devices()[0]
  small = args.small or device.platform == "cpu"
  batch_size, rounds = (8, 2) if small else (256, 10)
  steps = args.steps_per_dispatch or (2 if small else 8)
  print(f"jax {jax.__version__}, {device.device_kind} ({device.platform}), {jax.device_count()} "
        f"devices, of which one is measured; {steps} steps a dispatch\n")  # fmt: skip
  if small:
    print("SMALL: batches of 8 and 2 rounds; this shows that it works, not what a chip reaches.\n")
  for name in args.tables:
    _TABLES[name](small, batch_size, steps, rounds)


if __name__ == "__main__":
  main()
