"""Recordings through a run's latents, block by block: as they are, scaled, or moved.

Source: Caillon & Esling 2021 (RAVE), section 4.3, and its performers' ways with latents.
"""

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
import functools
from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from cvae_jax.audio import files
from cvae_jax.core import errors
from cvae_jax.methods.common import streamer as streamer_lib
from cvae_jax.synthesis import latent_streams
from cvae_jax.synthesis import synthesizer
from cvae_jax.training import compilation


class Change(NamedTuple):
  """What is done to a code: scale * code + bias.

  Attributes:
    scale: [D].
    bias: [D], or [N, D] for the frames of a block.
  """

  scale: np.ndarray
  bias: np.ndarray


def check_dimension(dimension: int, size: int) -> None:
  """Raises UserError for a dimension that codes of `size` do not have."""
  if not 0 <= dimension < size:
    raise errors.UserError(f"a dimension of a latent must be 0-{size - 1}, got {dimension}")


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
      check_dimension(dimension, size)
      values[dimension] = value
  return change


class Curve(NamedTuple):
  """What is added to a dimension of a code over time: lines between points, level beyond them.

  Attributes:
    dimension: of the code.
    times_s: [P] seconds, rising.
    values: [P].
  """

  dimension: int
  times_s: tuple[float, ...]
  values: tuple[float, ...]


def sample_curves(curves: Iterable[Curve], size: int, times_s: np.ndarray) -> np.ndarray:
  """[N, size]: the sum of curves at N times."""
  added = np.zeros((len(times_s), size), np.float32)
  for curve in curves:
    added[:, curve.dimension] += np.interp(times_s, curve.times_s, curve.values)
  return added


@functools.lru_cache(maxsize=8)
def _compile_step(streamer: streamer_lib.Streamer, is_drawn: bool) -> Any:
  """A block of sound to its moved codes and their sound: one program for all streams of a run."""

  def step(
    params: Any, state: Any, audio: jax.Array, keys: jax.Array, number: jax.Array, moved: Change
  ):
    code_rng, sound_rng = keys
    rng = jax.random.fold_in(code_rng, number) if is_drawn else None
    codes, state = streamer.encode(params, state, audio[None], rng)
    codes = codes * moved.scale + moved.bias
    made, state = streamer.decode(params, state, codes, sound_rng, number)
    return codes[0], made[0], state

  return compilation.jit(step)


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
    streamer = latent_streams.need_streamer(synth, "converting")
    self.change = change or make_change(streamer.latent_dim)
    self.block_length = block_frames * streamer.hop_length
    self.latency = streamer.latency - streamer.start
    self._params = compilation.jit(streamer.prepare)(synth.params)
    self._state, self._number = latent_streams.begin(streamer, self._params, block_frames), 0
    self._keys = jax.random.split(jax.random.key(seed))  # Of codes and of sound.
    self._step = _compile_step(streamer, is_drawn)

  def follow(self, audio: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The moved codes [block_frames, D] of the next [block_length] samples, and their sound.

    The sound is late by `latency`, of which the codes have the streamer's `code_delay`.
    """
    codes, made, self._state = self._step(
      self._params,
      self._state,
      jnp.asarray(audio, jnp.float32),
      self._keys,
      jnp.asarray(self._number),
      self.change,
    )
    self._number += 1
    return np.asarray(codes), np.asarray(made)

  def play(self, audio: np.ndarray) -> np.ndarray:
    """[block_length] samples of the next as many, late by `latency`."""
    return self.follow(audio)[1]


def convert(
  synth: synthesizer.Synthesizer,
  blocks: Iterable[np.ndarray],
  change: Change | None = None,
  is_drawn: bool = False,
  seed: int = 0,
  curves: Sequence[Curve] = (),
) -> Iterator[np.ndarray]:
  """Codes and decodes a recording of any length, in bounded memory.

  Args:
    synth: a run with a streamer.
    blocks: [n] samples each, of any lengths, at the run's sample rate.
    change: of the codes.
    is_drawn: whether codes are drawn of their posteriors; otherwise they are the means.
    seed: of draws, and of the decoder's noise.
    curves: what is added to the codes over time, beside the change.

  Yields:
    [m] float32; in total as many samples as in `blocks`.

  Raises:
    UserError: if the run does not stream, or for a dimension that its codes do not have.
  """
  streamer = latent_streams.need_streamer(synth, "converting")
  for curve in curves:
    check_dimension(curve.dimension, streamer.latent_dim)
  frames = latent_streams.block_frames(synth, "converting")
  stream = Stream(synth, frames, change, is_drawn, seed)
  steady, size = stream.change, stream.block_length
  sound = latent_streams.Padded(blocks, streamer.start, streamer.latency)

  def play():
    for number, block in enumerate(latent_streams.cut(sound, size)):
      if curves:
        passed = number * frames - streamer.code_delay + np.arange(frames)
        added = sample_curves(
          curves, streamer.latent_dim, passed * streamer.hop_length / synth.sample_rate
        )
        stream.change = steady._replace(bias=steady.bias + added)
      yield stream.play(block)

  written, late = 0, streamer.latency
  for made in play():
    kept = made[min(late, size) :]
    late = max(late - size, 0)
    # While the recording goes on, less has been made than has come.
    kept = kept[: max(sound.count - written, 0)]
    written += len(kept)
    yield kept


def convert_file(
  synth: synthesizer.Synthesizer,
  source: str,
  target: str,
  change: Change | None = None,
  is_drawn: bool = False,
  seed: int = 0,
  curves: Sequence[Curve] = (),
) -> float:
  """`convert` of an audio file of any rate, length and number of channels.

  Returns:
    Duration in seconds.

  Raises:
    UserError: as `convert`, `files.read_parts` and `files.write_blocks`.
  """
  latent_streams.need_streamer(synth, "converting")
  rate = synth.sample_rate
  blocks = (part.audio for part in files.read_parts(source, rate))
  made = convert(synth, blocks, change, is_drawn, seed, curves)
  return files.write_blocks(target, made, rate) / rate
