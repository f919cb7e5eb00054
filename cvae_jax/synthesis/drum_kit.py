"""Drum kits: hits of a run of drums, by the percussion keys of General MIDI."""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import numpy as np
import soxr

from cvae_jax.core import errors
from cvae_jax.data import drums
from cvae_jax.data import forms
from cvae_jax.data import notes
from cvae_jax.data import percussion
from cvae_jax.data import vocabulary as vocabulary_lib
from cvae_jax.synthesis import latent_space
from cvae_jax.synthesis import synthesizer

KIND = "kind"
MAX_HITS = 16  # of a kit, which are decoded in one batch
# The drums of a kit, in the order of its keys on a page.
DEFAULT_KEYS = (36, 38, 42, 46, 39, 47, 49, 56, 37, 41, 50, 44, 51, 54, 70, 63)
_SEEDS = 2**32


class Hit(NamedTuple):
  """A hit of a kit.

  Attributes:
    key: of General MIDI's percussion, 35 to 81.
    kind: of `drums.KINDS`.
    name: of General MIDI.
    code: [*code_shape].
    labels: of one example, by name.
    audio: [T], tuned to the key.
    level: gain, 0 to 1.
  """

  key: int
  kind: str
  name: str
  code: np.ndarray
  labels: dict[str, np.ndarray]
  audio: np.ndarray
  level: float = 1.0


def is_drums(synth: synthesizer.Synthesizer) -> bool:
  """Whether a run makes drums: sounds without pitch, by the kinds of `drums.KINDS`."""
  label = synth.vocabulary.find(KIND)
  return (
    isinstance(synth.form, forms.Waveform)
    and label is not None
    and label.kind == vocabulary_lib.NAMES
    and bool(label.names)
    and set(label.names) <= set(drums.KINDS)
    and KIND in synth.conditions
    and vocabulary_lib.PITCH not in synth.conditions
    and synth.method.decode is not None
  )


def check(synth: synthesizer.Synthesizer, what: str = "a drum kit") -> None:
  """Raises UserError if a run makes no drums, or cannot draw them."""
  forms.need_waveform(synth.form, what)
  if not is_drums(synth):
    conditions = ", ".join(synth.conditions) or "nothing"
    raise errors.UserError(
      f"{what} needs a run of drums, conditioned on the label kind and not on pitch: this one is "
      f"conditioned on {conditions}"
    )
  if not synth.method.can_sample:
    raise errors.UserError("this run has no prior to sample from: it makes no drum kit")


def known_keys(synth: synthesizer.Synthesizer, keys: Sequence[int]) -> list[int]:
  """Those of some keys whose kinds were in a run's training data."""
  known_kinds = synth.table.known_names(KIND)
  return [key for key in keys if percussion.KEYS[key].kind in known_kinds]


def tune(audio: np.ndarray, semitones: float) -> np.ndarray:
  """A sound [T] played faster or slower, by semitones; [T / 2^(semitones / 12)]."""
  if not semitones:
    return audio
  return soxr.resample(audio, 2.0 ** (semitones / 12.0), 1.0)


def make_kit(
  synth: synthesizer.Synthesizer,
  keys: Sequence[int] | None = None,
  seed: int = 0,
  temperature: float = 1.0,
  **labels: Any,
) -> list[Hit]:
  """Draws a kit, sixteen drums at a time.

  The first drum of each kind is the one that `Synthesizer.generate` makes of the seed, so that the
  kinds share their noise as the keys of an instrument do; further drums of a kind have the next
  seeds. Keys that `percussion.KEYS` tunes apart share a drum.

  Args:
    synth: a run of drums.
    keys: of General MIDI's percussion; `DEFAULT_KEYS` that the run knows if None.
    seed: of the codes, and of the labels that are not given, which all hits share.
    temperature: of the prior.
    **labels: as in `Synthesizer.resolve`, without `kind`.

  Returns:
    A hit for each key, in their order.

  Raises:
    UserError: if the run makes no drums, or does not support the labels, or knows no such drum.
  """
  check(synth)
  synthesizer.check_temperature(temperature)
  if labels.get(KIND) is not None:
    raise errors.UserError("a kit has drums of every kind: kind cannot be given")
  labels.pop(KIND, None)
  if keys is None:
    keys = known_keys(synth, DEFAULT_KEYS)
  for number in keys:
    if number not in percussion.KEYS:
      raise errors.UserError(
        f"a percussion key must be {percussion.FIRST} to {percussion.LAST}, got {number}"
      )
  kit_keys = [percussion.KEYS[number] for number in keys]
  drum_keys = sorted({key.drum for key in kit_keys}, key=percussion.PREFERRED.index)
  if not drum_keys:
    raise errors.UserError("a kit needs one key or more")
  kinds = [percussion.KEYS[number].kind for number in drum_keys]
  # Numbers of drums within their kind are of all keys, so that a drum is the same in every kit.
  seeds = [(seed + _number(number)) % _SEEDS for number in drum_keys]
  shared = synth.draw_labels(1, seed, **labels)
  columns = {name: np.repeat(value, len(drum_keys), axis=0) for name, value in shared.items()}
  columns[KIND] = np.asarray([synth.resolve(kind=kind)[KIND] for kind in kinds], np.int32)
  columns = synth.vocabulary.soften(columns)
  code = latent_space.draw_codes(synth, columns, seeds, [temperature] * len(seeds))
  audio = _decode(synth, latent_space.Point(code, columns))
  row_of = {number: row for row, number in enumerate(drum_keys)}
  hits = []
  for key in kit_keys:
    row = row_of[key.drum]
    hit_labels = {name: column[row] for name, column in columns.items()}
    tuned = tune(audio[row], key.semitones)
    hits.append(Hit(key.key, key.kind, key.name, code[row], hit_labels, tuned))
  return hits


def _number(drum: int) -> int:
  """The number of a drum among those of its kind, from 0."""
  kind = percussion.KEYS[drum].kind
  same_kind = [k for k in percussion.PREFERRED if percussion.KEYS[k].kind == kind]
  return [k for k in same_kind if percussion.KEYS[k].drum == k].index(drum)


def _decode(synth, point):
  """Decodes a point in batches of a fixed size; [M, T]."""
  decoded = []
  for rows, padded_rows in notes.batches(np.arange(len(point.code)), MAX_HITS):
    batch_labels = {name: column[padded_rows] for name, column in point.labels.items()}
    batch = latent_space.Point(point.code[padded_rows], batch_labels)
    decoded.append(latent_space.decode(synth, batch)[: rows.size])
  return np.concatenate(decoded)


def to_hits(keys: Sequence[int], point: latent_space.Point, audio: np.ndarray) -> list[Hit]:
  """Hits of sounds that were chosen one by one, as they are.

  Args:
    keys: M percussion keys.
    point: of M sounds.
    audio: [M, T] as `latent_space.decode` gives them.
  """
  hits = []
  for row, number in enumerate(keys):
    key = percussion.KEYS[number]
    labels: Mapping[str, np.ndarray] = {n: column[row] for n, column in point.labels.items()}
    hits.append(Hit(number, key.kind, key.name, point.code[row], dict(labels), audio[row]))
  return hits
