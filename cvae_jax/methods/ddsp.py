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
from cvae_jax.audio import frame_controls
from cvae_jax.audio import harmonic_noise
from cvae_jax.audio import level
from cvae_jax.audio import mel
from cvae_jax.audio import stft
from cvae_jax.core import config_check
from cvae_jax.core import errors
from cvae_jax.data import forms
from cvae_jax.data import vocabulary as vocabulary_lib
from cvae_jax.methods.common import condition as condition_lib
from cvae_jax.methods.common import flow_prior
from cvae_jax.methods.common import losses
from cvae_jax.methods.common import networks as networks_lib
from cvae_jax.models.common import ddsp as ddsp_lib
from cvae_jax.training import gradients
from cvae_jax.training import state as state_lib

NONE, SEQUENCE, NOTE = "none", "sequence", "note"
_PITCH = vocabulary_lib.PITCH
_CEPSTRUM_FMIN_HZ, _CEPSTRUM_FLOOR = 20.0, 1e-5


class Networks(nn.Module):
  """All that is learnt; what a kind of latent does not need is None.

  Attributes:
    decoder: of frames.
    encoder: of the latent.
    curves: of a note.
    room_length: samples of the room's impulse response; 0 for none.
  """

  decoder: ddsp_lib.FrameDecoder
  encoder: nn.Module | None = None
  curves: ddsp_lib.CurveDecoder | None = None
  room_length: int = 0

  def setup(self):
    if self.room_length:
      init = nn.initializers.normal(1e-6)
      self.response = self.param("room", init, (self.room_length,))

  def encode(self, *inputs: jax.Array) -> Any:
    """The latent of a sound."""
    assert self.encoder is not None
    return self.encoder(*inputs)

  def decode(self, inputs: tuple[jax.Array, ...], carry: jax.Array | None = None) -> Any:
    """The state after the last frame, and `harmonic_noise.Parameters`."""
    return self.decoder(inputs, carry)

  def decode_curves(self, z: jax.Array, c: jax.Array) -> jax.Array:
    """[B, N, 2] of `ddsp.CurveDecoder`."""
    assert self.curves is not None
    return self.curves(z, c)

  def room(self) -> jax.Array | None:
    """The room's impulse response; None without one."""
    return self.response if self.room_length else None


class Parts(NamedTuple):
  """What the functions of the method work with.

  Attributes:
    config: a whole one.
    form: of the waveforms.
    tracking: of f0.
    timbre: from the labels but the pitch to the condition of timbre.
    networks: `Networks`, all but a flow.
    flow: the prior where it is a flow, else None.
    optimizer: of all parameters.
  """

  config: ml_collections.ConfigDict
  form: forms.Waveform
  tracking: controls_lib.Tracking
  timbre: condition_lib.Condition
  networks: Any
  flow: flow_prior.FlowPrior | None
  optimizer: optax.GradientTransformation

  @property
  def latent(self) -> str:
    """The kind of latent."""
    return self.config.method.latent

  @property
  def num_frames(self) -> int:
    """Frames of an example."""
    return self.form.num_samples // self.tracking.hop_length

  @property
  def cepstrum_frames(self) -> float:
    """Frames of controls from one cepstrum to the next."""
    return 0.5 * self.config.method.cepstrum_fft / self.tracking.hop_length

  def apply(self, function: str, params: Any, *inputs: Any) -> Any:
    """A function of `networks` with these parameters."""
    return self.networks.apply(params, *inputs, method=function)

  def note_condition(self, labels: methods.Batch) -> jax.Array:
    """[B, K] of all labels of a note: its timbre's, and its pitch as a number."""
    pitch = jnp.asarray(labels[_PITCH], jnp.float32)[:, None]
    return jnp.concatenate([self.timbre.encode(labels, len(pitch)), pitch / 127.0], axis=-1)

  def levelled(self, audio: jax.Array) -> jax.Array:
    """[B, T] without an offset; notes are of one peak, excerpts keep their level."""
    return level.normalize(audio) if self.latent == NOTE else level.remove_dc(audio)


class Sound(NamedTuple):
  """A batch as the networks see it.

  Attributes:
    audio: [B, T].
    controls: of N frames.
    cepstra: [B, M, C]; empty without a latent.
  """

  audio: jax.Array
  controls: controls_lib.Controls
  cepstra: jax.Array


