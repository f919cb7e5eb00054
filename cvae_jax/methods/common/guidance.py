"""Guided-VAE: what single dimensions of z should mean.

    unsupervised  a second, light decoder of the same z: a basis that should be orthogonal, and
                  three transformations with a dimension each (`guidance.LightDecoder`)
    supervised    for each label a dimension that says it (excitation), and a critic that should not
                  find it in the others (inhibition)

The original rotates and scales images; notes are tilted, transposed and stretched. Its inhibition
makes the critic of a label that half of the examples have say 0.5, in an update of its own after
each batch; here it should say how frequent each class is, which is the same for such a label, in
the same update (`regularization.critic_losses`). Its readers have batch normalisation, these have
none.

Source: Ding et al. 2020, "Guided Variational Autoencoder for Disentanglement Learning", and its
code for the weights: 0.5 of the light decoder's error, 1 of the orthogonality, and 200 of a label,
beside an error of some hundred to a thousand nats an image. That of a note is ten times as much,
and so is the weight of a label here.
"""

from collections.abc import Callable
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

from flax import linen as nn
import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import optax

from cvae_jax.audio import representations
from cvae_jax.core import config_check
from cvae_jax.core import errors
from cvae_jax.data import sources
from cvae_jax.data import vocabulary as vocabulary_lib
from cvae_jax.data.synthetic import factors
from cvae_jax.methods.common import losses as objectives
from cvae_jax.methods.common import regularization
from cvae_jax.models.common import guidance as networks

KINDS = ("none", "transformations", "labels")


class Guide(nn.Module):
  """The networks beside the autoencoder.

  Attributes:
    light: the second decoder; None where labels guide.
    sizes: number of classes of each label; () where a light decoder guides.
  """

  light: networks.LightDecoder | None
  sizes: tuple[int, ...]

  def setup(self):
    if self.sizes:
      self.excitation = networks.LabelReaders(self.sizes, from_others=False)
      self.inhibition = networks.LabelReaders(self.sizes, from_others=True)

  def __call__(self, z: jax.Array) -> None:
    """Calls every network once, to initialise its parameters."""
    if self.light is not None:
      self.light(z)
    if self.sizes:
      self.excitation(z), self.inhibition(z)

  def decode(self, z: jax.Array) -> tuple[jax.Array, jax.Array]:
    """See `LightDecoder`."""
    assert self.light is not None
    return self.light(z)

  def excited(self, z: jax.Array) -> tuple[jax.Array, ...]:
    """[B, n] logits of each label, from its own dimension."""
    return self.excitation(z)

  def inhibited(self, z: jax.Array) -> tuple[jax.Array, ...]:
    """[B, n] logits of each label, from the other dimensions."""
    return self.inhibition(z)


class Target(NamedTuple):
  """A label that a dimension should say.

  Attributes:
    name: of a label of the vocabulary, or of a generative factor.
    size: number of its classes.
    read: from a batch to classes [B].
  """

  name: str
  size: int
  read: Callable[[Mapping[str, Any]], jax.Array]


def _factor_target(name: str, num_classes: int) -> Target:
  """A generative factor, in classes of equal width on the scale that it is drawn on."""
  factor, column = factors.FACTORS[name], factors.NAMES.index(name)
  edges = factor.at(np.arange(1, num_classes) / num_classes)

  def read(batch):
    if sources.FACTORS not in batch:
      raise errors.UserError(
        f"method.guidance.labels names '{name}', a factor of the notes of synth_notes/factors, and "
        "these notes have none"
      )
    value = jnp.asarray(batch[sources.FACTORS])[:, column]
    return jnp.sum(value[:, None] >= jnp.asarray(edges), axis=1)

  return Target(name, num_classes, read)


def make_targets(
  config: ml_collections.ConfigDict, vocabulary: vocabulary_lib.Vocabulary
) -> tuple[Target, ...]:
  """The labels of `method.guidance`.

  Raises:
    UserError: a name that is no label with classes, and no factor; or that is given twice.
  """
  if config.kind != "labels":
    return ()
  targets = []
  for name in config.labels:
    if tuple(config.labels).count(name) > 1:
      raise errors.UserError(f"method.guidance.labels names '{name}' twice")
    label = vocabulary.find(name)
    if label is not None and label.is_class and not label.open_set:
      targets.append(Target(name, label.num_values, _label_reader(label)))
    elif name in factors.FACTORS:
      targets.append(_factor_target(name, config.classes))
    else:
      known = [x.name for x in vocabulary.labels if x.is_class and not x.open_set]
      raise errors.UserError(
        f"method.guidance.labels names '{name}': it must be one of {', '.join(known)}, or of the "
        f"factors of synth_notes/factors ({', '.join(factors.NAMES)})"
      )
  return tuple(targets)


def _label_reader(label: vocabulary_lib.Label):
  return lambda batch: jnp.asarray(batch[label.name]) - label.low


