"""Recordings through a run's latents, block by block: as they are, scaled, or moved.

Source: Caillon & Esling 2021 (RAVE), section 4.3, and its performers' ways with latents.
"""

from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from cvae_jax.audio import files
from cvae_jax.core import errors
from cvae_jax.methods.common import streamer as streamer_lib
from cvae_jax.synthesis import synthesizer
from cvae_jax.training import compilation

BLOCK_S = 0.5  # of a recording that is coded at once


class Change(NamedTuple):
  """What is done to a code: scale * code + bias.

  Attributes:
    scale: [D].
    bias: [D].
  """

  scale: np.ndarray
  bias: np.ndarray


def need_streamer(synth: synthesizer.Synthesizer, what: str) -> streamer_lib.Streamer:
  """The run's streamer.

  Raises:
    UserError: if the run does not stream.
  """
  return synth.need("streamer", what, "streams, as those of configs/rave.py")


def make_change(
  size: int, scale: Iterable[tuple[int, float]] = (), bias: Iterable[tuple[int, float]] = ()
) -> Change:
  """A change of some dimensions of a code of `size` dimensions.

  Raises:
    UserError: a dimension that there is not.
  """
  change = Change(np.ones(size, np.float32), np.zeros(size, np.float32))
  for values, pairs in ((change.scale, scale), (change.bias, bias)):
    for dimension, value in pairs:
      if not 0 <= dimension < size:
        raise errors.UserError(f"a dimension of a latent must be 0-{size - 1}, got {dimension}")
      values[dimension] = value
  return change


def begin(streamer: streamer_lib.Streamer, params: Any, block_frames: int) -> Any:
  """The state before the first block of one sound, placed as those after it are.

  A step that is compiled for it is not compiled again for the second block.
  """
  placed = jax.tree.leaves(params)[0].sharding
  return jax.device_put(streamer.begin(params, 1, block_frames), placed)


class Stream:
  """A run's latents, block by block: sound in, the sound of its moved codes out.

  Attributes:
    change: of the codes; another one counts from the next block on.
    block_length: samples of a block.
    latency: samples by which the sound is late, beside the block that is waited for.

  Args:
    synth: a run with a streamer.
    block_frames: latent frames of a block.
    change: of the codes; None for none.
    is_drawn: whether codes are drawn of their posteriors; otherwise they are the means.
    seed: of draws, and of the decoder's noise.

  Raises:
    UserError: if the run does not stream.
  """

  def __init__(
    self,
    synth: synthesizer.Synthesizer,
    block_frames: int,
    change: Change | None = None,
    is_drawn: bool = False,
    seed: int = 0,
  ):
    streamer = need_streamer(synth, "converting")
    self.change = change or make_change(streamer.latent_dim)
    self.block_length = block_frames * streamer.hop_length
    self.latency = streamer.latency - streamer.start
    self._params = compilation.jit(streamer.prepare)(synth.params)
    self._state, self._number = begin(streamer, self._params, block_frames), 0
    code_rng, sound_rng = jax.random.split(jax.random.key(seed))

    def step(params: Any, state: Any, audio: jax.Array, number: jax.Array, moved: Change):
      rng = jax.random.fold_in(code_rng, number) if is_drawn else None
      codes, state = streamer.encode(params, state, audio[None], rng)
      made, state = streamer.decode(
        params, state, codes * moved.scale + moved.bias, sound_rng, number
      )
      return made[0], state

    self._step = compilation.jit(step)

  def play(self, audio: np.ndarray) -> np.ndarray:
    """[block_length] samples of the next as many, late by `latency`."""
    number = jnp.asarray(self._number)
    made, self._state = self._step(
      self._params, self._state, jnp.asarray(audio, jnp.float32), number, self.change
    )
    self._number += 1
    return np.asarray(made)


def convert(
  synth: synthesizer.Synthesizer,
  blocks: Iterable[np.ndarray],
  change: Change | None = None,
  is_drawn: bool = False,
  seed: int = 0,
) -> Iterator[np.ndarray]:
  """Codes and decodes a recording of any length, in bounded memory.

  Args:
    synth: a run with a streamer.
    blocks: [n] samples each, of any lengths, at the run's sample rate.
    change: of the codes.
    is_drawn: whether codes are drawn of their posteriors; otherwise they are the means.
    seed: of draws, and of the decoder's noise.

  Yields:
    [m] float32; in total as many samples as in `blocks`.

  Raises:
    UserError: if the run does not stream.
  """
  streamer = need_streamer(synth, "converting")
  frames = streamer.count_frames(BLOCK_S * synth.sample_rate)
  stream = Stream(synth, frames, change, is_drawn, seed)
  size, late, count, written = stream.block_length, streamer.latency, 0, 0
  buffer = np.zeros(streamer.start, np.float32)

  def play(audio):
    nonlocal late
    made = stream.play(audio)[min(late, size) :]
    late = max(late - size, 0)
    return made

  for block in blocks:
    count += len(block)
    buffer = np.concatenate([buffer, block])
    while len(buffer) >= size:
      made, buffer = play(buffer[:size]), buffer[size:]
      written += len(made)
      yield made
  while written < count:  # What is late comes out of silence.
    made = play(np.pad(buffer[:size], (0, size - len(buffer[:size]))))[: count - written]
    buffer = buffer[size:]
    written += len(made)
    yield made


def convert_file(
  synth: synthesizer.Synthesizer,
  source: str,
  target: str,
  change: Change | None = None,
  is_drawn: bool = False,
  seed: int = 0,
) -> float:
  """`convert` of an audio file of any rate, length and number of channels.

  Returns:
    Duration in seconds.

  Raises:
    UserError: as `convert`, `files.read_parts` and `files.write_blocks`.
  """
  need_streamer(synth, "converting")
  rate = synth.sample_rate
  blocks = (part.audio for part in files.read_parts(source, rate))
  made = convert(synth, blocks, change, is_drawn, seed)
  return files.write_blocks(target, made, rate) / rate
