"""A run that is played by controls: what a recording, a score or a hand turns into."""

from collections.abc import Callable
from typing import Any
from typing import NamedTuple

import jax

from cvae_jax.audio import controls


class Ranges(NamedTuple):
  """What the controls of the training examples were, where they have a clear pitch.

  Attributes:
    pitch: [Q] quantiles of the MIDI pitch, evenly spaced from the least to the greatest.
    loudness_db: [Q] quantiles of the loudness.
  """

  pitch: jax.Array
  loudness_db: jax.Array


class Performer(NamedTuple):
  """How a method is played, block by block.

  Attributes:
    tracking: of f0; its `hop_length` is that of the controls.
    latency: samples by which the sound is late.
    measure: audio [B, T] to its controls.
    ranges: of parameters.
    timbre: (params, batch) to [B, D] latents of sounds; None for a method of one timbre.
    curves: (params, z [B, D], labels) to the controls of the method's own notes; None without.
    has_room: whether a room was learnt.
    begin: (params, batch size, frames of a block, random key, whether the room is heard) to a
      state.
    advance: (params, state, f0_hz [B, N], loudness_db [B, N], z [B, D], labels) to the audio of N
      frames and the state after it. All blocks together are the whole to rounding.
  """

  tracking: controls.Tracking
  latency: int
  measure: Callable[[jax.Array], controls.Controls]
  ranges: Callable[[Any], Ranges]
  timbre: Callable[[Any, Any], jax.Array] | None
  curves: Callable[[Any, jax.Array, Any], controls.Controls] | None
  has_room: bool
  begin: Callable[[Any, int, int, jax.Array, bool], Any]
  advance: Callable[..., tuple[jax.Array, Any]]
