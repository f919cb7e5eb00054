"""MusicVAE beside the same network in PyTorch: outputs, training steps, and draws.

    python benchmarks/beside_torch_musicvae.py

Needs `pip install -e '.[bench]'`. Both have the same parameters and examples, teacher-forced, Adam
with a clipped gradient; PyTorch's LSTMs are its own fused ones.
"""

import argparse
import functools
import time

import jax
import jax.numpy as jnp
import numpy as np
import torch
from torch import nn
import torch.nn.functional as F

from cvae_jax import methods
from cvae_jax.core import config as config_lib
from cvae_jax.data import pipeline
from cvae_jax.methods import musicvae
from cvae_jax.methods.common import condition as condition_lib
from cvae_jax.methods.common import musicvae_parts
from cvae_jax.training import compilation

CONFIG = "configs/musicvae.py"


def tensor(array) -> torch.Tensor:
  """A tensor of float32."""
  return torch.from_numpy(np.array(array, np.float32))


def linear(params) -> nn.Linear:
  """A linear layer with the parameters of Flax's."""
  layer = nn.Linear(*np.shape(params["kernel"]))
  layer.weight.data = tensor(np.asarray(params["kernel"]).T)
  layer.bias.data = tensor(params["bias"])
  return layer


def fill(lstm: nn.LSTM, suffix: str, params, context=None) -> None:
  """Copies a layer's parameters; a context's kernel is that of further inputs."""
  kernel = np.asarray(params["input"]["kernel"])
  if context is not None:
    kernel = np.concatenate([kernel, np.asarray(context["kernel"])])
  getattr(lstm, f"weight_ih_{suffix}").data = tensor(kernel.T)
  getattr(lstm, f"weight_hh_{suffix}").data = tensor(np.asarray(params["recurrent"]).T)
  getattr(lstm, f"bias_ih_{suffix}").data = tensor(params["input"]["bias"])
  getattr(lstm, f"bias_hh_{suffix}").data.zero_()
  getattr(lstm, f"bias_hh_{suffix}").requires_grad_(False)


class Peer(nn.Module):
  """The flat network of one voice."""

  def __init__(self, params, sizes):
    super().__init__()
    encoder, decoder = params["encoder"], params["decoders_0"]
    features = np.shape(encoder["forward_0"]["input"]["kernel"])[0]
    self.encoder = nn.LSTM(features, sizes.encoder_units, bidirectional=True)
    fill(self.encoder, "l0", encoder["forward_0"])
    fill(self.encoder, "l0_reverse", encoder["backward_0"])
    self.mean, self.deviation = linear(encoder["mean"]), linear(encoder["deviation"])
    self.start = linear(decoder["start"]["Dense_0"])
    width = features + sizes.latent_dim
    self.decoder = nn.LSTM(width, sizes.decoder_units, sizes.decoder_layers)
    for i in range(sizes.decoder_layers):
      stack = decoder["stack"]
      fill(self.decoder, f"l{i}", stack[f"layer_{i}"], stack["context"] if i == 0 else None)
    self.output = linear(decoder["output"])
    self.layers = sizes.decoder_layers

  def forward(self, x, noise):
    """Logits [N, B, C], mean and deviation of [N, B, F] steps."""
    _, (h, _) = self.encoder(x)
    last = torch.cat([h[0], h[1]], dim=-1)
    mean, deviation = self.mean(last), F.softplus(self.deviation(last)) + 1e-6
    z = mean + deviation * noise
    states = torch.tanh(self.start(z)).chunk(2 * self.layers, dim=-1)
    carry = (torch.stack(states[1::2]), torch.stack(states[0::2]))
    before = torch.cat([torch.zeros_like(x[:1]), x[:-1]])
    inputs = torch.cat([before, z.expand(len(x), *z.shape)], dim=-1)
    return self.output(self.decoder(inputs, carry)[0]), mean, deviation

  def loss(self, x, targets, noise, beta):
    """-ELBO with a weight, as `musicvae.loss`."""
    logits, mean, deviation = self(x, noise)
    nll = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum")
    kl = 0.5 * (mean**2 + deviation**2 - 1.0).sum() - deviation.log().sum()
    return (nll + beta * kl) / x.shape[1]


