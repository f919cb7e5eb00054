"""What the functions of an autoencoder work with, and how a config makes it: see `methods.vae`."""

from collections.abc import Callable
import math
from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp
import ml_collections
import optax

from cvae_jax import methods
from cvae_jax.audio import level
from cvae_jax.audio import representations
from cvae_jax.core import errors
from cvae_jax.core import parts as core_parts
from cvae_jax.data import forms
from cvae_jax.data import vocabulary as vocabulary_lib
from cvae_jax.methods.common import condition as condition_lib
from cvae_jax.methods.common import flow_prior
from cvae_jax.methods.common import guidance
from cvae_jax.methods.common import measured_code
from cvae_jax.methods.common import networks as networks_lib
from cvae_jax.methods.common import observation as observation_lib
from cvae_jax.methods.common import regularization
from cvae_jax.methods.common import waveforms
from cvae_jax.models.common import latent as latent_lib
from cvae_jax.training import optimizers


class Inputs(NamedTuple):
  """What is computed of a batch before a network sees it.

  Attributes:
    x: [B, N, F, C] features, of notes without what is measured.
    c: [B, K] conditions.
    measured: [B, V] numbers of `measured_code`.
  """

  x: jax.Array
  c: jax.Array
  measured: jax.Array


class Parts(NamedTuple):
  """What the functions of the method work with.

  Attributes:
    config: a whole one.
    form: of the waveforms.
    representation: of the features.
    condition: from labels to c.
    networks: all of them, but for a flow.
    flow: the prior where it is a flow, else None.
    penalty: see `regularization.make_penalty`.
    optimizer: of all parameters.
    critic_labels: names of the labels that z should not contain.
    prior_levels: dimensions of each level of z.
    targets: labels that dimensions of z should say.
  """

  config: ml_collections.ConfigDict
  form: forms.Waveform
  representation: representations.Representation
  condition: condition_lib.Condition
  networks: networks_lib.Networks
  flow: flow_prior.FlowPrior | None
  penalty: Callable[..., regularization.Penalty]
  optimizer: optax.GradientTransformation
  critic_labels: tuple[str, ...]
  prior_levels: tuple[int, ...]
  targets: tuple[guidance.Target, ...]

  @property
  def is_gaussian(self) -> bool:
    """Whether the posterior is a distribution; a point has no density and no prior."""
    return self.config.method.posterior == "gaussian"

  @property
  def num_features(self) -> int:
    """Numbers of one example's features."""
    return math.prod(self.representation.shape)

  def apply(self, function: str, params: Any, *inputs: Any) -> Any:
    """A function of `networks` with these parameters."""
    return self.networks.apply(params, *inputs, method=function)

  @property
  def code_dim(self) -> int:
    """Numbers of a code."""
    return count_code(self.config)

  def encode(self, params: Any, inputs: Inputs) -> latent_lib.Latent:
    """Posterior of codes [B, code_dim]."""
    mean, logvar = self.apply("encode", params, inputs.x, inputs.c)
    if logvar is not None:
      measured = jnp.full_like(inputs.measured, measured_code.LOGVAR)
      logvar = jnp.concatenate([logvar, measured], axis=-1)
    return latent_lib.Latent(jnp.concatenate([mean, inputs.measured], axis=-1), logvar)

  def latent_of(self, code: jax.Array) -> jax.Array:
    """The part of [B, code_dim] numbers that is the network's, [B, D]."""
    return code[:, : self.config.model.latent_dim]

  def decode(self, params: Any, code: jax.Array, c: jax.Array) -> jax.Array:
    """[B, N, F, C] features of codes as the decoder predicts them, without what is measured."""
    return self.apply("decode", params, self.latent_of(code), c)

  def reconstruct(self, params: Any, code: jax.Array, c: jax.Array) -> jax.Array:
    """[B, N, F, C] features that are heard of a code: the decoder's, steadied over time."""
    predicted = self.decode(params, code, c)
    steady = waveforms.steady_levels(self.config, self.representation, self.form, predicted)
    return waveforms.end_in_silence(self.config, self.representation, steady)

  def features(self, batch: methods.Batch) -> jax.Array:
    """[B, N, F, C] features of a batch."""
    return self.inputs(batch).x

  def split_measured(self, audio: jax.Array, batch: methods.Batch) -> tuple[jax.Array, jax.Array]:
    """Normalised waveforms as a network is to see them, and what is measured of them [B, V]."""
    return measured_code.split(self.config.method, audio, batch, self.form.sample_rate)

  def join_measured(self, audio: jax.Array, code: jax.Array) -> jax.Array:
    """Waveforms of decoded features with what is measured in their codes."""
    numbers = code[:, self.config.model.latent_dim :]
    return measured_code.join(self.config.method, audio, numbers, self.form.sample_rate)

  def inputs(self, batch: methods.Batch) -> Inputs:
    """Features, conditions and measures of a batch, all of the waveforms at one level."""
    audio, measured = self.split_measured(level.normalize(batch["audio"]), batch)
    return Inputs(self.representation.encode(audio), self.condition.encode(batch), measured)


