"""Several data sets of notes as one: their splits and their lists of instruments, joined."""

from collections.abc import Sequence
from typing import Any

import ml_collections
import numpy as np

from cvae_jax.core import config as config_lib
from cvae_jax.core import errors
from cvae_jax.data import data_sets
from cvae_jax.data import labels
from cvae_jax.data import prepared
from cvae_jax.data import sources
from cvae_jax.data import vocabulary as vocabulary_lib
from cvae_jax.data.sets import nsynth_wav
from cvae_jax.data.sets import soundfont_notes

make_form = prepared.make_form


class Concatenated(sources.Source):
  """Examples of several sources of notes, one source after the other.

  Args:
    parts: the sources.
    repeats: how often each one's examples are listed.
    offsets: of each one's instruments in the list of all.
    vocabulary: of all labels.
  """

  def __init__(
    self,
    parts: Sequence[sources.Source],
    repeats: Sequence[int],
    offsets: Sequence[int],
    vocabulary: vocabulary_lib.Vocabulary,
  ):
    self._parts, self._offsets = parts, offsets
    self.folder = parts[0].folder
    self.form, self.vocabulary = labels.FORM, vocabulary
    self.is_random = any(part.is_random for part in parts)
    sizes = [len(part) for part in parts]
    self._part = np.concatenate(
      [np.full(size * n, i) for i, (size, n) in enumerate(zip(sizes, repeats, strict=True))]
    )
    self._row = np.concatenate(
      [np.tile(np.arange(size), n) for size, n in zip(sizes, repeats, strict=True)]
    )
    self.labels = {
      name: np.concatenate([self._column(i, name, n) for i, n in enumerate(repeats)])
      for name in ("id", *vocabulary.names)
    }

  def _column(self, part: int, name: str, repeats: int) -> np.ndarray:
    column = self._parts[part].labels[name]
    if name == "instrument":
      column = self._shift(part, column)
    return np.concatenate([column] * repeats)

  def _shift(self, part, instrument):
    """Instruments in the list of all; unknown ones stay -1."""
    shifted = np.asarray(instrument) + self._offsets[part]
    return np.where(np.asarray(instrument) < 0, -1, shifted).astype(np.int32)

  def stored(self, index: int, seed: int | None = None) -> dict[str, Any]:
    """See `Source.stored`."""
    return self.stored_many([index], [seed])[0]

  def stored_many(self, indices, seeds) -> list[dict[str, Any]]:
    """See `Source.stored_many`: every part reads its own together."""
    examples: list[Any] = [None] * len(indices)
    of_part = self._part[np.asarray(indices)]
    for part in np.unique(of_part):
      places = np.flatnonzero(of_part == part).tolist()
      rows = [int(self._row[indices[i]]) for i in places]
      part_seeds = [seeds[i] if self._parts[part].is_random else None for i in places]
      for i, example in zip(places, self._parts[part].stored_many(rows, part_seeds), strict=True):
        keep = {key: example[key] for key in ("id", "audio", *self.vocabulary.names)}
        examples[i] = {**keep, "instrument": self._shift(part, example["instrument"])}
    return examples


def open_set(config, variant, on_request):
  """See `data_sets.load`.

  Raises:
    UserError: fewer than two data sets, one that is not of NSynth's notes, or repeats that do not
      fit them.
  """
  data_sets.no_variants("mixed", variant)
  names, repeats = config.mixed.names, config.mixed.repeats or (1,) * len(config.mixed.names)
  if len(names) < 2 or any(name.partition("/")[0] == "mixed" for name in names):
    raise errors.UserError(f"data.mixed.names must be two data sets of notes or more, got {names}")
  if len(repeats) != len(names) or min(repeats) < 1:
    raise errors.UserError(
      f"data.mixed.repeats must be a positive number for each of {', '.join(names)}, got {repeats}"
    )
  parts = []
  for name in names:
    section = _make_section(config, name)
    if data_sets.make_form(section) != labels.FORM:
      raise errors.UserError(f"data.mixed.names: {name} does not hold notes of 4 s at 16 kHz")
    parts.append(data_sets.load(section, on_request))
  lists = [part.vocabulary.get("instrument").names for part in parts]
  offsets = np.cumsum([0, *map(len, lists[:-1])])
  vocabulary = labels.make_vocabulary([name for names in lists for name in names])

  def open_split(split, cache_gb, num_threads):
    chosen = [i for i, part in enumerate(parts) if part.splits.get(split)]
    opened = [parts[i].open_split(split, cache_gb / len(parts), num_threads) for i in chosen]
    counts = [repeats[i] if split == "train" else 1 for i in chosen]
    return Concatenated(opened, counts, [offsets[i] for i in chosen], vocabulary)

  splits: dict[str, int] = {}
  for part, count in zip(parts, repeats, strict=True):
    for split, size in part.splits.items():
      splits[split] = splits.get(split, 0) + size * (count if split == "train" else 1)
  return data_sets.DataSet(
    f"mixed ({', '.join(part.name for part in parts)})",
    labels.FORM,
    vocabulary,
    splits,
    open_split,
    num_bytes=sum(part.num_bytes for part in parts),
  )


def _make_section(config: ml_collections.ConfigDict, name: str) -> ml_collections.ConfigDict:
  """The `data` section of one of the data sets: its own defaults, and what `config` has of them."""
  section = config_lib.make_section("data", name)
  with section.unlocked():
    section.update(config.copy_and_resolve_references())
  section.name = name
  return section


def get_config() -> ml_collections.ConfigDict:
  """Default fields of the data set, with those of soundfont_notes and nsynth_wav."""
  config = soundfont_notes.get_config()
  config.update(nsynth_wav.get_config())
  config.mixed = mixed = ml_collections.ConfigDict()
  mixed.names = ("synth_notes", "soundfont_notes")  # the data sets
  mixed.repeats = ()  # how often an epoch has each one's training notes; once if empty
  return config
