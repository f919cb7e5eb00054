"""Tokens of scores as voices of steps, for networks that read and predict step by step."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from cvae_jax import scores
from cvae_jax.core import errors
from cvae_jax.scores import drum_tokens
from cvae_jax.scores import melody
from cvae_jax.scores import trio


class Voices(NamedTuple):
  """V voices, each with a token at every step.

  Attributes:
    names: of the voices.
    sizes: number of different tokens of each.
    are_drums: whether a voice's tokens are combinations of strokes.
  """

  names: tuple[str, ...]
  sizes: tuple[int, ...]
  are_drums: tuple[bool, ...]

  @property
  def widths(self) -> tuple[int, ...]:
    """Features of a step of each voice."""
    bits = len(drum_tokens.CLASSES) + 1
    return tuple(bits if d else n for n, d in zip(self.sizes, self.are_drums, strict=True))

  def split(self, tokens: jax.Array) -> jax.Array:
    """[..., N V] tokens of a score to [..., N, V] of its voices, each from 0."""
    steps = tokens.reshape(*tokens.shape[:-1], -1, len(self.sizes))
    return jnp.maximum(steps - self._first(), 0)

  def join(self, steps: jax.Array) -> jax.Array:
    """The inverse of `split`, int32."""
    tokens = (steps + self._first()).reshape(*steps.shape[:-2], -1)
    return tokens.astype(jnp.int32)

  def _first(self) -> jax.Array:
    return jnp.asarray([sum(self.sizes[:i]) for i in range(len(self.sizes))])

  def features(self, steps: jax.Array) -> jax.Array:
    """[..., F] float32 of [..., V] tokens: one-hot; of drums a bit of each class, and of none."""
    parts = []
    for i, (size, is_drums) in enumerate(zip(self.sizes, self.are_drums, strict=True)):
      tokens = steps[..., i]
      if not is_drums:
        parts.append(jax.nn.one_hot(tokens, size))
        continue
      bits = (tokens[..., None] >> jnp.arange(len(drum_tokens.CLASSES))) & 1
      parts.append(jnp.concatenate([bits, (tokens == 0)[..., None]], axis=-1).astype(jnp.float32))
    return jnp.concatenate(parts, axis=-1)


def make_voices(tokenizer: scores.Tokenizer) -> Voices:
  """The voices of a tokenizer on a grid of steps.

  Raises:
    UserError: if its tokens are not steps, as those of performances.
  """
  if isinstance(tokenizer, trio.Trio):
    return Voices(trio.VOICES, tokenizer.sizes, (False, False, True))
  if isinstance(tokenizer, drum_tokens.Drums):
    return Voices(("drums",), (tokenizer.size,), (True,))
  if isinstance(tokenizer, melody.Melody):
    return Voices(("melody",), (tokenizer.size,), (False,))
  raise errors.UserError(
    "this method needs scores on a grid of steps (melody, drums, trio), and these are not"
  )
