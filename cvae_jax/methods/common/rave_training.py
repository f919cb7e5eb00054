"""RAVE's training: its state, the steps of its two phases, and whose turn each step is.

See `cvae_jax.methods.rave`.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import optax

from cvae_jax import methods
from cvae_jax.audio import augment
from cvae_jax.audio import pqmf
from cvae_jax.methods.common import adversarial
from cvae_jax.methods.common import losses
from cvae_jax.methods.common import networks as networks_lib
from cvae_jax.methods.common import rave_parts as parts_lib
from cvae_jax.methods.common import sequence_prior
from cvae_jax.training import state as state_lib


class State(state_lib.TrainState):
  """A state with discriminators.

  Attributes:
    critic: theirs; its step counts their own.
  """

  critic: Any = None


def init(parts: parts_lib.Parts, rng: jax.Array, batch: methods.Batch) -> State:
  """The state that a run begins with."""
  encoder_rng, decoder_rng, critic_rng, run_rng = jax.random.split(rng, 4)
  prior_rng = jax.random.fold_in(rng, 4)
  audio = jnp.zeros((len(batch["audio"]), parts.config.method.crop or parts.hop_length))
  bands = pqmf.to_bands(audio, parts.config.method.num_bands)
  encoder = parts.encoder.init(encoder_rng, bands, train=True)
  z = jnp.zeros((len(audio), audio.shape[1] // parts.hop_length, parts.latent_dim))
  decoder = parts.decoder.init(decoder_rng, z, decoder_rng)
  critic = parts.critic.init(critic_rng, audio)
  params = {"params": {parts_lib.ENCODER: encoder["params"], parts_lib.DECODER: decoder["params"]}}
  buffers = {parts_lib.ANALYSIS: parts_lib.unknown(parts.latent_dim)}
  if parts_lib.STATISTICS in encoder:
    buffers[parts_lib.STATISTICS] = encoder[parts_lib.STATISTICS]
  ema_decay, critic_decay = parts.config.optimizer.ema_decay, 0.0
  state = state_lib.init_state(params, parts.optimizer, run_rng, ema_decay, buffers)
  critic_state = state_lib.init_state(critic, parts.critic_optimizer, run_rng, critic_decay)
  if parts.prior is not None:
    flow = parts.config.method.sequence_flow
    state = sequence_prior.attach(state, parts.prior, flow, prior_rng)
  return State(**vars(state), critic=critic_state)


def apply_gradients(state: State, *arguments: Any) -> State:
  """`state.apply_gradients`; the discriminators stay as they are."""
  moved = state_lib.apply_gradients(state, *arguments)
  assert isinstance(moved, State)
  return moved


def draw_excerpts(parts: parts_lib.Parts, batch: methods.Batch, rng: jax.Array) -> jax.Array:
  """[B, T] excerpts of the examples from anywhere in them, varied in what is not heard."""
  settings, varied = parts.config.method, parts.config.augment
  vary_rng, crop_rng, phase_rng = jax.random.split(rng, 3)
  rate = parts.form.sample_rate
  audio = augment.vary(
    jnp.asarray(batch["audio"]), vary_rng, rate, varied.equaliser_db, varied.envelope_db
  )
  if settings.crop:
    starts = jax.random.randint(crop_rng, audio.shape[:1], 0, audio.shape[1] - settings.crop + 1)
    cut = lambda row, start: jax.lax.dynamic_slice(row, (start,), (settings.crop,))
    audio = jax.vmap(cut)(audio, starts)
  if settings.phase_share:
    audio = augment.turn_phases(audio, phase_rng, rate, settings.phase_share)
  return parts_lib.fill_up(parts, audio)


def cut_ends(parts: parts_lib.Parts, x: jax.Array) -> jax.Array:
  """[B, N, ...] of an excerpt without `method.margins`, for its samples or the frames of its bands.

  Near its ends an excerpt lacks what was before it and what came after: discriminators would tell
  what is made by that alone.
  """
  before, after = parts.config.method.margins
  frames = parts.config.method.crop // parts.hop_length or parts.num_frames
  length = x.shape[1] // frames
  return x[:, before * length : x.shape[1] - after * length]


def measure(
  parts: parts_lib.Parts, bands: jax.Array, audio: jax.Array, made: jax.Array, made_audio: jax.Array
) -> tuple[jax.Array, jax.Array]:
  """`rave_parts.distance` of an excerpt, without its margins."""
  cut = lambda x: cut_ends(parts, x)
  return parts_lib.distance(parts, cut(bands), cut(audio), cut(made), cut(made_audio), True)


def begin_step(
  parts: parts_lib.Parts, state: State, batch: methods.Batch
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
  """Excerpts, their bands, and keys of z and of the noise."""
  excerpt_rng, z_rng, noise_rng = jax.random.split(jax.random.fold_in(state.rng, state.step), 3)
  audio = draw_excerpts(parts, batch, excerpt_rng)
  return audio, pqmf.to_bands(audio, parts.config.method.num_bands), z_rng, noise_rng


def begin_frozen_step(
  parts: parts_lib.Parts, state: State, batch: methods.Batch
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
  """Excerpts, their bands, latents of the frozen encoder, and a key of the noise."""
  audio, bands, z_rng, noise_rng = begin_step(parts, state, batch)
  posterior, _ = parts_lib.encode(parts, {**state.params, **state.buffers}, bands)
  return audio, bands, networks_lib.draw(posterior, z_rng), noise_rng


def train_autoencoder(
  parts: parts_lib.Parts, state: State, batch: methods.Batch
) -> tuple[State, dict[str, jax.Array]]:
  """A step of phase 1: distances of spectra and the KL."""
  settings = parts.config.method
  audio, bands, z_rng, noise_rng = begin_step(parts, state, batch)
  noise = noise_rng if settings.early_noise else None

  def loss_fn(params):
    whole = {**params, **state.buffers}
    posterior, statistics = parts_lib.encode(parts, whole, bands, train=True)
    z = networks_lib.draw(posterior, z_rng)
    made = parts_lib.decode(parts, whole, z, noise)
    made_audio = pqmf.from_bands(made)
    of_bands, of_audio = measure(parts, bands, audio, made, made_audio)
    divergence = jnp.mean(parts_lib.kl(posterior))
    spectral = jnp.mean(of_bands + of_audio)
    beta = losses.beta_schedule(state.step, settings.beta, settings.beta_warmup_steps)
    metrics = {"spectral": spectral, "kl": divergence}
    return spectral + beta * divergence, (metrics, statistics)

  (loss, (metrics, statistics)), grads = jax.value_and_grad(loss_fn, has_aux=True)(state.params)
  metrics = {"loss": loss, **metrics, "grad_norm": optax.global_norm(grads)}
  ema_decay = parts.config.optimizer.ema_decay
  state = apply_gradients(state, grads, parts.optimizer, ema_decay)
  if parts_lib.STATISTICS in state.buffers:
    state = state.replace(buffers={**state.buffers, parts_lib.STATISTICS: statistics})
  return state, metrics


def _freeze_encoder(before, after):
  """Parameters of a step, with the encoder's as they were: Adam moves without a gradient too."""
  frozen = before["params"][parts_lib.ENCODER]
  return {**after, "params": {**after["params"], parts_lib.ENCODER: frozen}}


