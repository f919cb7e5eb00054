"""The examples that a run leaves to be heard and seen: `samples/` in its workdir."""

import os
import re
import textwrap
from typing import Any
from typing import NamedTuple

import jax
import numpy as np

from cvae_jax import methods
from cvae_jax.data import forms
from cvae_jax.data import pipeline
from cvae_jax.data import sources
from cvae_jax.data import vocabulary as vocabulary_lib
from cvae_jax.evaluation import drawing
from cvae_jax.training import compilation

DIRECTORY = "samples"
FIGURE = "samples.png"
VERSIONS = ("original", "reconstruction", "generated")


class Sample(NamedTuple):
  """A held-out example and what a model makes of it (None where it cannot).

  Attributes:
    name: its id.
    original: as it is in the data.
    reconstruction: of the original.
    generated: from its labels and a random z.
  """

  name: str
  original: np.ndarray
  reconstruction: np.ndarray | None
  generated: np.ndarray | None


def _choose(data: pipeline.Data, count: int, seed: int) -> np.ndarray:
  """Held-out rows of all names of the main label, and of numbers spread from low to high."""
  columns, vocabulary = data.held_out.labels, data.vocabulary
  rng = np.random.default_rng(seed)
  rows = rng.permutation(len(data.held_out))
  main = vocabulary.main
  number = next(vocabulary.of_kind(vocabulary_lib.NUMBER), None)
  groups = np.zeros(len(rows), int) if main is None else columns[main.name]
  values = np.zeros(len(rows)) if number is None else columns[number.name]
  kinds = list(dict.fromkeys(groups[rows].tolist()))
  low, high = values[rows].min(), values[rows].max()
  chosen: list[int] = []
  for i in range(min(count, len(rows))):
    left = np.asarray([row for row in rows if row not in chosen])
    same = left[groups[left] == kinds[i % len(kinds)]]
    pool = same if same.size else left
    # The golden ratio's multiples walk over the range without a pattern beside the families'.
    target = low + (high - low) * ((0.5 + 0.618 * i) % 1.0)
    chosen.append(int(pool[np.argmin(np.abs(values[pool] - target))]))
  return np.asarray(chosen)


def make_samples(
  method: methods.Method, params: Any, data: pipeline.Data, count: int, seed: int
) -> list[Sample]:
  """Reconstructs held-out examples with different labels, and generates their like.

  Args:
    method: of the run.
    params: of the network.
    data: the run's examples.
    count: how many.
    seed: of the choice and of the sampling.
  """
  rows = _choose(data, count, seed)
  batch = next(pipeline.eval_batches(data.held_out, len(rows), rows))
  arrays = {key: batch[key] for key in sources.batch_keys(data.held_out)}
  reconstruct_rng, sample_rng = jax.random.split(jax.random.key(seed))
  reconstructed: Any = [None] * len(rows)
  generated: Any = [None] * len(rows)
  if method.can_reconstruct:
    reconstructed = np.asarray(compilation.jit(method.reconstruct)(params, arrays, reconstruct_rng))
  if method.can_sample:
    labels = vocabulary_lib.select(arrays, data.vocabulary)
    given = methods.at_temperature(labels, len(rows))
    generated = np.asarray(compilation.jit(method.sample)(params, given, sample_rng))
  return [
    Sample(str(name), *versions)
    for name, *versions in zip(
      batch["id"], batch[data.form.key], reconstructed, generated, strict=True
    )
  ]


def versions(sample: Sample) -> dict[str, np.ndarray]:
  """What there is of a sample, by name."""
  return {name: getattr(sample, name) for name in VERSIONS if getattr(sample, name) is not None}


def draw(samples: list[Sample], data: pipeline.Data) -> bytes:
  """A PNG of the samples, an example a row."""
  columns = list(versions(samples[0]))
  rows = [(title_of(s.name), [versions(s)[c] for c in columns]) for s in samples]
  return data.form.draw(rows, [c.capitalize() for c in columns])


def title_of(name: str) -> str:
  """guitar_acoustic_003-060-100 as two short lines; the last part of a path in such lines."""
  parts = name.rsplit("-", 2)
  if len(parts) == 3 and parts[1].isdigit() and parts[2].isdigit():
    return f"{parts[0]}\npitch {int(parts[1])}, vel. {int(parts[2])}"
  return "\n".join(textwrap.wrap(name.rsplit("/", 1)[-1], 22)[:2])


def find(workdir: str) -> dict[str, dict[str, str]]:
  """Paths of the examples that `write` has left in a workdir, by name and version."""
  directory = os.path.join(workdir, DIRECTORY)
  found: dict[str, dict[str, str]] = {}
  for file in sorted(os.listdir(directory)) if os.path.isdir(directory) else []:
    parts = file.rsplit(".", 2)
    if len(parts) == 3 and parts[1] in VERSIONS:
      found.setdefault(parts[0], {})[parts[1]] = os.path.join(directory, file)
  return found


def write(samples: list[Sample], workdir: str, png: bytes, form: forms.Form) -> str:
  """Writes the samples as files of their form, with their figure; returns the directory."""
  directory = os.path.join(workdir, DIRECTORY)
  for sample in samples:
    stem = re.sub(r"[^\w.+#-]+", "_", sample.name)  # An id may be a path.
    for name, example in versions(sample).items():
      form.write(os.path.join(directory, f"{stem}.{name}{form.suffix}"), example)
  drawing.write_png(os.path.join(directory, FIGURE), png)
  return directory
