"""MCNN: a network that inverts the levels of spectrograms, trained on waveforms alone.

    network 'transposed'  the original's: eight heads of transposed convolutions, and a mask
    network 'spectral'    corrects a spectrum with integrated phases, see `models.common.mcnn`

A run's codes are the features of its representation, and its reconstruction is what other runs get
from it, whose `representation.inversion` names it: see `methods.common.inversion`.

Source: Arik, Jun & Diamos 2019; Aouameur, Esling & Hadjeres 2019, "Neural drum machine": spectral
convergence and log distance of mels, without the terms of phases, and a mask of what sounds. The
printed rule of the channels is read as 2^(L - i) for layer i of L, and 2 for the last. What the
drum machine calls unscaled mels are levels from 0 at the floor to 1 here.
"""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
import optax

from cvae_jax import methods
from cvae_jax.audio import augment
from cvae_jax.audio import decibel
from cvae_jax.audio import level
from cvae_jax.audio import representations
from cvae_jax.core import config_check
from cvae_jax.core import errors
from cvae_jax.methods.common import losses
from cvae_jax.methods.common import mcnn_parts as parts_lib
from cvae_jax.methods.common import waveforms
from cvae_jax.training import gradients
from cvae_jax.training import optimizers
from cvae_jax.training import state as state_lib

_SOUNDING = 1e-3  # of full scale: softer samples at the end of a sound are silence

_ENVELOPE_STEP = 8  # samples
LEAD = 2048  # samples of silence before a sound, at most, in training: onsets lie anywhere


def count_sounding(audio: jax.Array) -> jax.Array:
  """[B] samples of [B, T] waveforms up to the last one that sounds."""
  position = jnp.arange(1, audio.shape[-1] + 1)
  return jnp.max(jnp.where(jnp.abs(audio) > _SOUNDING, position, 0), axis=-1)


