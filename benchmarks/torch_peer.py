"""The networks of `cvae_jax/models` in PyTorch, with the same parameters: `train_step.py`'s peer.

Written as PyTorch is written when it should be fast: channels-last images, its own padding where
it can be had, fused Adam. An image network with PyTorch's symmetric padding is ours on a mirrored
image: its kernels and features are mirrored here; nothing else differs.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn
import torch.nn.functional as F

_SILENCE, _SHARPNESS = -1.0, 10.0  # of `layers.above_silence`


def _above_silence(x):
  return _SILENCE + F.softplus(_SHARPNESS * (x - _SILENCE)) / _SHARPNESS


def _tensor(array) -> torch.Tensor:
  return torch.from_numpy(np.array(array, np.float32))


def _linear(params: Mapping[str, Any]) -> nn.Linear:
  kernel = np.asarray(params["kernel"])
  layer = nn.Linear(*kernel.shape)
  layer.weight.data = _tensor(kernel.T)
  layer.bias.data = _tensor(params["bias"])
  return layer


def _norm(params: Mapping[str, Any]) -> nn.LayerNorm:
  layer = nn.LayerNorm(params["scale"].shape[0], eps=1e-6)  # Flax's epsilon
  layer.weight.data, layer.bias.data = _tensor(params["scale"]), _tensor(params["bias"])
  return layer


class _Latent(nn.Module):
  def __init__(self, params):
    super().__init__()
    self.mean = _linear(params["mean"])
    self.logvar = _linear(params["logvar"]) if "logvar" in params else None

  def forward(self, hidden):
    if self.logvar is None:
      return self.mean(hidden), None
    return self.mean(hidden), torch.clamp(self.logvar(hidden), -12.0, 6.0)


class Conv2D(nn.Module):
  """`models/conv2d.py`; images are [B, 1, N, F], mirrored along both axes."""

  def __init__(self, params: Mapping[str, Any], channels: tuple[int, ...], shape: tuple[int, int]):
    super().__init__()
    self.num_layers = len(channels)
    rows, columns = (n // 2**self.num_layers for n in shape)
    depth = channels[-1]

    def from_image(kernel):
      """A kernel's rows for our [rows, columns, depth], as rows for the mirrored [depth, ...]."""
      num = rows * columns * depth
      image = np.asarray(kernel)[:num].reshape(rows, columns, depth, -1)[::-1, ::-1]
      return np.concatenate([image.transpose(2, 0, 1, 3).reshape(num, -1), kernel[num:]])

    self.down, self.up = nn.ModuleList(), nn.ModuleList()
    for i in range(self.num_layers):
      kernel = np.asarray(params[f"down_{i}"]["kernel"])
      layer = nn.Conv2d(*kernel.shape[2:], 3, stride=2, padding=1)
      layer.weight.data = _tensor(kernel[::-1, ::-1].transpose(3, 2, 0, 1))
      layer.bias.data = _tensor(params[f"down_{i}"]["bias"])
      self.down.append(layer)
      kernel = np.asarray(params[f"up_{i}"]["kernel"])
      layer_up = nn.ConvTranspose2d(*kernel.shape[2:], 3, stride=2, padding=1, output_padding=1)
      layer_up.weight.data = _tensor(kernel.transpose(2, 3, 0, 1))
      layer_up.bias.data = _tensor(params[f"up_{i}"]["bias"])
      self.up.append(layer_up)
    # Our condition has a kernel of its own; here it is concatenated to what is flattened.
    head = {}
    for name in {"mean", "logvar"} & params["head"].keys():
      kernels = [np.asarray(params["head"][name]["kernel"])]
      if f"{name}_condition" in params["head"]:
        kernels.append(np.asarray(params["head"][f"{name}_condition"]["kernel"]))
      kernel = from_image(np.concatenate(kernels))
      head[name] = {"kernel": kernel, "bias": params["head"][name]["bias"]}
    self.head = _Latent(head)
    start = params["start"]
    bias = np.asarray(start["bias"])[:, None]
    self.start = _linear(
      {"kernel": from_image(np.asarray(start["kernel"]).T).T, "bias": from_image(bias)[:, 0]}
    )
    self.start_shape = (depth, rows, columns)

  def forward(self, x, c, noise):
    h = x
    for layer in self.down:
      h = F.relu(layer(h))
    mean, logvar = self.head(torch.cat([h.flatten(1), c], dim=-1))
    z = mean if logvar is None else mean + torch.exp(0.5 * logvar) * noise
    h = F.relu(self.start(torch.cat([z, c], dim=-1))).reshape(-1, *self.start_shape)
    h = h.to(memory_format=torch.channels_last)
    for i, layer in enumerate(self.up):
      h = layer(h)
      if i < self.num_layers - 1:
        h = F.relu(h)
    return _above_silence(h), mean, logvar


