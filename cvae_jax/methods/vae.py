"""Autoencoders: AE, VAE and CVAE are one method with other settings.

    AE    posterior 'point', no condition: minimises the reconstruction error
    VAE   posterior 'gaussian', no condition: -ELBO = -log p(x|z) + KL(q(z|x) || p(z))
    CVAE  posterior 'gaussian' and a condition c: q(z|x, c), p(x|z, c), p(z|c)

log p(x|z, c) is a Gaussian of fixed standard deviation `method.sigma` around the decoder's output,
so that minimising it is minimising the squared error, as the thesis does; sigma says how much of it
a nat of KL is worth. `observation.py` has its other forms, `regularization.py` what may stand in
the KL's place or beside it, `corruption.py` what makes an autoencoder a denoising one.

Source: Kingma & Welling 2014; Sohn, Lee & Yan 2015 for the condition; Higgins et al. 2017 for beta.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
import optax

from cvae_jax import methods
from cvae_jax.audio import augment
from cvae_jax.audio import level
from cvae_jax.core import errors
from cvae_jax.core import parts
from cvae_jax.methods.common import corruption
from cvae_jax.methods.common import losses
from cvae_jax.methods.common import observation as observation_lib
from cvae_jax.methods.common import regularization
from cvae_jax.models.common import latent as latent_lib
from cvae_jax.training import gradients
from cvae_jax.training import state as state_lib


def make_method(config: ml_collections.ConfigDict, task: methods.Task) -> methods.Method:
  """Builds the method; `config` is a whole one. See `methods.Method` for the functions."""
  representation, form = task.need_representation()
  condition, latent_dim = task.condition, config.model.latent_dim
  settings, drop_rate = config.method, config.condition.drop_rate
  gaussian = settings.posterior == "gaussian"
  models = parts.load("cvae_jax.models", config.model.name, "make_model", "model.name")
  model = models.make_model(config.model, representation, condition, gaussian)
  upper = tuple(settings.prior_levels)
  levels = (*upper, latent_dim - sum(upper))
  if levels[-1] < 1:
    raise errors.UserError(
      f"method.prior_levels must leave dimensions of model.latent_dim {latent_dim} to "
      f"the lowest level, got {upper}"
    )
  prior_network = latent_lib.PriorNetwork(levels)
  has_prior = gaussian and settings.prior == "learned" and (condition.dim > 0 or len(levels) > 1)
  leaking = [name for name in condition.labels if task.vocabulary.get(name).is_class]
  critic = latent_lib.LabelCritic(
    tuple(condition.places[name][1] - condition.places[name][0] for name in leaking)
  )
  has_critic = settings.leak_weight > 0 and bool(leaking)
  observation = observation_lib.make_observation(settings, representation)
  penalty = regularization.make_penalty(settings, task.num_examples)
  optimizer = state_lib.make_optimizer(config.optimizer, task.total_steps)
  ema_decay = config.optimizer.ema_decay
  num_features = math.prod(representation.shape)

  def features(batch):
    return representation.encode(level.normalize(batch["audio"]))

  def augmented(batch, rng):
    """The notes' audio, normalised, as other instruments of their kind might sound."""
    audio = augment.vary(
      batch["audio"],
      rng,
      form.sample_rate,
      config.augment.equaliser_db,
      config.augment.envelope_db,
    )
    return level.normalize(audio)

  def encode(params, x, c):
    return model.apply(params, x, c, method="encode")

  def decode(params, z, c):
    return model.apply(params, z, c, method="decode")

  def prior(params, c, z):
    """p(z|c), each level given what z is above it; None for N(0, I)."""
    return prior_network.apply({"params": params["params"]["prior"]}, c, z) if has_prior else None

  def likelihood(params, x, predicted):
    """-log p(x|z, c) of each example, in nats."""
    return observation.nll(params["params"].get("observation", {}), x, predicted)

  def at(latent, noise):
    """Reparameterization: z = mean + std * noise, so that gradients reach mean and logvar."""
    if latent.logvar is None:
      return latent.mean
    return latent.mean + jnp.exp(0.5 * latent.logvar) * noise

  def draw(latent, rng):
    return at(latent, jax.random.normal(rng, latent.mean.shape))

  def terms(params, x, c, rng):
    """Negative log-likelihood and KL of each example in nats: minus their sum is the ELBO."""
    latent = encode(params, x, c)
    z = draw(latent, rng)
    nll = likelihood(params, x, decode(params, z, c))
    return nll, jnp.sum(regularization.divergence(latent, prior(params, c, z)), axis=-1)

  def squared_error_db(x, predicted):
    return jnp.square(representation.level_db(x) - representation.level_db(predicted))

  def play_critic(params, z, batch):
    """See `regularization.play_critic`, of the labels that z is to say nothing of."""
    guess = lambda params, z: critic.apply({"params": params["params"]["critic"]}, z)
    wanted = [batch[name] for name in leaking]
    return regularization.play_critic(guess, params, z, wanted)

  def init(rng, batch):
    params_rng, run_rng = jax.random.split(rng)
    prior_rng, critic_rng = (jax.random.fold_in(params_rng, i) for i in (1, 2))
    c = condition.encode(batch)
    x = jnp.zeros((c.shape[0], *representation.shape))
    z = jnp.zeros((c.shape[0], latent_dim))
    extra = {
      "prior": prior_network.init(prior_rng, c, z)["params"] if has_prior else {},
      "critic": critic.init(critic_rng, z)["params"] if has_critic else {},
      "observation": observation.init(),
    }
    params = model.init(params_rng, x, c)
    params = {"params": {**params["params"], **{k: v for k, v in extra.items() if v}}}
    return state_lib.init_state(params, optimizer, run_rng, ema_decay)

  def train_step(state, batch):
    augment_rng, z_rng = jax.random.split(jax.random.fold_in(state.rng, state.step))
    drop_rng, corrupt_rng, mmd_rng, phase_rng = (jax.random.fold_in(z_rng, i) for i in range(4))
    audio, c = augmented(batch, augment_rng), condition.encode(batch)
    x = representation.encode(audio)
    if drop_rate and condition.dim:
      c = condition.drop(c, drop_rng, drop_rate)
    seen = corruption.corrupt(
      x, corrupt_rng, settings.corruption, settings.corruption_amount, representation.floored
    )

    # All that is random of a note is drawn before the batch is taken apart.
    noise = jax.random.normal(z_rng, (c.shape[0], latent_dim)) if gaussian else None
    whole: dict[str, Any] = {"x": x, "seen": seen, "c": c, "noise": noise}
    if settings.spectral_weight:
      whole["audio"] = audio
    if has_critic:
      whole["labels"] = {name: batch[name] for name in leaking}

    def loss_fn(params, part):
      x, c = part["x"], part["c"]
      latent = encode(params, part["seen"], c)
      z = at(latent, part["noise"])
      predicted = decode(params, z, c)
      nll = jnp.mean(likelihood(params, x, predicted))
      cost, metrics = penalty(latent, prior(params, c, z), z, state.step, mmd_rng)
      total = nll + cost
      if settings.spectral_weight:
        sound = representation.decode(predicted, phase_rng)
        metrics["spectral"] = jnp.mean(losses.multi_resolution_stft(part["audio"], sound))
        total += settings.spectral_weight * metrics["spectral"]
      if has_critic:
        missed, told = play_critic(params, z, part["labels"])
        metrics["critic"], metrics["leak"] = jnp.mean(missed), jnp.mean(told)
        # The critic's weight has no bearing on what Adam does with it, but clipping sees it too.
        total += 0.1 * num_features * metrics["critic"] + settings.leak_weight * metrics["leak"]
      return total / num_features, {
        "nll": nll / num_features,
        **metrics,
        "mse_db2": jnp.mean(squared_error_db(x, predicted)),
      }

    (loss, metrics), grads = gradients.of_mean(
      loss_fn, state.params, whole, config.train.accumulate_steps
    )
    metrics["rmse_db"] = jnp.sqrt(metrics.pop("mse_db2"))
    metrics = {"loss": loss, **metrics, "grad_norm": optax.global_norm(grads)}
    return state_lib.apply_gradients(state, grads, optimizer, ema_decay), metrics

  def eval_step(params, batch, rng):
    x, c = features(batch), condition.encode(batch)
    nll, kl = terms(params, x, c, rng)
    # The error is measured at the posterior's mean: the best single reconstruction.
    error_db = squared_error_db(x, decode(params, encode(params, x, c).mean, c))
    mask = batch["mask"]
    count = jnp.sum(mask)
    per_note = {
      "loss": (nll + settings.beta * kl) / num_features,
      "nll": nll / num_features,
      "kl": kl,
      "elbo": -(nll + kl),
      "bits_per_dim": (nll + kl) / (num_features * math.log(2.0)),
      "mse_db2": jnp.mean(error_db, axis=(1, 2)),
      "lsd_db": jnp.mean(jnp.sqrt(jnp.mean(error_db, axis=2)), axis=1),
    }
    if not gaussian:  # A point has no density: there is no bound.
      per_note = {k: v for k, v in per_note.items() if k not in ("elbo", "bits_per_dim")}
    return {name: (jnp.sum(mask * value), count) for name, value in per_note.items()}

  def to_code(params, batch, rng=None):
    latent = encode(params, features(batch), condition.encode(batch))
    return latent.mean if rng is None else draw(latent, rng)

  def from_code(params, z, batch, rng):
    audio = representation.decode(decode(params, z, condition.encode(batch, len(z))), rng)
    return level.peak_normalize(level.fade_ends(audio, form.sample_rate))

  def draw_code(params, batch, rng):
    c = condition.encode(batch)
    noise = jax.random.normal(rng, (c.shape[0], latent_dim))
    noise *= batch["temperature"][:, None]
    if not has_prior:
      return noise
    z = jnp.zeros_like(noise)
    for _ in levels:  # From the top: each round makes the next level right.
      z = at(prior(params, c, z), noise)
    return z

  def score(params, batch, rng):
    nll, kl = terms(params, features(batch), condition.encode(batch), rng)
    return -(nll + kl)

  def log_weight(params, batch, rng):
    x, c = features(batch), condition.encode(batch)
    latent = encode(params, x, c)
    z = draw(latent, rng)
    given = prior(params, c, z)
    if given is None:
      given = latent_lib.Latent(jnp.zeros_like(z), jnp.zeros_like(z))
    log_p, log_q = (losses.normal_log_density(z, *normal) for normal in (given, latent))
    return jnp.sum(log_p - log_q, axis=-1) - likelihood(params, x, decode(params, z, c))

  return methods.Method(
    init=init,
    train_step=train_step,
    eval_step=eval_step,
    code_shape=(latent_dim,),
    encode=to_code,
    decode=from_code,
    draw_code=draw_code if gaussian else None,
    full_level=True,
    score=score,
    log_weight=log_weight if gaussian else None,
    features=features,
    level_db=representation.level_db,
  )
