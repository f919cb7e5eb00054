"""Autoencoders: AE, VAE, CVAE and WAE are one method with other settings.

    AE    posterior 'point', no condition: minimises the reconstruction error
    VAE   posterior 'gaussian', no condition: -ELBO = -log p(x|z) + KL(q(z|x) || p(z))
    CVAE  posterior 'gaussian' and a condition c: q(z|x, c), p(x|z, c), p(z|c)
    WAE   posterior 'point' and `mmd_weight`: the codes of all examples together are to be N(0, I),
          and with `mmd_by` those of each value of a label (the CWAE of Neural Drum Machine)

log p(x|z, c) is a Gaussian of fixed standard deviation `method.sigma` around the decoder's output,
so that minimising it is minimising the squared error, as the thesis does; sigma sets how much of it
a nat of KL is worth. `observation.py` has its other forms, `regularization.py` the alternatives to
the KL and the terms beside it, `corruption.py` the noise of a denoising autoencoder, `guidance.py`
what makes it a Guided-VAE.

The functions of a method come from this file's functions of the same names and from those of
`vae_training.py`, each with the `Parts` of `vae_parts.py` as its first argument.

Source: Kingma & Welling 2014; Sohn, Lee & Yan 2015 for the condition; Higgins et al. 2017 for beta;
Tolstikhin et al. 2018 for the WAE; Aouameur, Esling & Hadjeres 2019 for the CWAE.
"""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections

from cvae_jax import methods
from cvae_jax.core import config_check
from cvae_jax.core import errors
from cvae_jax.methods.common import flow_prior
from cvae_jax.methods.common import guidance
from cvae_jax.methods.common import losses
from cvae_jax.methods.common import measured_code
from cvae_jax.methods.common import networks as networks_lib
from cvae_jax.methods.common import observation as observation_lib
from cvae_jax.methods.common import regularization
from cvae_jax.methods.common import vae_parts as parts_lib
from cvae_jax.methods.common import vae_training as training
from cvae_jax.methods.common import waveforms
from cvae_jax.models.common import latent as latent_lib
from cvae_jax.training import state as state_lib


def init(parts: parts_lib.Parts, rng: jax.Array, batch: methods.Batch) -> state_lib.TrainState:
  """The state that a run begins with."""
  params_rng, run_rng = jax.random.split(rng)
  c = parts.condition.encode(batch)
  x = jnp.zeros((c.shape[0], *parts.representation.shape))
  params, buffers = state_lib.split(parts.networks.init(params_rng, x, c))
  ema_decay = parts.config.optimizer.ema_decay
  state = state_lib.init_state(params, parts.optimizer, run_rng, ema_decay, buffers or None)
  if parts.flow is None:
    return state
  flow_rng = jax.random.fold_in(params_rng, 1)
  return flow_prior.attach(state, parts.flow, parts.config.method.flow, flow_rng, c)


def _elbo_terms(parts: parts_lib.Parts, params: Any, inputs: parts_lib.Inputs, rng: jax.Array):
  """[B] negative log-likelihood and KL in nats: minus their sum is the ELBO.

  The KL to a flow is that of the sample: log q(z|x, c) - log p(z|c). Other priors are of the
  network's part of a code, without what is measured.
  """
  x, c, _ = inputs
  posterior = parts.encode(params, inputs)
  code = networks_lib.draw(posterior, rng)
  nll = parts.apply("nll", params, x, parts.decode(params, code, c))
  if parts.flow is not None and posterior.logvar is not None:
    log_q = jnp.sum(losses.normal_log_density(code, posterior.mean, posterior.logvar), axis=-1)
    flow_rng = jax.random.fold_in(rng, 1)
    return nll, log_q - parts.flow.log_density(params[flow_prior.KEY], code, c, flow_rng)
  prior = parts.apply("conditional_prior", params, c, parts.latent_of(code))
  latent = jax.tree.map(parts.latent_of, posterior)
  return nll, jnp.sum(regularization.divergence(latent, prior), axis=-1)


def eval_step(
  parts: parts_lib.Parts, params: Any, batch: methods.Batch, rng: jax.Array
) -> methods.Sums:
  """Sums over a batch, and counts: the ELBO of one sample, errors at the posterior's mean."""
  inputs = parts.inputs(batch)
  nll, kl = _elbo_terms(parts, params, inputs, rng)
  predicted = parts.reconstruct(params, parts.encode(params, inputs).mean, inputs.c)
  errors_db2 = waveforms.squared_error_db(parts.representation, inputs.x, predicted)
  by_example = {
    "loss": (nll + parts.config.method.beta * kl) / parts.num_features,
    "nll": nll / parts.num_features,
    "kl": kl,
    "elbo": -(nll + kl),
    "bits_per_dim": (nll + kl) / (parts.num_features * math.log(2.0)),
    **waveforms.error_metrics(errors_db2),
  }
  if not parts.is_gaussian:  # A point has no density: there is no bound.
    by_example = {k: v for k, v in by_example.items() if k not in ("elbo", "bits_per_dim")}
  mask = batch["mask"]
  return {name: (jnp.sum(mask * value), jnp.sum(mask)) for name, value in by_example.items()}


