"""DDSP: a sound is its f0, its loudness and its timbre, which a network makes of synthesizers.

    latent 'none'       of one instrument: f0 and loudness are all that a sound is made of
    latent 'sequence'   the autoencoder: and a latent that varies in time, of the sound's cepstrum
    latent 'note'       a VAE of notes: and a latent z of the note, conditioned on its labels. Its
                        curves of loudness and f0 are decoded from z as well, so that it can draw

The distance to a sound is that of its spectra at several scales: of a waveform, so that attacks and
noise are learnt as what they are. With f0, loudness and z it is exp(-distance) that takes the place
of a likelihood of the VAE.

Source: Engel et al. 2020, "DDSP: Differentiable Digital Signal Processing".
"""

import functools
from typing import Any
from typing import NamedTuple

from flax import linen as nn
import jax
import jax.numpy as jnp
import ml_collections
import optax

from cvae_jax import methods
from cvae_jax.audio import augment
from cvae_jax.audio import controls as controls_lib
from cvae_jax.audio import level
from cvae_jax.core import config_check
from cvae_jax.core import errors
from cvae_jax.methods.common import ddsp_parts as parts_lib
from cvae_jax.methods.common import ddsp_performer
from cvae_jax.methods.common import flow_prior
from cvae_jax.methods.common import losses
from cvae_jax.methods.common import networks as networks_lib
from cvae_jax.training import gradients
from cvae_jax.training import state as state_lib


def curve_error(
  parts: parts_lib.Parts, params: Any, z: jax.Array, sound: parts_lib.Sound, labels: methods.Batch
) -> tuple[jax.Array, jax.Array]:
  """[B] mean squared errors of a note's curves: loudness in (80 dB)^2, deviation in semitones^2.

  Deviations count by confidence and loudness: silence has no pitch.
  """
  curves, controls = parts.apply("decode_curves", params, z, parts.note_condition(labels)), sound[1]
  scaled = controls.loudness_db / controls_lib.RANGE_DB + 1.0
  deviation = parts_lib.deviation_of(labels, controls.f0_hz)
  weight = controls.confidence * jnp.clip(scaled, 0.0)
  error = weight * jnp.square(curves[..., 1] - deviation)
  return jnp.mean(jnp.square(curves[..., 0] - scaled), axis=1), jnp.mean(error, axis=1)


def init(parts: parts_lib.Parts, rng: jax.Array, batch: methods.Batch) -> state_lib.TrainState:
  """The state that a run begins with."""
  params_rng, run_rng = jax.random.split(rng)

  def every(networks, sound, labels):
    """Calls every network once, to initialise its parameters."""
    z = None
    bound = parts._replace(networks=_Bound(networks))
    if parts.latent == parts_lib.SEQUENCE:
      z = parts_lib.encode_sequence(bound, None, sound)
    elif parts.latent == parts_lib.NOTE:
      z = parts_lib.encode_note(bound, None, sound, labels).mean
      parts_lib.note_controls(bound, None, z, labels)
    c = sound.controls
    networks.decode(parts_lib.decoder_inputs(bound, c.f0_hz, c.loudness_db, z, labels))

  sound = parts_lib.measure(parts, parts.levelled(jnp.asarray(batch["audio"])), batch)
  variables = nn.init(every, parts.networks)(params_rng, sound, batch)
  params, buffers = state_lib.split(variables)
  buffers[ddsp_performer.KEY] = ddsp_performer.unknown()
  ema_decay = parts.config.optimizer.ema_decay
  state = state_lib.init_state(params, parts.optimizer, run_rng, ema_decay, buffers)
  if parts.flow is None:
    return state
  flow_rng = jax.random.fold_in(params_rng, 1)
  c = parts.note_condition(batch)
  return flow_prior.attach(state, parts.flow, parts.config.method.flow, flow_rng, c)


class _Bound(NamedTuple):
  """A bound module in the place of one that is given parameters."""

  networks: parts_lib.Networks

  def apply(self, params: Any, *inputs: Any, method: str) -> Any:
    """A function of the bound module."""
    del params
    return getattr(self.networks, method)(*inputs)


