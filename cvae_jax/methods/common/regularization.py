"""What keeps a latent space in shape: the KL of the ELBO, and what may stand in its place.

Every kind reduces to the plain KL where its fields are left alone.
"""

from collections.abc import Callable
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp
import ml_collections
import optax

from cvae_jax.methods.common import losses
from cvae_jax.models.common import latent as latent_lib


class Penalty(NamedTuple):
  """What a batch's latents cost.

  Attributes:
    cost: in nats, averaged over the batch and weighted: what is added to the negative
      log-likelihood.
    metrics: to be looked at.
  """

  cost: jax.Array
  metrics: dict[str, jax.Array]


def divergence(latent: latent_lib.Latent, prior: latent_lib.Latent | None) -> jax.Array:
  """[B, D] KL(q(z|x, c) || p(z|c)) in nats; 0 for a point. A prior of None is N(0, I)."""
  if latent.logvar is None:
    return jnp.zeros_like(latent.mean)
  if prior is None:
    return losses.kl_to_standard_normal(latent.mean, latent.logvar)
  assert prior.logvar is not None
  return losses.kl_between_normals(latent.mean, latent.logvar, prior.mean, prior.logvar)


def make_penalty(config: ml_collections.ConfigDict, num_notes: int) -> Callable[..., Penalty]:
  """Builds the penalty that the `method` section of a config asks for.

  Args:
    config: that section.
    num_notes: of the training split, for the total correlation.

  Returns:
    (latent, prior or None, z [B, D], step, rng, classes [B] or None) to a `Penalty`; classes are
    those that the MMD is taken of one by one.
  """

  def discrepancy(z, rng, classes):
    """What the MMD of the codes of all examples to the prior costs, and the MMD."""
    noise = jax.random.normal(rng, z.shape)
    if classes is None:
      mmd = losses.maximum_mean_discrepancy(z, noise)
    else:
      mmd = losses.class_mean_discrepancy(z, noise, classes)
    return config.mmd_weight * mmd, {"mmd": mmd}

  def of_gaussian(latent, prior, z, step, rng, classes=None):
    by_dimension = divergence(latent, prior)
    kl = jnp.mean(jnp.sum(by_dimension, axis=-1))
    beta = losses.beta_schedule(
      step, config.beta, config.beta_warmup_steps, config.beta_cycle_steps
    )
    metrics = {"kl": kl, "beta": beta}
    cost = kl
    if config.free_bits:
      # Kingma et al. 2016: a dimension is free up to so many nats, on average over the batch.
      cost = jnp.sum(jnp.maximum(jnp.mean(by_dimension, axis=0), config.free_bits))
    if config.tc_weight != 1.0:
      parts = losses.decompose_kl(z, latent.mean, latent.logvar, num_notes)
      names = ("mutual_information", "total_correlation", "dimension_kl")
      metrics |= {name: jnp.mean(part) for name, part in zip(names, parts, strict=True)}
      # Chen et al. 2018, equation 4: the KL with one of its three parts weighted. The exact KL
      # stands for their sum, and the estimate for what is added to it.
      cost += (config.tc_weight - 1.0) * metrics["total_correlation"]
    if config.capacity:
      # Burgess et al. 2018, equation 8: the KL is held at a capacity that grows.
      grown = jnp.clip(step / max(config.capacity_steps, 1), 0.0, 1.0) * config.capacity
      metrics["capacity"] = grown
      cost = jnp.abs(cost - grown)
    cost = beta * cost
    if config.mmd_weight:
      # Zhao et al. 2017: how far the codes of all notes together are from the prior.
      extra, found = discrepancy(z, rng, classes)
      cost, metrics = cost + extra, metrics | found
    return Penalty(cost, metrics)

  def of_point(latent, prior, z, step, rng, classes=None):
    del prior, step
    metrics = {"kl": jnp.zeros(()), "beta": jnp.zeros(())}
    cost = jnp.zeros(())
    if config.mmd_weight:  # Tolstikhin et al. 2018: a Wasserstein autoencoder.
      extra, found = discrepancy(z, rng, classes)
      cost, metrics = cost + extra, metrics | found
    if config.sparsity == "l1":
      sparsity = jnp.mean(jnp.sum(jnp.abs(latent.mean), axis=-1))
    elif config.sparsity == "kl":
      sparsity = losses.sparsity_kl(latent.mean, config.sparsity_target)
    else:
      return Penalty(cost, metrics)
    return Penalty(cost + config.sparsity_weight * sparsity, {**metrics, "sparsity": sparsity})

  return of_gaussian if config.posterior == "gaussian" else of_point


def critic_losses(
  predict: Callable[[Any, jax.Array], Any],
  params: Any,
  z: jax.Array,
  targets: Sequence[jax.Array],
  from_mean: bool = False,
) -> tuple[jax.Array, jax.Array]:
  """The loss of a critic that predicts labels from z, and what z leaks of them to it.

  The critic minimises its cross-entropy. The encoder minimises the leakage: the critic should
  predict the same of every example. Its mean over a batch is the mutual information of example and
  prediction, at most log n nats. A reversed gradient would instead reward wrong predictions, and
  drive z to where the critic errs, without bound.

  Args:
    predict: (parameters, z) to logits [B, n] of each label.
    params: of the critic, alone or among others.
    z: [B, D] drawn codes.
    targets: [B] integers of each label.
    from_mean: whether the leakage is KL(mean || prediction) instead. Its gradient does not vanish
      where the critic is sure, and it is not bounded; for equally frequent classes it is that of a
      cross-entropy to a uniform target.

  Returns:
    (critic_loss, leakage): [B] cross-entropy in nats, whose gradient reaches the parameters alone;
    [B] KL(prediction || the batch's mean prediction) in nats, whose gradient reaches z alone.

  Source: Tzeng et al. 2015, "Simultaneous Deep Transfer Across Domains and Tasks" for confusion in
  place of the reversed gradient of Ganin & Lempitsky 2015; Lample et al. 2017 for the purpose.
  """
  critic_loss, leakage = jnp.zeros(z.shape[0]), jnp.zeros(z.shape[0])
  for logits, label in zip(predict(params, jax.lax.stop_gradient(z)), targets, strict=True):
    critic_loss += optax.softmax_cross_entropy_with_integer_labels(logits, label)
  for logits in predict(jax.lax.stop_gradient(params), z):
    log_p = jax.nn.log_softmax(logits)
    log_mean = jax.nn.logsumexp(log_p, axis=0) - jnp.log(len(log_p))
    log_mean = jax.lax.stop_gradient(log_mean)
    if from_mean:
      leakage += jnp.sum(jnp.exp(log_mean) * (log_mean - log_p), axis=-1)
    else:
      leakage += jnp.sum(jnp.exp(log_p) * (log_p - log_mean), axis=-1)
  return critic_loss, leakage