def encode(parts: parts_lib.Parts, params: Any, batch: methods.Batch, rng: Any = None) -> jax.Array:
  """[B, D] mean of the posterior; with a key, a draw from it."""
  latent = parts.encode(params, parts.inputs(batch))
  return latent.mean if rng is None else networks_lib.draw(latent, rng)


def decode(
  parts: parts_lib.Parts, params: Any, z: jax.Array, labels: methods.Batch, rng: jax.Array
) -> jax.Array:
  """[B, T] waveforms of [B, D] latents."""
  features = parts.reconstruct(params, z, parts.condition.encode(labels, len(z)))
  audio = parts.join_measured(parts.representation.decode(features, rng), z)
  return waveforms.finish(parts.form, audio)


def draw_code(
  parts: parts_lib.Parts, params: Any, labels: methods.Batch, rng: jax.Array
) -> jax.Array:
  """[B, D] z of the prior, at the temperature of the labels."""
  c, temperature = parts.condition.encode(labels), labels[methods.TEMPERATURE]
  if parts.flow is not None:
    return parts.flow.sample(params[flow_prior.KEY], c, temperature, rng)
  noise = jax.random.normal(rng, (c.shape[0], sum(parts.prior_levels))) * temperature[:, None]
  z = noise
  if parts.networks.prior is not None:
    z = jnp.zeros_like(noise)
    for _ in parts.prior_levels:  # From the top: each round completes the next level.
      z = networks_lib.reparameterize(parts.apply("conditional_prior", params, c, z), noise)
  return jnp.pad(z, [(0, 0), (0, parts.code_dim - z.shape[1])])  # without vibrato and attack


def score(parts: parts_lib.Parts, params: Any, batch: methods.Batch, rng: jax.Array) -> jax.Array:
  """[B] ELBO in nats, of one sample."""
  nll, kl = _elbo_terms(parts, params, parts.inputs(batch), rng)
  return -(nll + kl)


def log_weight(
  parts: parts_lib.Parts, params: Any, batch: methods.Batch, rng: jax.Array
) -> jax.Array:
  """[B] log p(x, z|c) - log q(z|x, c) of one sample, in nats."""
  if parts.flow is not None:
    return score(parts, params, batch, rng)  # Its KL is that of the sample already.
  inputs = parts.inputs(batch)
  latent = jax.tree.map(parts.latent_of, parts.encode(params, inputs))
  z = networks_lib.draw(latent, rng)
  prior = parts.apply("conditional_prior", params, inputs.c, z)
  if prior is None:
    prior = latent_lib.Latent(jnp.zeros_like(z), jnp.zeros_like(z))
  log_p, log_q = (losses.normal_log_density(z, *normal) for normal in (prior, latent))
  nll = parts.apply("nll", params, inputs.x, parts.decode(params, z, inputs.c))
  return jnp.sum(log_p - log_q, axis=-1) - nll


def has_prior(parts: parts_lib.Parts) -> bool:
  """Whether codes can be drawn: of an autoencoder, where its codes have a distribution."""
  return parts.is_gaussian or parts.flow is not None or bool(parts.config.method.mmd_weight)


def make_phase(parts: parts_lib.Parts) -> methods.Phase | None:
  """The training of the flow on the codes; None without one."""
  if parts.flow is None:
    return None

  def encode_batch(params, batch):
    inputs = parts.inputs(batch)
    return parts.encode(params, inputs), inputs.c

  drop = functools.partial(parts.condition.drop, rate=parts.config.condition.drop_rate)
  return flow_prior.make_phase(parts.flow, parts.config.method.flow, encode_batch, drop)


def make_method(config: ml_collections.ConfigDict, task: methods.Task) -> methods.Method:
  """Builds the method; `config` is a whole one. See `methods.Method` for the functions."""
  parts = parts_lib.make_parts(config, task)
  bind = lambda function: functools.partial(function, parts)
  has_linear_path = bool(getattr(parts.networks.autoencoder, "linear_ranks", ()))
  # An estimate of a density has a right mean, and its exponential has not.
  has_density = parts.is_gaussian and not (parts.flow is not None and parts.flow.probes)
  return methods.Method(
    init=bind(init),
    train_step=bind(training.train_step),
    eval_step=bind(eval_step),
    code_shape=(parts.code_dim,),
    meanings=guidance.meanings(config.method.guidance),
    measured=measured_code.names(config.method),
    encode=bind(encode),
    decode=bind(decode),
    draw_code=bind(draw_code) if has_prior(parts) else None,
    full_level=True,
    score=bind(score),
    log_weight=bind(log_weight) if has_density else None,
    features=parts.features,
    level_db=parts.representation.level_db,
    phase=make_phase(parts),
    warm_start=flow_prior.warm_start,
    fit=bind(training.fit) if has_linear_path else None,
  )


