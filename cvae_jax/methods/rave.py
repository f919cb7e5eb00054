"""RAVE: a variational autoencoder of waveforms, trained by spectra and then by discriminators.

    phase 1  encoder and decoder: distances of spectra, of bands and of waveforms, and the KL
    phase 2  the encoder is frozen; the decoder and its discriminators take turns: hinge, features
    then     principal components of the latents; how many of them are heard can be chosen after it
             a prior of their sequences, which draws sound and goes on from it, by labels if asked

Source: Caillon & Esling 2021, "RAVE: A variational autoencoder for fast and high-quality neural
audio synthesis", and the `acids-rave` package, which has left the paper since (`method.version`):

    paper  distances by norms, and of loudness; feature matching of all scales, times 10; tag v1
    v1     distances by squares; feature matching, weighted once where the package does it twice
    v2     networks of residual units; discriminators of periods as well; relative feature matching
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
import optax

from cvae_jax import methods
from cvae_jax.audio import augment
from cvae_jax.audio import controls
from cvae_jax.audio import pqmf
from cvae_jax.core import config as config_lib
from cvae_jax.core import config_check
from cvae_jax.methods.common import adversarial
from cvae_jax.methods.common import flow_prior
from cvae_jax.methods.common import losses
from cvae_jax.methods.common import networks as networks_lib
from cvae_jax.methods.common import rave_parts as parts_lib
from cvae_jax.methods.common import rave_streamer
from cvae_jax.methods.common import sequence_prior
from cvae_jax.models.common import rave as rave_lib
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
    of_bands, of_audio = parts_lib.distance(parts, bands, audio, made, True)
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
  real = parts.critic.apply(state.critic.params, audio)
  is_v2 = settings.version == parts_lib.V2

  def loss_fn(params):
    made = parts_lib.decode(parts, params, z, noise_rng)
    of_bands, of_audio = parts_lib.distance(parts, bands, audio, made, True)
    fake = parts.critic.apply(state.critic.params, pqmf.from_bands(made))
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
    both = parts.critic.apply(params, jnp.concatenate([audio, fake]))
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
    return decoder if (step - first) % settings.critic_every else critic

  return turn


def eval_step(
  parts: parts_lib.Parts, params: Any, batch: methods.Batch, rng: jax.Array
) -> methods.Sums:
  """Sums over a batch, and counts: of whole examples, from latents as `rave_parts.heard`."""
  audio, bands = parts_lib.take(parts, batch)
  posterior, _ = parts_lib.encode(parts, params, bands)
  fill_rng, noise_rng = jax.random.split(rng)
  z = parts_lib.heard(parts, params, posterior, fill_rng)
  made = parts_lib.decode(parts, params, z, noise_rng)
  of_bands, of_audio = parts_lib.distance(parts, bands, audio, made, False)
  divergence = parts_lib.kl(posterior)
  rate, hop_length = parts.form.sample_rate, parts.config.method.num_bands * 8
  loudness = [controls.measure_loudness(x, rate, hop_length)
              for x in (audio, pqmf.from_bands(made))]  # fmt: skip
  by_example = {
    "loss": of_bands + of_audio + parts.config.method.beta * divergence,
    "spectral": of_audio,
    "spectral_of_bands": of_bands,
    "kl": divergence,
    "loudness_l1_db": jnp.mean(jnp.abs(loudness[0] - loudness[1]), axis=-1),
  }
  mask = batch["mask"]
  return {name: (jnp.sum(mask * value), jnp.sum(mask)) for name, value in by_example.items()}


def encode(parts: parts_lib.Parts, params: Any, batch: methods.Batch, rng: Any = None) -> jax.Array:
  """[B, N, D] coordinates of the principal components: of the mean, with a key of a draw."""
  _, bands = parts_lib.take(parts, batch)
  posterior, _ = parts_lib.encode(parts, params, bands)
  z = posterior.mean if rng is None else networks_lib.draw(posterior, rng)
  return parts_lib.to_code(params, z)


def decode(
  parts: parts_lib.Parts, params: Any, codes: jax.Array, labels: methods.Batch, rng: jax.Array
) -> jax.Array:
  """[B, T] waveforms of codes, see `encode`; components beyond `method.fidelity` are drawn."""
  del labels
  fill_rng, noise_rng = jax.random.split(rng)
  z = parts_lib.from_code(params, codes, parts.config.method.fidelity, fill_rng)
  audio = pqmf.from_bands(parts_lib.decode(parts, params, z, noise_rng))
  return audio[:, : parts.form.num_samples]


def make_phase(parts: parts_lib.Parts) -> methods.Phase:
  """Once all else is trained: the analysis of the latents, and the prior of their sequences.

  Without a prior it is one step, which has the analysis' metrics.
  """
  prior, flow = parts.prior, parts.config.method.sequence_flow
  drop_rate = parts.config.condition.drop_rate

  def prepare(params, batch):
    _, bands = parts_lib.take(parts, batch)
    mean = parts_lib.encode(parts, params, bands)[0].mean
    return {"mean": mean, "condition": parts.condition.encode(batch, len(mean))}

  def begin(state, rows):
    analysis = parts_lib.analyse(rows["mean"].reshape(-1, parts.latent_dim))
    state = state.replace(buffers={**state.buffers, parts_lib.ANALYSIS: analysis})
    if prior is None:
      return state
    return sequence_prior.begin(state, parts_lib.to_code(state.buffers, rows["mean"]))

  def step(state, rows):
    share = state.buffers[parts_lib.ANALYSIS]["share"]
    dimensions = {
      f"dimensions_{percent}": 1.0 + jnp.sum(share < percent / 100.0)
      for percent in (80, 90, 95, 99)
    }
    if prior is None:
      return state.replace(step=state.step + 1), {"loss": 1.0 - share[0], **dimensions}
    codes, c = parts_lib.to_code(state.buffers, rows["mean"]), rows["condition"]
    if drop_rate:
      drop_rng = jax.random.fold_in(jax.random.fold_in(state.rng, state.step), 1)
      c = parts.condition.drop(c, drop_rng, drop_rate)
    state, metrics = sequence_prior.train_step(prior, flow, state, codes, c)
    return state, {**metrics, **dimensions}

  analysed = parts.config.method.analysed
  if prior is None:
    return methods.Phase("analysis", 1, 1, analysed, prepare, begin, step)
  return methods.Phase("prior", flow.steps, flow.batch_size, analysed, prepare, begin, step)


def draw_code(
  parts: parts_lib.Parts, params: Any, labels: methods.Batch, rng: jax.Array
) -> jax.Array:
  """[B, N, D] codes of the prior."""
  assert parts.prior is not None
  temperature = labels[methods.TEMPERATURE]
  c = parts.condition.encode(labels, len(temperature))
  return parts.prior.sequence(params[flow_prior.KEY], parts.num_frames, c, temperature, rng)


def extend_code(
  parts: parts_lib.Parts, params: Any, codes: jax.Array, labels: methods.Batch, rng: jax.Array
) -> jax.Array:
  """See `methods.Method`."""
  assert parts.prior is not None
  c = parts.condition.encode(labels, len(codes))
  temperature = labels[methods.TEMPERATURE]
  return parts.prior.extend(params[flow_prior.KEY], codes, c, temperature, rng)


def warm_start(state: State, params: Any) -> State:
  """A new run's state with the parameters of another run; discriminators begin anew."""
  started = flow_prior.warm_start(state, params)
  assert isinstance(started, State)
  return started


