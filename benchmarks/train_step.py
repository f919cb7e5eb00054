"""A train step of our networks beside the same networks in PyTorch: notes/s, and their gradients.

pip install -e '.[bench]' && python benchmarks/train_step.py

A step is the network, -ELBO, its gradients and Adam, on features that lie in memory; both sides
have the same parameters. The two run in turn, each in a process of its own, and the best of the
rounds counts. PyTorch gets the fastest of one or all threads, eager or compiled. Prints Markdown.
"""

import argparse
import functools
import itertools
import json
import os
import subprocess
import sys
import time
from typing import Any

import numpy as np

_LEARNING_RATE = 1e-4
_KINDS = {"ae": "point", "vae": "gaussian", "cvae": "gaussian"}
# Name to network, (frames, bins), channels, batch.
_SIZES = {
  "conv2d 256 x 512": ("conv2d", (256, 512), (32, 64, 128), 16),
  "conv2d 128 x 128": ("conv2d", (128, 128), (32, 64, 128), 32),
  "conv1d 126 x 1024 (default)": ("conv1d", (126, 1024), (128, 256, 256), 32),
}


class Case:
  """A network with parameters, and a batch to train on; all from a seed.

  Attributes:
    model: flax module.
    params: of it, away from their start: no kernel is zero.
    x, c, noise: [B, N, F, 1] features, [B, K] conditions, [B, D] of the latent.
    sigma: of the observation.
  """

  def __init__(self, size: str, kind: str, dtype: str = "float32"):
    import jax

    from cvae_jax.core import config as config_lib
    from cvae_jax.core import parts
    from cvae_jax.data import labels as labels_lib
    from cvae_jax.methods.common import condition as condition_lib

    network, self.shape, self.channels, self.batch_size = _SIZES[size]
    config = config_lib.get_base_config(model=network)
    config.model.update({"channels": self.channels, "dtype": dtype})
    labels = ("pitch", "family", "source", "velocity") if kind == "cvae" else ()
    condition = condition_lib.make_condition(labels, labels_lib.make_vocabulary(["any"]))
    frames, bins = self.shape
    frequencies_hz = tuple(float(f) for f in np.linspace(0.0, 8000.0, bins, endpoint=False))
    stand_in = _Features((frames, bins, 1), (True,), frequencies_hz)
    self.pitch, self.frequencies_hz = condition.pitch, frequencies_hz
    module = parts.load("cvae_jax.models", network, "make_model", "model.name")
    gaussian = _KINDS[kind] == "gaussian"
    self.model = module.make_model(config.model, stand_in, condition, gaussian)
    self.sigma = config.method.sigma
    rng = np.random.default_rng(0)
    b = self.batch_size
    self.x = rng.uniform(-1.0, 0.0, (b, frames, bins, 1)).astype(np.float32)
    batch = {
      "pitch": rng.integers(21, 109, b),
      "family": rng.integers(0, 11, b),
      "source": rng.integers(0, 3, b),
      "velocity": rng.integers(25, 128, b),
    }
    self.c = np.asarray(condition.encode({k: v.astype(np.int32) for k, v in batch.items()}))
    self.noise = rng.standard_normal((b, config.model.latent_dim)).astype(np.float32)
    shapes = jax.eval_shape(self.model.init, jax.random.key(0), self.x, self.c)
    self.params = jax.tree.map(
      lambda s: rng.standard_normal(s.shape, np.float32) / max(np.prod(s.shape[:-1]), 10.0) ** 0.5,
      shapes,
    )


class _Features:
  """What a network is told of a representation."""

  def __init__(self, shape, floored, frequencies_hz):
    self.shape, self.floored, self.frequencies_hz = shape, floored, frequencies_hz


def flax_loss(case: Case, params, x, c, noise):
  """-ELBO in nats per feature."""
  import jax.numpy as jnp

  from cvae_jax.methods.common import losses

  latent = case.model.apply(params, x, c, method="encode")
  z, kl = latent.mean, 0.0
  if latent.logvar is not None:
    z = z + jnp.exp(0.5 * latent.logvar) * noise
    kl = jnp.sum(losses.kl_to_standard_normal(latent.mean, latent.logvar), axis=-1)
  predicted = case.model.apply(params, z, c, method="decode")
  squares = jnp.sum(0.5 * jnp.square((x - predicted) / case.sigma), axis=(1, 2, 3))
  return jnp.mean(squares + kl) / x[0].size


