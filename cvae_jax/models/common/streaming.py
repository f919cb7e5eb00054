"""Convolutions over time that run on a whole sequence or block by block, to the same result.

A layer is called with an array [B, N, C], and pads its ends with zeros; or with a `Block`, and
finds in the collection `carry` what came before. `begin` makes the carry, and `advance` is the pure
function of a block and a carry that a caller needs; modules pass on what they are called with.

A causal layer is on time. A centred one sees what follows, for which a stream has to wait: blocks
say by how many frames they are late, and `combine` delays one branch of a network to another. After
`delay` frames a stream equals the whole sequence from its first frame, for either.

Source: Caillon & Esling 2022, "Streamable Neural Audio Synthesis With Non-Causal Convolutions".
"""

from collections.abc import Callable
from collections.abc import Mapping
import functools
import math
from typing import Any
from typing import NamedTuple

from flax import linen as nn
import jax
from jax import lax
import jax.numpy as jnp

from cvae_jax.models.common import layers

CARRY = "carry"  # the collection of what streams remember


class Block(NamedTuple):
  """The next frames of a stream.

  Attributes:
    values: [B, N, C].
    delay: frames by which they are late; a number that is known when a program is traced.
  """

  values: jax.Array
  delay: int = 0


Frames = jax.Array | Block  # of a whole sequence, or the next ones of a stream


def apply(function: Callable[[jax.Array], jax.Array], x: Frames) -> Frames:
  """A function of each frame, of a whole sequence or of a block."""
  if isinstance(x, Block):
    return x._replace(values=function(x.values))
  return function(x)


def begin(
  module: nn.Module, variables: Mapping[str, Any], block: jax.Array, **settings: Any
) -> Any:
  """The carry before the first block.

  Args:
    module: whose `__call__` takes a whole sequence or a `Block`.
    variables: its parameters, and other collections.
    block: [B, N, C], of the shape of the blocks to come; its values are not read.
    **settings: further arguments of the module.
  """
  _, carry = jax.eval_shape(
    lambda variables, block: advance(module, variables, {}, block, **settings), variables, block
  )
  return jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), carry)


def advance(
  module: nn.Module, variables: Mapping[str, Any], carry: Any, block: jax.Array, **settings: Any
) -> tuple[jax.Array, Any]:
  """The next block of a module's output, and the carry after it.

  Args:
    module: as in `begin`.
    variables: as in `begin`.
    carry: of `begin`, or of the block before.
    block: [B, N, C], N a multiple of the module's strides.
    **settings: further arguments of the module.

  Returns:
    The output, whose first `delay` frames mean nothing, and the carry.
  """
  output, state = module.apply(
    {**variables, CARRY: carry}, Block(block), **settings, mutable=[CARRY]
  )
  return output.values, state.get(CARRY, {})


def delay(
  module: nn.Module, variables: Mapping[str, Any], block: jax.Array, **settings: Any
) -> int:
  """Frames of the output by which a stream is late; arguments as in `begin`."""
  found = []

  def trace(variables, block):
    output, _ = module.apply({**variables}, Block(block), **settings, mutable=[CARRY])
    found.append(output.delay)
    return output.values

  jax.eval_shape(trace, variables, block)
  return found[0]


