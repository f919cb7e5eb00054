"""The notes that a run leaves behind to be heard and seen: `samples/` in its workdir."""

import os
from typing import Any
from typing import NamedTuple

import jax
import numpy as np

from cvae_jax import compilation
from cvae_jax import drawing
from cvae_jax import methods
from cvae_jax.audio import files
from cvae_jax.data import labels
from cvae_jax.data import notes
from cvae_jax.data import pipeline

DIRECTORY = "samples"
FIGURE = "spectrograms.png"


class Sample(NamedTuple):
  """A held-out note and what a model makes of it ([T] each, None where it cannot).

  Attributes:
    name: its note_str.
    original: as it was recorded.
    reconstruction: of the original.
    generated: from its labels and a random z.
  """

  name: str
  original: np.ndarray
  reconstruction: np.ndarray | None
  generated: np.ndarray | None


def _choose(data: pipeline.Notes, count: int, seed: int) -> np.ndarray:
  """Held-out rows of as many families as there are, and of pitches spread from low to high."""
  columns = data.held_out.labels
  rng = np.random.default_rng(seed)
  rows = rng.permutation(len(data.held_out))
  families = list(dict.fromkeys(columns["family"][rows].tolist()))
  low, high = columns["pitch"][rows].min(), columns["pitch"][rows].max()
  chosen: list[int] = []
  for i in range(min(count, len(rows))):
    left = np.asarray([row for row in rows if row not in chosen])
    same = left[columns["family"][left] == families[i % len(families)]]
    pool = same if same.size else left
    # The golden ratio's multiples walk over the range without a pattern beside the families'.
    target = low + (high - low) * ((0.5 + 0.618 * i) % 1.0)
    chosen.append(int(pool[np.argmin(np.abs(columns["pitch"][pool] - target))]))
  return np.asarray(chosen)


def make_samples(
  method: methods.Method, params: Any, data: pipeline.Notes, count: int, seed: int
) -> list[Sample]:
  """Reconstructs held-out notes of several families and pitches, and generates their like.

  Args:
    method: of the run.
    params: of the network.
    data: the run's notes.
    count: how many notes.
    seed: of the choice and of the sampling.
  """
  rows = _choose(data, count, seed)
  batch = next(pipeline.eval_batches(data.held_out, len(rows), rows))
  arrays = {key: batch[key] for key in pipeline.DEVICE_KEYS}
  reconstruct_rng, sample_rng = jax.random.split(jax.random.key(seed))
  reconstructed: Any = [None] * len(rows)
  generated: Any = [None] * len(rows)
  if method.reconstruct is not None:
    reconstructed = np.asarray(compilation.jit(method.reconstruct)(params, arrays, reconstruct_rng))
  if method.sample is not None:
    given = {name: arrays[name] for name in notes.BATCH_LABELS}
    generated = np.asarray(compilation.jit(method.sample)(params, given, sample_rng))
  return [
    Sample(str(name), *versions)
    for name, *versions in zip(batch["id"], batch["audio"], reconstructed, generated, strict=True)
  ]


def versions(sample: Sample) -> dict[str, np.ndarray]:
  """The waveforms of a sample that there are, by name."""
  return {
    name: getattr(sample, name)
    for name in ("original", "reconstruction", "generated")
    if getattr(sample, name) is not None
  }


def draw(samples: list[Sample]) -> bytes:
  """A PNG of the samples' spectrograms, a note a row."""
  columns = list(versions(samples[0]))
  rows = [(title_of(s.name), [versions(s)[c] for c in columns]) for s in samples]
  return drawing.spectrogram_grid(rows, [c.capitalize() for c in columns], labels.SAMPLE_RATE)


def title_of(name: str) -> str:
  """guitar_acoustic_003-060-100 as two short lines."""
  instrument, pitch, velocity = name.rsplit("-", 2) if name.count("-") >= 2 else (name, "", "")
  return f"{instrument}\npitch {pitch.lstrip('0')}, vel. {velocity.lstrip('0')}"


def find(workdir: str) -> dict[str, dict[str, str]]:
  """Paths of the WAVs that `write` has left in a workdir, by note and version."""
  directory = os.path.join(workdir, DIRECTORY)
  found: dict[str, dict[str, str]] = {}
  for file in sorted(os.listdir(directory)) if os.path.isdir(directory) else []:
    if file.endswith(".wav"):
      note, version, _ = file.rsplit(".", 2)
      found.setdefault(note, {})[version] = os.path.join(directory, file)
  return found


def write(samples: list[Sample], workdir: str, png: bytes) -> str:
  """Writes the samples as WAVs with their figure; returns the directory."""
  directory = os.path.join(workdir, DIRECTORY)
  for sample in samples:
    for name, audio in versions(sample).items():
      files.write_wav(
        os.path.join(directory, f"{sample.name}.{name}.wav"), audio, labels.SAMPLE_RATE
      )
  drawing.write_png(os.path.join(directory, FIGURE), png)
  return directory