def time_flax(case: Case, seconds: float) -> float:
  """Notes/s of our step."""
  import jax
  import optax

  from cvae_jax.training import compilation

  optimizer = optax.adam(_LEARNING_RATE)

  @functools.partial(compilation.jit, donate_argnums=(0, 1))
  def step(params, opt_state, x, c, noise):
    loss, grads = jax.value_and_grad(functools.partial(flax_loss, case))(params, x, c, noise)
    updates, opt_state = optimizer.update(grads, opt_state)
    return optax.apply_updates(params, updates), opt_state, loss

  params = jax.device_put(case.params)
  opt_state = optimizer.init(params)
  arrays = jax.device_put((case.x, case.c, case.noise))

  def run():
    nonlocal params, opt_state
    params, opt_state, loss = step(params, opt_state, *arrays)
    loss.block_until_ready()

  return case.batch_size / _median(run, seconds)


def make_peer(case: Case):
  """PyTorch's module, and its x, c and noise."""
  import torch
  import torch_peer

  params = case.params["params"]
  x = case.x[..., 0]
  if type(case.model).__name__ == "Conv2D":
    module: Any = torch_peer.Conv2D(params, case.channels, case.shape)
    image = torch.from_numpy(np.ascontiguousarray(x[:, None, ::-1, ::-1]))
    features = image.to(memory_format=torch.channels_last)
    module = module.to(memory_format=torch.channels_last)
  else:
    partials = None
    if case.pitch is not None:
      from cvae_jax.models.common import harmonics

      partials = harmonics.make_templates(case.frequencies_hz, case.pitch[1] - case.pitch[0])
    module = torch_peer.Conv1D(params, case.channels, partials, case.pitch)
    features = torch.from_numpy(x)
  return module, features, torch.from_numpy(np.array(case.c)), torch.from_numpy(case.noise)


def time_torch(case: Case, seconds: float, threads: int, compiled: bool) -> float:
  """Notes/s of PyTorch's step."""
  import torch
  import torch_peer

  torch.set_num_threads(threads)
  module, x, c, noise = make_peer(case)
  optimizer = torch.optim.Adam(module.parameters(), lr=_LEARNING_RATE, fused=True)

  def forward(x, c, noise):
    return torch_peer.loss(module(x, c, noise), x, case.sigma)

  if compiled:
    forward = torch.compile(forward)

  def run():
    optimizer.zero_grad(set_to_none=True)
    forward(x, c, noise).backward()
    optimizer.step()

  return case.batch_size / _median(run, seconds)


def _median(run, seconds: float) -> float:
  for _ in range(2):
    run()
  times: list[float] = []
  end = time.perf_counter() + seconds
  while time.perf_counter() < end or len(times) < 3:
    start = time.perf_counter()
    run()
    times.append(time.perf_counter() - start)
  return float(np.median(times))


def measure_agreement(size: str, kind: str, dtype: str) -> float:
  """Largest difference of a gradient relative to its largest value; or of the loss.

  A unit within rounding of a ReLU's kink may be on for one side and off for the other, which in
  float32 is the rule, and in float64 happens. The median of some draws of the noise counts, in
  which other units lie there; what is left is what the two functions do not share.
  """
  import jax

  jax.config.update("jax_enable_x64", dtype == "float64")
  case = Case(size, kind, dtype)
  return float(np.median([_compare(case, dtype, draw) for draw in range(3)]))