def same_padding(kernel_size: int, dilation: int = 1, causal: bool = False) -> tuple[int, int]:
  """Zeros before and after, for an output frame of every `stride` input frames.

  Args:
    kernel_size: taps.
    dilation: frames from tap to tap.
    causal: whether all of them are before; otherwise they are halved, the odd one after.
  """
  reach = (kernel_size - 1) * dilation
  return (reach, 0) if causal else (reach // 2, reach - reach // 2)


def _norm(kernel, axes):
  return jnp.sqrt(jnp.sum(jnp.square(kernel), axis=axes, keepdims=True))


def _uniform(fan_in, rng, shape):
  bound = 1.0 / math.sqrt(fan_in)
  return jax.random.uniform(rng, shape, minval=-bound, maxval=bound)


def _parameters(module, shape, fan_in, channel_axis):
  """Kernel of a shape and bias of a convolution, with PyTorch's start."""
  kernel = module.param("kernel", functools.partial(_uniform, fan_in), shape)
  axes = tuple(axis for axis in range(len(shape)) if axis != channel_axis)
  is_folded = not (module.is_initializing() or module.has_variable("params", "scale"))
  if module.weight_norm and not is_folded:
    norm = _norm(kernel, axes)
    kernel *= module.param("scale", lambda _: norm) / norm
  bias = 0.0
  if module.use_bias:
    bias = module.param("bias", functools.partial(_uniform, fan_in), (module.features,))
  return kernel, bias


def _past(module, *shape):
  return module.variable(CARRY, "past", jnp.zeros, shape)


def _silence_before_start(module, x):
  """A block's values, with zeros for what a whole sequence pads with zeros."""
  if not x.delay:
    return x.values
  size = x.values.shape[1]
  count = module.variable(CARRY, "count", jnp.zeros, (), jnp.int32)
  index = count.value + jnp.arange(size)
  count.value = jnp.minimum(count.value + size, x.delay)
  return jnp.where(index[:, None] >= x.delay, x.values, 0.0)


def fold_weight_norm(params: Mapping[str, Any]) -> dict[str, Any]:
  """Parameters with plain kernels in place of directions and lengths, for the same modules.

  A stream would multiply all kernels anew for every block.
  """
  folded: dict[str, Any] = {
    k: fold_weight_norm(v) if isinstance(v, Mapping) else v for k, v in params.items()
  }
  if "scale" in folded and "kernel" in folded:
    kernel, scale = folded["kernel"], folded.pop("scale")
    axes = tuple(axis for axis in range(kernel.ndim) if scale.shape[axis] == 1)
    folded["kernel"] = kernel * (scale / _norm(kernel, axes))
  return folded


def convolve(
  x: jax.Array,
  kernel: jax.Array,
  stride: int = 1,
  padding: tuple[int, int] = (0, 0),
  dilation: int = 1,
  groups: int = 1,
) -> jax.Array:
  """A 1-D convolution, by the lowering that suits the platform.

  Args:
    x: [B, N, C].
    kernel: [K, C / groups, O].
    stride: frames from output to output.
    padding: zeros before and after.
    dilation: frames from tap to tap.
    groups: of channels, each with its part of the kernel.

  Returns:
    [B, (N + padding - (K - 1) dilation - 1) // stride + 1, O].
  """
  if groups > 1:
    return layers.conv_grouped(x, kernel, (stride,), [padding], groups)
  if dilation == 1 and stride > 1:
    return layers.conv(x, kernel, (stride,), [padding])
  return lax.conv_general_dilated(
    x,
    kernel,
    (stride,),
    [padding],
    rhs_dilation=(dilation,),
    dimension_numbers=("NWC", "WIO", "NWC"),
  )


class Conv(nn.Module):
  """[B, N, C] to [B, N / stride, features].

  Attributes:
    features: output channels.
    kernel_size: taps.
    stride: frames from output to output; divides a block's frames.
    dilation: frames from tap to tap; 1 where there are groups.
    groups: of channels.
    causal: whether it sees no frame that follows.
    padding: zeros before and after, where `same_padding` is not meant.
    use_bias: whether there is one.
    weight_norm: whether the kernel is stored as a direction, and a length of each output
      channel. `fold_weight_norm` undoes it.
  """

  features: int
  kernel_size: int
  stride: int = 1
  dilation: int = 1
  groups: int = 1
  causal: bool = False
  padding: tuple[int, int] | None = None
  use_bias: bool = True
  weight_norm: bool = False

  @nn.compact
  def __call__(self, x: Frames) -> Frames:
    values = x.values if isinstance(x, Block) else x
    batch_size, count, channels = values.shape
    shape = (self.kernel_size, channels // self.groups, self.features)
    kernel, bias = _parameters(self, shape, shape[0] * shape[1], channel_axis=2)
    run = functools.partial(
      convolve, kernel=kernel, stride=self.stride, dilation=self.dilation, groups=self.groups
    )
    before, after = self.padding or same_padding(self.kernel_size, self.dilation, self.causal)
    if not isinstance(x, Block):
      return run(x, padding=(before, after)) + bias
    if count % self.stride:
      raise ValueError(f"blocks of {count} frames are no multiple of the stride {self.stride}")
    # A whole frame of the output late, so that its frames are those of the whole sequence.
    wait = -(x.delay + after) % self.stride
    past = _past(self, batch_size, before + after + wait, channels)
    joined = jnp.concatenate([past.value, _silence_before_start(self, x)], axis=1)
    past.value = joined[:, count:]
    outputs = run(joined[:, : joined.shape[1] - wait]) + bias
    return Block(outputs, (x.delay + after + wait) // self.stride)


class ConvTranspose(nn.Module):
  """[B, N, C] to [B, N * stride, features], with a kernel of 2 * stride taps.

  Frame n adds to the outputs from n * stride to (n + 2) * stride; of a layer that is not causal,
  half a stride before. The kernel [C, 2 stride, features] is one matrix: no zero is multiplied, and
  a block need not wait for its transpose.

  Attributes:
    features: output channels.
    stride: outputs of a frame.
    causal: whether no output sees a frame that follows.
    use_bias: whether there is one.
    weight_norm: whether the kernel is stored as a direction, and a length of each input
      channel. `fold_weight_norm` undoes it.
  """

  features: int
  stride: int
  causal: bool = False
  use_bias: bool = True
  weight_norm: bool = False

  @nn.compact
  def __call__(self, x: Frames) -> Frames:
    values = _silence_before_start(self, x) if isinstance(x, Block) else x
    batch_size, count, channels = values.shape
    shape = (channels, 2 * self.stride, self.features)
    kernel, bias = _parameters(self, shape, shape[1] * shape[2], channel_axis=0)
    outputs = (values @ kernel.reshape(channels, -1)).reshape(batch_size, count, 2, -1)
    now, later = outputs[:, :, 0], outputs[:, :, 1]
    early = 0 if self.causal else self.stride // 2
    size = (batch_size, count * self.stride, self.features)
    if isinstance(x, Block):
      past = _past(self, batch_size, 1, later.shape[-1])
      later = jnp.concatenate([past.value, later], axis=1)
      past.value = later[:, -1:]
      outputs = (now + later[:, :-1]).reshape(size) + bias
      return Block(outputs, x.delay * self.stride + early)
    end = lambda before, after: [(0, 0), (before, after), (0, 0)]
    total = jnp.pad(now, end(0, 1)) + jnp.pad(later, end(1, 0))
    total = total.reshape(batch_size, -1, self.features)
    return total[:, early : early + size[1]] + bias


class Onset(nn.Module):
  """Zeros for what a late stream has before its first frame; for what follows a network."""

  @nn.compact
  def __call__(self, x: Frames) -> Frames:
    if not isinstance(x, Block):
      return x
    return x._replace(values=_silence_before_start(self, x))


class Delay(nn.Module):
  """A stream as late as another one."""

  @nn.compact
  def __call__(self, x: Block, delay: int) -> Block:
    """Frames of `x`, which are not later than `delay`, late by as many."""
    if delay == x.delay:
      return x
    batch_size, count, channels = x.values.shape
    past = _past(self, batch_size, delay - x.delay, channels)
    joined = jnp.concatenate([past.value, x.values], axis=1)
    past.value = joined[:, count:]
    return Block(joined[:, :count], delay)


def combine(function: Callable[..., jax.Array], *branches: Frames) -> Frames:
  """A function of frames of several branches of a network, each as late as the latest.

  To be called in a compact method. Whole sequences are aligned already.
  """
  blocks = [x for x in branches if isinstance(x, Block)]
  if not blocks:
    return function(*branches)
  latest = max(x.delay for x in blocks)
  return Block(function(*(Delay()(x, latest).values for x in blocks)), latest)
