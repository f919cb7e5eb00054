"""MusicVAE: a recurrent variational autoencoder of scores.

    encoder    a bidirectional LSTM; its last states give q(z|x)
    decoder    an LSTM that says each step given z and the steps before
    conductor  an LSTM from z to a vector for each segment (a bar), of which a decoder of its own
               begins anew: `method.conductor_layers`, `method.segments`

The loss is -log p(x|z) + beta max(KL(q(z|x) || N(0, I)) - free bits, 0), summed over steps and
dimensions. With scheduled sampling (Bengio et al. 2015) a step sees, more and more often, a drawn
token in place of the true one before it. Drawn tokens have no gradient, so that all of them are
drawn first, and the loss is then teacher-forced with them.

Source: Roberts et al. 2018, "A Hierarchical Latent Vector Model for Learning Long-Term Structure in
Music", and its package. New here are labels as conditions, and the prior by a flow.
"""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
import optax

from cvae_jax import methods
from cvae_jax.core import config_check
from cvae_jax.core import errors
from cvae_jax.methods.common import flow_prior
from cvae_jax.methods.common import losses
from cvae_jax.methods.common import musicvae_parts as parts_lib
from cvae_jax.methods.common import networks as networks_lib
from cvae_jax.methods.common import regularization
from cvae_jax.models.common import latent as latent_lib
from cvae_jax.training import gradients
from cvae_jax.training import state as state_lib


def init(parts: parts_lib.Parts, rng: jax.Array, batch: methods.Batch) -> state_lib.TrainState:
  """The state that a run begins with."""
  params_rng, run_rng = jax.random.split(rng)
  steps, c = parts.steps(batch), parts.condition.encode(batch)
  variables = parts.network.init(params_rng, parts.voices.features(steps), *parts.conditions(c))
  ema_decay = parts.config.optimizer.ema_decay
  state = state_lib.init_state({"params": variables["params"]}, parts.optimizer, run_rng, ema_decay)
  if parts.flow is None:
    return state
  flow_rng = jax.random.fold_in(params_rng, 1)
  return flow_prior.attach(state, parts.flow, parts.config.method.flow, flow_rng, c)


def sampling_rate(step: jax.Array, constant: float) -> jax.Array:
  """Share of the steps that see what was drawn: inverse sigmoid of Bengio et al. 2015."""
  if not constant:
    return jnp.zeros(())
  return 1.0 - constant / (constant + jnp.exp(jnp.minimum(step / constant, 80.0)))


def loss(
  parts: parts_lib.Parts, step: jax.Array, params: Any, inputs: dict[str, jax.Array]
) -> tuple[jax.Array, dict[str, jax.Array]]:
  """-ELBO with its weights in nats a score, of `training_inputs`; and metrics."""
  settings, c = parts.config.method, inputs["c"]
  steps = jnp.moveaxis(inputs["steps"], 1, 0)
  latent = parts.encode(params, steps, c)
  z = networks_lib.reparameterize(latent, inputs["noise"])
  rate, seen = sampling_rate(step, settings.sampling_constant), steps
  if settings.sampling_constant:
    uniform = jnp.moveaxis(inputs["uniform"], 1, 0)
    teacher = parts_lib.Teacher(steps, uniform[..., -1] < rate)
    frozen = jax.lax.stop_gradient((params, z))
    temperature = jnp.ones(z.shape[0])
    seen = parts_lib.unroll(parts, *frozen, c, uniform[..., :-1], temperature, teacher)
  logits = parts.teach(params, parts.shift(seen), z, c)
  nll = jnp.mean(jnp.sum(parts.nll(logits, steps), axis=(0, 2)))
  kl = jnp.sum(regularization.divergence(latent, None), axis=-1)
  beta = settings.beta * (1.0 - settings.beta_rate ** step.astype(jnp.float32))
  cost = jnp.mean(jnp.maximum(kl - settings.free_bits * math.log(2.0), 0.0))
  metrics = {
    "nll": nll,
    "kl_bits": jnp.mean(kl) / math.log(2.0),
    "beta": beta,
    "drawn": rate,
    "accuracy": jnp.mean(parts.is_best(logits, steps)),
  }
  return nll + beta * cost, metrics


