"""Discriminators of waveforms, at several scales and periods; they return all layers' features.

Source: Kumar et al. 2019, "MelGAN", for scales; Kong, Kim & Bae 2020, "HiFi-GAN", for periods; the
sizes are those of the `acids-rave` package.
"""

from collections.abc import Callable
import functools

from flax import linen as nn
import jax
import jax.numpy as jnp

from cvae_jax.models.common import streaming

_leaky = functools.partial(nn.leaky_relu, negative_slope=0.2)
_MAX_CHANNELS = 1024


def _conv(features, kernel_size, stride=1, groups=1, weight_norm=True):
  half = (kernel_size - 1) // 2
  return streaming.Conv(
    features,
    kernel_size,
    stride=stride,
    groups=groups,
    padding=(half, half),
    weight_norm=weight_norm,
  )


class StridedNet(nn.Module):
  """Strided convolutions of twice the channels each, and one to a score.

  Attributes:
    capacity: channels of the first layer.
    layers: how many have a stride.
    kernel_size: taps.
    stride: of each.
  """

  capacity: int = 64
  layers: int = 4
  kernel_size: int = 15
  stride: int = 4

  @nn.compact
  def __call__(self, x: jax.Array) -> list[jax.Array]:
    """[B, T, 1] to features [B, n, C] of each layer; the last one's are scores."""
    features = []
    for i in range(self.layers):
      x = _conv(2**i * self.capacity, self.kernel_size, self.stride)(x)
      features.append(x)
      x = _leaky(x)
    return [*features, _conv(1, 1, weight_norm=False)(x)]


class GroupedNet(nn.Module):
  """Strided convolutions in many groups between full ones: the paper's.

  Attributes:
    capacity: channels of the first layer.
    layers: how many have a stride.
    multiplier: their stride, and by how much channels and groups grow.
  """

  capacity: int = 16
  layers: int = 4
  multiplier: int = 4

  @nn.compact
  def __call__(self, x: jax.Array) -> list[jax.Array]:
    """[B, T, 1] to features [B, n, C] of each layer; the last one's are scores."""
    width = lambda i: min(_MAX_CHANNELS, self.capacity * self.multiplier**i)
    convs = [_conv(self.capacity, 15)]
    for i in range(1, self.layers + 1):
      convs.append(_conv(width(i), 41, self.multiplier, self.multiplier**i))
    convs += [_conv(width(self.layers), 5), _conv(1, 1)]
    features: list[jax.Array] = []
    for conv in convs:
      features.append(conv(_leaky(features[-1]) if features else x))
    return features


class MultiScale(nn.Module):
  """A net for the waveform, and for its means over 2, 4 ... samples.

  Attributes:
    make_net: makes a net of [B, T, 1].
    scales: how many nets.
  """

  make_net: Callable[[], nn.Module] = StridedNet
  scales: int = 3

  @nn.compact
  def __call__(self, audio: jax.Array) -> list[list[jax.Array]]:
    """[B, T] to the features of each net."""
    features = []
    for _ in range(self.scales):
      features.append(self.make_net()(audio[..., None]))
      even = audio[:, : audio.shape[1] // 2 * 2]
      audio = jnp.mean(even.reshape(audio.shape[0], -1, 2), axis=-1)
    return features


class MultiPeriod(nn.Module):
  """A net for every period p, which sees each p-th sample, from all p starts.

  Attributes:
    make_net: makes a net of [B, T, 1].
    periods: in samples.
  """

  make_net: Callable[[], nn.Module] = functools.partial(StridedNet, kernel_size=5)
  periods: tuple[int, ...] = (2, 3, 5, 7, 11)

  @nn.compact
  def __call__(self, audio: jax.Array) -> list[list[jax.Array]]:
    """[B, T] to the features [B, p, n, C] of each net."""
    features = []
    for period in self.periods:
      padded = jnp.pad(audio, [(0, 0), (0, -audio.shape[1] % period)])
      rows = padded.reshape(audio.shape[0], -1, period).swapaxes(1, 2)
      outputs = self.make_net()(rows.reshape(-1, rows.shape[-1], 1))
      features.append([x.reshape(-1, period, *x.shape[1:]) for x in outputs])
    return features


class Combined(nn.Module):
  """All features of several discriminators.

  Attributes:
    parts: the discriminators.
  """

  parts: tuple[nn.Module, ...]

  def __call__(self, audio: jax.Array) -> list[list[jax.Array]]:
    """[B, T] to the features of each net of each part."""
    return [features for part in self.parts for features in part(audio)]


def make_paper(capacity: int = 16, layers: int = 4) -> nn.Module:
  """RAVE's of the paper and of tag v1: three scales of `GroupedNet`."""
  return MultiScale(functools.partial(GroupedNet, capacity, layers))


def make_v1(capacity: int = 64, layers: int = 4) -> nn.Module:
  """RAVE's of v1 since: three scales."""
  return MultiScale(functools.partial(StridedNet, capacity, layers))


def make_v2(capacity: int = 64, layers: int = 4) -> nn.Module:
  """RAVE's of v2: five periods, then three scales."""
  periods = MultiPeriod(functools.partial(StridedNet, capacity, layers, kernel_size=5))
  return Combined((periods, make_v1(capacity, layers)))