def train_decoder(
  parts: parts_lib.Parts, state: State, batch: methods.Batch
) -> tuple[State, dict[str, jax.Array]]:
  """A decoder's turn of phase 2: distances of spectra, of features, and the hinge."""
  settings = parts.config.method
  audio, bands, z, noise_rng = begin_frozen_step(parts, state, batch)
  real = parts.critic.apply(state.critic.params, cut_ends(parts, audio))
  is_v2 = settings.version == parts_lib.V2

  def loss_fn(params):
    made = parts_lib.decode(parts, params, z, noise_rng)
    made_audio = pqmf.from_bands(made)
    of_bands, of_audio = measure(parts, bands, audio, made, made_audio)
    fake = parts.critic.apply(state.critic.params, cut_ends(parts, made_audio))
    matching = adversarial.feature_matching(real, fake, is_v2, int(is_v2), is_v2)
    if settings.version == parts_lib.PAPER:
      matching *= len(real)  # Its scales are summed.
    metrics = {
      "spectral": jnp.mean(of_bands + of_audio),
      "adversarial": jnp.mean(adversarial.generator_hinge(fake)),
      "matching": jnp.mean(matching),
    }
    weights = {
      "spectral": 1.0,
      "adversarial": settings.adversarial_weight,
      "matching": settings.matching_weight,
    }
    return sum(weights[name] * value for name, value in metrics.items()), metrics

  (loss, metrics), grads = jax.value_and_grad(loss_fn, has_aux=True)(state.params)
  metrics = {"loss": loss, **metrics, "grad_norm": optax.global_norm(grads)}
  ema_decay = parts.config.optimizer.ema_decay
  moved = apply_gradients(state, grads, parts.optimizer, ema_decay)
  return moved.replace(params=_freeze_encoder(state.params, moved.params)), metrics


def train_critic(
  parts: parts_lib.Parts, state: State, batch: methods.Batch
) -> tuple[State, dict[str, jax.Array]]:
  """The discriminators' turn of phase 2."""
  audio, _, z, noise_rng = begin_frozen_step(parts, state, batch)
  fake = pqmf.from_bands(parts_lib.decode(parts, state.params, z, noise_rng))

  def loss_fn(params):
    both = parts.critic.apply(params, cut_ends(parts, jnp.concatenate([audio, fake])))
    real, made = ([[x[part] for x in layers] for layers in both]
                  for part in (slice(len(audio)), slice(len(audio), None)))  # fmt: skip
    return jnp.mean(adversarial.discriminator_hinge(real, made))

  loss, grads = jax.value_and_grad(loss_fn)(state.critic.params)
  critic = state_lib.apply_gradients(state.critic, grads, parts.critic_optimizer, 0.0)
  metrics = {"loss": loss, "critic": loss, "critic_grad_norm": optax.global_norm(grads)}
  return state.replace(step=state.step + 1, critic=critic), metrics


def make_turns(parts: parts_lib.Parts):
  """Step numbers to kinds of steps: see `methods.Method.turn`."""
  settings, total = parts.config.method, parts.config.train.steps
  first = settings.adversarial_from
  one = methods.Turn(
    f"phase 1 of 2, to step {min(first, total)}: encoder and decoder, by spectra",
    functools.partial(train_autoencoder, parts),
  )
  name = f"phase 2 of 2, to step {total}: the encoder is frozen, decoder and discriminators"
  decoder = methods.Turn(name, functools.partial(train_decoder, parts))
  critic = methods.Turn(name, functools.partial(train_critic, parts))

  def turn(step: int) -> methods.Turn:
    if step < first:
      return one
    if step < first + settings.critic_warmup:
      return critic
    return decoder if (step - first) % settings.critic_every else critic

  return turn