def training_inputs(
  parts: parts_lib.Parts, batch: methods.Batch, rng: jax.Array
) -> dict[str, jax.Array]:
  """What the loss is computed from; all that is random of an example is in it.

  Returns:
    'steps' [B, N, V], conditions 'c' [B, *], 'noise' of z [B, D]; 'uniform' [B, N, V + 1] where
    steps are drawn: the last one of a step says whether they are.
  """
  noise_rng, uniform_rng, drop_rng = jax.random.split(rng, 3)
  steps, c = jnp.moveaxis(parts.steps(batch), 0, 1), parts.condition.encode(batch)
  c = parts.condition.drop(c, drop_rng, parts.config.condition.drop_rate)
  noise = jax.random.normal(noise_rng, (len(steps), parts.config.method.latent_dim))
  inputs = {"steps": steps, "c": c, "noise": noise}
  if parts.config.method.sampling_constant:
    shape = (*steps.shape[:-1], steps.shape[-1] + 1)
    inputs["uniform"] = jax.random.uniform(uniform_rng, shape)
  return inputs


def train_step(
  parts: parts_lib.Parts, state: state_lib.TrainState, batch: methods.Batch
) -> tuple[state_lib.TrainState, dict[str, jax.Array]]:
  """One step of the optimizer; a gradient whose norm is beyond all measure is left out."""
  config = parts.config
  inputs = training_inputs(parts, batch, jax.random.fold_in(state.rng, state.step))
  loss_fn = functools.partial(loss, parts, state.step)
  (value, metrics), grads = gradients.of_mean(
    loss_fn, state.params, inputs, config.train.accumulate_steps
  )
  norm = optax.global_norm(grads)
  is_used = norm < config.method.largest_gradient
  grads = jax.tree.map(lambda x: jnp.where(is_used, x, 0.0), grads)
  state = state_lib.apply_gradients(state, grads, parts.optimizer, config.optimizer.ema_decay)
  return state, {"loss": value, **metrics, "grad_norm": norm}


def _elbo_terms(parts, params, steps, c, rng):
  """[B] log q(z|x, c) - log p(z|c) of a draw, or the KL; the draw z; and logits [N, B, C]."""
  latent = parts.encode(params, steps, c)
  z = networks_lib.draw(latent, rng)
  logits = parts.teach(params, parts.shift(steps), z, c)
  if parts.flow is None:
    return jnp.sum(regularization.divergence(latent, None), axis=-1), z, logits
  log_q = jnp.sum(losses.normal_log_density(z, *latent), axis=-1)
  flow_rng = jax.random.fold_in(rng, 1)
  return log_q - parts.flow.log_density(params[flow_prior.KEY], z, c, flow_rng), z, logits


def eval_step(
  parts: parts_lib.Parts, params: Any, batch: methods.Batch, rng: jax.Array
) -> methods.Sums:
  """Sums over a batch, and counts.

  Accuracies are of a draw of z, as in the paper: 'teacher_forced' of the likeliest token given the
  true steps before, 'free_running' given those that the decoder itself holds likeliest.
  """
  steps, c = parts.steps(batch), parts.condition.encode(batch)
  kl, z, logits = _elbo_terms(parts, params, steps, c, rng)
  nll = jnp.sum(parts.nll(logits, steps), axis=(0, 2))
  uniform, temperature = jnp.zeros(steps.shape), jnp.zeros(len(z))
  made = parts_lib.unroll(parts, params, z, c, uniform, temperature)
  right = {"teacher_forced": parts.best(logits) == steps, "free_running": made == steps}
  by_example = {
    "loss": nll + parts.config.method.beta * kl,
    "nll": nll,
    "kl": kl,
    "kl_bits": kl / math.log(2.0),
    "elbo": -(nll + kl),
  }
  for name, is_right in right.items():
    by_example[name] = jnp.mean(is_right, axis=(0, 2))
    if len(parts.voices.names) > 1:
      for i, voice in enumerate(parts.voices.names):
        by_example[f"{name}_{voice}"] = jnp.mean(is_right[..., i], axis=0)
  by_example["whole"] = jnp.all(right["free_running"], axis=(0, 2)).astype(jnp.float32)
  mask = batch["mask"]
  return {name: (jnp.sum(mask * value), jnp.sum(mask)) for name, value in by_example.items()}