def make_method(config: ml_collections.ConfigDict, task: methods.Task) -> methods.Method:
  """Builds the method; `config` is a whole one. See `methods.Method` for the functions."""
  parts = parts_lib.make_parts(config, task)
  bind = lambda function: functools.partial(function, parts)
  turn = make_turns(parts)
  return methods.Method(
    init=bind(init),
    train_step=turn(0).train_step,
    eval_step=bind(eval_step),
    code_shape=(parts.num_frames, parts.latent_dim),
    encode=bind(encode),
    decode=bind(decode),
    phase=make_phase(parts),
    turn=turn,
    warm_start=warm_start,
    streamer=rave_streamer.make_streamer(parts),
    draw_code=bind(draw_code) if parts.prior is not None else None,
    extend_code=bind(extend_code) if parts.prior is not None else None,
    context=parts.prior.context if parts.prior is not None else 0,
  )


def get_config() -> ml_collections.ConfigDict:
  """Its fields."""
  config = ml_collections.ConfigDict()
  config.version = parts_lib.PAPER  # paper, v1, v2
  config.num_bands = 16
  config.capacity = 64  # channels of the networks' first and last layers
  config.ratios = (4, 4, 4, 2)  # strides; with the bands, 2,048 samples a latent frame
  config.latent_dim = 128
  config.activation = rave_lib.LEAKY  # or snake, as in the package's snake.gin
  config.causal = False  # whether no sample is seen before it is heard
  config.noise_ratios = (4, 4, 4)  # strides of the noise synthesizer; () for none
  config.noise_amplitudes = 5  # of a band's noise, from its lowest frequency to its highest
  config.early_noise = False  # whether there is noise in phase 1 too, as in the package's v2
  config.fft_sizes = (2048, 1024, 512, 256, 128)
  config.log_floor = 1e-7  # of magnitudes in the logarithms of distances that are trained on
  config.crop = 65_536  # samples that are trained on; 0 for whole examples
  config.phase_share = 0.8  # of the excerpts, whose phases are turned
  # Of the KL, in distances of spectra a nat; the original has 0.1, of a KL twice as large.
  config.beta = 0.2
  config.beta_warmup_steps = 0
  config.adversarial_from = 1_000_000  # the step that phase 2 begins with
  config.critic_every = 2  # one of so many steps of phase 2 is the discriminators'
  config.critic_capacity = 16  # channels of a discriminator's first layer
  config.critic_layers = 4  # of a stride each
  config.adversarial_weight = 1.0
  config.matching_weight = 10.0
  config.critic = config_lib.get_optimizer()
  config.critic.update(
    learning_rate=1e-4, b1=0.5, b2=0.9, schedule="constant", warmup_steps=0, clip_norm=0.0
  )
  config.fidelity = 0.95  # share of the latents' variance that is heard; the rest is drawn
  config.sequence_flow = sequence_prior.get_config()
  config.analysed = 4096  # training examples, at most, of which latents are analysed
  return config


