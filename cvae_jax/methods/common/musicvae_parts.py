"""What the functions of MusicVAE work with: see `methods.musicvae`."""

import itertools
import re
from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp
import ml_collections
import optax

from cvae_jax import methods
from cvae_jax.core import errors
from cvae_jax.data import forms
from cvae_jax.methods.common import condition as condition_lib
from cvae_jax.methods.common import flow_prior
from cvae_jax.methods.common import score_voices
from cvae_jax.models.common import latent as latent_lib
from cvae_jax.models.common import music_vae
from cvae_jax.training import optimizers

_SERIES = re.compile(r"(.+)_([1-9][0-9]*)")  # label of a part of a score, such as chord_1


class Parts(NamedTuple):
  """What the functions of the method work with; time is the first axis of all sequences.

  Attributes:
    config: a whole one.
    form: of the scores.
    voices: of a step.
    condition: from labels to c.
    timed: places in c of labels that hold for a part of a score each, in order, by series.
    network: encoder, conductor and decoders.
    flow: the prior where it is a flow, else None.
    optimizer: of all parameters but the flow's.
  """

  config: ml_collections.ConfigDict
  form: forms.Score
  voices: score_voices.Voices
  condition: condition_lib.Condition
  timed: tuple[tuple[tuple[int, int], ...], ...]
  network: music_vae.MusicVAE
  flow: flow_prior.FlowPrior | None
  optimizer: optax.GradientTransformation

  @property
  def num_steps(self) -> int:
    """N."""
    return self.form.num_tokens // len(self.voices.sizes)

  def steps(self, batch: methods.Batch) -> jax.Array:
    """[N, B, V] tokens of the voices."""
    return jnp.moveaxis(self.voices.split(jnp.asarray(batch[self.form.key])), -2, 0)

  def conditions(self, c: jax.Array) -> tuple[jax.Array, jax.Array]:
    """[N, B, K] conditions of each step, and [B, C] of the whole, of [B, *] conditions."""
    count, parts, places = c.shape[0], [], [place for series in self.timed for place in series]
    for series in self.timed:
      values = jnp.stack([c[:, first:last] for first, last in series])
      parts.append(jnp.repeat(values, self.num_steps // len(series), axis=0))
    timed = jnp.concatenate(parts, axis=-1) if parts else jnp.zeros((self.num_steps, count, 0))
    whole = [
      c[:, first:last]
      for first, last in self.condition.places.values()
      if (first, last) not in places
    ]
    return timed, jnp.concatenate(whole, axis=-1) if whole else jnp.zeros((count, 0))

  def apply(self, function: str, params: Any, *inputs: Any) -> Any:
    """A function of `network` with these parameters."""
    return self.network.apply({"params": params["params"]}, *inputs, method=function)

  def encode(self, params: Any, steps: jax.Array, c: jax.Array) -> latent_lib.Latent:
    """q(z|x, c) of [N, B, V] tokens."""
    return self.apply("encode", params, self.voices.features(steps), *self.conditions(c))

  def teach(self, params: Any, before: jax.Array, z: jax.Array, c: jax.Array) -> jax.Array:
    """[N, B, C] logits given all steps before, as features [N, B, F] of `shift`."""
    timed, whole = self.conditions(c)
    return self.apply("run", params, before, timed, self.apply("guide", params, z, whole))

  def shift(self, steps: jax.Array) -> jax.Array:
    """[N, B, F] features of the steps before [N, B, V] tokens; zeros are before the first."""
    features = self.voices.features(steps[:-1])
    return jnp.pad(features, [(1, 0), (0, 0), (0, 0)])

  def by_voice(self, logits: jax.Array) -> list[jax.Array]:
    """Logits [..., C] of each voice."""
    return jnp.split(logits, list(itertools.accumulate(self.voices.sizes))[:-1], axis=-1)

  def nll(self, logits: jax.Array, steps: jax.Array) -> jax.Array:
    """[N, B, V] -log p of tokens in nats."""
    losses = [
      optax.softmax_cross_entropy_with_integer_labels(x, steps[..., i])
      for i, x in enumerate(self.by_voice(logits))
    ]
    return jnp.stack(losses, axis=-1)

  def best(self, logits: jax.Array) -> jax.Array:
    """[..., V] likeliest tokens."""
    return jnp.stack([jnp.argmax(x, axis=-1) for x in self.by_voice(logits)], axis=-1)

  def is_best(self, logits: jax.Array, steps: jax.Array) -> jax.Array:
    """[..., V] whether tokens are the likeliest ones: sooner known than which ones these are."""
    right = []
    for i, x in enumerate(self.by_voice(logits)):
      chosen = jnp.take_along_axis(x, steps[..., i : i + 1], axis=-1)[..., 0]
      right.append(chosen >= jnp.max(x, axis=-1))
    return jnp.stack(right, axis=-1)

  def draw(self, logits: jax.Array, uniform: jax.Array, temperature: jax.Array) -> jax.Array:
    """[B, V] tokens of a softmax at a temperature; the likeliest ones at 0.

    Args:
      logits: [B, C].
      uniform: [B, V] numbers from 0 to 1, by whose quantiles tokens are chosen.
      temperature: [B].
    """
    sharpness = 1.0 / jnp.maximum(temperature, 1e-6)[:, None]
    tokens = []
    for i, x in enumerate(self.by_voice(logits)):
      x = (x - jnp.max(x, axis=-1, keepdims=True)) * sharpness
      mass = jnp.cumsum(jnp.exp(x), axis=-1)
      below = mass <= uniform[:, i : i + 1] * mass[:, -1:]
      tokens.append(jnp.minimum(jnp.sum(below, axis=-1), x.shape[-1] - 1))
    return jnp.where(temperature[:, None] > 0.0, jnp.stack(tokens, axis=-1), self.best(logits))


class Teacher(NamedTuple):
  """Steps that stand in for those that are drawn.

  Attributes:
    steps: [N, B, V] tokens.
    is_drawn: [N, B] whether the step that follows sees what was drawn.
  """

  steps: jax.Array
  is_drawn: jax.Array


def unroll(
  parts: Parts,
  params: Any,
  z: jax.Array,
  c: jax.Array,
  uniform: jax.Array,
  temperature: jax.Array,
  teacher: Teacher | None = None,
) -> jax.Array:
  """Draws tokens step by step, each given those before.

  Args:
    parts: of the method.
    params: of the network.
    z: [B, D] latents.
    c: [B, *] conditions.
    uniform: [N, B, V] as of `Parts.draw`.
    temperature: [B] of the softmax.
    teacher: steps that are seen in place of some that are drawn.

  Returns:
    [N, B, V] tokens that were drawn, or seen in place of them.
  """
  timed, whole = parts.conditions(c)
  guides = parts.apply("guide", params, z, whole)
  begun = parts.apply("begin", params, guides)
  length = parts.num_steps // len(guides)

  def step(state, inputs):
    before, carries = state
    index, timed, uniform, of_teacher = inputs
    at_segment = lambda tree: jax.tree.map(lambda x: x[index // length], tree)
    is_first = index % length == 0
    starts = tuple(at_segment(start) for start, _ in begun)
    contexts = tuple(at_segment(context) for _, context in begun)
    carries = jax.tree.map(lambda a, b: jnp.where(is_first, a, b), starts, carries)
    carries, logits = parts.apply("step", params, before, timed, carries, contexts)
    tokens = parts.draw(logits, uniform, temperature)
    if of_teacher is not None:
      tokens = jnp.where(of_teacher.is_drawn[:, None], tokens, of_teacher.steps)
    return (parts.voices.features(tokens), carries), tokens

  before = jnp.zeros((len(z), sum(parts.voices.widths)))
  carries = tuple(jax.tree.map(lambda x: jnp.zeros_like(x[0]), start) for start, _ in begun)
  inputs = (jnp.arange(parts.num_steps), timed, uniform, teacher)
  return jax.lax.scan(step, (before, carries), inputs)[1]


def find_series(labels: tuple[str, ...], num_steps: int) -> tuple[tuple[str, ...], ...]:
  """Labels that hold for a part of a score each: those named `chord_1`, `chord_2` and so on.

  Raises:
    UserError: a series with gaps, or whose parts are no whole steps.
  """
  series: dict[str, list[int]] = {}
  for label in labels:
    if match := _SERIES.fullmatch(label):
      series.setdefault(match[1], []).append(int(match[2]))
  for name, numbers in series.items():
    if sorted(numbers) != list(range(1, len(numbers) + 1)):
      raise errors.UserError(
        f"condition.labels must name all of {name}_1 to {name}_{max(numbers)}, or none"
      )
    if num_steps % len(numbers):
      raise errors.UserError(f"{num_steps} steps are not {len(numbers)} equal parts of {name}")
  return tuple(tuple(f"{name}_{i + 1}" for i in range(len(x))) for name, x in series.items())


def make_network(
  config: ml_collections.ConfigDict, voices: score_voices.Voices
) -> music_vae.MusicVAE:
  """Builds the networks that the `method` section of a config asks for."""
  sizes = music_vae.Sizes(*(config[name] for name in music_vae.Sizes._fields))
  ends = list(itertools.accumulate(voices.widths, initial=0))
  if config.own_decoders:
    groups = tuple(
      music_vae.Voices(inputs, size)
      for inputs, size in zip(itertools.pairwise(ends), voices.sizes, strict=True)
    )
  else:
    groups = (music_vae.Voices((0, ends[-1]), sum(voices.sizes)),)
  return music_vae.MusicVAE(sizes, groups)


def make_parts(config: ml_collections.ConfigDict, task: methods.Task) -> Parts:
  """Builds the networks and the optimizer that a whole config asks for.

  Raises:
    UserError: examples that are no scores on a grid of steps, or segments that do not fit.
  """
  if not isinstance(task.form, forms.Score):
    raise errors.UserError("this method needs a data set of scores, and this one has sounds")
  voices, settings = score_voices.make_voices(task.form.tokenizer), config.method
  num_steps = task.form.num_tokens // len(voices.sizes)
  for name in ("segments", "encoder_segments"):
    if num_steps % settings[name]:
      raise errors.UserError(
        f"method.{name} must divide the {num_steps} steps of a score, got {settings[name]}"
      )
  flow = None
  if settings.prior == "flow":
    flow = flow_prior.make_flow_prior(settings.flow, settings.latent_dim)
  places = task.condition.places
  return Parts(
    config,
    task.form,
    voices,
    task.condition,
    tuple(
      tuple(places[name] for name in series)
      for series in find_series(task.condition.labels, num_steps)
    ),
    make_network(settings, voices),
    flow,
    optimizers.make_optimizer(config.optimizer, task.total_steps),
  )
