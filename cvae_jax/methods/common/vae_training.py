"""The training of an autoencoder: its inputs, its loss and its step. See `methods.vae`."""

from collections.abc import Iterable
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from cvae_jax import methods
from cvae_jax.methods.common import corruption
from cvae_jax.methods.common import guidance
from cvae_jax.methods.common import losses
from cvae_jax.methods.common import networks as networks_lib
from cvae_jax.methods.common import regularization
from cvae_jax.methods.common import vae_parts as parts_lib
from cvae_jax.methods.common import waveforms
from cvae_jax.models.common import linear_path
from cvae_jax.training import compilation
from cvae_jax.training import gradients
from cvae_jax.training import state as state_lib


def training_inputs(parts: parts_lib.Parts, batch: methods.Batch, rng: jax.Array) -> dict[str, Any]:
  """What the loss of a batch is computed from; all that is random of an example is in it.

  The batch may then be split, see `gradients.of_mean`.

  Returns:
    'x' features, 'corrupted' features, 'c' conditions, 'noise' of z (None for a point); 'audio'
    where the loss compares waveforms, 'labels' where there is a critic, 'targets' where labels
    guide.
  """
  config = parts.config
  augment_rng, z_rng = jax.random.split(rng)
  drop_rng, corrupt_rng = (jax.random.fold_in(z_rng, i) for i in (0, 1))
  audio = waveforms.vary(config.augment, parts.form, batch["audio"], augment_rng)
  audio, _ = parts.split_measured(audio, batch)
  x, c = parts.representation.encode(audio), parts.condition.encode(batch)
  c = parts.condition.drop(c, drop_rng, config.condition.drop_rate)
  corrupted = corruption.corrupt(
    x,
    corrupt_rng,
    config.method.corruption,
    config.method.corruption_amount,
    parts.representation.floored,
  )
  shape = (c.shape[0], config.model.latent_dim)
  noise = jax.random.normal(z_rng, shape) if parts.is_gaussian else None
  inputs: dict[str, Any] = {"x": x, "corrupted": corrupted, "c": c, "noise": noise}
  if config.method.spectral_weight:
    inputs["audio"] = audio
  if config.method.mmd_weight and config.method.mmd_by:
    inputs["classes"] = batch[config.method.mmd_by]
  if parts.targets:
    inputs["targets"] = tuple(target.read(batch) for target in parts.targets)
  if parts.networks.critic is not None:
    inputs["labels"] = {name: batch[name] for name in parts.critic_labels}
  return inputs


def loss(
  parts: parts_lib.Parts, step: jax.Array, rng: jax.Array, params: Any, inputs: dict[str, Any]
) -> tuple[jax.Array, dict[str, jax.Array]]:
  """-ELBO and the terms beside it, in nats per feature, of `training_inputs`; and metrics."""
  settings, x, c = parts.config.method, inputs["x"], inputs["c"]
  mmd_rng, phase_rng = (jax.random.fold_in(rng, i) for i in (2, 3))
  latent = parts.apply("encode", params, inputs["corrupted"], c)
  z = networks_lib.reparameterize(latent, inputs["noise"])
  predicted = parts.apply("decode", params, z, c)
  nll = jnp.mean(parts.apply("nll", params, x, predicted))
  prior = parts.apply("conditional_prior", params, c, z)
  cost, metrics = parts.penalty(latent, prior, z, step, mmd_rng, inputs.get("classes"))
  total = nll + cost
  if settings.level_weight:
    metrics["level_error"] = jnp.mean(losses.level_weighted_error(x, predicted))
    total += settings.level_weight * metrics["level_error"] / (2.0 * settings.sigma**2)
  if settings.spectral_weight:
    audio = parts.representation.decode(predicted, phase_rng)
    metrics["spectral"] = jnp.mean(losses.multi_resolution_stft(inputs["audio"], audio))
    total += settings.spectral_weight * metrics["spectral"]
  if parts.networks.guide is not None:
    guide = functools.partial(parts.apply, "guide_with")
    targets = inputs.get("targets", ())
    extra = guidance.losses(settings.guidance, guide, params, x, z, targets, settings.sigma)
    metrics |= extra.metrics
    total += extra.cost
  if parts.networks.critic is not None:
    logits = functools.partial(parts.apply, "label_logits")
    targets = [inputs["labels"][name] for name in parts.critic_labels]
    critic_loss, leakage = regularization.critic_losses(logits, params, z, targets)
    metrics["critic"], metrics["leak"] = jnp.mean(critic_loss), jnp.mean(leakage)
    # Adam is indifferent to the critic's weight, but the gradient's clipping is not.
    total += 0.1 * parts.num_features * metrics["critic"] + settings.leak_weight * metrics["leak"]
  error_db2 = waveforms.squared_error_db(parts.representation, x, predicted)
  metrics = {"nll": nll / parts.num_features, **metrics, "mse_db2": jnp.mean(error_db2)}
  return total / parts.num_features, metrics


def fit(
  parts: parts_lib.Parts, state: state_lib.TrainState, batches: Iterable[methods.Batch]
) -> state_lib.TrainState:
  """The state with the linear path fitted on training examples."""
  settings = parts.config.method
  encode = compilation.jit(parts.inputs)

  def examples():
    for batch in batches:
      is_real = np.asarray(batch["mask"]) > 0
      inputs = {key: value for key, value in batch.items() if key != "id"}
      x, c, _ = encode(inputs)
      yield np.asarray(x)[is_real], np.asarray(c)[is_real]

  variance = settings.beta * settings.sigma**2 if parts.is_gaussian else None
  variables = state.buffers[linear_path.COLLECTION][linear_path.NAME]
  weights = parts.networks.observation.weights_over_time
  fitted = {linear_path.NAME: linear_path.fit(variables, examples(), variance, weights)}
  return state.replace(buffers={**state.buffers, linear_path.COLLECTION: fitted})


def train_step(
  parts: parts_lib.Parts, state: state_lib.TrainState, batch: methods.Batch
) -> tuple[state_lib.TrainState, dict[str, jax.Array]]:
  """One step of the optimizer."""
  optimizer = parts.config.optimizer
  rng = jax.random.fold_in(state.rng, state.step)
  inputs = training_inputs(parts, batch, rng)
  loss_rng, buffers = jax.random.split(rng)[1], state.buffers or {}

  def loss_fn(params, inputs):
    return loss(parts, state.step, loss_rng, {**params, **buffers}, inputs)

  (value, metrics), grads = gradients.of_mean(
    loss_fn, state.params, inputs, parts.config.train.accumulate_steps
  )
  metrics["rmse_db"] = jnp.sqrt(metrics.pop("mse_db2"))
  metrics = {"loss": value, **metrics, "grad_norm": optax.global_norm(grads)}
  state = state_lib.apply_gradients(state, grads, parts.optimizer, optimizer.ema_decay)
  return state, metrics
