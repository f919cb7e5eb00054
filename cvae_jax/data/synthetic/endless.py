"""Training notes of instruments without number: each is drawn anew when it is read.

Rendering a note takes less than a tenth of the time that a network needs to learn from it, so that
no instrument has to be seen twice.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cvae_jax.data import labels
from cvae_jax.data import notes
from cvae_jax.data import sources
from cvae_jax.data.builders import synth_notes
from cvae_jax.data.synthetic import recipes

_CHUNK = 4  # notes of one family that are rendered at a time


@functools.partial(jax.jit, static_argnames="family")
def _render(family, instrument, source, pitch, velocity, seed):
  """[B, T] int16 notes and [B, 10] qualities, each a function of its own row alone."""

  def render(instrument, source, pitch, velocity, seed):
    key = jax.random.key(seed)
    one = recipes.render(family, instrument[None], source[None], pitch[None], velocity[None], key)
    return one[0]

  audio = jax.vmap(render)(instrument, source, pitch, velocity, seed)
  samples = jnp.round(audio * notes.FULL_SCALE).astype(jnp.int16)
  return samples, synth_notes.measure_qualities(audio, pitch)


class Endless(sources.Source):
  """Notes of the families and sources of other notes, by instruments that are drawn anew.

  Row and seed give the note: the row its family and source, the seed its instrument, pitch and
  velocity. Its instrument label is -1, unknown. Without a seed a row is the other source's note, so
  that what is measured of training examples, such as a classifier, is that of the fixed set.

  Args:
    source: of the other notes, of `synth_notes`.
  """

  is_random = True

  def __init__(self, source: sources.Source):
    self._source = source
    self.form, self.vocabulary, self.folder = source.form, source.vocabulary, source.folder
    self.labels = source.labels

  def stored(self, index: int, seed: int | None = None) -> dict[str, Any]:
    """See `Source.stored`."""
    if seed is None:
      return self._source.stored(index)
    return self.stored_many([index], [seed])[0]

  def stored_many(self, indices, seeds) -> list[dict[str, Any]]:
    """See `Source.stored_many`: notes of one family are rendered together."""
    if None in seeds:
      return super().stored_many(indices, seeds)
    rows = np.asarray(indices)
    family, source = (self.labels[name][rows] for name in ("family", "source"))
    drawn = [_draw(seed) for seed in seeds]
    instrument, pitch, velocity = map(np.stack, zip(*drawn, strict=True))
    examples: list[Any] = [None] * len(rows)
    for name in np.unique(family):
      for chunk, filled in notes.batches(np.flatnonzero(family == name), _CHUNK):
        samples, qualities = _render(
          labels.FAMILIES[name], instrument[filled], source[filled], pitch[filled],
          velocity[filled], np.asarray(seeds, np.uint32)[filled],
        )  # fmt: skip
        samples, qualities = np.asarray(samples), np.asarray(qualities)
        for i, place in enumerate(chunk.tolist()):
          examples[place] = {
            "audio": samples[i],
            "pitch": pitch[place],
            "velocity": velocity[place],
            "family": family[place],
            "source": source[place],
            "instrument": np.int32(-1),
            "qualities": qualities[i].astype(np.float32),
            "id": f"endless-{seeds[place]}",
          }
    return examples


def _draw(seed: int) -> tuple[np.ndarray, np.int32, np.int32]:
  """(instrument, pitch, velocity) of a seed."""
  rng = np.random.default_rng(seed)
  instrument = rng.uniform(size=recipes.NUM_PARAMETERS).astype(np.float32)
  pitch = rng.integers(labels.MIN_PITCH, labels.MAX_PITCH + 1, dtype=np.int32)
  return instrument, pitch, rng.choice(np.asarray(labels.VELOCITIES, np.int32))
