"""DDSP played by controls, block by block, and the ranges of controls that it was trained on."""

from collections.abc import Iterable
import functools
from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from cvae_jax import methods
from cvae_jax.audio import controls as controls_lib
from cvae_jax.audio import harmonic_noise
from cvae_jax.methods.common import ddsp_parts
from cvae_jax.methods.common import performer as performer_lib
from cvae_jax.training import compilation
from cvae_jax.training import state as state_lib

KEY = "ranges"  # of the ranges among the parameters that a run is used with
_QUANTILES = 101


def unknown() -> dict[str, jax.Array]:
  """Ranges before they are fitted."""
  return {name: jnp.zeros(_QUANTILES) for name in performer_lib.Ranges._fields}


def fit(
  parts: ddsp_parts.Parts, state: state_lib.TrainState, batches: Iterable[methods.Batch]
) -> state_lib.TrainState:
  """The state with the ranges of training examples' controls."""
  run = compilation.jit(
    lambda batch: ddsp_parts.measure(parts, parts.levelled(batch["audio"]), batch).controls
  )
  pitches, loudness_db = [], []
  for batch in batches:
    controls = run({key: value for key, value in batch.items() if key != "id"})
    clear = controls_lib.clear_frames(controls) & (np.asarray(batch["mask"]) > 0)[:, None]
    pitches.append(np.asarray(controls_lib.hz_to_pitch(controls.f0_hz))[clear])
    loudness_db.append(np.asarray(controls.loudness_db)[clear])
  places = np.linspace(0.0, 1.0, _QUANTILES)
  quantiles = lambda rows: jnp.asarray(np.quantile(np.concatenate(rows), places), jnp.float32)
  if sum(map(len, pitches)):
    ranges = {"pitch": quantiles(pitches), "loudness_db": quantiles(loudness_db)}
    state = state.replace(buffers={**(state.buffers or {}), KEY: ranges})
  return state


class State(NamedTuple):
  """What is carried from block to block.

  Attributes:
    recurrent: [B, H] of the decoder.
    synthesizer: of harmonics, noise and room.
  """

  recurrent: jax.Array
  synthesizer: harmonic_noise.State


def begin(
  parts: ddsp_parts.Parts,
  params: Any,
  batch_size: int,
  block_frames: int,
  rng: jax.Array,
  in_room: bool = True,
) -> State:
  """The state before the first block of `block_frames` frames."""
  settings = parts.config.method
  return State(
    jnp.zeros((batch_size, settings.recurrent)),
    harmonic_noise.begin(
      batch_size,
      settings.harmonics,
      settings.bands,
      settings.hop_length,
      block_frames,
      rng,
      parts.apply("room", params) if in_room else None,
    ),
  )


def advance(
  parts: ddsp_parts.Parts,
  params: Any,
  state: State,
  f0_hz: jax.Array,
  loudness_db: jax.Array,
  z: jax.Array,
  labels: methods.Batch,
) -> tuple[jax.Array, State]:
  """The audio of the next block: see `performer.Performer`."""
  if parts.latent == ddsp_parts.SEQUENCE:
    z = jnp.broadcast_to(z[:, None], (*f0_hz.shape, z.shape[-1]))
  inputs = ddsp_parts.decoder_inputs(parts, f0_hz, loudness_db, z, labels)
  recurrent, parameters = ddsp_parts.decode_frames(
    parts, params, inputs, f0_hz, loudness_db, state.recurrent
  )
  audio, synthesizer = harmonic_noise.advance(
    state.synthesizer, f0_hz, parameters, parts.tracking.hop_length, parts.form.sample_rate
  )
  return audio, State(recurrent, synthesizer)


def timbre(parts: ddsp_parts.Parts, params: Any, batch: methods.Batch) -> jax.Array:
  """[B, D] latents of sounds: of a sequence the mean over its loud frames."""
  sound = ddsp_parts.measure(parts, parts.levelled(jnp.asarray(batch["audio"])), batch)
  if parts.latent == ddsp_parts.NOTE:
    return ddsp_parts.encode_note(parts, params, sound, batch).mean
  z = ddsp_parts.encode_sequence(parts, params, sound)
  loudness_db = sound.controls.loudness_db
  weight = jnp.exp2((loudness_db - jnp.max(loudness_db, axis=1, keepdims=True)) / 6.0)
  weight /= jnp.sum(weight, axis=1, keepdims=True)
  return jnp.sum(weight[..., None] * z, axis=1)


def make_performer(parts: ddsp_parts.Parts) -> performer_lib.Performer:
  """Binds the functions."""
  settings, rate = parts.config.method, parts.form.sample_rate
  bind = lambda function: functools.partial(function, parts)
  return performer_lib.Performer(
    parts.tracking,
    harmonic_noise.latency(settings.bands, settings.hop_length),
    lambda audio: controls_lib.measure(audio, rate, parts.tracking),
    lambda params: performer_lib.Ranges(**params[KEY]),
    None if parts.latent == ddsp_parts.NONE else bind(timbre),
    bind(ddsp_parts.note_controls) if parts.latent == ddsp_parts.NOTE else None,
    bool(settings.room_s),
    bind(begin),
    bind(advance),
  )
