"""Vibrato as a part of a note's code, beside what a network says of the note.

A network that is trained by squared errors returns the mean of what it cannot foretell, and it
cannot foretell where a partial that swings six times a second is in a frame: it returns a broad
band. So the vibrato is measured (`audio/vibrato.py`) and taken from a note before a network sees
it, its five numbers become dimensions of the code, which a prior draws together with the others,
and what is decoded swings by them.
"""

import jax
import jax.numpy as jnp

from cvae_jax.audio import controls
from cvae_jax.audio import vibrato as vibrato_lib

# Of the numbers: depth, rate, fade-in, and the phase as a cosine and a sine.
NAMES = ("vibrato", "vibrato rate", "vibrato fade-in", "", "")
SIZE = len(NAMES)
# Units of the numbers, so that those of notes vary by about 1.
_DEPTH = 0.006  # 10 cents
_RATE_HZ, _FADE_S = 5.5, 0.5  # what a rate and a fade-in of 0 stand for
_LEAST_DEPTH = 0.0006  # 1 cent; less is none


def split(audio: jax.Array, pitch: jax.Array, sample_rate: int) -> tuple[jax.Array, jax.Array]:
  """Notes without vibrato [B, T], and its numbers [B, SIZE].

  Args:
    audio: [B, T] notes.
    pitch: [B] MIDI numbers; of a note without one (below 0), no vibrato is looked for.
    sample_rate: in Hz.
  """
  f0_hz = controls.pitch_to_hz(jnp.maximum(pitch, 0).astype(jnp.float32))
  found = vibrato_lib.estimate(audio, f0_hz, sample_rate)
  is_one = (found.depth > _LEAST_DEPTH) & (pitch >= 0)
  found = found._replace(depth=jnp.where(is_one, found.depth, 0.0))
  numbers = jnp.stack(
    [
      found.depth / _DEPTH,
      found.rate_hz - _RATE_HZ,
      jnp.log(found.fade_s / _FADE_S),
      jnp.cos(found.phase),
      jnp.sin(found.phase),
    ],
    axis=-1,
  )
  numbers = jnp.where(is_one[:, None], numbers, 0.0)
  return vibrato_lib.remove(audio, found, sample_rate), numbers


def join(audio: jax.Array, numbers: jax.Array, sample_rate: int) -> jax.Array:
  """[B, T] notes with the vibrato of [B, SIZE] numbers, which may be any."""
  depth, rate, fade, cosine, sine = jnp.moveaxis(numbers, -1, 0)
  depth *= _DEPTH
  vibrato = vibrato_lib.Vibrato(
    jnp.where(depth > _LEAST_DEPTH, jnp.minimum(depth, vibrato_lib.DEEPEST), 0.0),
    jnp.clip(rate + _RATE_HZ, *vibrato_lib.RATES_HZ),
    jnp.arctan2(sine, jnp.where((sine == 0.0) & (cosine == 0.0), 1.0, cosine)),
    jnp.clip(_FADE_S * jnp.exp(fade), vibrato_lib.FADES_S[0], vibrato_lib.FADES_S[-1]),
  )
  return vibrato_lib.add(audio, vibrato, sample_rate)