def make_guide(
  config: ml_collections.ConfigDict,
  representation: representations.Representation,
  targets: tuple[Target, ...],
) -> Guide | None:
  """Builds the networks that `method.guidance` asks for.

  Args:
    config: a whole one.
    representation: of the features.
    targets: of `make_targets`.

  Raises:
    UserError: features that are not levels over frequency, or too few dimensions.
  """
  kind, latent_dim = config.method.guidance.kind, config.model.latent_dim
  if kind == "none":
    return None
  needed = len(targets) if targets else len(networks.TRANSFORMATIONS)
  if latent_dim <= needed:
    raise errors.UserError(
      f"method.guidance '{kind}' takes {needed} dimensions of z and needs others beside "
      f"them: model.latent_dim must be over {needed}, got {latent_dim}"
    )
  if targets:
    return Guide(None, tuple(target.size for target in targets))
  num_frames, _, depth = representation.shape
  if representation.frequencies_hz is None or depth > 1:
    raise errors.UserError(
      "method.guidance 'transformations' needs features that are levels over frequency, as "
      "log_magnitude, log_mel or cqt"
    )
  unit_db = -config.representation.floor_db / 2.0
  light = networks.LightDecoder(num_frames, representation.frequencies_hz, unit_db)
  return Guide(light, ())


def meanings(config: ml_collections.ConfigDict) -> tuple[str, ...]:
  """What the first dimensions of z mean; `config` is `method.guidance`."""
  if config.kind == "labels":
    return tuple(config.labels)
  return networks.TRANSFORMATIONS if config.kind == "transformations" else ()


def losses(
  config: ml_collections.ConfigDict,
  apply: Callable[..., Any],
  params: Any,
  x: jax.Array,
  z: jax.Array,
  labels: tuple[jax.Array, ...],
  sigma: float,
) -> regularization.Penalty:
  """What the guidance adds to a batch's loss, in nats a note.

  Args:
    config: `method.guidance`.
    apply: (params, name of a function of `Guide`, *inputs) to its result.
    params: of all networks.
    x: [B, N, F, 1] features.
    z: [B, D] draws of the posterior.
    labels: [B] classes of each target.
    sigma: deviation of the observation, by which the light decoder's error is scaled too.
  """
  if not labels:
    predicted, basis = apply(params, "decode", z)
    error = jnp.sum(jnp.square(predicted - x[..., 0]), axis=(1, 2)) / (2.0 * sigma**2)
    light, crossed = jnp.mean(error), objectives.orthogonality(basis)
    cost = config.light_weight * light + config.orthogonality_weight * crossed
    return regularization.Penalty(cost, {"light": light / x[0].size, "orthogonality": crossed})
  cross_entropy = optax.softmax_cross_entropy_with_integer_labels
  logits = apply(params, "excited", z)
  errors_nats = [jnp.mean(cross_entropy(a, b)) for a, b in zip(logits, labels, strict=True)]
  excitation = jnp.sum(jnp.stack(errors_nats))
  predict = lambda params, z: apply(params, "inhibited", z)
  found = regularization.critic_losses(predict, params, z, labels, from_mean=True)
  critic, leakage = (jnp.mean(v) for v in found)
  # The critic's loss reaches its own parameters alone: its weight only sets its rate.
  cost = config.excitation_weight * excitation + config.inhibition_weight * (leakage + critic)
  metrics = {"excitation": excitation, "inhibition": leakage, "critic": critic}
  return regularization.Penalty(cost, metrics)


def get_config() -> ml_collections.ConfigDict:
  """Its fields: `method.guidance`."""
  config = ml_collections.ConfigDict()
  config.kind = "none"  # none, transformations (a light decoder), labels
  config.light_weight = 0.5  # transformations: of the light decoder's error
  config.orthogonality_weight = 1.0  # and nats for a unit of its basis' products
  config.labels = ()  # labels: names of labels, or of the factors of synth_notes/factors
  config.classes = 4  # that a factor is divided into
  config.excitation_weight = 2000.0  # nats a note for a nat of a label read from its dimension
  config.inhibition_weight = 2000.0  # and for a nat that a critic reads from the others
  return config


def check(config: ml_collections.ConfigDict) -> None:
  """Raises UserError for values of `method.guidance` that it cannot use; `config` is whole."""
  section = "method.guidance"
  config_check.need_choices(config, {f"{section}.kind": KINDS})
  weights = ("light_weight", "orthogonality_weight", "excitation_weight", "inhibition_weight")
  config_check.need_not_negative(config, *(f"{section}.{name}" for name in weights))
  if config.method.guidance.classes < 2:
    raise errors.UserError(
      f"{section}.classes must be at least 2, got {config.method.guidance.classes}"
    )
  if (config.method.guidance.kind == "labels") != bool(config.method.guidance.labels):
    raise errors.UserError(
      f"{section}.labels must be given where {section}.kind is 'labels', and there alone"
    )
