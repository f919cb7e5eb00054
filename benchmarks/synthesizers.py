"""Synthesizers with controls beside those of the `ddsp` package: the same controls, sound and time.

pip install --no-deps ddsp gin-config     # TensorFlow comes with tensorflow-datasets' extras
python benchmarks/synthesizers.py [--batch=4] [--seconds=4]

Prints the largest difference of the waveforms, and MHz (millions of samples a second) of both,
forwards and with gradients. Filtered noise is compared on the same noise; DDSP's is two samples
early, because its compensation of the filters' delay of 64 samples is 62. Its harmonics are summed
in float32, and their phases drift; 'exact' is its own slower way that does not.
"""

import argparse
import functools
import importlib.util
import os
import time

import jax
import jax.numpy as jnp
import numpy as np

from cvae_jax.audio import filters
from cvae_jax.audio import oscillators

SAMPLE_RATE, HOP, HARMONICS, BANDS = 16_000, 64, 60, 65


def load_core():
  """`ddsp.core` alone: the package itself imports what no longer installs."""
  spec = importlib.util.find_spec("ddsp")
  if spec is None or spec.origin is None:
    raise SystemExit("error: this needs the ddsp package: pip install --no-deps ddsp gin-config")
  path = os.path.join(os.path.dirname(spec.origin), "core.py")
  core = importlib.util.spec_from_file_location("ddsp_core", path)
  module = importlib.util.module_from_spec(core)
  core.loader.exec_module(module)
  return module


def seconds(function, repeats: int = 5) -> float:
  """The least time of a call, after one that compiles."""
  function()
  times = []
  for _ in range(repeats):
    start = time.perf_counter()
    function()
    times.append(time.perf_counter() - start)
  return min(times)


def main() -> None:
  """Prints the table."""
  parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
  parser.add_argument("--batch", type=int, default=4)
  parser.add_argument("--seconds", type=float, default=4.0)
  args = parser.parse_args()
  core = load_core()
  import tensorflow as tf

  frames = round(args.seconds * SAMPLE_RATE / HOP)
  rng = np.random.default_rng(0)
  f0_hz = np.exp(rng.uniform(np.log(80), np.log(800), (args.batch, 1)) + np.zeros((1, frames)))
  f0_hz = (f0_hz * 2 ** (rng.normal(0, 0.02, f0_hz.shape))).astype(np.float32)
  amplitude = rng.uniform(0.1, 1.0, f0_hz.shape).astype(np.float32)
  distribution = rng.uniform(0.0, 1.0, (*f0_hz.shape, HARMONICS)).astype(np.float32)
  magnitudes = rng.uniform(0.0, 0.1, (*f0_hz.shape, BANDS)).astype(np.float32)
  noise = rng.uniform(-1.0, 1.0, (args.batch, frames * HOP)).astype(np.float32)
  room = (rng.normal(0, 1e-2, 48_000) * np.exp(-np.arange(48_000) / 8000)).astype(np.float32)
  count = frames * HOP

  def harmonic(f0_hz, amplitude, distribution):
    amplitudes = oscillators.distribute(amplitude, distribution, f0_hz, SAMPLE_RATE)
    return oscillators.harmonics(f0_hz, amplitudes, HOP, SAMPLE_RATE)

  def harmonic_ddsp(f0_hz, amplitude, distribution, accurate=False):
    distribution = core.normalize_harmonics(distribution, f0_hz[..., None], SAMPLE_RATE)
    return core.harmonic_synthesis(
      f0_hz[..., None],
      amplitude[..., None],
      None,
      distribution,
      count,
      SAMPLE_RATE,
      use_angular_cumsum=accurate,
    )

  def room_ddsp(audio, response):
    echoes = tf.concat([tf.zeros(1), response[1:]], 0)[None]
    return audio + core.fft_convolve(audio, echoes, "same", 0)

  pairs = {
    "harmonics": (harmonic, harmonic_ddsp, (f0_hz, amplitude, distribution), 2, 0),
    "filtered noise": (
      lambda noise, magnitudes: filters.filter_frames(noise, filters.design(magnitudes)),
      lambda noise, magnitudes: core.frequency_filter(noise, magnitudes, 0),
      (noise, magnitudes),
      1,
      2,
    ),
    "reverb": (filters.reverberate, room_ddsp, (noise, room), 1, 0),
  }
  print(f"{args.batch} x {args.seconds:g} s, {jax.devices()[0].device_kind}, MHz of audio")
  print(f"{'':16}{'difference':>12}{'ours':>8}{'ddsp':>8}{'ratio':>8}{'ours, gradient':>16}"
        f"{'ddsp':>8}{'ratio':>8}")  # fmt: skip
  accurate = functools.partial(harmonic_ddsp, accurate=True)
  pairs["harmonics, exact"] = (harmonic, accurate, (f0_hz, amplitude, distribution), 2, 0)
  for name, (ours, theirs, inputs, learned, early) in pairs.items():
    arrays, tensors = [jnp.asarray(x) for x in inputs], [tf.constant(x) for x in inputs]
    run, run_ddsp = jax.jit(ours), tf.function(theirs)
    a, b = np.asarray(run(*arrays)), run_ddsp(*tensors).numpy()
    a, b = a[:, 512 : a.shape[1] - 512], b[:, 512 + early : b.shape[1] - 512 + early]
    gradient = jax.jit(jax.grad(lambda *x, f=ours: jnp.sum(jnp.square(f(*x))), argnums=learned))

    @tf.function
    def gradient_ddsp(*x, f=theirs, learned=learned):
      with tf.GradientTape() as tape:
        tape.watch(x[learned])
        loss = tf.reduce_sum(tf.square(f(*x)))
      return tape.gradient(loss, x[learned])

    timed = [
      seconds(lambda f=run, x=arrays: f(*x).block_until_ready()),
      seconds(lambda f=run_ddsp, x=tensors: f(*x).numpy()),
      seconds(lambda f=gradient, x=arrays: f(*x).block_until_ready()),
      seconds(lambda f=gradient_ddsp, x=tensors: f(*x).numpy()),
    ]
    mhz = [args.batch * count / t / 1e6 for t in timed]
    print(
      f"{name:16}{np.abs(a - b).max():12.1e}{mhz[0]:8.1f}{mhz[1]:8.1f}{mhz[0] / mhz[1]:8.1f}"
      f"{mhz[2]:16.1f}{mhz[3]:8.1f}{mhz[2] / mhz[3]:8.1f}"
    )


if __name__ == "__main__":
  main()