class Conv1D(nn.Module):
  """`models/conv1d.py`; features are [B, N, F], and its layers [B, C, N] inside."""

  def __init__(self, params: Mapping[str, Any], channels: tuple[int, ...], partials, pitch):
    super().__init__()
    self.channels = channels
    self.conditional = "down_condition_0" in params
    if partials is not None:
      self.register_buffer("partials", _tensor(partials))  # [P, K, F]
    self.has_partials = partials is not None
    self.pitch = pitch

    def conv(p):
      kernel = np.asarray(p["kernel"])
      layer = nn.Conv1d(*kernel.shape[1:], kernel.shape[0], stride=2)
      layer.weight.data = _tensor(kernel.transpose(2, 1, 0))
      layer.bias.data = _tensor(p["bias"])
      return layer

    def transposed(p):
      kernel = np.asarray(p["kernel"])
      layer = nn.ConvTranspose1d(*kernel.shape[1:], kernel.shape[0], stride=2)
      layer.weight.data = _tensor(kernel[::-1].transpose(1, 2, 0))
      layer.bias.data = _tensor(p["bias"])
      return layer

    num = range(len(channels))
    self.down = nn.ModuleList(conv(params[f"down_{i}"]) for i in num)
    self.down_norm = nn.ModuleList(_norm(params[f"down_norm_{i}"]) for i in num)
    self.head = _Latent(params["head"])
    self.start = _linear(params["start"])
    self.start_norm = _norm(params["start_norm"])
    self.up = nn.ModuleList(transposed(params[f"up_{i}"]) for i in num)
    self.up_norm = nn.ModuleList(_norm(params[f"up_norm_{i}"]) for i in num[:-1])
    if self.conditional:
      self.down_condition = nn.ModuleList(_linear(params[f"down_condition_{i}"]) for i in num)
      self.up_condition = nn.ModuleList(_linear(params[f"up_condition_{i}"]) for i in num)
      self.templates = _linear(params["templates"])
      self.mix = transposed(params["mix"])
      if self.has_partials:
        self.harmonic_mix = transposed(params["harmonic_mix"])

  def forward(self, x, c, noise):
    num_frames, num_bins = x.shape[1:]
    if self.has_partials:
      first, last = self.pitch
      weights = c[:, first:last] / (last - first) ** 0.5
      spectra = (weights @ self.partials.flatten(1)).reshape(-1, *self.partials.shape[1:])
      level = torch.bmm(x - _SILENCE, spectra.transpose(1, 2))
      x = torch.cat([x, 3.0 * level / (spectra.sum(-1) + 1.0)[:, None]], dim=-1)
    h = x.transpose(1, 2)
    for i, layer in enumerate(self.down):
      size = h.shape[-1]
      spare = (-(-size // 2) - 1) * 2 + 3 - size
      h = layer(F.pad(h, (spare // 2, spare - spare // 2)))
      if self.conditional:
        h = h + self.down_condition[i](c)[:, :, None]
      h = F.gelu(self.down_norm[i](h.transpose(1, 2)), approximate="tanh").transpose(1, 2)
    mean, logvar = self.head(h.transpose(1, 2).flatten(1))
    z = mean if logvar is None else mean + torch.exp(0.5 * logvar) * noise
    h = self.start(torch.cat([z, c], dim=-1)).reshape(len(z), -1, self.channels[-1])
    h = F.gelu(self.start_norm(h), approximate="tanh").transpose(1, 2)
    for i, layer in enumerate(self.up):
      before, h = h, layer(h)[..., :-1]
      if self.conditional:
        h = h + self.up_condition[i](c)[:, :, None]
      if i < len(self.up) - 1:
        h = F.gelu(self.up_norm[i](h.transpose(1, 2)), approximate="tanh").transpose(1, 2)
    h = h.transpose(1, 2)
    if self.conditional:
      spectra_c = self.templates(c).reshape(len(z), -1, num_bins)
      h = h + torch.bmm(self.mix(before)[..., :-1].transpose(1, 2), spectra_c)
      if self.has_partials:
        h = h + torch.bmm(self.harmonic_mix(before)[..., :-1].transpose(1, 2), spectra)
    return _above_silence(h[:, :num_frames]), mean, logvar


def loss(outputs, x, sigma: float, beta: float = 1.0) -> torch.Tensor:
  """-ELBO in nats per feature, as `methods/vae.py`."""
  predicted, mean, logvar = outputs
  total = 0.5 * ((x - predicted) / sigma).square().flatten(1).sum(1)
  if logvar is not None:
    total = total + beta * 0.5 * (mean.square() + logvar.exp() - 1.0 - logvar).sum(1)
  return total.mean() / x[0].numel()
