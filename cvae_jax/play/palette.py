"""Main directions of a run's latent space, and the training notes' coordinates along them.

They are the dimensions that training gave a meaning (`Method.meanings`), the principal directions
of what is left, and at last the dimensions that are measured (`Method.measured`).

Setting a coordinate, in standard deviations of the training notes, moves a code along that
direction only; its components in other directions do not change.
"""

from collections.abc import Sequence
import logging
import os
from typing import NamedTuple

import numpy as np

from cvae_jax.core import atomic
from cvae_jax.core import errors
from cvae_jax.core import npz_file
from cvae_jax.data import pipeline
from cvae_jax.data import sources
from cvae_jax.data import vocabulary as vocabulary_lib
from cvae_jax.synthesis import note_codes
from cvae_jax.synthesis import synthesizer

_log = logging.getLogger("cvae_jax.play")

FILENAME = "palette.npz"
NUM_DIRECTIONS = 8  # but for those that are measured
_NUM_NOTES = 600


class Palette(NamedTuple):
  """Dimensions with a meaning, and principal components of the codes of training notes.

  Attributes:
    step: of the checkpoint that encoded the notes.
    mean: [D] mean of the codes; codes of any shape are flattened to D numbers.
    directions: [K, D] orthonormal; those without a name by decreasing deviation.
    deviation: [K] standard deviation of the codes along each direction.
    codes: [M, D] codes of the notes.
    rows: [M] rows of the notes in the training split.
    ids: [M] names of the notes.
    labels: columns of M rows, as in a batch.
  """

  step: int
  mean: np.ndarray
  directions: np.ndarray
  deviation: np.ndarray
  codes: np.ndarray
  rows: np.ndarray
  ids: np.ndarray
  labels: dict[str, np.ndarray]

  def places(self, codes: np.ndarray) -> np.ndarray:
    """[M, K] coordinates of codes [M, ...] along the directions, in standard deviations."""
    flat = codes.reshape(len(codes), -1)
    return (flat - self.mean) @ self.directions.T / self.deviation

  def move(self, code: np.ndarray, places: Sequence[float | None]) -> np.ndarray:
    """Codes [M, ...] moved to coordinates along the first directions; None keeps a coordinate."""
    moved = np.array(code, np.float32).reshape(len(code), -1)
    current = self.places(code)
    for k, place in enumerate(places[: len(self.directions)]):
      if place is not None:
        moved += ((place - current[:, k]) * self.deviation[k])[:, None] * self.directions[k]
    return moved.reshape(code.shape)


def make_palette(synth: synthesizer.Synthesizer, source: sources.Source) -> Palette:
  """Encodes evenly spaced notes of a source and computes their main directions.

  Source: principal component analysis; of a latent space, Härkönen et al. 2020, "GANSpace".
  """
  encoded = note_codes.encode_notes(synth, source, _NUM_NOTES)
  mean = encoded.flat.mean(axis=0)
  named, measured = _named_directions(synth)
  rest = encoded.flat - mean
  known = np.concatenate([named, measured])
  known_deviation = np.std(rest @ known.T, axis=0, ddof=min(len(rest) - 1, 1))
  named_deviation, measured_deviation = np.split(known_deviation, [len(named)])
  rest -= rest @ known.T @ known
  _, singular, directions = np.linalg.svd(rest, full_matrices=False)
  deviation = singular / np.sqrt(max(len(rest) - 1, 1))
  largest = max([deviation[0], *named_deviation])
  # Directions of negligible variance are dropped, but for those that have names.
  num = min(NUM_DIRECTIONS - len(named), int(np.sum(deviation > 1e-3 * largest)))
  directions = np.concatenate([named, directions[:num], measured])
  deviation = np.concatenate([named_deviation, deviation[:num], measured_deviation])
  deviation = np.maximum(deviation, 1e-6)
  columns = encoded.labels()
  return Palette(
    synth.step,
    mean,
    directions,
    deviation,
    encoded.flat,
    encoded.rows,
    columns["id"].astype(str),
    vocabulary_lib.select(columns, synth.vocabulary),
  )


def name_directions(synth: synthesizer.Synthesizer, count: int) -> list[str]:
  """Names of the `count` directions of a palette; '' of those without one."""
  first, last = _meanings(synth), [name for name in synth.method.measured if name]
  return [*first, *[""] * (count - len(first) - len(last)), *last]


def _meanings(synth):
  """Names of dimensions with a meaning, as many as the map has room for."""
  return synth.method.meanings[: NUM_DIRECTIONS - 1]


def _named_directions(synth):
  """[K, D] of the dimensions with a meaning, and [L, D] of those that are measured."""
  size, measured = synth.method.code_size, synth.method.measured
  every = np.eye(size, dtype=np.float32)
  last = [size - len(measured) + k for k, name in enumerate(measured) if name]
  return every[: len(_meanings(synth))], every[last]


def _load(path: str, synth: synthesizer.Synthesizer) -> Palette | None:
  step = synth.step
  try:
    stored = npz_file.load(path)
    if stored["step"].tolist() != step:
      return None
    fields = {name: stored[name] for name in Palette._fields if name not in ("step", "labels")}
    labels = {n: stored[f"label_{n}"] for n in synth.vocabulary.names}
    named, measured = _named_directions(synth)
    directions = fields["directions"]
    ends = directions[: len(named)], directions[len(directions) - len(measured) :]
    if not all(map(np.array_equal, ends, (named, measured))):
      return None
    return Palette(step=step, labels=labels, **fields)
  except (FileNotFoundError, KeyError, errors.UserError):
    return None  # The palette is computed again.


def get_palette(synth: synthesizer.Synthesizer, workdir: str) -> Palette | None:
  """A run's palette; None if the run has no encoder or its data set is not available.

  It is cached in the workdir, so that a run copied to another machine keeps it.
  """
  if not synth.method.can_reconstruct or synth.method.code_size < 2:
    return None
  path = os.path.join(workdir, FILENAME)
  palette = _load(path, synth)
  if palette is not None:
    return palette
  try:
    palette = make_palette(synth, pipeline.open_data(synth.config.data).train)
  except errors.UserError as e:
    _log.info("the latent space has no map: %s", e)
    return None
  arrays = {**palette._asdict(), **{f"label_{n}": v for n, v in palette.labels.items()}}
  del arrays["labels"]
  try:
    with atomic.open_file(path, "wb") as f:
      np.savez_compressed(f, **arrays)
  except OSError as e:
    _log.info("%s cannot be written (%s): the map will be computed again next time", path, e)
  return palette
