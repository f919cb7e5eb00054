"""Recordings of any length as a run's codes, and codes of any length as sound, block by block."""

from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cvae_jax.methods.common import streamer as streamer_lib
from cvae_jax.synthesis import synthesizer
from cvae_jax.training import compilation

BLOCK_S = 0.5  # that is coded or decoded at once


def need_streamer(synth: synthesizer.Synthesizer, what: str) -> streamer_lib.Streamer:
  """The run's streamer.

  Raises:
    UserError: if the run does not stream.
  """
  return synth.need("streamer", what, "streams, as those of configs/rave.py")


def block_frames(synth: synthesizer.Synthesizer, what: str) -> int:
  """Frames of a block of `BLOCK_S`; raises UserError as `need_streamer`."""
  return need_streamer(synth, what).count_frames(BLOCK_S * synth.sample_rate)


def begin(streamer: streamer_lib.Streamer, params: Any, block_frames: int) -> Any:
  """The state before the first block of one sound, placed as those after it are.

  A step that is compiled for it is not compiled again for the second block.
  """
  placed = jax.tree.leaves(params)[0].sharding
  return jax.device_put(streamer.begin(params, 1, block_frames), placed)


def cut(parts: Iterable[np.ndarray], size: int) -> Iterator[np.ndarray]:
  """Parts [n, ...] of any lengths as blocks of `size`; what is left at the end is filled with 0."""
  waiting = None
  for part in parts:
    waiting = part if waiting is None else np.concatenate([waiting, part])
    while len(waiting) >= size:
      yield waiting[:size]
      waiting = waiting[size:]
  if waiting is not None and len(waiting):
    yield np.concatenate([waiting, np.zeros((size - len(waiting), *waiting.shape[1:]), np.float32)])


class Padded:
  """Parts of a sound with silence before and after them, which can be gone through once.

  Attributes:
    count: samples of the parts that were asked for so far, without the silence.

  Args:
    parts: [n] samples each.
    before: samples of silence.
    after: the same.
  """

  def __init__(self, parts: Iterable[np.ndarray], before: int, after: int):
    self.count = 0
    self._parts, self._before, self._after = parts, before, after

  def __iter__(self) -> Iterator[np.ndarray]:
    yield np.zeros(self._before, np.float32)
    for part in self._parts:
      self.count += len(part)
      yield part
    yield np.zeros(self._after, np.float32)


def trim(blocks: Iterable[np.ndarray], late: int, count: int) -> Iterator[np.ndarray]:
  """`count` rows of blocks, after the first `late` ones; no block is asked for that is not used."""
  if count <= 0:
    return
  for block in blocks:
    skipped = min(late, len(block))
    kept = block[skipped:][:count]
    late, count = late - skipped, count - len(kept)
    yield kept
    if not count:
      return


def encode(
  synth: synthesizer.Synthesizer,
  parts: Iterable[np.ndarray],
  is_drawn: bool = False,
  seed: int = 0,
) -> np.ndarray:
  """Codes of a recording.

  Args:
    synth: a run with a streamer.
    parts: [n] samples each, of any lengths, at the run's sample rate.
    is_drawn: whether codes are drawn of their posteriors; otherwise they are the means.
    seed: of draws.

  Returns:
    [N, D], a frame for every `hop_length` samples; the last one may be of silence in part.

  Raises:
    UserError: if the run does not stream.
  """
  streamer, frames = need_streamer(synth, "coding"), block_frames(synth, "coding")
  params = compilation.jit(streamer.prepare)(synth.params)
  run = compilation.jit(streamer.encode)
  key = jax.random.key(seed)
  # What is late comes out of the silence that follows.
  sound = Padded(parts, streamer.start, streamer.code_delay * streamer.hop_length)
  state, made = begin(streamer, params, frames), []
  for number, block in enumerate(cut(sound, frames * streamer.hop_length)):
    rng = jax.random.fold_in(key, number) if is_drawn else None
    codes, state = run(params, state, jnp.asarray(block)[None], rng)
    made.append(np.asarray(codes)[0])
  count = -(-sound.count // streamer.hop_length)
  return np.concatenate(made)[streamer.code_delay :][:count]


def decode(
  synth: synthesizer.Synthesizer, codes: Iterable[np.ndarray], num_samples: int, seed: int = 0
) -> Iterator[np.ndarray]:
  """The first samples of the sound of codes, in bounded memory.

  Args:
    synth: a run with a streamer.
    codes: [n, D] frames at a time; zeros follow them.
    num_samples: of the sound.
    seed: of the decoder's noise.

  Yields:
    [n] float32, in total `num_samples`.

  Raises:
    UserError: if the run does not stream.
  """
  streamer, frames = need_streamer(synth, "decoding"), block_frames(synth, "decoding")
  params = compilation.jit(streamer.prepare)(synth.params)
  run = compilation.jit(streamer.decode)
  rng = jax.random.key(seed)

  def endless():
    yield from codes
    while True:
      yield np.zeros((frames, streamer.latent_dim), np.float32)

  def play():
    state = begin(streamer, params, frames)
    for number, block in enumerate(cut(endless(), frames)):
      made, state = run(params, state, jnp.asarray(block)[None], rng, jnp.asarray(number))
      yield np.asarray(made)[0]

  yield from trim(play(), streamer.sound_delay, num_samples)


def mix(a: np.ndarray, b: np.ndarray, weight: float | np.ndarray) -> np.ndarray:
  """Codes between those of two recordings, frame by frame.

  Args:
    a: [N, D], at weight 0.
    b: [M, D], at weight 1. The shorter one begins anew where it ends.
    weight: a number, or [max(N, M)] of them.

  Returns:
    [max(N, M), D] float32.
  """
  count = max(len(a), len(b))
  first, second = (np.take(x, np.arange(count), axis=0, mode="wrap") for x in (a, b))
  share = np.broadcast_to(np.asarray(weight, np.float32), count)[:, None]
  return ((1.0 - share) * first + share * second).astype(np.float32)