def crop(audio: jax.Array, num_samples: int, start_share: float, rng: jax.Array) -> jax.Array:
  """[B, num_samples] excerpts of [B, T] waveforms.

  Args:
    audio: waveforms.
    num_samples: of an excerpt.
    start_share: of the excerpts, which hold the waveform's start: half of them begin with it, the
      others with up to `LEAD` samples of silence before it. The other excerpts begin anywhere up to
      half an excerpt before the last sounding sample.
    rng: random key.
  """
  start_rng, lead_rng, share_rng = jax.random.split(rng, 3)
  last = jnp.clip(count_sounding(audio) - num_samples // 2, 0, audio.shape[1] - num_samples)
  start = jax.random.uniform(start_rng, last.shape) * last
  lead = LEAD * jnp.maximum(jax.random.uniform(lead_rng, last.shape, minval=-1.0), 0.0)
  is_start = jax.random.uniform(share_rng, last.shape) < start_share
  start = LEAD + jnp.where(is_start, -lead, start).astype(jnp.int32)
  cut = lambda x, i: jax.lax.dynamic_slice_in_dim(x, i, num_samples)
  return jax.vmap(cut)(jnp.pad(audio, ((0, 0), (LEAD, 0))), start)


def mask_loss(audio: jax.Array, mask_logits: jax.Array) -> jax.Array:
  """[B] binary cross-entropy of masks: 1 up to the last sample that sounds, and then 0."""
  target = jnp.arange(audio.shape[-1]) < count_sounding(audio)[:, None]
  return jnp.mean(optax.sigmoid_binary_cross_entropy(mask_logits, target), axis=-1)


def level_losses(level_db: jax.Array, predicted_db: jax.Array) -> dict[str, jax.Array]:
  """Distances of [B, N, F] levels in dB, [B] each, as the original has them.

  Returns:
    'convergence', |S - S'| / |S| of the amplitudes, and 'log_ratio', the sum of |log S - log S'|
    over that of |log S|.
  """
  a, b = (decibel.db_to_amplitude(x) for x in (level_db, predicted_db))
  norm = lambda x: jnp.sqrt(jnp.sum(jnp.square(x), axis=(1, 2)) + 1e-12)
  total = lambda x: jnp.sum(jnp.abs(x), axis=(1, 2))
  return {
    "convergence": norm(a - b) / norm(a),
    "log_ratio": total(level_db - predicted_db) / jnp.maximum(total(level_db), 1.0),
  }


def objective(
  parts: parts_lib.Parts,
  params: Any,
  audio: jax.Array,
  rng: jax.Array,
) -> tuple[jax.Array, dict[str, jax.Array]]:
  """[B] losses of waveforms, as of `parts`, and their terms."""
  settings, representation = parts.config.method, parts.representation
  features = representation.encode(audio)
  inverted = parts_lib.invert(parts, params, features, rng)
  predicted = inverted.audio
  if inverted.mask_logits is not None:
    predicted *= jax.nn.sigmoid(inverted.mask_logits)
  predicted_db = representation.level_db(representation.encode(predicted))
  terms = level_losses(representation.level_db(features), predicted_db)
  loss = settings.convergence_weight * terms["convergence"]
  loss += settings.log_weight * terms["log_ratio"]
  if inverted.mask_logits is not None:
    terms["mask"] = mask_loss(audio, inverted.mask_logits)
    loss += settings.mask_weight * terms["mask"]
  if settings.spectral_weight:
    terms["spectral"] = losses.multi_resolution_stft(audio, predicted, settings.fft_sizes)
    loss += settings.spectral_weight * terms["spectral"]
  if settings.envelope_weight:
    terms["envelope"] = envelope_distance(audio, predicted, parts.form.sample_rate)
    loss += settings.envelope_weight * terms["envelope"]
  return loss, terms


def envelope_distance(audio: jax.Array, predicted: jax.Array, sample_rate: int) -> jax.Array:
  """[B] |e - e'| / |e| of the envelopes of [B, T] waveforms: the root of the power within 2 ms."""
  width = max(round(0.002 * sample_rate / _ENVELOPE_STEP), 1)

  def envelope(x):
    power = jnp.square(x[:, : x.shape[1] // _ENVELOPE_STEP * _ENVELOPE_STEP])
    power = jnp.mean(power.reshape(len(x), -1, _ENVELOPE_STEP), axis=-1)
    count = power.shape[1] - width + 1
    return jnp.sqrt(sum(power[:, i : i + count] for i in range(width)) / width + 1e-9)

  norm = lambda x: jnp.sqrt(jnp.sum(jnp.square(x), axis=1) + 1e-12)
  a, b = envelope(audio), envelope(predicted)
  return norm(a - b) / norm(a)


def init(
  parts: parts_lib.Parts,
  optimizer: optax.GradientTransformation,
  rng: jax.Array,
  batch: methods.Batch,
) -> state_lib.TrainState:
  """The state that a run begins with."""
  del batch
  params_rng, run_rng = jax.random.split(rng)
  params = parts_lib.init(parts, params_rng)
  return state_lib.init_state(params, optimizer, run_rng, parts.config.optimizer.ema_decay)


def train_step(
  parts: parts_lib.Parts,
  optimizer: optax.GradientTransformation,
  state: state_lib.TrainState,
  batch: methods.Batch,
) -> tuple[state_lib.TrainState, dict[str, jax.Array]]:
  """One step of the optimizer, on excerpts, which `parts` are of."""
  config = parts.config
  vary_rng, crop_rng, noise_rng = jax.random.split(jax.random.fold_in(state.rng, state.step), 3)
  audio = level.normalize(batch["audio"])
  audio = crop(audio, parts.form.num_samples, config.method.start_share, crop_rng)
  audio = augment.vary(
    audio,
    vary_rng,
    parts.form.sample_rate,
    config.augment.equaliser_db,
    config.augment.envelope_db,
  )
  # Excerpts of ends stay as soft as they are.
  audio *= jnp.minimum(level.PEAK / (jnp.max(jnp.abs(audio), axis=1, keepdims=True) + 1e-6), 1.0)

  def loss_fn(params, audio):
    loss, terms = objective(parts, params, audio, noise_rng)
    return jnp.mean(loss), jax.tree.map(jnp.mean, terms)

  (value, metrics), grads = gradients.of_mean(
    loss_fn, state.params, audio, config.train.accumulate_steps
  )
  metrics = {"loss": value, **metrics, "grad_norm": optax.global_norm(grads)}
  state = state_lib.apply_gradients(state, grads, optimizer, config.optimizer.ema_decay)
  return state, metrics


def eval_step(
  parts: parts_lib.Parts, params: Any, batch: methods.Batch, rng: jax.Array
) -> methods.Sums:
  """Sums over a batch, and counts: of whole waveforms, at the levels that they are inverted at."""
  audio = level.normalize(jnp.asarray(batch["audio"]))
  features = parts.representation.encode(audio)
  predicted = parts_lib.decode(parts, params, features, rng)
  level_db = parts.representation.level_db
  made = parts.representation.encode(predicted)
  by_example = {
    "loss": objective(parts, params, audio, rng)[0],
    "convergence": level_losses(level_db(features), level_db(made))["convergence"],
    "multi_resolution": losses.multi_resolution_stft(audio, predicted),
    **waveforms.error_metrics(waveforms.squared_error_db(parts.representation, features, made)),
  }
  mask = batch["mask"]
  return {name: (jnp.sum(mask * value), jnp.sum(mask)) for name, value in by_example.items()}


def encode(parts: parts_lib.Parts, params: Any, batch: methods.Batch, rng: Any = None) -> jax.Array:
  """[B, N, F] features of waveforms."""
  del params, rng
  return waveforms.encode_features(parts.representation, batch)[..., 0]


def decode(
  parts: parts_lib.Parts, params: Any, codes: jax.Array, labels: methods.Batch, rng: jax.Array
) -> jax.Array:
  """[B, T] waveforms of features, as a run that inverts by this one makes them."""
  del labels
  decode_levels = functools.partial(parts_lib.decode, parts, params)
  representation = parts.representation._replace(decode=decode_levels)
  return waveforms.decode_features(representation, parts.form, codes[..., None], rng)


def make_method(config: ml_collections.ConfigDict, task: methods.Task) -> methods.Method:
  """Builds the method; `config` is a whole one. See `methods.Method` for the functions."""
  representation, form = task.need_representation()
  whole = parts_lib.make_parts(config, form, representation)
  num_samples = min(config.method.crop or form.num_samples, form.num_samples)
  short = dataclasses.replace(form, num_samples=num_samples)
  parts = parts_lib.make_parts(config, short, methods.make_representation(config, short))
  optimizer = optimizers.make_optimizer(config.optimizer, task.total_steps)
  bind = lambda function: functools.partial(function, whole)
  return methods.Method(
    init=functools.partial(init, whole, optimizer),
    train_step=functools.partial(train_step, parts, optimizer),
    eval_step=bind(eval_step),
    code_shape=representation.shape[:2],
    encode=bind(encode),
    decode=bind(decode),
    full_level=True,
    warm_start=state_lib.warm_start,
  )


def get_config() -> ml_collections.ConfigDict:
  """Its fields."""
  config = ml_collections.ConfigDict()
  config.network = parts_lib.SPECTRAL  # spectral, transposed (the original's)
  config.crop = 16_384  # samples that are trained on; 0 for whole examples
  config.start_share = 0.7  # of the excerpts, which begin where the sound does
  config.convergence_weight = 3.0  # of the spectral convergence of levels' amplitudes
  config.log_weight = 100.0  # of the ratio of the levels' distance
  config.spectral_weight = 2.0  # of the distance of waveforms' spectra
  config.envelope_weight = 2.0  # of the distance of waveforms' envelopes
  config.fft_sizes = (2048, 1024, 512, 256, 128, 64)  # samples
  # spectral:
  config.hidden = 160  # features of a block
  config.blocks = 3
  config.expansion = 2  # of a block's features within it
  config.kernel_size = 7  # frames that a block sees
  config.fine_bins = 128  # of the spectrum, that have corrections of their own
  config.points = 16  # of the waveform's envelope in a hop
  config.refinements = 2  # times that the levels are compared with the features', and corrected
  # transposed:
  config.heads = 8
  config.head_kernel = 13  # taps
  config.mask_weight = 1.0  # of the cross-entropy of the mask
  return config


CHOICES = {"method.network": (parts_lib.SPECTRAL, parts_lib.TRANSPOSED)}


def check(config: ml_collections.ConfigDict) -> None:
  """Raises UserError for values that it cannot use; `config` is a whole one."""
  positive = ("hidden", "blocks", "expansion", "kernel_size", "fine_bins", "points", "heads",
              "head_kernel")  # fmt: skip
  config_check.need_positive(config, *(f"method.{name}" for name in positive))
  not_negative = ("crop", "start_share", "convergence_weight", "log_weight", "spectral_weight",
                  "envelope_weight",                  "refinements", "mask_weight")  # fmt: skip
  config_check.need_not_negative(config, *(f"method.{name}" for name in not_negative))
  config_check.need_choices(config, CHOICES)
  settings = config.method
  if not settings.fft_sizes or min(settings.fft_sizes) < 16:
    raise errors.UserError(f"method.fft_sizes must be 16 or more, got {settings.fft_sizes}")
  if "representation" not in config:
    return
  features = config.representation
  if features.hop_length % settings.points:
    raise errors.UserError(
      f"method.points must divide the {features.hop_length} samples of "
      f"representation.hop_length, got {settings.points}"
    )
  if features.standardize:
    raise errors.UserError(
      "representation.standardize must be False: method.name=mcnn inverts levels, for runs that "
      "are standardised too"
    )
  if features.get("inversion", representations.GRIFFIN_LIM) != representations.GRIFFIN_LIM:
    raise errors.UserError(
      f"representation.inversion must be {representations.GRIFFIN_LIM}: method.name=mcnn is itself "
      f"an inversion, got {features.inversion}"
    )


def tiny(config: ml_collections.ConfigDict) -> None:
  """Small networks and short excerpts."""
  config.method.update(
    crop=2048, fft_sizes=(256, 64), hidden=16, blocks=1, points=4, heads=2, head_kernel=5
  )
  if "representation" in config:
    config.representation.hop_length = 64  # An inverse STFT needs frames that overlap.
