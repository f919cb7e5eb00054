"""Attacks as gains: found in a note, taken from it, and given back.

A note that is blown or bowed grows into its level, x(t) = a(t) s(t), with

    a(t) = min(t / time_s, 1)^curve

so that s speaks at once. A spectrogram shows this gain as the depth of the valleys between the
partials in its first two frames, which a mean over notes blurs; what is left of the note after it
is taken away has the same valleys whatever the attack.
"""

import functools
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array
from jaxtyping import Float
import numpy as np

TIMES_S = (0.003, 0.4)  # of the attacks that are looked for
CURVES = (0.5, 0.7, 1.0, 1.4, 2.0, 3.0)
_RATIO = 1.06  # from one time that is tried to the next
# Time constants of the amplitude after the attack.
_DECAYS_S = (0.1, 0.14, 0.2, 0.28, 0.4, 0.56, 0.8, 1.13, 1.6, 3.2, np.inf)
_SPAN_S = 0.6  # from the beginning, in which the level is looked at
_STEP_S = 0.001  # within which the energy is summed
_LEAST = 0.03  # gain, -30 dB: a smaller one could not be given back
_FADE_S = 0.005  # in which a decoded note comes up to it: without, its beginning is a click


class Attack(NamedTuple):
  """Of each note.

  Attributes:
    time_s: [B] until the whole level is reached.
    curve: [B] exponent of the gain over time; 1 for a straight line.
  """

  time_s: Float[Array, " B"]
  curve: Float[Array, " B"]


def gain(attack: Attack, time_s: Float[Array, " T"]) -> Float[Array, "B T"]:
  """[B, T] a(t) at times [T] in s."""
  return jnp.clip(time_s / attack.time_s[:, None], 1e-6, 1.0) ** attack.curve[:, None]


def _times_s(audio, sample_rate):
  return (jnp.arange(audio.shape[-1]) + 0.5) / sample_rate


def add(audio: Float[Array, "B T"], attack: Attack, sample_rate: int) -> Float[Array, "B T"]:
  """Notes that speak at once with an attack: x(t) = a(t) s(t), with -30 dB after 5 ms at least."""
  time_s = _times_s(audio, sample_rate)
  least = _LEAST * jnp.minimum(time_s / _FADE_S, 1.0)
  return audio * jnp.maximum(gain(attack, time_s), least)


def remove(audio: Float[Array, "B T"], attack: Attack, sample_rate: int) -> Float[Array, "B T"]:
  """Notes without their attack, the inverse of `add` but for 5 ms; they gain 30 dB at the most."""
  return audio / jnp.maximum(gain(attack, _times_s(audio, sample_rate)), _LEAST)


@functools.lru_cache(maxsize=4)
def _make_grid(num_steps, step_s):
  """Times and curves [G, 2], and the relative power [G, D, K] of each step with each decay."""
  count = round(np.log(TIMES_S[1] / TIMES_S[0]) / np.log(_RATIO)) + 1
  times, curves = np.geomspace(*TIMES_S, count), np.asarray(CURVES)
  time, curve = (x.reshape(-1) for x in np.meshgrid(times, curves, indexing="ij"))
  # The mean of the power within a step, by its points.
  points = 8
  t = (np.arange(num_steps * points) + 0.5) / points * step_s
  rise = np.minimum(t / time[:, None], 1.0) ** curve[:, None]
  power = np.square(np.maximum(rise, _LEAST)).reshape(len(time), num_steps, points).mean(axis=-1)
  middle = (np.arange(num_steps) + 0.5) * step_s
  after = np.maximum(middle - time[:, None], 0.0)
  decays = np.exp(-2.0 * after[:, None] / np.asarray(_DECAYS_S)[:, None])
  grid = np.stack([time, curve], axis=-1)
  return grid.astype(np.float32), (power[:, None] * decays).astype(np.float32)


def estimate(audio: Float[Array, "B T"], sample_rate: int) -> Attack:
  """The attack of notes: that by which they are most likely Gaussian noise of such a level.

  The variance is s^2 a(t)^2, with an exponential decay after the attack; s is eliminated. Neither
  periods nor noise need to be smoothed away. A time of less than a period is uncertain.
  """
  step = round(_STEP_S * sample_rate)
  num_steps = min(round(_SPAN_S / _STEP_S), audio.shape[-1] // step)
  energy = jnp.square(audio[:, : num_steps * step]).reshape(len(audio), num_steps, step)
  energy = jnp.mean(energy, axis=-1)
  grid, power = _make_grid(num_steps, step / sample_rate)
  shape = power.shape[:2]
  flat = power.reshape(-1, num_steps)
  ratio = energy @ jnp.asarray((1.0 / flat / num_steps).T)
  misfit = jnp.log(ratio + 1e-12) + np.log(flat).mean(axis=-1)
  best = jnp.argmin(misfit, axis=-1) // shape[1]
  time_s, curve = jnp.asarray(grid)[best].T
  # The curve of the shortest one cannot be heard.
  return Attack(time_s, jnp.where(time_s > _RATIO * TIMES_S[0], curve, 1.0))