def _compare(case: Case, dtype: str, draw: int) -> float:
  import jax
  import torch_peer

  from cvae_jax.training import compilation

  case.noise = np.random.default_rng(draw).standard_normal(case.noise.shape).astype(np.float32)
  arrays = jax.tree.map(lambda a: a.astype(dtype), (case.params, case.x, case.c, case.noise))
  value, grads = compilation.jit(jax.value_and_grad(functools.partial(flax_loss, case)))(*arrays)
  peer = [p.to(getattr(torch_peer.torch, dtype)) for p in make_peer(case)]
  torch_loss = torch_peer.loss(peer[0](*peer[1:]), peer[1], case.sigma)
  torch_loss.backward()
  # A module filled with our gradients has them in PyTorch's layout.
  errors = [abs(float(value) - torch_loss.item()) / abs(float(value))]
  filled = make_peer(_with_params(case, jax.device_get(grads)))[0]
  for ours, theirs in zip(filled.parameters(), peer[0].parameters(), strict=True):
    largest = ours.abs().max()
    errors.append(float((ours - theirs.grad).abs().max() / largest))
  return max(errors)


def _with_params(case, params):
  other = object.__new__(Case)
  other.__dict__.update(case.__dict__)
  other.params = params
  return other


def _child(arguments: dict[str, Any]) -> Any:
  """Runs one measurement in a process of its own."""
  environment = {**os.environ, "PYTHONPATH": os.path.dirname(os.path.abspath(__file__))}
  if sys.platform == "linux":
    # As `cvae_jax.main` has them; for both.
    environment["GLIBC_TUNABLES"] = "glibc.malloc.hugetlb=1"
  command = [sys.executable, os.path.abspath(__file__), "--child", json.dumps(arguments)]
  done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
  if done.returncode:
    raise SystemExit(f"{arguments} failed:\n{done.stderr[-2000:]}")
  return json.loads(done.stdout.strip().splitlines()[-1])


def _run_child(arguments: dict[str, Any]) -> Any:
  if arguments["peer"] == "agreement":
    return measure_agreement(arguments["size"], arguments["kind"], arguments["dtype"])
  case = Case(arguments["size"], arguments["kind"])
  if arguments["peer"] == "flax":
    return time_flax(case, arguments["seconds"])
  return time_torch(case, arguments["seconds"], arguments["threads"], arguments["compiled"])


def main() -> None:
  """Runs what the flags ask for and prints it."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument("--sizes", nargs="*", default=list(_SIZES), choices=list(_SIZES))
  parser.add_argument("--kinds", nargs="*", default=list(_KINDS), choices=list(_KINDS))
  parser.add_argument("--seconds", type=float, default=8.0, help="of each measurement")
  parser.add_argument("--rounds", type=int, default=2)
  parser.add_argument("--child", help=argparse.SUPPRESS)
  args = parser.parse_args()
  if args.child:
    print(json.dumps(_run_child(json.loads(args.child))))
    return
  from importlib import metadata

  cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
  print(f"jax {metadata.version('jax')}, torch {metadata.version('torch')}, {cores} cores\n")
  print(
    "| network | batch | model | cvae_jax, notes/s | PyTorch, notes/s | ratio "
    "| gradients differ by, float32 / float64 |"
  )
  print("|---|---|---|---|---|---|---|")
  for size in args.sizes:
    for kind in args.kinds:
      base = {"size": size, "kind": kind, "seconds": args.seconds}
      ours, theirs = 0.0, dict.fromkeys(itertools.product(sorted({1, cores}), (False, True)), 0.0)
      variants = list(theirs)  # (threads, compiled)
      for _ in range(args.rounds):
        ours = max(ours, _child({**base, "peer": "flax"}))
        for threads, compiled in variants:
          variant = {"peer": "torch", "threads": threads, "compiled": compiled}
          theirs[threads, compiled] = max(theirs[threads, compiled], _child({**base, **variant}))
        # All are tried once: the other rounds are the best one's.
        threads, compiled = max(theirs, key=lambda v: theirs[v])
        variants = [(threads, compiled)]
      differences = [
        _child({**base, "peer": "agreement", "dtype": dtype}) for dtype in ("float32", "float64")
      ]
      best = theirs[threads, compiled]
      how = f"{threads} thr., {'compiled' if compiled else 'eager'}"
      print(
        f"| {size} | {_SIZES[size][3]} | {kind} | {ours:.1f} | {best:.1f} ({how}) "
        f"| {ours / best:.2f} | {differences[0]:.0e} / {differences[1]:.0e} |",
        flush=True,
      )


if __name__ == "__main__":
  main()
