"""DDSP beside the original: the same weights in TensorFlow and the `ddsp` package's synthesizers.

pip install --no-deps ddsp gin-config     # TensorFlow comes with tensorflow-datasets' extras
python benchmarks/beside_ddsp.py [--batch=8] [--seconds=2.048] [--paper]

The network of the original's `solo_instrument.gin` (stacks, GRU, harmonics, noise, spectral loss at
six scales) is written with Keras' layers and `ddsp.core`, gets our weights, and must give our
values. Then both train: notes a second, Adam and clipping included. `--paper` is the original's
size. Last, our own synthesis from controls, and block by block on one core.
"""

import argparse
import os
import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
from synthesizers import load_core
from synthesizers import seconds

from cvae_jax import methods
from cvae_jax.audio import controls as controls_lib
from cvae_jax.core import config as config_lib
from cvae_jax.data import forms
from cvae_jax.data import vocabulary
from cvae_jax.methods.common import ddsp_parts
from cvae_jax.training import compilation

RATE, SIZES = 16_000, (2048, 1024, 512, 256, 128, 64)


def make_config(is_paper, exact):
  """The config of one instrument, without a room."""
  config = config_lib.load("configs/ddsp_solo.py")
  config.method.update(room_s=0.0, exact_loudness=exact)
  if is_paper:
    config.method.update(hop_length=64, hidden=512, layers=3, recurrent=512)
  return config


def make_peer(core, settings, params):
  """The network in Keras with our weights, and a function from scaled controls to audio."""
  import tensorflow as tf

  layers, weights = tf.keras.layers, params["params"]["decoder"]

  def stack(name):
    parts = []
    for _ in range(settings.layers):
      parts += [layers.Dense(settings.hidden), layers.LayerNormalization(epsilon=1e-3)]
      parts += [layers.LeakyReLU(negative_slope=0.2)]
    return tf.keras.Sequential(parts, name=name)

  stacks = [stack(f"stack_{i}") for i in range(3)]
  gru = layers.GRU(settings.recurrent, return_sequences=True, reset_after=True)
  last = layers.Dense(1 + settings.harmonics + settings.bands)

  def parameters(loudness, pitch):
    inputs = [stacks[0](loudness), stacks[1](pitch)]
    states = gru(tf.concat(inputs, -1))
    outputs = last(stacks[2](tf.concat([*inputs, states], -1)))
    scale = lambda x: 2.0 * tf.nn.sigmoid(x) ** np.log(10.0) + 1e-7
    amplitude, distribution, noise = tf.split(
      outputs, [1, settings.harmonics, settings.bands], axis=-1
    )
    return scale(amplitude), scale(distribution), scale(noise - 5.0)

  parameters(tf.zeros((1, 4, 1)), tf.zeros((1, 4, 1)))
  for i, one in enumerate(stacks):
    flat = []
    for j in range(settings.layers):
      dense, norm = (weights[f"Stack_{i}"][f"{kind}_{j}"] for kind in ("Dense", "LayerNorm"))
      flat += [dense["kernel"], dense["bias"], norm["scale"], norm["bias"]]
    one.set_weights([np.asarray(x) for x in flat])
  ours = weights["GRU_0"]
  size = settings.recurrent
  recurrent_bias = np.concatenate([np.zeros(2 * size), ours["recurrent_bias"]])
  biases = np.stack([np.asarray(ours["input"]["bias"]), recurrent_bias])
  gru.set_weights([np.asarray(ours["input"]["kernel"]), np.asarray(ours["recurrent"]), biases])
  last.set_weights([np.asarray(weights["Dense_0"][key]) for key in ("kernel", "bias")])

  def synthesize(f0_hz, loudness, pitch, num_samples):
    amplitude, distribution, noise = parameters(loudness, pitch)
    distribution = core.normalize_harmonics(distribution, f0_hz, RATE)
    tonal = core.harmonic_synthesis(
      f0_hz, amplitude, harmonic_distribution=distribution, n_samples=num_samples, sample_rate=RATE
    )
    white = tf.random.uniform((tf.shape(f0_hz)[0], num_samples), -1.0, 1.0)
    return tonal + core.frequency_filter(white, noise, window_size=0)

  variables = [v for part in (*stacks, gru, last) for v in part.trainable_variables]
  return parameters, synthesize, variables