def encode(parts: parts_lib.Parts, params: Any, batch: methods.Batch, rng: Any = None) -> jax.Array:
  """[B, D] mean of the posterior; with a key, a draw from it."""
  latent = parts.encode(params, parts.steps(batch), parts.condition.encode(batch))
  return latent.mean if rng is None else networks_lib.draw(latent, rng)


def decode(
  parts: parts_lib.Parts, params: Any, z: jax.Array, labels: methods.Batch, rng: jax.Array
) -> jax.Array:
  """[B, L] tokens of [B, D] latents: the likeliest ones, or drawn where labels are for a draw."""
  count, c = len(z), parts.condition.encode(labels, len(z))
  temperature = jnp.zeros(count)
  if methods.TEMPERATURE in labels:
    temperature = parts.config.method.token_temperature * labels[methods.TEMPERATURE]
  uniform = jax.random.uniform(rng, (parts.num_steps, count, len(parts.voices.sizes)))
  steps = parts_lib.unroll(parts, params, z, c, uniform, temperature)
  return parts.voices.join(jnp.moveaxis(steps, 0, 1))


def draw_code(
  parts: parts_lib.Parts, params: Any, labels: methods.Batch, rng: jax.Array
) -> jax.Array:
  """[B, D] z of the prior, at the temperature of the labels."""
  temperature = labels[methods.TEMPERATURE]
  if parts.flow is not None:
    c = parts.condition.encode(labels, len(temperature))
    return parts.flow.sample(params[flow_prior.KEY], c, temperature, rng)
  noise = jax.random.normal(rng, (len(temperature), parts.config.method.latent_dim))
  return noise * temperature[:, None]


def score(parts: parts_lib.Parts, params: Any, batch: methods.Batch, rng: jax.Array) -> jax.Array:
  """[B] ELBO in nats, of one sample."""
  steps, c = parts.steps(batch), parts.condition.encode(batch)
  kl, _, logits = _elbo_terms(parts, params, steps, c, rng)
  return -jnp.sum(parts.nll(logits, steps), axis=(0, 2)) - kl


def log_weight(
  parts: parts_lib.Parts, params: Any, batch: methods.Batch, rng: jax.Array
) -> jax.Array:
  """[B] log p(x, z|c) - log q(z|x, c) of one sample, in nats."""
  if parts.flow is not None:
    return score(parts, params, batch, rng)  # Its KL is that of the sample already.
  steps, c = parts.steps(batch), parts.condition.encode(batch)
  latent: Any = parts.encode(params, steps, c)
  z = networks_lib.draw(latent, rng)
  nll = jnp.sum(parts.nll(parts.teach(params, parts.shift(steps), z, c), steps), axis=(0, 2))
  prior = latent_lib.Latent(jnp.zeros_like(z), jnp.zeros_like(z))
  log_p, log_q = (losses.normal_log_density(z, *normal) for normal in (prior, latent))
  return jnp.sum(log_p - log_q, axis=-1) - nll


def make_phase(parts: parts_lib.Parts) -> methods.Phase | None:
  """The training of the flow on the codes; None without one."""
  if parts.flow is None:
    return None

  def encode_batch(params, batch):
    c = parts.condition.encode(batch)
    return parts.encode(params, parts.steps(batch), c), c

  drop = functools.partial(parts.condition.drop, rate=parts.config.condition.drop_rate)
  return flow_prior.make_phase(parts.flow, parts.config.method.flow, encode_batch, drop)