def measure_cepstra(parts: Parts, audio: jax.Array) -> jax.Array:
  """[B, M, C] mel-frequency cepstra, some every 30 ms."""
  settings, rate = parts.config.method, parts.form.sample_rate
  n_fft = settings.cepstrum_fft
  magnitude = jnp.abs(stft.stft(audio, n_fft, n_fft // 2))
  bands = mel.linear_to_mel(
    magnitude, rate, settings.cepstrum_mels, _CEPSTRUM_FMIN_HZ, rate / 2.0, htk=True
  )
  return mel.cepstrum(jnp.log(jnp.maximum(bands, _CEPSTRUM_FLOOR)), settings.cepstra)


def measure(parts: Parts, audio: jax.Array, batch: methods.Batch) -> Sound:
  """A batch's sound: `audio` is that of the batch, varied or not.

  f0 is that of the batch where it was tracked before, see `data.tracked`.
  """
  rate, hop_length = parts.form.sample_rate, parts.tracking.hop_length
  loudness_db = controls_lib.measure_loudness(audio, rate, hop_length)
  if controls_lib.F0_KEY in batch:
    f0_hz, confidence = batch[controls_lib.F0_KEY], batch[controls_lib.CONFIDENCE_KEY]
  else:
    f0_hz, confidence = parts.tracking.track(audio, rate)
  cepstra = measure_cepstra(parts, audio) if parts.latent != NONE else jnp.zeros((len(audio), 0, 0))
  return Sound(audio, controls_lib.Controls(f0_hz, loudness_db, confidence), cepstra)


def encode_sequence(parts: Parts, params: Any, sound: Sound) -> jax.Array:
  """[B, N, D] the latent of every frame."""
  z = parts.apply("encode", params, sound.cepstra)
  return frame_controls.resample(z, parts.num_frames, 1.0 / parts.cepstrum_frames)


def deviation_of(labels: methods.Batch, f0_hz: jax.Array) -> jax.Array:
  """[B, N] semitones of f0 over a note's pitch."""
  pitch = jnp.asarray(labels[_PITCH], jnp.float32)[:, None]
  return controls_lib.hz_to_pitch(f0_hz) - pitch


def encode_note(parts: Parts, params: Any, sound: Sound, labels: methods.Batch) -> Any:
  """q(z | x, c) of notes."""
  controls, count = sound.controls, sound.cepstra.shape[1]
  curves = jnp.stack([
    controls.loudness_db / controls_lib.RANGE_DB + 1.0,
    jnp.clip(deviation_of(labels, controls.f0_hz), -1.0, 1.0) * controls.confidence,
  ], axis=-1)  # fmt: skip
  frames = jnp.concatenate(
    [sound.cepstra * 0.1, frame_controls.resample(curves, count, parts.cepstrum_frames)], axis=-1
  )
  return parts.apply("encode", params, frames, parts.note_condition(labels))


def decoder_inputs(
  parts: Parts, f0_hz: jax.Array, loudness_db: jax.Array, z: Any, labels: methods.Batch
) -> tuple[jax.Array, ...]:
  """Inputs [B, N, C] of the decoder; z is [B, N, D] or, of a note, [B, D]."""
  scaled = controls_lib.scale(f0_hz, loudness_db)
  inputs = (scaled[..., 1:], scaled[..., :1])
  if parts.latent == NONE:
    return inputs
  if z.ndim == 2:
    z = jnp.concatenate([z, parts.timbre.encode(labels, len(z))], axis=-1)
    z = jnp.broadcast_to(z[:, None], (*f0_hz.shape, z.shape[-1]))
  return (*inputs, z)


def perform(
  parts: Parts,
  params: Any,
  controls: controls_lib.Controls,
  z: jax.Array | None,
  labels: methods.Batch,
  rng: jax.Array,
) -> jax.Array:
  """[B, T] the sound of controls of any number of frames, with a latent.

  Args:
    parts: of the method.
    params: of the networks.
    controls: of N frames.
    z: [B, N, D], of a note [B, D]; None for a method without.
    labels: of timbre.
    rng: of the noise.
  """
  inputs = decoder_inputs(parts, controls.f0_hz, controls.loudness_db, z, labels)
  _, parameters = parts.apply("decode", params, inputs)
  return harmonic_noise.synthesize(
    controls.f0_hz,
    parameters,
    parts.tracking.hop_length,
    parts.form.sample_rate,
    rng,
    parts.apply("room", params),
  )


def note_controls(
  parts: Parts, params: Any, z: jax.Array, labels: methods.Batch
) -> controls_lib.Controls:
  """The controls of a note: curves of its latent, at the pitch of its labels."""
  curves = parts.apply("decode_curves", params, z, parts.note_condition(labels))
  pitch = jnp.asarray(labels[_PITCH], jnp.float32)[:, None] + curves[..., 1]
  loudness_db = jnp.clip(curves[..., 0] - 1.0, -1.0) * controls_lib.RANGE_DB
  return controls_lib.Controls(
    controls_lib.pitch_to_hz(pitch), loudness_db, jnp.ones_like(loudness_db)
  )


def curve_error(
  parts: Parts, params: Any, z: jax.Array, sound: Sound, labels: methods.Batch
) -> tuple[jax.Array, jax.Array]:
  """[B] mean squared errors of a note's curves: loudness in (80 dB)^2, deviation in semitones^2.

  Deviations count by confidence and loudness: silence has no pitch.
  """
  curves, controls = parts.apply("decode_curves", params, z, parts.note_condition(labels)), sound[1]
  scaled = controls.loudness_db / controls_lib.RANGE_DB + 1.0
  deviation = deviation_of(labels, controls.f0_hz)
  # What is further away is an error of the tracker, or no pitch.
  weight = jnp.where(jnp.abs(deviation) < 1.0, controls.confidence * jnp.clip(scaled, 0.0), 0.0)
  error = weight * jnp.square(curves[..., 1] - deviation)
  return jnp.mean(jnp.square(curves[..., 0] - scaled), axis=1), jnp.mean(error, axis=1)


def init(parts: Parts, rng: jax.Array, batch: methods.Batch) -> state_lib.TrainState:
  """The state that a run begins with."""
  params_rng, run_rng = jax.random.split(rng)

  def every(networks, sound, labels):
    """Calls every network once, to initialise its parameters."""
    z = None
    bound = parts._replace(networks=_Bound(networks))
    if parts.latent == SEQUENCE:
      z = encode_sequence(bound, None, sound)
    elif parts.latent == NOTE:
      z = encode_note(bound, None, sound, labels).mean
      note_controls(bound, None, z, labels)
    c = sound.controls
    networks.decode(decoder_inputs(bound, c.f0_hz, c.loudness_db, z, labels))

  sound = measure(parts, parts.levelled(jnp.asarray(batch["audio"])), batch)
  variables = nn.init(every, parts.networks)(params_rng, sound, batch)
  params, buffers = state_lib.split(variables)
  ema_decay = parts.config.optimizer.ema_decay
  state = state_lib.init_state(params, parts.optimizer, run_rng, ema_decay, buffers or None)
  if parts.flow is None:
    return state
  flow_rng = jax.random.fold_in(params_rng, 1)
  c = parts.note_condition(batch)
  return flow_prior.attach(state, parts.flow, parts.config.method.flow, flow_rng, c)


class _Bound(NamedTuple):
  """A bound module in the place of one that is given parameters."""

  networks: Networks

  def apply(self, params: Any, *inputs: Any, method: str) -> Any:
    """A function of the bound module."""
    del params
    return getattr(self.networks, method)(*inputs)


def loss(
  parts: Parts, step: jax.Array, params: Any, inputs: dict[str, Any]
) -> tuple[jax.Array, dict[str, jax.Array]]:
  """Distance of the spectra, and of a note -log q of its curves and the KL; and metrics."""
  settings, sound, labels = parts.config.method, inputs["sound"], inputs["labels"]
  z, metrics, cost = None, {}, 0.0
  if parts.latent == SEQUENCE:
    z = encode_sequence(parts, params, sound)
  elif parts.latent == NOTE:
    posterior = encode_note(parts, params, sound, labels)
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
  audio = perform(parts, params, sound.controls, z, labels, inputs["rng"])
  spectral = jnp.mean(spectral_distance(parts, sound.audio, audio))
  return spectral + cost, {"spectral": spectral, **metrics}


def spectral_distance(parts: Parts, audio: jax.Array, predicted: jax.Array) -> jax.Array:
  """[B] of `losses.multi_scale_spectral`, by the config's sizes."""
  settings = parts.config.method
  return losses.multi_scale_spectral(
    audio, predicted, settings.fft_sizes, settings.log_weight, settings.log_floor
  )


def train_step(
  parts: Parts, state: state_lib.TrainState, batch: methods.Batch
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
  sound = measure(parts, parts.levelled(audio), batch)
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


def eval_step(parts: Parts, params: Any, batch: methods.Batch, rng: jax.Array) -> methods.Sums:
  """Sums over a batch, and counts: of the reconstruction, of a note from its latent's mean."""
  sound = measure(parts, parts.levelled(jnp.asarray(batch["audio"])), batch)
  by_example, cost, z, controls = {}, 0.0, None, sound.controls
  if parts.latent == SEQUENCE:
    z = encode_sequence(parts, params, sound)
  elif parts.latent == NOTE:
    posterior = encode_note(parts, params, sound, batch)
    z = posterior.mean
    controls = note_controls(parts, params, z, batch)
    kl = jnp.sum(losses.kl_to_standard_normal(*posterior), axis=-1)
    by_example, cost = {"kl": kl}, parts.config.method.beta * kl
  audio = perform(parts, params, controls, z, batch, rng)
  spectral = spectral_distance(parts, sound.audio, audio)
  rate, hop_length = parts.form.sample_rate, parts.tracking.hop_length
  loudness_db = controls_lib.measure_loudness(audio, rate, hop_length)
  error_db = jnp.mean(jnp.abs(loudness_db - sound.controls.loudness_db), axis=-1)
  by_example = {
    "loss": spectral + cost, "spectral": spectral, "loudness_l1_db": error_db, **by_example,
  }  # fmt: skip
  mask = batch["mask"]
  return {name: (jnp.sum(mask * value), jnp.sum(mask)) for name, value in by_example.items()}


def encode(parts: Parts, params: Any, batch: methods.Batch, rng: Any = None) -> jax.Array:
  """[B, D] posterior's mean of a note, with a key a draw; else [B, N, 2 + D] controls and z."""
  sound = measure(parts, parts.levelled(jnp.asarray(batch["audio"])), batch)
  if parts.latent == NOTE:
    posterior = encode_note(parts, params, sound, batch)
    return posterior.mean if rng is None else networks_lib.draw(posterior, rng)
  scaled = controls_lib.scale(sound.controls.f0_hz, sound.controls.loudness_db)
  if parts.latent == NONE:
    return scaled
  return jnp.concatenate([scaled, encode_sequence(parts, params, sound)], axis=-1)


def decode(
  parts: Parts, params: Any, codes: jax.Array, labels: methods.Batch, rng: jax.Array
) -> jax.Array:
  """[B, T] waveforms of codes, see `encode`."""
  if parts.latent == NOTE:
    controls = note_controls(parts, params, codes, labels)
    audio = perform(parts, params, controls, codes, labels, rng)
    return level.peak_normalize(level.fade_ends(audio, parts.form.sample_rate))
  f0_hz, loudness_db = controls_lib.unscale(codes[..., :2])
  controls = controls_lib.Controls(f0_hz, loudness_db, jnp.ones_like(f0_hz))
  return perform(parts, params, controls, codes[..., 2:], labels, rng)


def draw_code(parts: Parts, params: Any, labels: methods.Batch, rng: jax.Array) -> jax.Array:
  """[B, D] z of the prior of notes, at the temperature of the labels."""
  noise = jax.random.normal(rng, (methods.count(labels), parts.config.method.latent_dim))
  noise *= labels["temperature"][:, None]
  if parts.flow is None:
    return noise
  return parts.flow.draw(params[flow_prior.KEY], noise, parts.note_condition(labels))


def make_phase(parts: Parts) -> methods.Phase | None:
  """The training of the flow on the latents of notes; None without one."""
  if parts.flow is None:
    return None

  def encode_batch(params, batch):
    sound = measure(parts, parts.levelled(jnp.asarray(batch["audio"])), batch)
    return encode_note(parts, params, sound, batch), parts.note_condition(batch)

  return flow_prior.make_phase(parts.flow, parts.config.method.flow, encode_batch, None)


def make_parts(config: ml_collections.ConfigDict, task: methods.Task) -> Parts:
  """Builds the networks and the optimizer that a whole config asks for.

  Raises:
    UserError: examples that are no waveforms or no whole frames, or labels that do not fit.
  """
  form = forms.need_waveform(task.form, "DDSP")
  settings = config.method
  hop_length = settings.hop_length
  if form.num_samples % hop_length:
    raise errors.UserError(
      f"method.hop_length must divide the {form.num_samples} samples of an example, "
      f"got {hop_length}"
    )
  names = tuple(config.condition.labels)
  if settings.latent != NOTE and names:
    raise errors.UserError(
      f"method.latent '{settings.latent}' takes no condition: set --config.condition.labels=()"
    )
  if settings.latent == NOTE and _PITCH not in names:
    raise errors.UserError("method.latent 'note' needs 'pitch' in condition.labels")
  if settings.latent == NOTE and config.condition.drop_rate:
    raise errors.UserError("condition.drop_rate must be 0.0: DDSP needs a note's pitch")
  vocabulary = task.vocabulary
  timbre = condition_lib.make_condition([x for x in names if x != _PITCH], vocabulary)
  decoder = ddsp_lib.FrameDecoder(
    settings.hidden, settings.layers, settings.recurrent, settings.harmonics, settings.bands
  )
  encoder: nn.Module | None = None
  curves, flow, num_frames = None, None, form.num_samples // hop_length
  if settings.latent == SEQUENCE:
    encoder = ddsp_lib.SequenceEncoder(settings.encoder_recurrent, settings.latent_dim)
  elif settings.latent == NOTE:
    encoder = ddsp_lib.NoteEncoder(settings.encoder_recurrent, settings.latent_dim)
    rate = form.sample_rate / hop_length
    attack_frames = max(round(settings.attack_s * rate), 1)
    knot_frames = max(round(settings.knot_s * rate), 1)
    curves = ddsp_lib.CurveDecoder(settings.curve_hidden, num_frames, attack_frames, knot_frames)
    if settings.prior == "flow":
      flow = flow_prior.make_flow_prior(settings.flow, settings.latent_dim)
  tracking = controls_lib.Tracking(
    hop_length, settings.fmin_hz, settings.fmax_hz, settings.f0_frame_length
  )
  return Parts(
    config,
    form,
    tracking,
    timbre,
    Networks(decoder, encoder, curves, round(settings.room_s * form.sample_rate)),
    flow,
    state_lib.make_optimizer(config.optimizer, task.total_steps),
  )


def make_method(config: ml_collections.ConfigDict, task: methods.Task) -> methods.Method:
  """Builds the method; `config` is a whole one. See `methods.Method` for the functions."""
  parts = make_parts(config, task)
  bind = lambda function: functools.partial(function, parts)
  settings, is_note = config.method, config.method.latent == NOTE
  latent_dim = 0 if settings.latent == NONE else settings.latent_dim
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
    tracking=parts.tracking,
  )


def get_config() -> ml_collections.ConfigDict:
  """Its fields."""
  config = ml_collections.ConfigDict()
  config.latent = SEQUENCE  # none, sequence (that of every frame), note (one of a note: a VAE)
  config.latent_dim = 16
  config.hop_length = 128  # samples of a frame of controls
  config.fmin_hz = 40.0  # of f0
  config.fmax_hz = 2000.0
  config.f0_frame_length = 1024  # samples that f0 is found in; more than two periods of fmin_hz
  config.harmonics = 60
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


def check(config: ml_collections.ConfigDict) -> None:
  """Raises UserError for values that it cannot use; `config` is a whole one."""
  config_check.need_positive(config, *(f"method.{name}" for name in _POSITIVE))
  config_check.need_not_negative(config, *(f"method.{name}" for name in _NOT_NEGATIVE))
  config_check.need_choices(
    config, {"method.latent": (NONE, SEQUENCE, NOTE), "method.prior": ("standard", "flow")}
  )
  flow_prior.check(config)
  settings = config.method
  if settings.bands < 2:
    raise errors.UserError(f"method.bands must be at least 2, got {settings.bands}")
  if not settings.fft_sizes or min(settings.fft_sizes) < 16:
    raise errors.UserError(f"method.fft_sizes must be 16 or more, got {settings.fft_sizes}")


def tiny(config: ml_collections.ConfigDict) -> None:
  """Few harmonics and bands, small networks, a small flow."""
  config.method.update(
    hop_length=500, harmonics=8, bands=9, hidden=16, layers=1, recurrent=16, encoder_recurrent=16,
    latent_dim=4, curve_hidden=16, fft_sizes=(512, 64), beta_warmup_steps=5,
  )  # fmt: skip
  config.method.room_s = min(config.method.room_s, 0.1)
  config.method.flow.update(hidden=32, blocks=1, steps=10, batch_size=16, draw_steps=4)
