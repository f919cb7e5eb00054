"""Sources: random access to the examples of a split, and to their labels.

A source is a Grain RandomAccessDataSource. Its examples are flat dictionaries: the form's key, the
labels of the vocabulary, and `id`. `Records` reads what TFDS prepared; `clips.Clips` and
`clips.Excerpts` read a memory-mapped store of audio. Data sets may define others.
"""

from collections.abc import Mapping
from collections.abc import Sequence
import functools
import os
from typing import Any

import numpy as np

from cvae_jax.core import errors
from cvae_jax.data import forms
from cvae_jax.data import label_index
from cvae_jax.data import notes
from cvae_jax.data import vocabulary as vocabulary_lib


class Source:
  """Examples of a split. A subclass defines `form`, `vocabulary`, `labels` and `stored`.

  Attributes:
    form: of the examples.
    vocabulary: of their labels.
    folder: directory for caches derived from the examples; None for none.
    is_random: whether training examples also depend on a random seed, as excerpts do.
    controls: keys of examples that vary in time, float32 [N] each; see `tracked`.
  """

  form: forms.Form
  vocabulary: vocabulary_lib.Vocabulary
  folder: str | None = None
  is_random: bool = False
  controls: tuple[str, ...] = ()
  labels: dict[str, np.ndarray]

  def __len__(self) -> int:
    return len(self.labels["id"])

  def stored(self, index: int, seed: int | None = None) -> dict[str, Any]:
    """Example `index` as it is stored: audio as int16 where that is exact.

    Args:
      index: 0 to len - 1.
      seed: of a random training excerpt; None returns the fixed example of evaluation.
    """
    raise NotImplementedError

  def stored_many(
    self, indices: Sequence[int], seeds: Sequence[int | None]
  ) -> list[dict[str, Any]]:
    """Several examples as `stored` gives them."""
    return [self.stored(index, seed) for index, seed in zip(indices, seeds, strict=True)]

  def variants(self, index: int) -> np.ndarray:
    """[V, ...] what training may draw as example `index`, but for transposition.

    Only the example of evaluation where that is not a list, as of excerpts at any position.
    """
    return np.stack([self.stored(index)[self.form.key]])

  def __getitem__(self, index: int) -> dict[str, Any]:
    """Example `index`, its audio as float32."""
    example = self.stored(int(index))
    return {**example, self.form.key: notes.to_float(example[self.form.key])}

  def select(self, rows: np.ndarray) -> "Source":
    """A source of some of these examples."""
    return Selected(self, np.asarray(rows))

  def __repr__(self) -> str:  # Grain compares it when it restores an iterator.
    return f"{type(self).__name__}({len(self)} examples)"


class Selected(Source):
  """Some of a source's examples.

  Args:
    source: the whole source.
    rows: rows of the selected examples.

  Attributes:
    source, rows: as given.
  """

  def __init__(self, source: Source, rows: np.ndarray):
    self.source, self.rows = source, rows
    self.form, self.vocabulary = source.form, source.vocabulary
    self.folder, self.is_random = source.folder, source.is_random
    self.controls = source.controls
    self.labels = {name: column[rows] for name, column in source.labels.items()}

  def stored(self, index: int, seed: int | None = None) -> dict[str, Any]:
    """See `Source.stored`."""
    return self.source.stored(int(self.rows[index]), seed)

  def stored_many(
    self, indices: Sequence[int], seeds: Sequence[int | None]
  ) -> list[dict[str, Any]]:
    """See `Source.stored_many`."""
    return self.source.stored_many(self.rows[np.asarray(indices)].tolist(), seeds)

  def variants(self, index: int) -> np.ndarray:
    """See `Source.variants`."""
    return self.source.variants(int(self.rows[index]))


class Labels(Source):
  """Labels of examples that are not at hand themselves.

  Args:
    form: of the examples.
    vocabulary: of their labels.
    columns: [M] of each label, and of `id`.
  """

  def __init__(
    self,
    form: forms.Form,
    vocabulary: vocabulary_lib.Vocabulary,
    columns: Mapping[str, np.ndarray],
  ):
    self.form, self.vocabulary, self.labels = form, vocabulary, dict(columns)