def time_peer(synthesize, variables, audio, f0_hz, scaled):
  """Seconds of a training step of the peer, compiled by `tf.function`."""
  import tensorflow as tf

  optimizer = tf.keras.optimizers.Adam(1e-3)
  audio, f0_hz = tf.constant(audio), tf.constant(f0_hz[..., None])
  loudness, pitch = tf.constant(scaled[..., 1:]), tf.constant(scaled[..., :1])

  def magnitude(x, size):
    return tf.abs(tf.signal.stft(x, size, size // 4, size, pad_end=True))

  @tf.function
  def step():
    with tf.GradientTape() as tape:
      made, total = synthesize(f0_hz, loudness, pitch, audio.shape[1]), 0.0
      for size in SIZES:
        a, b = magnitude(audio, size), magnitude(made, size)
        log = lambda x: tf.math.log(tf.where(x <= 0.0, 1e-5, x))
        total += tf.reduce_mean(tf.abs(a - b)) + tf.reduce_mean(tf.abs(log(a) - log(b)))
    grads, _ = tf.clip_by_global_norm(tape.gradient(total, variables), 3.0)
    optimizer.apply_gradients(zip(grads, variables, strict=True))
    return total

  return seconds(lambda: step().numpy())


def stream(frames):
  """Real-time factor of blocks of `frames` frames, on the cores that this process has."""
  config = make_config(False, True)
  method = make_method(config, 2.048)
  state = method.init(jax.random.key(0), {"audio": np.zeros((1, 32_768), np.float32)})
  performer = method.performer
  advance = compilation.jit(performer.advance)
  carried = performer.begin(state.params, 1, frames, jax.random.key(0))
  f0, level_db, z = jnp.full((1, frames), 440.0), jnp.full((1, frames), -20.0), jnp.zeros((1, 0))
  audio, carried = advance(state.params, carried, f0, level_db, z, {})
  times = []
  for _ in range(500):
    start = time.perf_counter()
    audio, carried = advance(state.params, carried, f0, level_db, z, {})
    np.asarray(audio)
    times.append(time.perf_counter() - start)
  block_s = frames * config.method.hop_length / RATE
  factors = [block_s / f(times) for f in (np.median, lambda x: np.percentile(x, 99))]
  print(
    f"blocks of {1000 * block_s:.0f} ms, one core: real-time factor {factors[0]:.0f} (median), "
    f"{factors[1]:.0f} (99th percentile), "
    f"latency {1000 * performer.latency / RATE:.0f} ms and a block"
  )


def make_method(config, duration_s):
  """The method on excerpts of a duration."""
  form = forms.Waveform(RATE, round(duration_s * RATE), is_excerpt=True)
  return methods.make_method(config, form, vocabulary.Vocabulary())


def main() -> None:
  """Prints the table."""
  parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
  parser.add_argument("--batch", type=int, default=8)
  parser.add_argument("--seconds", type=float, default=2.048)
  parser.add_argument("--paper", action="store_true", help="the original's size")
  parser.add_argument("--stream", type=int, help=argparse.SUPPRESS)
  args = parser.parse_args()
  if args.stream:
    return stream(args.stream)

  rng = np.random.default_rng(0)
  count = round(args.seconds * RATE)
  audio = 0.1 * rng.normal(size=(args.batch, count)).astype(np.float32)
  config = make_config(args.paper, False)
  method, settings = make_method(config, args.seconds), config.method
  frames = count // settings.hop_length
  f0_hz = rng.uniform(100, 900, (args.batch, 1)) * np.ones((1, frames))
  batch = {
    "audio": audio,
    controls_lib.F0_KEY: f0_hz.astype(np.float32),
    controls_lib.CONFIDENCE_KEY: np.ones_like(f0_hz, np.float32),
  }
  state = method.init(jax.random.key(0), batch)
  core = load_core()
  parameters, synthesize, variables = make_peer(core, settings, state.params)
  level_db = rng.uniform(-60, 0, f0_hz.shape).astype(np.float32)
  scaled = np.asarray(controls_lib.scale(jnp.asarray(batch["f0_hz"]), jnp.asarray(level_db)))
  theirs = parameters(scaled[..., 1:], scaled[..., :1])
  parts = method.decode.args[0]
  ours = parts.apply("decode", state.params, (scaled[..., 1:], scaled[..., :1]))[1]
  largest = max(
    float(np.abs(np.asarray(a).reshape(-1) - b.numpy().reshape(-1)).max())
    for a, b in zip(ours, theirs, strict=True)
  )
  print(f"the same weights: parameters differ by {largest:.1e} at most (they are up to 2)")

  step = compilation.jit(method.train_step)
  carried = [state]

  def train():
    carried[0], metrics = step(carried[0], batch)
    jax.block_until_ready(metrics)

  for name, duration in (
    ("cvae_jax", seconds(train)),
    ("ddsp, TensorFlow", time_peer(synthesize, variables, audio, batch["f0_hz"], scaled)),
  ):
    print(f"{name}: {args.batch / duration:.1f} notes of {args.seconds:g} s a second in training")

  config = make_config(False, True)
  method = make_method(config, 4.0)
  parts = method.decode.args[0]
  note = {"audio": np.zeros((1, 64_000), np.float32)}
  state = method.init(jax.random.key(0), note)
  run = compilation.jit(
    lambda params, f0, level_db: ddsp_parts.perform(
      parts, params, controls_lib.Controls(f0, level_db, f0), None, {}, jax.random.key(0)
    )
  )
  f0, level_db = jnp.full((1, 500), 300.0), jnp.full((1, 500), -20.0)
  once = seconds(lambda: jax.block_until_ready(run(state.params, f0, level_db)), 20)
  print(f"controls to 4 s of sound: {1000 * once:.0f} ms, {64_000 / once / 1e6:.1f} MHz")
  for block in (3, 8):
    command = [sys.executable, __file__, f"--stream={block}"]
    subprocess.run(["taskset", "-c", "0", *command], check=True, env=dict(os.environ))


if __name__ == "__main__":
  main()