def get_config() -> ml_collections.ConfigDict:
  """Its fields."""
  config = ml_collections.ConfigDict()
  config.posterior = "gaussian"  # gaussian (VAE, CVAE), point (AE, and WAE with mmd_weight)
  config.likelihood = "gaussian"  # gaussian (squared error), laplace (absolute error)
  config.sigma = 0.08  # std of the observation, in features (1.0 is floor_db / 2)
  config.learn_sigma = False  # whether it is learnt, from this value on
  config.perceptual = False  # whether bins count as the ear weighs them
  # Nats a note for one unit of the multi-resolution STFT distance of the waveforms; 0.0 for none.
  config.spectral_weight = 0.0
  # standard (N(0, I)), gaussian (its mean and variance a network of c), flow (any distribution: it
  # is trained after train.steps, on the codes of the training examples)
  config.prior = "standard"
  config.flow = flow_prior.get_config()
  # Whether notes' vibrato is measured, taken from them, and a part of their codes. A flow draws it
  # with the rest of a code; with other priors what is drawn has none.
  config.vibrato = False
  # The same for the attack, a gain that rises; with other priors what is drawn speaks at once.
  config.attack = False
  # Weight of the errors of an example's first frames, and the time in s by which it falls to 1.0.
  config.onset_weight = 1.0
  config.onset_s = 0.1
  config.level_weight = 0.0  # of squared errors in proportion to the level above the floor
  config.prior_levels = ()  # gaussian: dimensions of the levels above the last: p(z_2|z_1, c)
  config.beta = 1.0  # weight of the KL; 1.0 is the ELBO
  config.beta_warmup_steps = 200
  config.beta_cycle_steps = 0  # after which beta begins again from 0; 0 for never
  config.free_bits = 0.0  # nats of each latent dimension that cost nothing
  config.capacity = 0.0  # nats that the KL is held at, in place of 0
  config.capacity_steps = 1000  # until it is grown
  config.tc_weight = 1.0  # of the total correlation within the KL (beta-TCVAE); 1.0 for no more
  config.mmd_weight = 0.0  # nats a note for a unit of the codes' MMD to N(0, I) (InfoVAE, WAE)
  config.mmd_by = ""  # label of names: the MMD is the mean of those of its values; '' for one
  config.leak_weight = 0.0  # nats a note for a nat that a critic reads of the labels in z
  config.guidance = guidance.get_config()  # of single dimensions of z (Guided-VAE)
  # dB by which the decoder's levels may differ from those around them and still be averaged with
  # them, where it is used; 0.0 for levels as they are. And how far around, in s.
  config.smoothing_db = 4.0
  config.smoothing_s = 0.25
  # dB below its loudest frame at which a sound is over: silence follows; 0.0 for sounds as they are
  config.gate_db = 0.0
  config.corruption = "none"  # none, gaussian, time_mask, frequency_mask: of what the encoder sees
  config.corruption_amount = 0.1  # std in features; longest span, as a share of the axis
  config.sparsity = "none"  # none, l1, kl: of a point posterior's code
  config.sparsity_weight = 1.0  # nats a note for a unit of it
  config.sparsity_target = 0.05  # kl: mean activation
  return config


CHOICES = {
  "method.posterior": ("gaussian", "point"),
  "method.likelihood": tuple(observation_lib.LIKELIHOODS),
  "method.prior": ("standard", "gaussian", "flow"),
  "method.corruption": ("none", "gaussian", "time_mask", "frequency_mask"),
  "method.sparsity": ("none", "l1", "kl"),
}
NOT_NEGATIVE = (
  "beta",
  "beta_warmup_steps",
  "beta_cycle_steps",
  "free_bits",
  "capacity",
  "capacity_steps",
  "tc_weight",
  "mmd_weight",
  "leak_weight",
  "spectral_weight",
  "level_weight",
  "corruption_amount",
  "smoothing_db",
  "smoothing_s",
  "gate_db",
  "sparsity_weight",
)


def check(config: ml_collections.ConfigDict) -> None:
  """Raises UserError for values that it cannot use; `config` is a whole one."""
  positive = ("sigma", "onset_weight", "onset_s", "sparsity_target")
  config_check.need_positive(config, *(f"method.{name}" for name in positive))
  config_check.need_not_negative(config, *(f"method.{name}" for name in NOT_NEGATIVE))
  config_check.need_under_1(config, "method.sparsity_target")
  config_check.need_choices(config, CHOICES)
  flow_prior.check(config)
  guidance.check(config)
  levels = config.method.prior_levels
  if levels and min(levels) < 1:
    raise errors.UserError(f"method.prior_levels must be positive, got {levels}")


def tiny(config: ml_collections.ConfigDict) -> None:
  """A short warm-up, a small flow, few labels that guide, and nothing measured."""
  config.method.guidance.labels = tuple(config.method.guidance.labels)[:2]
  config.method.beta_warmup_steps = 5
  # Their search takes longer to compile than a tiny network.
  config.method.update(vibrato=False, attack=False)
  config.method.flow.update(hidden=32, blocks=1, steps=10, batch_size=16, draw_steps=4)
  config.method.flow.clusters = min(config.method.flow.clusters, 4)