class Arrays(Source):
  """Examples in memory, for small data sets.

  Args:
    form: of the examples.
    examples: [M, ...] examples.
    vocabulary: of the labels.
    columns: [M] values of each label.
    ids: [M] names; numbers if not given.
  """

  def __init__(
    self,
    form: forms.Form,
    examples: np.ndarray,
    vocabulary: vocabulary_lib.Vocabulary | None = None,
    columns: Mapping[str, np.ndarray] | None = None,
    ids: Sequence[str] | None = None,
  ):
    self.form, self._examples = form, examples
    self.vocabulary = vocabulary or vocabulary_lib.Vocabulary()
    names = [f"{i:06d}" for i in range(len(examples))] if ids is None else list(ids)
    self.labels = {"id": np.asarray(names), **vocabulary_lib.select(columns or {}, self.vocabulary)}

  def stored(self, index: int, seed: int | None = None) -> dict[str, Any]:
    """See `Source.stored`."""
    row = {name: column[index] for name, column in self.labels.items()}
    return {**row, self.form.key: self._examples[index]}


class Records(Source):
  """Notes of records, cached in memory once read.

  Notes that are exact in 16 bits, as NSynth's are, are cached as int16.

  Args:
    records: all notes, as `notes.parse` takes them.
    form: of the notes.
    vocabulary: of the labels.
    cache_gb: size of the cache; if the notes do not fit, none is cached.
    label_path: cache file of the labels, see `label_index.read_labels`.
    num_threads: threads that read the labels.
    rows: rows of the selected records; all if not given.

  Attributes:
    records: all notes, also those that are not selected.
  """

  def __init__(
    self,
    records: Sequence[bytes],
    form: forms.Waveform,
    vocabulary: vocabulary_lib.Vocabulary,
    cache_gb: float,
    label_path: str,
    num_threads: int = 2,
    rows: np.ndarray | None = None,
  ):
    self.form, self.vocabulary = form, vocabulary
    self.folder = os.path.dirname(label_path)
    self.records = records
    self._arguments = (records, form, vocabulary, cache_gb, label_path, num_threads)
    self._rows = np.arange(len(records)) if rows is None else rows
    fits = len(self._rows) * form.num_samples * 2 <= cache_gb * 1e9
    self._cache: list[dict[str, Any] | None] | None = [None] * len(self._rows) if fits else None

  def __len__(self) -> int:
    return len(self._rows)

  def select(self, rows: np.ndarray) -> "Records":
    """See `Source.select`; the cache holds the selected notes only."""
    selected = type(self)(*self._arguments, self._rows[rows])
    selected.labels = {name: column[rows] for name, column in self.labels.items()}
    return selected

  @functools.cached_property
  def labels(self) -> dict[str, np.ndarray]:  # type: ignore[override]
    """Labels of the notes, as columns, with `id`."""
    *_, path, num_threads = self._arguments
    columns = label_index.read_labels(path, len(self.records), self._read, num_threads)
    return {name: column[self._rows] for name, column in columns.items()}

  def stored(self, index: int, seed: int | None = None) -> dict[str, Any]:
    """See `Source.stored`."""
    cached = self._cache[index] if self._cache is not None else None
    if cached is None:
      cached = self._read(int(self._rows[index]))
      if self._cache is not None:
        samples = notes.to_int16(cached["audio"])
        cached = cached if samples is None else {**cached, "audio": samples}
        self._cache[index] = cached
    return cached

  def _read(self, row: int) -> dict[str, Any]:
    """Reads and parses a record; ArrayRecord verifies its checksum.

    Raises:
      UserError: if the record is damaged.
    """
    try:
      return notes.parse(self.records[row])
    except (RuntimeError, ValueError, LookupError, OSError) as e:
      raise errors.UserError(
        f"note {row} of {self.folder} cannot be read ({errors.one_line(e)}): "
        "remove the folder to prepare it again"
      ) from None


def collate(form: forms.Form, examples: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
  """Stacks stored examples into a batch, with audio as float32."""
  batch = {key: np.stack([e[key] for e in examples]) for key in examples[0] if key != form.key}
  values = [e[form.key] for e in examples]
  if len({x.dtype for x in values}) > 1:  # Some notes are int16, others float32.
    values = [notes.to_float(x) for x in values]
  return {**batch, form.key: notes.to_float(np.stack(values))}


FACTORS = "factors"  # of the notes of `synth_notes/factors`: [B, F], no label of a vocabulary


def train_keys(source: Source) -> tuple[str, ...]:
  """The keys of a training batch that are sent to the device: those of any, and known factors."""
  return (*batch_keys(source), *((FACTORS,) if FACTORS in source.labels else ()))


def batch_keys(source: Source) -> tuple[str, ...]:
  """The keys of a batch that are sent to the device: the example, its labels and controls."""
  return (source.form.key, *source.vocabulary.names, *source.controls)
