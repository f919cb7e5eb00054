"""Several data sets of one form as one: their splits, and their vocabularies joined."""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import ml_collections
import numpy as np

from cvae_jax.core import config as config_lib
from cvae_jax.core import errors
from cvae_jax.data import data_sets
from cvae_jax.data import sources
from cvae_jax.data import vocabulary as vocabulary_lib

# Of one source: by label, the values [n] in the joined vocabulary of its own values 0 to n - 1.
Translation = Mapping[str, np.ndarray]


def join(
  vocabularies: Sequence[vocabulary_lib.Vocabulary],
) -> tuple[vocabulary_lib.Vocabulary, list[Translation]]:
  """Joins vocabularies: names that are equal are one value, but those of an open set never are.

  Args:
    vocabularies: of the sources.

  Returns:
    The labels that any of them has, in the order of their first mention, and a translation of the
    values of names for each.

  Raises:
    UserError: a label that is not of one kind and range in all of them.
  """
  order = list(dict.fromkeys(name for v in vocabularies for name in v.names))
  labels = []
  translations: list[dict[str, np.ndarray]] = [{} for _ in vocabularies]
  for name in order:
    found = [v.find(name) for v in vocabularies]
    first = next(label for label in found if label is not None)
    names: list[str] = []
    for label, translation in zip(found, translations, strict=True):
      if label is None:
        continue
      if label._replace(names=()) != first._replace(names=()) or (
        label.kind == vocabulary_lib.FLAGS and label.names != first.names
      ):
        raise errors.UserError(f"the data sets' labels '{name}' differ: {first} and {label}")
      if label.kind != vocabulary_lib.NAMES:
        continue
      if first.open_set:
        translation[name] = len(names) + np.arange(len(label.names), dtype=np.int32)
        names += label.names
      else:
        names += [value for value in label.names if value not in names]
        translation[name] = np.asarray([names.index(value) for value in label.names], np.int32)
    is_named = first.kind == vocabulary_lib.NAMES
    labels.append(first._replace(names=tuple(names)) if is_named else first)
  return vocabulary_lib.Vocabulary(tuple(labels)), list(translations)


class Concatenated(sources.Source):
  """Examples of several sources of one form, one source after the other.

  Args:
    parts: the sources.
    repeats: how often each one's examples are listed.
    vocabulary: of all labels.
    translations: of each one's values, see `join`.
    constants: by label, the value of all examples of each one; what neither tells is unknown.
  """

  def __init__(
    self,
    parts: Sequence[sources.Source],
    repeats: Sequence[int],
    vocabulary: vocabulary_lib.Vocabulary,
    translations: Sequence[Translation],
    constants: Sequence[Mapping[str, int]] | None = None,
  ):
    self._parts, self._translations = parts, translations
    self._constants = constants or [{}] * len(parts)
    self.folder = parts[0].folder
    self.form, self.vocabulary = parts[0].form, vocabulary
    self.is_random = any(part.is_random for part in parts)
    sizes = [len(part) for part in parts]
    self._part = np.concatenate(
      [np.full(size * n, i) for i, (size, n) in enumerate(zip(sizes, repeats, strict=True))]
    )
    self._row = np.concatenate(
      [np.tile(np.arange(size), n) for size, n in zip(sizes, repeats, strict=True)]
    )
    ids = [np.tile(part.labels["id"], n) for part, n in zip(parts, repeats, strict=True)]
    self.labels = {"id": np.concatenate(ids)}
    for name in vocabulary.names:
      columns = [self._translate(i, name, part.labels, sizes[i]) for i, part in enumerate(parts)]
      self.labels[name] = np.concatenate(
        [
          np.tile(column, (n, *[1] * (column.ndim - 1)))
          for column, n in zip(columns, repeats, strict=True)
        ]
      )

  def _translate(self, part: int, name: str, values: Mapping[str, Any], count: int) -> np.ndarray:
    """[count, ...] values of a label in the joined vocabulary; unknown ones stay -1."""
    if name not in values:
      shape = (count, *self.vocabulary.get(name).value_shape)
      return np.full(shape, self._constants[part].get(name, -1), np.int32)
    column = np.asarray(values[name])
    translation = self._translations[part].get(name)
    if translation is None:
      return column
    return np.where(column < 0, -1, translation[column]).astype(np.int32)

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
        # A random part may name its examples otherwise than its labels do.
        own = {name: np.asarray(v)[None] for name, v in example.items() if name in self.labels}
        examples[i] = {
          "id": example["id"],
          self.form.key: example[self.form.key],
          **{name: self._translate(part, name, own, 1)[0] for name in self.vocabulary.names},
        }
    return examples


def make_section(config: ml_collections.ConfigDict, name: str) -> ml_collections.ConfigDict:
  """The `data` section of one of the data sets: its own defaults, and what `config` has of them."""
  section = config_lib.make_section("data", name)
  with section.unlocked():
    section.update(config.copy_and_resolve_references())
  section.name = name
  return section


def make_data_set(
  name: str,
  parts: Sequence[data_sets.DataSet],
  repeats: Sequence[int],
  added: vocabulary_lib.Vocabulary | None = None,
  constants: Sequence[Mapping[str, int]] | None = None,
) -> data_sets.DataSet:
  """Joins data sets.

  Args:
    name: of the whole.
    parts: data sets of one form.
    repeats: how often an epoch has the training examples of each.
    added: labels that all examples of one have in common.
    constants: by name, the value of these labels for each.

  Raises:
    UserError: labels that do not fit together.
  """
  vocabulary, translations = join([part.vocabulary for part in parts])
  if added is not None:
    vocabulary = vocabulary_lib.Vocabulary((*vocabulary.labels, *added.labels))
  constants = constants or [{}] * len(parts)

  def open_split(split, cache_gb, num_threads):
    chosen = [i for i, part in enumerate(parts) if part.splits.get(split)]
    return Concatenated(
      [parts[i].open_split(split, cache_gb / len(parts), num_threads) for i in chosen],
      [repeats[i] if split == "train" else 1 for i in chosen],
      vocabulary,
      [translations[i] for i in chosen],
      [constants[i] for i in chosen],
    )

  splits: dict[str, int] = {}
  for part, count in zip(parts, repeats, strict=True):
    for split, size in part.splits.items():
      splits[split] = splits.get(split, 0) + size * (count if split == "train" else 1)
  return data_sets.DataSet(
    f"{name} ({', '.join(part.name for part in parts)})",
    parts[0].form,
    vocabulary,
    splits,
    open_split,
    num_bytes=sum(part.num_bytes for part in parts),
    remark="; ".join(part.remark for part in parts if part.remark),
  )