def loss(
  parts: parts_lib.Parts, step: jax.Array, params: Any, inputs: dict[str, Any]
) -> tuple[jax.Array, dict[str, jax.Array]]:
  """Distance of the spectra, and of a note -log q of its curves and the KL; and metrics."""
  settings, sound, labels = parts.config.method, inputs["sound"], inputs["labels"]
  z, metrics, cost = None, {}, 0.0
  if parts.latent == parts_lib.SEQUENCE:
    z = parts_lib.encode_sequence(parts, params, sound)
  elif parts.latent == parts_lib.NOTE:
    posterior = parts_lib.encode_note(parts, params, sound, labels)
    z = networks_lib.reparameterize(posterior, inputs["noise"])
    loudness, deviation = curve_error(parts, params, z, sound, labels)
    kl = jnp.sum(losses.kl_to_standard_normal(*posterior), axis=-1)
    beta = losses.beta_schedule(step, settings.beta, settings.beta_warmup_steps)
    cost = beta * jnp.mean(kl) + settings.loudness_weight * jnp.mean(loudness)
    cost += settings.deviation_weight * jnp.mean(deviation)
    metrics = {
      "kl": jnp.mean(kl),
      "loudness_db": controls_lib.RANGE_DB * jnp.sqrt(jnp.mean(loudness)),
      "deviation_semitones": jnp.sqrt(jnp.mean(deviation)),
    }
  audio = parts_lib.perform(parts, params, sound.controls, z, labels, inputs["rng"])
  spectral = jnp.mean(spectral_distance(parts, sound.audio, audio))
  return spectral + cost, {"spectral": spectral, **metrics}


def spectral_distance(parts: parts_lib.Parts, audio: jax.Array, predicted: jax.Array) -> jax.Array:
  """[B] of `losses.multi_scale_spectral`, by the config's sizes."""
  settings = parts.config.method
  return losses.multi_scale_spectral(
    audio, predicted, settings.fft_sizes, settings.log_weight, settings.log_floor
  )


def train_step(
  parts: parts_lib.Parts, state: state_lib.TrainState, batch: methods.Batch
) -> tuple[state_lib.TrainState, dict[str, jax.Array]]:
  """One step of the optimizer."""
  config = parts.config
  vary_rng, noise_rng, z_rng = jax.random.split(jax.random.fold_in(state.rng, state.step), 3)
  audio = augment.vary(
    batch["audio"],
    vary_rng,
    parts.form.sample_rate,
    config.augment.equaliser_db,
    config.augment.envelope_db,
  )
  sound = parts_lib.measure(parts, parts.levelled(audio), batch)
  labels = {name: batch[name] for name in config.condition.labels}
  noise = jax.random.normal(z_rng, (len(audio), config.method.latent_dim))
  inputs = {"sound": sound, "labels": labels, "noise": noise}
  buffers = state.buffers or {}

  def loss_fn(params, inputs):
    whole = {**params, **buffers}
    return loss(parts, state.step, whole, {**inputs, "rng": noise_rng})

  (value, metrics), grads = gradients.of_mean(
    loss_fn, state.params, inputs, config.train.accumulate_steps
  )
  metrics = {"loss": value, **metrics, "grad_norm": optax.global_norm(grads)}
  ema_decay = config.optimizer.ema_decay
  return state_lib.apply_gradients(state, grads, parts.optimizer, ema_decay), metrics


def eval_step(
  parts: parts_lib.Parts, params: Any, batch: methods.Batch, rng: jax.Array
) -> methods.Sums:
  """Sums over a batch, and counts: of the reconstruction, of a note from its latent's mean."""
  sound = parts_lib.measure(parts, parts.levelled(jnp.asarray(batch["audio"])), batch)
  by_example, cost, z, controls = {}, 0.0, None, sound.controls
  if parts.latent == parts_lib.SEQUENCE:
    z = parts_lib.encode_sequence(parts, params, sound)
  elif parts.latent == parts_lib.NOTE:
    posterior = parts_lib.encode_note(parts, params, sound, batch)
    z = posterior.mean
    controls = parts_lib.note_controls(parts, params, z, batch)
    kl = jnp.sum(losses.kl_to_standard_normal(*posterior), axis=-1)
    by_example, cost = {"kl": kl}, parts.config.method.beta * kl
  audio = parts_lib.perform(parts, params, controls, z, batch, rng)
  spectral = spectral_distance(parts, sound.audio, audio)
  rate, hop_length = parts.form.sample_rate, parts.tracking.hop_length
  loudness_db = controls_lib.measure_loudness(audio, rate, hop_length)
  error_db = jnp.mean(jnp.abs(loudness_db - sound.controls.loudness_db), axis=-1)
  by_example = {
    "loss": spectral + cost, "spectral": spectral, "loudness_l1_db": error_db, **by_example,
  }  # fmt: skip
  mask = batch["mask"]
  return {name: (jnp.sum(mask * value), jnp.sum(mask)) for name, value in by_example.items()}


