"""`synth_notes/factors`, `/grid` and `/full`: notes that come with the factors they were made from.

`factors` and `full` draw all factors independently, `full` as many notes as NSynth has; `grid`
holds every combination of a few values of each. See `factors` and `factor_methods`.
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
    notes: by split; none for the grid, of which a tenth each is for validation and for test.
    seed: of everything random in it.
  """

  notes: tuple[int, int, int] | None = None
  seed: int = 0


def make_tables(config: SynthFactorsConfig) -> dict[str, factors.Table]:
  """What each split's notes are made from."""
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
  """Renders notes, a batch of one method at a time, some batches ahead of the reader.

  Yields:
    (row of the table, [T] int16 audio), in an order and with samples that are the same every time.
  """
  batches = []
  for method in range(len(factors.METHODS)):
    rows = np.flatnonzero(table.method == method)
    batches += [(method, *pair) for pair in notes.batches(rows, _BATCH)]

  def render(number, method, rows, full):
    columns = (table.values[full], table.pitch[full], table.velocity[full])
    audio = _render(factors.METHODS[method], *columns, np.uint32(seed * 65_537 + number))
    return rows.tolist(), np.asarray(audio)

  # Some of the work keeps one core busy and some of it all: several batches together fill them.
  with concurrent.futures.ThreadPoolExecutor(_AHEAD) as pool:
    ahead: collections.deque = collections.deque()
    for number, batch in enumerate(batches):
      ahead.append(pool.submit(render, number, *batch))
      if len(ahead) > _AHEAD:
        yield from zip(*ahead.popleft().result(), strict=False)
    while ahead:
      yield from zip(*ahead.popleft().result(), strict=False)


class SynthFactors(  # type: ignore[call-arg]  # It shares its name with SynthNotes.
  tfds.core.GeneratorBasedBuilder, skip_registration=True
):
  """Synthesised notes with the factors that they were made from."""

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
      disable_shuffling=True,  # Training shuffles; writing everything twice is what takes long.
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
