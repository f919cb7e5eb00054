"""Log-magnitude and instantaneous frequency, as in GANSynth: two channels that preserve the phase.

The phase of a cell at the floor is meaningless. It is held constant there, so that its frequency is
0 rather than noise; the next audible cell includes the accumulated change, so that its phase is
exact.
"""

import jax
import jax.numpy as jnp

from cvae_jax.audio import decibel
from cvae_jax.audio import instantaneous_frequency
from cvae_jax.audio import representations
from cvae_jax.audio import stft


def hold_phase(phase: jax.Array, audible: jax.Array) -> jax.Array:
  """Replaces the phases [B, N, F] of inaudible cells by that of the last audible frame."""

  def step(held_phase, frame):
    held_phase = jnp.where(frame[1], frame[0], held_phase)
    return held_phase, held_phase

  frames = (jnp.moveaxis(phase, 1, 0), jnp.moveaxis(audible, 1, 0))
  _, held_phase = jax.lax.scan(step, jnp.zeros_like(phase[:, 0]), frames)
  return jnp.moveaxis(held_phase, 0, 1)


def make_representation(config, num_samples: int, sample_rate: int):
  """See `representations.Representation`; reads n_fft, win_length, hop_length, window, floor_db."""
  frequencies_hz = representations.bin_frequencies(config, sample_rate)
  ref = representations.full_scale(config)
  transform = representations.make_transform(config)

  def encode(audio):
    spectrum = transform(audio)[..., :-1]
    level = decibel.amplitude_to_db(jnp.abs(spectrum), ref, top_db=None)
    phase = hold_phase(instantaneous_frequency.angle(spectrum), level > config.floor_db)
    frequency = instantaneous_frequency.from_phase(phase)
    return jnp.stack([decibel.to_unit(level, config.floor_db), frequency], axis=-1)

  def level_db(features):
    return decibel.from_unit(features[..., 0], config.floor_db)

  def decode(features, key):
    del key
    magnitude = ref * decibel.audible(level_db(features), config.floor_db)
    phase = instantaneous_frequency.to_phase(features[..., 1])
    spectrum = magnitude * jnp.exp(1j * phase)
    return stft.istft(
      jnp.pad(spectrum, [(0, 0), (0, 0), (0, 1)]),
      config.hop_length,
      config.win_length,
      config.window,
      length=num_samples,
    )

  shape = (stft.num_frames(num_samples, config.hop_length), config.n_fft // 2, 2)
  return representations.Representation(
    shape, (True, False), frequencies_hz, encode, decode, level_db
  )