def encode(parts: parts_lib.Parts, params: Any, batch: methods.Batch, rng: Any = None) -> jax.Array:
  """[B, D] posterior's mean of a note, with a key a draw; else [B, N, 2 + D] controls and z."""
  sound = parts_lib.measure(parts, parts.levelled(jnp.asarray(batch["audio"])), batch)
  if parts.latent == parts_lib.NOTE:
    posterior = parts_lib.encode_note(parts, params, sound, batch)
    return posterior.mean if rng is None else networks_lib.draw(posterior, rng)
  scaled = controls_lib.scale(sound.controls.f0_hz, sound.controls.loudness_db)
  if parts.latent == parts_lib.NONE:
    return scaled
  return jnp.concatenate([scaled, parts_lib.encode_sequence(parts, params, sound)], axis=-1)


def decode(
  parts: parts_lib.Parts, params: Any, codes: jax.Array, labels: methods.Batch, rng: jax.Array
) -> jax.Array:
  """[B, T] waveforms of codes, see `encode`."""
  if parts.latent == parts_lib.NOTE:
    controls = parts_lib.note_controls(parts, params, codes, labels)
    audio = parts_lib.perform(parts, params, controls, codes, labels, rng)
    return level.peak_normalize(level.fade_ends(audio, parts.form.sample_rate))
  f0_hz, loudness_db = controls_lib.unscale(codes[..., :2])
  controls = controls_lib.Controls(f0_hz, loudness_db, jnp.ones_like(f0_hz))
  return parts_lib.perform(parts, params, controls, codes[..., 2:], labels, rng)


def draw_code(
  parts: parts_lib.Parts, params: Any, labels: methods.Batch, rng: jax.Array
) -> jax.Array:
  """[B, D] z of the prior of notes, at the temperature of the labels."""
  temperature = labels[methods.TEMPERATURE]
  if parts.flow is not None:
    c = parts.note_condition(labels)
    return parts.flow.sample(params[flow_prior.KEY], c, temperature, rng)
  noise = jax.random.normal(rng, (len(temperature), parts.config.method.latent_dim))
  return noise * temperature[:, None]


def make_phase(parts: parts_lib.Parts) -> methods.Phase | None:
  """The training of the flow on the latents of notes; None without one."""
  if parts.flow is None:
    return None

  def encode_batch(params, batch):
    sound = parts_lib.measure(parts, parts.levelled(jnp.asarray(batch["audio"])), batch)
    return parts_lib.encode_note(parts, params, sound, batch), parts.note_condition(batch)

  return flow_prior.make_phase(parts.flow, parts.config.method.flow, encode_batch, None)


def make_method(config: ml_collections.ConfigDict, task: methods.Task) -> methods.Method:
  """Builds the method; `config` is a whole one. See `methods.Method` for the functions."""
  parts = parts_lib.make_parts(config, task)
  bind = lambda function: functools.partial(function, parts)
  settings, is_note = config.method, config.method.latent == parts_lib.NOTE
  latent_dim = 0 if settings.latent == parts_lib.NONE else settings.latent_dim
  return methods.Method(
    init=bind(init),
    train_step=bind(train_step),
    eval_step=bind(eval_step),
    code_shape=(latent_dim,) if is_note else (parts.num_frames, 2 + latent_dim),
    encode=bind(encode),
    decode=bind(decode),
    draw_code=bind(draw_code) if is_note else None,
    full_level=is_note,
    phase=make_phase(parts),
    warm_start=flow_prior.warm_start,
    fit=functools.partial(ddsp_performer.fit, parts),
    performer=ddsp_performer.make_performer(parts),
  )


