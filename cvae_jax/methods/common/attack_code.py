"""Attacks as a part of a note's code, beside what a network says of the note.

A network that is trained by squared errors blurs the first frames of a spectrogram, whose fine
structure is the shape of the attack, and a family is known by it. So the attack is measured
(`audio/attack.py`) and taken from a note before a network sees it, and its two numbers become
dimensions of the code.
"""

import jax
import jax.numpy as jnp
import numpy as np

from cvae_jax.audio import attack as attack_lib

# Of the numbers: logarithms of the time, 0 for a note that speaks at once, and of the curve.
NAMES = ("attack time", "attack curve")
SIZE = len(NAMES)
_SHORTEST_S, _LONGEST_S = attack_lib.TIMES_S


def split(audio: jax.Array, sample_rate: int) -> tuple[jax.Array, jax.Array]:
  """Notes [B, T] that speak at once, and the numbers [B, SIZE] of their attacks."""
  found = attack_lib.estimate(audio, sample_rate)
  numbers = jnp.stack([jnp.log(found.time_s / _SHORTEST_S), jnp.log(found.curve)], axis=-1)
  return attack_lib.remove(audio, found, sample_rate), numbers


def join(audio: jax.Array, numbers: jax.Array, sample_rate: int) -> jax.Array:
  """[B, T] notes with the attack of [B, SIZE] numbers, which may be any."""
  time, curve = jnp.moveaxis(numbers, -1, 0)
  attack = attack_lib.Attack(
    _SHORTEST_S * jnp.exp(jnp.clip(time, 0.0, np.log(_LONGEST_S / _SHORTEST_S))),
    jnp.exp(jnp.clip(curve, *np.log([attack_lib.CURVES[0], attack_lib.CURVES[-1]]))),
  )
  return attack_lib.add(audio, attack, sample_rate)
