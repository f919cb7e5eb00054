"""What is measured of a note, taken from it before a network sees it, and a part of its code.

The vibrato first (`method.vibrato`), then the attack (`method.attack`) of what is left: decoding
gives them back in the other order.
"""

import math

import jax
import jax.numpy as jnp
import ml_collections

from cvae_jax import methods
from cvae_jax.core import errors
from cvae_jax.data import vocabulary as vocabulary_lib
from cvae_jax.methods.common import attack_code
from cvae_jax.methods.common import vibrato_code

LOGVAR = 2.0 * math.log(0.05)  # of the numbers' posterior: as exact as they are measured


def names(settings: ml_collections.ConfigDict) -> tuple[str, ...]:
  """Of the V numbers of a note that the fields of a method ask for; '' where one has none."""
  vibrato = vibrato_code.NAMES if settings.vibrato else ()
  return vibrato + (attack_code.NAMES if settings.attack else ())


def check(settings: ml_collections.ConfigDict, vocabulary: vocabulary_lib.Vocabulary) -> None:
  """Raises UserError for the vibrato of what has no pitch."""
  if settings.vibrato and vocabulary.find("pitch") is None:
    named = ", ".join(label.name for label in vocabulary.labels) or "none"
    raise errors.UserError(
      f"method.vibrato must be False for examples without a pitch: these have the labels {named}"
    )


def split(
  settings: ml_collections.ConfigDict, audio: jax.Array, batch: methods.Batch, sample_rate: int
) -> tuple[jax.Array, jax.Array]:
  """Notes [B, T] as a network is to see them, and their numbers [B, V]."""
  numbers = [jnp.zeros((len(audio), 0))]
  if settings.vibrato:
    audio, vibrato = vibrato_code.split(audio, batch["pitch"], sample_rate)
    numbers.append(vibrato)
  if settings.attack:
    audio, attack = attack_code.split(audio, sample_rate)
    numbers.append(attack)
  return audio, jnp.concatenate(numbers, axis=-1)


def join(
  settings: ml_collections.ConfigDict, audio: jax.Array, numbers: jax.Array, sample_rate: int
) -> jax.Array:
  """[B, T] notes with what [B, V] numbers say, the inverse of `split`."""
  if settings.attack:
    audio = attack_code.join(audio, numbers[:, -attack_code.SIZE :], sample_rate)
  if settings.vibrato:
    audio = vibrato_code.join(audio, numbers[:, : vibrato_code.SIZE], sample_rate)
  return audio
