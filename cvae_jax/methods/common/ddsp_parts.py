"""DDSP's networks between controls, latents and sound, bound to a config: what its steps share."""

from typing import Any
from typing import NamedTuple

from flax import linen as nn
import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import optax

from cvae_jax import methods
from cvae_jax.audio import controls as controls_lib
from cvae_jax.audio import frame_controls
from cvae_jax.audio import harmonic_noise
from cvae_jax.audio import level
from cvae_jax.audio import mel
from cvae_jax.audio import oscillators
from cvae_jax.audio import stft
from cvae_jax.core import errors
from cvae_jax.data import forms
from cvae_jax.data import vocabulary as vocabulary_lib
from cvae_jax.methods.common import condition as condition_lib
from cvae_jax.methods.common import flow_prior
from cvae_jax.models.common import ddsp as ddsp_lib
from cvae_jax.training import optimizers

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
    """See `ddsp.FrameDecoder`."""
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

  f0 is that of the batch where it was tracked before, see `data.tracked`. That of a note is its
  pitch's wherever the tracked one is further than a semitone from it: then it is an error, or of a
  frame without a pitch.
  """
  rate, hop_length = parts.form.sample_rate, parts.tracking.hop_length
  loudness_db = controls_lib.measure_loudness(audio, rate, hop_length)
  if controls_lib.F0_KEY in batch:
    keys = (controls_lib.F0_KEY, controls_lib.CONFIDENCE_KEY)
    f0_hz, confidence = (jnp.asarray(batch[key]) for key in keys)
  else:
    f0_hz, confidence = parts.tracking.track(audio, rate)
  if parts.latent == NOTE:
    pitch = jnp.asarray(batch[_PITCH], jnp.float32)[:, None]
    is_near = jnp.abs(deviation_of(batch, f0_hz)) < 1.0
    f0_hz = jnp.where(is_near, f0_hz, controls_lib.pitch_to_hz(pitch))
    confidence = jnp.where(is_near, confidence, 0.0)
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


def decode_frames(
  parts: Parts,
  params: Any,
  inputs: tuple[jax.Array, ...],
  f0_hz: jax.Array,
  loudness_db: jax.Array,
  carry: jax.Array | None = None,
) -> tuple[jax.Array, harmonic_noise.Parameters]:
  """The decoder's state after the last frame, and the parameters of N frames.

  With `method.exact_loudness` they are scaled to the loudness that is asked for, but for a gain
  that is learnt: the network says how a sound is made up, and not how loud it is.

  Args:
    parts: of the method.
    params: of the networks.
    inputs: of `decoder_inputs`.
    f0_hz: [B, N].
    loudness_db: [B, N].
    carry: the decoder's state before the first frame.
  """
  carry, parameters, gain_db = parts.apply("decode", params, inputs, carry)
  if gain_db is None:
    return carry, parameters
  rate = parts.form.sample_rate
  amplitudes = oscillators.distribute(parameters.amplitude, parameters.distribution, f0_hz, rate)
  predicted_db = controls_lib.predict_loudness(amplitudes, parameters.noise, f0_hz, rate)
  gain = jnp.exp((loudness_db + gain_db - predicted_db) * (np.log(10.0) / 20.0))
  # As loud as the floor of the range is as silent as nothing.
  gain = jnp.where(loudness_db <= -controls_lib.RANGE_DB, 0.0, gain)
  return carry, parameters._replace(
    amplitude=parameters.amplitude * gain, noise=parameters.noise * gain[..., None]
  )


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
  _, parameters = decode_frames(parts, params, inputs, controls.f0_hz, controls.loudness_db)
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
    settings.hidden,
    settings.layers,
    settings.recurrent,
    settings.harmonics,
    settings.bands,
    settings.exact_loudness,
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
    optimizers.make_optimizer(config.optimizer, task.total_steps),
  )
