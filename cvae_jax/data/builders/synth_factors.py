"""`synth_notes/factors`, `/grid` and `/full`: synthetic notes with their generative factors.

`factors` and `full` draw all factors independently; `full` has as many notes as NSynth. `grid` has
every combination of a few values of each factor. See `factors` and `factor_methods`.
"""

import collections
from collections.abc import Iterator
import concurrent.futures
import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tensorflow_datasets as tfds

from cvae_jax.data import labels
from cvae_jax.data import notes
from cvae_jax.data.synthetic import factor_methods
from cvae_jax.data.synthetic import factors

_BATCH = 128
_AHEAD = 3  # batches
SPLITS = ("train", "valid", "test")
INSTRUMENTS = tuple(f"{factors.FAMILIES[method]}_synthetic_000" for method in factors.METHODS)


@dataclasses.dataclass
class SynthFactorsConfig(tfds.core.BuilderConfig):
  """Size of a variant.

  Attributes:
    notes: number by split; None for the grid, of which a tenth each is held out.
    seed: of all random draws.
  """

  notes: tuple[int, int, int] | None = None
  seed: int = 0


def make_tables(config: SynthFactorsConfig) -> dict[str, factors.Table]:
  """The factors of each split's notes."""
  if config.notes is None:
    table = factors.make_grid()
    count = table.method.size
    sizes = (count - 2 * (count // 10), count // 10, count // 10)
    rows = np.random.default_rng([config.seed, 4]).permutation(count)
  else:
    sizes = config.notes
    table = factors.draw(sum(sizes), config.seed, labels.VELOCITIES)
    rows = np.arange(sum(sizes))
  ends = np.cumsum(sizes)
  return {
    split: table.take(np.sort(rows[end - size : end]))
    for split, size, end in zip(SPLITS, sizes, ends, strict=True)
  }


@jax.jit
def _to_int16(audio):
  return jnp.round(audio * notes.FULL_SCALE).astype(jnp.int16)


def _render(method, values, pitch, velocity, seed):
  key = jax.random.key(seed)
  return _to_int16(factor_methods.render(method, values, pitch, velocity, key))


def render_table(table: factors.Table, seed: int) -> Iterator[tuple[int, np.ndarray]]:
  """Renders notes in batches of one method, some batches ahead of the consumer.

  Yields:
    (row of the table, [T] int16 audio); order and samples are deterministic.
  """
  batches = []
  for method in range(len(factors.METHODS)):
    rows = np.flatnonzero(table.method == method)
    batches += [(method, *pair) for pair in notes.batches(rows, _BATCH)]

  def render(number, method, rows, full):
    columns = (table.values[full], table.pitch[full], table.velocity[full])
    audio = _render(factors.METHODS[method], *columns, np.uint32(seed * 65_537 + number))
    return rows.tolist(), np.asarray(audio)

  # Parts of the work are single-threaded: several batches at a time keep all cores busy.
  with concurrent.futures.ThreadPoolExecutor(_AHEAD) as pool:
    pending: collections.deque = collections.deque()
    for number, batch in enumerate(batches):
      pending.append(pool.submit(render, number, *batch))
      if len(pending) > _AHEAD:
        yield from zip(*pending.popleft().result(), strict=False)
    while pending:
      yield from zip(*pending.popleft().result(), strict=False)


class SynthFactors(  # type: ignore[call-arg]  # The name is that of SynthNotes.
  tfds.core.GeneratorBasedBuilder, skip_registration=True
):
  """Synthetic notes with their generative factors."""

  name = "synth_notes"
  VERSION = tfds.core.Version("1.0.0")
  BUILDER_CONFIGS = (
    SynthFactorsConfig(
      name="factors",
      description="12,000 notes, all factors independent.",
      notes=(10_000, 1_000, 1_000),
    ),
    SynthFactorsConfig(
      name="grid", description="Every combination of a few values of each factor."
    ),
    SynthFactorsConfig(
      name="full",
      description="305,979 notes, as many as NSynth, all factors independent.",
      notes=(289_205, 12_678, 4_096),
    ),
    SynthFactorsConfig(name="factors_tiny", description="72 notes, for tests.", notes=(48, 12, 12)),
  )

  def _info(self) -> tfds.core.DatasetInfo:
    return self.dataset_info_from_configs(
      description=__doc__,
      features=notes.make_features(INSTRUMENTS, with_factors=True),
      disable_shuffling=True,  # Training shuffles; shuffling here would write everything twice.
    )

  def _split_generators(self, dl_manager: tfds.download.DownloadManager):
    del dl_manager
    tables = make_tables(self.builder_config)
    return {split: self._generate_examples(split, table) for split, table in tables.items()}

  def _generate_examples(
    self, split: str, table: factors.Table
  ) -> Iterator[tuple[int, dict[str, Any]]]:
    seed = self.builder_config.seed * len(SPLITS) + SPLITS.index(split)
    for count, (row, audio) in enumerate(render_table(table, seed)):
      method = factors.METHODS[table.method[row]]
      _, example = notes.make_example(
        f"{split}_{method}_{row:06d}-{table.pitch[row]:03d}-{table.velocity[row]:03d}",
        audio,
        int(table.pitch[row]),
        int(table.velocity[row]),
        INSTRUMENTS[table.method[row]],
        factors.FAMILIES[method],
        "synthetic",
      )
      values = dict(zip(factors.NAMES, table.values[row].tolist(), strict=True))
      yield count, {**example, "factors": {"method": method, **values}}