def count_code(config: ml_collections.ConfigDict) -> int:
  """Numbers of a code: the network's latent, and what is measured after it."""
  return config.model.latent_dim + len(measured_code.names(config.method))


def make_prior_levels(config: ml_collections.ConfigDict) -> tuple[int, ...]:
  """Dimensions of each level of z: `method.prior_levels` and the rest.

  Raises:
    UserError: levels that leave no dimension to the lowest one.
  """
  upper, latent_dim = tuple(config.method.prior_levels), config.model.latent_dim
  if sum(upper) >= latent_dim:
    raise errors.UserError(
      f"method.prior_levels must leave dimensions of model.latent_dim {latent_dim} to "
      f"the lowest level, got {upper}"
    )
  return (*upper, latent_dim - sum(upper))


def check_mmd(config: ml_collections.ConfigDict, vocabulary: vocabulary_lib.Vocabulary) -> None:
  """Raises UserError for a MMD by what is no label of names, or of what a batch has no two of."""
  settings = config.method
  if settings.mmd_weight and config.train.accumulate_steps > 1:
    raise errors.UserError(
      "method.mmd_weight compares the codes of a whole batch: train.accumulate_steps must be 1, "
      f"got {config.train.accumulate_steps}"
    )
  if not settings.mmd_by:
    return
  label = vocabulary.find(settings.mmd_by)
  if label is None or label.kind != vocabulary_lib.NAMES:
    named = ", ".join(x.name for x in vocabulary.of_kind(vocabulary_lib.NAMES)) or "none"
    raise errors.UserError(
      f"method.mmd_by must be a label of names of these examples ({named}), got '{settings.mmd_by}'"
    )


def make_parts(config: ml_collections.ConfigDict, task: methods.Task) -> Parts:
  """Builds the networks, the penalty and the optimizer that a whole config asks for."""
  representation, form = task.need_representation()
  condition, settings = task.condition, config.method
  is_gaussian, levels = settings.posterior == "gaussian", make_prior_levels(config)
  models = core_parts.load("cvae_jax.models", config.model.name, "make_model", "model.name")
  has_prior = is_gaussian and settings.prior == "gaussian" and (condition.dim or len(levels) > 1)
  targets = guidance.make_targets(settings.guidance, task.vocabulary)
  check_mmd(config, task.vocabulary)
  measured_code.check(settings, task.vocabulary)
  critic_labels: tuple[str, ...] = ()
  if settings.leak_weight > 0:
    critic_labels = tuple(x for x in condition.labels if task.vocabulary.get(x).is_class)
  sizes = tuple(condition.places[x][1] - condition.places[x][0] for x in critic_labels)
  networks = networks_lib.Networks(
    models.make_model(config.model, representation, condition, is_gaussian),
    observation_lib.make_observation(settings, representation, form),
    latent_lib.PriorNetwork(levels) if has_prior else None,
    latent_lib.LabelCritic(sizes) if critic_labels else None,
    guidance.make_guide(config, representation, targets),
  )
  return Parts(
    config,
    form,
    representation,
    condition,
    networks,
    flow_prior.make_flow_prior(settings.flow, count_code(config))
    if settings.prior == "flow"
    else None,
    regularization.make_penalty(settings, task.num_examples),
    optimizers.make_optimizer(config.optimizer, task.total_steps),
    critic_labels,
    levels,
    targets,
  )