def get_config() -> ml_collections.ConfigDict:
  """Its fields."""
  config = ml_collections.ConfigDict()
  config.latent = (
    parts_lib.SEQUENCE
  )  # none, sequence (that of every frame), note (one of a note: a VAE)
  config.latent_dim = 16
  config.hop_length = 128  # samples of a frame of controls
  config.fmin_hz = 40.0  # of f0
  config.fmax_hz = 2000.0
  config.f0_frame_length = 1024  # samples that f0 is found in; more than two periods of fmin_hz
  config.harmonics = 60
  # Whether what is played is as loud as asked for by construction; the original learns it.
  config.exact_loudness = True
  config.bands = 65  # of the noise, from 0 to half the sample rate
  config.hidden = 128  # features of a layer of the decoder
  config.layers = 2  # of each stack of it
  config.recurrent = 128  # features of its GRU
  config.encoder_recurrent = 128  # of the encoder's
  config.cepstra = 30  # that a latent is encoded from
  config.cepstrum_mels = 128
  config.cepstrum_fft = 1024  # samples
  config.room_s = 0.0  # of the impulse response of a room that is learnt; 0.0 for none
  config.fft_sizes = (2048, 1024, 512, 256, 128, 64)  # of the distance of spectra, in samples
  config.log_weight = 1.0  # of the magnitudes' logarithm in it
  config.log_floor = 1e-3  # magnitudes under it count as silence in the logarithm
  # note:
  config.beta = 0.005  # of the KL, in distances of spectra a nat
  config.beta_warmup_steps = 200
  config.loudness_weight = 400.0  # of the squared error of a note's loudness, in units of 80 dB
  config.deviation_weight = 50.0  # of that of its deviation from its pitch, in semitones
  config.curve_hidden = 256  # features of a layer of the curves' decoder
  config.attack_s = 0.25  # of a note, in which every frame of its curves is free
  config.knot_s = 0.032  # from knot to knot of its curves afterwards
  config.prior = "flow"  # standard (N(0, I)), flow: see vae
  config.flow = flow_prior.get_config()
  config.flow.update(hidden=256, blocks=3)
  return config


_POSITIVE = (
  "latent_dim", "hop_length", "fmin_hz", "harmonics", "bands", "hidden", "layers", "recurrent",
  "encoder_recurrent", "cepstra", "cepstrum_mels", "cepstrum_fft", "log_floor", "curve_hidden",
  "knot_s",
)  # fmt: skip
_NOT_NEGATIVE = (
  "room_s",
  "log_weight",
  "beta",
  "beta_warmup_steps",
  "loudness_weight",
  "deviation_weight",
  "attack_s",
)


CHOICES = {
  "method.latent": (parts_lib.NONE, parts_lib.SEQUENCE, parts_lib.NOTE),
  "method.prior": ("standard", "flow"),
}


def check(config: ml_collections.ConfigDict) -> None:
  """Raises UserError for values that it cannot use; `config` is a whole one."""
  config_check.need_positive(config, *(f"method.{name}" for name in _POSITIVE))
  config_check.need_not_negative(config, *(f"method.{name}" for name in _NOT_NEGATIVE))
  config_check.need_choices(config, CHOICES)
  flow_prior.check(config)
  settings = config.method
  if settings.bands < 2:
    raise errors.UserError(f"method.bands must be at least 2, got {settings.bands}")
  if not settings.fft_sizes or min(settings.fft_sizes) < 16:
    raise errors.UserError(f"method.fft_sizes must be 16 or more, got {settings.fft_sizes}")


def paper(config: ml_collections.ConfigDict) -> None:
  """The original's networks, frames, objective and schedule (250 Hz of 16 kHz; 1 M steps)."""
  solo = config.method.latent == parts_lib.NONE
  config.method.update(
    hop_length=64, harmonics=60 if solo else 100, hidden=512, layers=3, recurrent=512,
    encoder_recurrent=512, exact_loudness=False, log_floor=1e-5, room_s=3.0 if solo else 0.0,
  )  # fmt: skip
  config.optimizer.update(learning_rate=3e-4, b2=0.999, schedule="exponential")
  config.optimizer.update(warmup_steps=0, decay_steps=10_000, decay_rate=0.98, weight_decay=0.0)
  config.train.update(batch_size=32, steps=1_000_000)


def tiny(config: ml_collections.ConfigDict) -> None:
  """Few harmonics and bands, small networks, a small flow."""
  config.method.update(
    hop_length=500, harmonics=8, bands=9, hidden=16, layers=1, recurrent=16, encoder_recurrent=16,
    latent_dim=4, curve_hidden=16, fft_sizes=(512, 64), beta_warmup_steps=5,
  )  # fmt: skip
  config.method.room_s = min(config.method.room_s, 0.1)
  config.method.flow.update(hidden=32, blocks=1, steps=10, batch_size=16, draw_steps=4)