CHOICES = {
  "method.version": (parts_lib.PAPER, parts_lib.V1, parts_lib.V2),
  "method.activation": (rave_lib.LEAKY, rave_lib.SNAKE),
}


def check(config: ml_collections.ConfigDict) -> None:
  """Raises UserError for values that it cannot use; `config` is a whole one."""
  positive = ("num_bands", "capacity", "latent_dim", "noise_amplitudes", "critic_capacity",
              "critic_every", "critic_layers", "analysed", "fidelity", "log_floor")  # fmt: skip
  config_check.need_positive(config, *(f"method.{name}" for name in positive))
  not_negative = ("crop", "beta", "beta_warmup_steps", "adversarial_from", "adversarial_weight",
                  "matching_weight", "phase_share")  # fmt: skip
  config_check.need_not_negative(config, *(f"method.{name}" for name in not_negative))
  config_check.need_choices(config, CHOICES)
  config_check.need_optimizer(config, "method.critic")
  sequence_prior.check(config)


def tiny(config: ml_collections.ConfigDict) -> None:
  """Few bands and channels, short crops, both phases."""
  config.method.update(
    num_bands=4, capacity=4, ratios=(4, 2), latent_dim=4, noise_ratios=(2, 2), crop=2048,
    fft_sizes=(256, 128), critic_capacity=4, critic_layers=2, adversarial_from=10,
  )  # fmt: skip
  config.method.sequence_flow.update(hidden=8, dilations=(1, 2), window=8, steps=4, draw_steps=2)
