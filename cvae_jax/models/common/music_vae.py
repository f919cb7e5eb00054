"""The networks of MusicVAE: a bidirectional encoder, a conductor, and decoders of steps.

Time is the first axis of all sequences: N steps, in S segments of equal length.

Source: Roberts et al. 2018, "A Hierarchical Latent Vector Model for Learning Long-Term Structure in
Music", and its package, `magenta.models.music_vae`. Parts and sizes agree with the package: states
begin as tanh of a linear layer of z, z is an input at every step, a conductor has no inputs.
"""

from collections.abc import Sequence
import functools
from typing import NamedTuple

from flax import linen as nn
import jax
import jax.numpy as jnp

from cvae_jax.models.common import latent as latent_lib
from cvae_jax.models.common import recurrent

Carries = tuple[recurrent.Carry, ...]  # of the layers of a stack

_HEAD_DEVIATION = 1e-3  # of the initial kernels of mean and deviation
_LEAST_DEVIATION = 1e-6  # of a posterior


class Stack(nn.Module):
  """Layers of LSTM, each fed with the one below.

  Attributes:
    units: H, of each layer.
    layers: number of layers.
    has_context: whether the first layer has an input that does not vary in time.
    memory_steps: as of `recurrent.LSTM`.
  """

  units: int
  layers: int
  has_context: bool = False
  memory_steps: int = 0

  def setup(self):
    self.lstms = [
      recurrent.LSTM(self.units, self.memory_steps, name=f"layer_{i}") for i in range(self.layers)
    ]
    if self.has_context:
      self.context = nn.Dense(4 * self.units, use_bias=False)

  def project_context(self, context: jax.Array) -> jax.Array:
    """[B, C] input that does not vary in time to [B, 4 H]."""
    return self.context(context)

  def run(
    self, x: jax.Array, carries: Carries | None = None, context: jax.Array | None = None
  ) -> jax.Array:
    """[N, B, H] outputs of [N, B, F] inputs, and of a context [B, 4 H]."""
    for i, lstm in enumerate(self.lstms):
      projected = lstm.project(x)
      if i == 0 and context is not None:
        projected += context
      x = lstm.run(projected, None if carries is None else carries[i])[1]
    return x

  def step(
    self, x: jax.Array, carries: Carries, context: jax.Array | None = None
  ) -> tuple[Carries, jax.Array]:
    """As `run`, of one step: states and output [B, H] of an input [B, F]."""
    following = []
    for i, (lstm, carry) in enumerate(zip(self.lstms, carries, strict=True)):
      projected = lstm.project(x)
      if i == 0 and context is not None:
        projected += context
      following.append(lstm.step(projected, carry))
      x = following[-1].h
    return tuple(following), x


class Start(nn.Module):
  """The first states of a stack: tanh of a linear layer.

  Attributes:
    units: H.
    layers: of the stack.
  """

  units: int
  layers: int

  @nn.compact
  def __call__(self, guide: jax.Array) -> Carries:
    """States of [B, G] vectors."""
    states = jnp.tanh(nn.Dense(2 * self.units * self.layers)(guide))
    parts = jnp.split(states, 2 * self.layers, axis=-1)
    return tuple(recurrent.Carry(*parts[2 * i : 2 * i + 2]) for i in range(self.layers))


