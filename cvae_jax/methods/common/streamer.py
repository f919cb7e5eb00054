"""A run that turns sound into codes and codes into sound, block by block."""

from collections.abc import Callable
from typing import Any
from typing import NamedTuple

import jax


class Streamer(NamedTuple):
  """How a method streams.

  Codes are those of `Method.encode`: [B, N, D], one frame for every `hop_length` samples.

  Attributes:
    hop_length: samples of a frame; a block is a multiple of it.
    latent_dim: D.
    start: samples of silence that are to come before a sound, so that its frames are the whole's.
    code_delay: frames by which codes are late.
    sound_delay: samples by which the sound of codes is late.
    prepare: parameters to what the other functions take, which is faster.
    begin: (prepared, batch size, frames of a block) to a state.
    encode: (prepared, state, audio [B, N hop_length], rng) to codes [B, N, D] and the state after
      them; the means of posteriors, or with a key draws.
    decode: (prepared, state, codes [B, N, D], rng, number of the block) to audio and the state
      after it. `rng` is the same for all blocks.
    count_heard: (parameters, share) to how many dimensions have this share of the variance.
    is_analysed: (parameters) to whether that is known: it is found when all else is trained.
  """

  hop_length: int
  latent_dim: int
  start: int
  code_delay: int
  sound_delay: int
  prepare: Callable[[Any], Any]
  begin: Callable[[Any, int, int], Any]
  encode: Callable[..., tuple[jax.Array, Any]]
  decode: Callable[..., tuple[jax.Array, Any]]
  count_heard: Callable[[Any, float], int]
  is_analysed: Callable[[Any], bool]

  def count_frames(self, num_samples: float) -> int:
    """Whole frames of a block of about so many samples: at least one."""
    return max(round(num_samples / self.hop_length), 1)

  @property
  def latency(self) -> int:
    """Samples by which the sound of a sound is late that has the silence of `start` before it.

    The block that is waited for is not counted. Without that silence it is `start` samples less.
    """
    return self.code_delay * self.hop_length + self.sound_delay