def make_method(config: ml_collections.ConfigDict, task: methods.Task) -> methods.Method:
  """Builds the method; `config` is a whole one. See `methods.Method` for the functions."""
  parts = parts_lib.make_parts(config, task)
  bind = lambda function: functools.partial(function, parts)
  has_density = parts.flow is None or not parts.flow.probes  # See `methods.vae`.
  return methods.Method(
    init=bind(init),
    train_step=bind(train_step),
    eval_step=bind(eval_step),
    code_shape=(config.method.latent_dim,),
    encode=bind(encode),
    decode=bind(decode),
    draw_code=bind(draw_code),
    score=bind(score),
    log_weight=bind(log_weight) if has_density else None,
    phase=make_phase(parts),
    warm_start=flow_prior.warm_start,
  )


def get_config() -> ml_collections.ConfigDict:
  """Its fields."""
  config = ml_collections.ConfigDict()
  config.latent_dim = 256
  config.encoder_units = 512  # of each direction
  config.encoder_layers = 1
  config.encoder_segments = 1  # that are encoded by themselves, and then their codes
  config.conductor_units = 256
  config.conductor_layers = 0  # 0 for a flat decoder, without a conductor
  config.decoder_units = 256
  config.decoder_layers = 2
  # Longest memory that units of LSTMs begin with, in steps, and a segment's share of it for those
  # that run over one; 0 for forget gates that begin with biases of 1.
  config.memory_steps = 0
  config.segments = 1  # of a score, each with a vector of the conductor
  config.own_decoders = False  # whether each voice of a trio has a decoder that sees it alone
  config.beta = 0.2  # weight of the KL, once it is grown: beta (1 - beta_rate^step)
  config.beta_rate = 0.99999  # 0.0 for the whole weight from the first step on
  config.free_bits = 0.0  # bits of a score's whole KL that cost nothing
  # Steps by which scheduled sampling is slow: a share 1 - k / (k + exp(step / k)) of the steps sees
  # what was drawn before it; 0.0 for the true ones always.
  config.sampling_constant = 1000.0
  config.largest_gradient = 1e4  # norm of a gradient, of a larger one nothing is learnt
  # Of the softmax of drawn scores, times that of a draw; 0.0 for the likeliest token at each step.
  config.token_temperature = 1.0
  # standard (N(0, I)), flow (any distribution: it is trained after train.steps, on the codes of the
  # training examples)
  config.prior = "standard"
  config.flow = flow_prior.get_config()
  return config


CHOICES = {"method.prior": ("standard", "flow")}


def check(config: ml_collections.ConfigDict) -> None:
  """Raises UserError for values that it cannot use; `config` is a whole one."""
  positive = ("latent_dim", "encoder_units", "encoder_layers", "encoder_segments",
              "conductor_units", "decoder_units", "decoder_layers", "segments",
              "largest_gradient")  # fmt: skip
  config_check.need_positive(config, *(f"method.{name}" for name in positive))
  not_negative = ("conductor_layers", "beta", "beta_rate", "free_bits", "sampling_constant",
                  "memory_steps", "token_temperature")  # fmt: skip
  config_check.need_not_negative(config, *(f"method.{name}" for name in not_negative))
  config_check.need_under_1(config, "method.beta_rate")
  config_check.need_choices(config, CHOICES)
  flow_prior.check(config)
  settings = config.method
  if (settings.segments > 1) != (settings.conductor_layers > 0):
    raise errors.UserError(
      "method.segments above 1 and method.conductor_layers above 0 go together, got "
      f"{settings.segments} and {settings.conductor_layers}"
    )


def tiny(config: ml_collections.ConfigDict) -> None:
  """Few units, and a small flow."""
  config.method.update(latent_dim=4, encoder_units=8, conductor_units=8, decoder_units=8)
  config.method.sampling_constant = min(config.method.sampling_constant, 4.0)
  config.method.flow.update(hidden=32, blocks=1, steps=10, batch_size=16, draw_steps=4)