class Encoder(nn.Module):
  """q(z|x): a bidirectional LSTM, whose last states in both directions give mean and deviation.

  With segments an LSTM encodes each of them by itself, and the one of which z is made runs over
  their codes, as the package's `HierarchicalLstmEncoder`.

  Attributes:
    units: H, of each direction.
    layers: of LSTM; each one sees both directions of the one below.
    latent_dim: D.
    segments: that are encoded by themselves; 1 for the whole at once.
    memory_steps: as of `recurrent.LSTM`, of the whole.
  """

  units: int
  layers: int
  latent_dim: int
  segments: int = 1
  memory_steps: int = 0

  @nn.compact
  def __call__(self, x: jax.Array) -> latent_lib.Latent:
    """The posterior of [N, B, F] steps."""
    memory, batch = self.memory_steps, x.shape[1]
    if self.segments > 1:
      codes = self._last_states(_fold(x, self.segments), "segment_", memory // self.segments)
      x, memory = codes.reshape(self.segments, batch, -1), self.segments if memory else 0
    last = self._last_states(x, "", memory)
    init = nn.initializers.normal(_HEAD_DEVIATION)
    mean = nn.Dense(self.latent_dim, kernel_init=init, name="mean")(last)
    deviation = nn.softplus(nn.Dense(self.latent_dim, kernel_init=init, name="deviation")(last))
    return latent_lib.Latent(mean, 2.0 * jnp.log(deviation + _LEAST_DEVIATION))

  def _last_states(self, x: jax.Array, prefix: str, memory_steps: int) -> jax.Array:
    """[B, 2 H] of [N, B, F] inputs."""
    make = functools.partial(recurrent.LSTM, self.units, memory_steps)
    for i in range(self.layers):
      forward = make(name=f"{prefix}forward_{i}")(x)[1]
      backward = make(name=f"{prefix}backward_{i}")(x[::-1])[1]
      x = jnp.concatenate([forward, backward[::-1]], axis=-1)
    return jnp.concatenate([forward[-1], backward[-1]], axis=-1)


class Decoder(nn.Module):
  """Tokens of some voices, step by step, of a segment.

  Attributes:
    units: H.
    layers: of LSTM.
    num_classes: of all its voices together.
    memory_steps: as of `recurrent.LSTM`.
  """

  units: int
  layers: int
  num_classes: int
  memory_steps: int = 0

  def setup(self):
    self.start = Start(self.units, self.layers)
    self.stack = Stack(self.units, self.layers, has_context=True, memory_steps=self.memory_steps)
    self.output = nn.Dense(self.num_classes)

  def begin(self, guide: jax.Array) -> tuple[Carries, jax.Array]:
    """What a segment begins with: states, and the context [B, 4 H], of a vector [B, G]."""
    return self.start(guide), self.stack.project_context(guide)

  def run(self, before: jax.Array, guide: jax.Array) -> jax.Array:
    """[N, B, C] logits of whole segments, given the steps before [N, B, F]."""
    carries, context = self.begin(guide)
    return self.output(self.stack.run(before, carries, context))

  def step(
    self, before: jax.Array, carries: Carries, context: jax.Array
  ) -> tuple[Carries, jax.Array]:
    """States and logits [B, C] of one step, given the step before [B, F]."""
    carries, hidden = self.stack.step(before, carries, context)
    return carries, self.output(hidden)


class Sizes(NamedTuple):
  """Sizes of the networks.

  Attributes:
    latent_dim: D.
    encoder_units: H, of each direction.
    encoder_layers: of LSTM.
    encoder_segments: that are encoded by themselves, and then their codes; 1 for the whole at once.
    conductor_units: H.
    conductor_layers: of LSTM; 0 for a flat decoder, which has one segment.
    decoder_units: H.
    decoder_layers: of LSTM.
    segments: S.
    memory_steps: longest memory that units of the encoder begin with, in steps, see
      `recurrent.LSTM`; decoders' is a segment's share of it, and the conductor's S.
  """

  latent_dim: int
  encoder_units: int
  encoder_layers: int
  encoder_segments: int
  conductor_units: int
  conductor_layers: int
  decoder_units: int
  decoder_layers: int
  segments: int
  memory_steps: int


class Voices(NamedTuple):
  """The voices of a decoder.

  Attributes:
    inputs: first and last + 1 of their features among those of a step.
    num_classes: of all of them together.
  """

  inputs: tuple[int, int]
  num_classes: int


class MusicVAE(nn.Module):
  """Encoder, conductor and decoders.

  A decoder sees the steps before of its own voices alone. Segments do not share states: all that
  one knows of another is the conductor's, and the last step before it.

  Attributes:
    sizes: of the networks.
    voices: of each decoder.
  """

  sizes: Sizes
  voices: tuple[Voices, ...]

  def setup(self):
    sizes = self.sizes
    memory = sizes.memory_steps
    self.encoder = Encoder(
      sizes.encoder_units, sizes.encoder_layers, sizes.latent_dim, sizes.encoder_segments, memory
    )
    if sizes.conductor_layers:
      self.conductor_start = Start(sizes.conductor_units, sizes.conductor_layers)
      self.conductor = Stack(
        sizes.conductor_units,
        sizes.conductor_layers,
        memory_steps=sizes.segments if memory else 0,
      )
    of_steps = memory // sizes.segments
    self.decoders = [
      Decoder(sizes.decoder_units, sizes.decoder_layers, voices.num_classes, of_steps)
      for voices in self.voices
    ]

  def encode(self, x: jax.Array, timed: jax.Array, c: jax.Array) -> latent_lib.Latent:
    """q(z|x, c) of [N, B, F] steps.

    Args:
      x: features of the steps.
      timed: [N, B, K] conditions of each step; K may be 0.
      c: [B, C] conditions of the whole; C may be 0.
    """
    return self.encoder(jnp.concatenate([x, timed, _at_all_steps(c, x)], axis=-1))

  def guide(self, z: jax.Array, c: jax.Array) -> jax.Array:
    """[S, B, G] what the decoders know of each segment, of [B, D] latents and [B, C] conditions."""
    guide = jnp.concatenate([z, c], axis=-1)
    if not self.sizes.conductor_layers:
      return guide[None]
    no_inputs = jnp.zeros((self.sizes.segments, len(z), 1), z.dtype)
    return self.conductor.run(no_inputs, self.conductor_start(guide))

  def run(self, before: jax.Array, timed: jax.Array, guides: jax.Array) -> jax.Array:
    """[N, B, C] logits of all steps, given the steps before; segments are a batch.

    Args:
      before: [N, B, F] features of the steps before.
      timed: [N, B, K] conditions of each step.
      guides: [S, B, G] of `guide`.
    """
    segments = len(guides)
    fold = lambda x: _fold(x, segments)
    guide, logits = guides.reshape(-1, guides.shape[-1]), []
    for decoder, (first, last) in zip(self.decoders, self._inputs(), strict=True):
      inputs = jnp.concatenate([before[..., first:last], timed], axis=-1)
      logits.append(decoder.run(fold(inputs), guide))
    return _unfold(jnp.concatenate(logits, axis=-1), segments)

  def begin(self, guide: jax.Array) -> tuple[tuple[Carries, jax.Array], ...]:
    """Of each decoder what `step` begins a segment with, of its guide [..., G]."""
    return tuple(decoder.begin(guide) for decoder in self.decoders)

  def step(
    self,
    before: jax.Array,
    timed: jax.Array,
    carries: Sequence[Carries],
    contexts: Sequence[jax.Array],
  ) -> tuple[tuple[Carries, ...], jax.Array]:
    """States and logits [B, C] of one step, given the features of the step before [B, F]."""
    following, logits = [], []
    for i, (first, last) in enumerate(self._inputs()):
      inputs = jnp.concatenate([before[..., first:last], timed], axis=-1)
      carry, output = self.decoders[i].step(inputs, carries[i], contexts[i])
      following.append(carry)
      logits.append(output)
    return tuple(following), jnp.concatenate(logits, axis=-1)

  def _inputs(self) -> list[tuple[int, int]]:
    return [voices.inputs for voices in self.voices]

  def __call__(self, x: jax.Array, timed: jax.Array, c: jax.Array) -> jax.Array:
    """Calls every network once, to initialise its parameters."""
    return self.run(x, timed, self.guide(self.encode(x, timed, c).mean, c))


def _at_all_steps(c: jax.Array, x: jax.Array) -> jax.Array:
  """[N, B, C] of [B, C] conditions."""
  return jnp.broadcast_to(c, (len(x), *c.shape))


def _fold(x: jax.Array, segments: int) -> jax.Array:
  """[N, B, F] to [N / S, S B, F]."""
  parts = x.reshape(segments, -1, *x.shape[1:])
  return jnp.moveaxis(parts, 0, 1).reshape(parts.shape[1], -1, x.shape[-1])


def _unfold(x: jax.Array, segments: int) -> jax.Array:
  """The inverse of `_fold`."""
  parts = x.reshape(len(x), segments, -1, x.shape[-1])
  return jnp.moveaxis(parts, 1, 0).reshape(-1, *parts.shape[2:])
