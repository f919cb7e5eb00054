"""Autoencoders: AE, VAE and CVAE are one method with other settings.

    AE    posterior 'point', no condition: minimises the reconstruction error
    VAE   posterior 'gaussian', no condition: -ELBO = -log p(x|z) + KL(q(z|x) || N(0, I))
    CVAE  posterior 'gaussian' and a condition c: q(z|x, c), p(x|z, c), p(z|c) = N(0, I)

log p(x|z, c) is a Gaussian of fixed standard deviation `method.sigma` around the decoder's output,
so that minimising it is minimising the squared error, as the thesis does; sigma says how much of it
a nat of KL is worth.

Source: Kingma & Welling 2014; Sohn, Lee & Yan 2015 for the condition; Higgins et al. 2017 for beta.
"""

import math

import jax
import jax.numpy as jnp
import ml_collections
import optax

from cvae_jax import losses
from cvae_jax import methods
from cvae_jax import parts
from cvae_jax import state as state_lib
from cvae_jax.audio import augment
from cvae_jax.audio import level
from cvae_jax.data import labels


def make_method(config: ml_collections.ConfigDict, task: methods.Task) -> methods.Method:
  """Builds the method; `config` is a whole one. See `methods.Method` for the functions."""
  representation, condition, total_steps = task
  gaussian = config.method.posterior == "gaussian"
  models = parts.load("cvae_jax.models", config.model.name, "model.name")
  model = models.make_model(config.model, representation, condition, gaussian)
  optimizer = state_lib.make_optimizer(config.optimizer, total_steps)
  ema_decay = config.optimizer.ema_decay
  num_features = math.prod(representation.shape)

  def features(batch):
    return representation.encode(level.normalize(batch["audio"]))

  def augmented(batch, rng):
    """`features` of the notes as other instruments of their kind might sound."""
    audio = augment.vary(
      batch["audio"],
      rng,
      labels.SAMPLE_RATE,
      config.augment.equaliser_db,
      config.augment.envelope_db,
    )
    return features({"audio": audio})

  def encode(params, x, c):
    return model.apply(params, x, c, method="encode")

  def decode(params, z, c):
    return model.apply(params, z, c, method="decode")

  def draw(latent, rng):
    """Reparameterization: z = mean + std * noise, so that gradients reach mean and logvar."""
    if latent.logvar is None:
      return latent.mean
    noise = jax.random.normal(rng, latent.mean.shape)
    return latent.mean + jnp.exp(0.5 * latent.logvar) * noise

  def terms(params, x, c, rng):
    """Negative log-likelihood and KL of each example in nats ([B] each), and x's prediction."""
    latent = encode(params, x, c)
    predicted = decode(params, draw(latent, rng), c)
    nll = losses.gaussian_nll(x, predicted, config.method.sigma)
    kl = jnp.zeros_like(nll)
    if latent.logvar is not None:
      kl = jnp.sum(losses.kl_to_standard_normal(latent.mean, latent.logvar), axis=-1)
    return nll, kl, predicted

  def squared_error_db(x, predicted):
    return jnp.square(representation.level_db(x) - representation.level_db(predicted))

  def init(rng, batch):
    params_rng, run_rng = jax.random.split(rng)
    c = condition.encode(batch)
    x = jnp.zeros((c.shape[0], *representation.shape))
    return state_lib.init_state(model.init(params_rng, x, c), optimizer, run_rng, ema_decay)

  def train_step(state, batch):
    augment_rng, z_rng = jax.random.split(jax.random.fold_in(state.rng, state.step))
    x, c = augmented(batch, augment_rng), condition.encode(batch)
    beta = losses.beta_schedule(state.step, config.method.beta, config.method.beta_warmup_steps)

    def loss_fn(params):
      nll, kl, predicted = terms(params, x, c, z_rng)
      loss = jnp.mean(nll + beta * kl) / num_features
      return loss, {
        "nll": jnp.mean(nll) / num_features,
        "kl": jnp.mean(kl),
        "beta": beta,
        "rmse_db": jnp.sqrt(jnp.mean(squared_error_db(x, predicted))),
      }

    (loss, metrics), grads = jax.value_and_grad(loss_fn, has_aux=True)(state.params)
    metrics = {"loss": loss, **metrics, "grad_norm": optax.global_norm(grads)}
    return state_lib.apply_gradients(state, grads, optimizer, ema_decay), metrics

  def eval_step(params, batch, rng):
    x, c = features(batch), condition.encode(batch)
    nll, kl, _ = terms(params, x, c, rng)
    # The error is measured at the posterior's mean: the best single reconstruction.
    error_db = squared_error_db(x, decode(params, encode(params, x, c).mean, c))
    mask = batch["mask"]
    count = jnp.sum(mask)
    per_note = {
      "loss": (nll + config.method.beta * kl) / num_features,
      "nll": nll / num_features,
      "kl": kl,
      "mse_db2": jnp.mean(error_db, axis=(1, 2)),
      "lsd_db": jnp.mean(jnp.sqrt(jnp.mean(error_db, axis=2)), axis=1),
    }
    return {name: (jnp.sum(mask * value), count) for name, value in per_note.items()}

  def reconstruct(params, batch, rng):
    x, c = features(batch), condition.encode(batch)
    audio = representation.decode(decode(params, encode(params, x, c).mean, c), rng)
    original = level.remove_dc(batch["audio"])
    return level.peak_normalize(audio) * (
      jnp.max(jnp.abs(original), axis=-1, keepdims=True) / level.PEAK
    )

  def sample(params, batch, rng):
    z_rng, phase_rng = jax.random.split(rng)
    c = condition.encode(batch)
    z = jax.random.normal(z_rng, (c.shape[0], config.model.latent_dim))
    audio = representation.decode(decode(params, z, c), phase_rng)
    return level.peak_normalize(audio) * level.velocity_to_gain(batch["velocity"])[:, None]

  def score(params, batch, rng):
    nll, kl, _ = terms(params, features(batch), condition.encode(batch), rng)
    return -(nll + kl)

  return methods.Method(
    init=init,
    train_step=train_step,
    eval_step=eval_step,
    features=features,
    level_db=representation.level_db,
    reconstruct=reconstruct,
    sample=sample if gaussian else None,
    score=score,
  )