def time_pairs(ours, theirs, repeats: int) -> tuple[list[float], list[float]]:
  """Seconds of each, in turns."""
  times: tuple[list[float], list[float]] = ([], [])
  for _ in range(repeats):
    for of, function in zip(times, (ours, theirs), strict=True):
      begin = time.perf_counter()
      function()
      of.append(time.perf_counter() - begin)
  return times


def make(variant: str):
  """The parts, the method, a batch and a state of a config without sampling."""
  config = config_lib.load(f"{CONFIG}:{variant}")
  config.optimizer.name = "adam"  # As the peer's.
  config.data.scores.examples = (config.train.batch_size, 64, 64)
  config.method.update(sampling_constant=0.0, prior="standard", beta_rate=0.0)
  data = pipeline.open_data(config.data)
  condition = condition_lib.make_condition((), data.vocabulary)
  task = methods.Task(data.form, data.vocabulary, None, condition, 1000, len(data.train))
  tokens = np.stack([data.train[i]["tokens"] for i in range(config.train.batch_size)])
  parts, batch = musicvae_parts.make_parts(config, task), {"tokens": tokens}
  state = musicvae.init(parts, jax.random.key(0), batch)
  return parts, musicvae.make_method(config, task), batch, state


def train(variant: str, repeats: int) -> None:
  """Compares outputs, and times of training steps."""
  parts, method, batch, state = make(variant)
  settings = parts.config.method
  peer = Peer(state.params["params"], parts.network.sizes)
  steps, c = parts.steps(batch), jnp.zeros((len(batch["tokens"]), 0))
  features = parts.voices.features(steps)
  x, targets = tensor(features), torch.from_numpy(np.array(steps[..., 0], np.int64))
  z = parts.encode(state.params, steps, c).mean
  logits = parts.teach(state.params, parts.shift(steps), z, c)
  with torch.no_grad():
    others = peer(x, torch.zeros(z.shape))[0].numpy()
  print(f"{variant or 'melody'}: largest difference of logits {np.abs(logits - others).max():.1e}")
  optimizer = torch.optim.Adam([p for p in peer.parameters() if p.requires_grad], lr=1e-3)
  run = compilation.jit(method.train_step)
  carry = [state]

  def ours():
    carry[0], metrics = run(carry[0], batch)
    jax.block_until_ready(metrics)

  def theirs():
    optimizer.zero_grad()
    peer.loss(x, targets, torch.randn(z.shape), settings.beta).backward()
    nn.utils.clip_grad_norm_(peer.parameters(), 1.0)
    optimizer.step()

  ours(), theirs()
  times = [np.median(x) for x in time_pairs(ours, theirs, repeats)]
  size = len(batch["tokens"])
  print(f"  training step of {size}: {times[0]:.3f} s, PyTorch {times[1]:.3f} s, "
        f"{times[1] / times[0]:.2f} times; {size / times[0]:.0f} examples/s")  # fmt: skip


def draw(variant: str, repeats: int) -> None:
  """Times draws of scores."""
  _, method, _, state = make(variant)
  for count in (1, 100):
    labels = methods.at_temperature({}, count)
    sample = compilation.jit(functools.partial(method.sample, state.best_params))
    seconds = []
    for i in range(repeats + 1):
      begin = time.perf_counter()
      jax.block_until_ready(sample(labels, jax.random.key(i)))
      seconds.append(time.perf_counter() - begin)
    print(f"  {count} drawn: {1e3 * np.median(seconds[1:]):.1f} ms")


def main() -> None:
  """Runs all of it."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument("--repeats", type=int, default=15)
  args = parser.parse_args()
  torch.manual_seed(0)
  for variant in ("", "drums"):
    train(variant, args.repeats)
    draw(variant, args.repeats)


if __name__ == "__main__":
  main()
