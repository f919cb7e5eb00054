"""The public API: a trained run, loaded by its workdir, that makes notes."""

from collections.abc import Mapping
from collections.abc import Sequence
import functools
import os
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from cvae_jax import checkpoint
from cvae_jax import compilation
from cvae_jax import config_file
from cvae_jax import errors
from cvae_jax import feature_statistics
from cvae_jax import label_table
from cvae_jax import methods
from cvae_jax.data import labels

# A number, a name, names of qualities, or a mix: weights by name.
Label = int | float | str | Sequence[str] | Mapping[str, float]
_UNCONDITIONED_VELOCITY = 127  # full level, where a run knows nothing of velocity


class Synthesizer:
  """A run that makes notes.

  Attributes:
    config: that it was trained with.
    step: of its checkpoint.
    params: that it makes notes with.
    method: its functions.
    table: labels of the notes that it was trained on.
    statistics: of its features, where they are standardised.
  """

  sample_rate = labels.SAMPLE_RATE

  def __init__(
    self,
    config: ml_collections.ConfigDict,
    step: int,
    params: Any,
    method: methods.Method,
    table: label_table.LabelTable,
    statistics: feature_statistics.FeatureStatistics | None = None,
  ):
    self.config = config
    self.step = step
    self.params = params
    self.method = method
    self.table = table
    self.statistics = statistics

  @property
  def conditions(self) -> tuple[str, ...]:
    """The labels that this run can be asked for."""
    return tuple(self.config.condition.labels)

  def resolve(self, **asked: Label | None) -> dict[str, Any]:
    """Checks labels and turns names into numbers; those that are None are left out.

    Args:
      **asked: pitch (MIDI number; between two keys, a float), velocity (0-127), family, source,
        instrument (names or numbers; a mix of them, weights by name), qualities (names).

    Raises:
      UserError: one line, for a label that this run is not conditioned on, one that does not exist,
        or one that was not in training.
    """
    resolved: dict[str, Any] = {}
    for name, value in asked.items():
      if value is None:
        continue
      if name not in self.conditions:
        what = (
          f"conditioned on {', '.join(self.conditions)}" if self.conditions else "unconditional"
        )
        raise errors.UserError(f"this run is {what}: it cannot be asked for a {name}")
      resolved[name] = self._resolve(name, value)
    return resolved

  def _resolve(self, name: str, value: Any) -> Any:
    if name == "pitch" and float(value) != int(value):
      if not 0 <= value <= 127:
        raise errors.UserError(f"pitch must be 0-127, got {value}")
      return np.float32(value)
    if name in ("pitch", "velocity"):
      return labels.check_range(value, 127, name)
    if name == "qualities":
      chosen = [labels.index_of(quality, labels.QUALITIES, "quality") for quality in value]
      return np.isin(np.arange(len(labels.QUALITIES)), chosen).astype(np.float32)
    names = {
      "family": labels.FAMILIES,
      "source": labels.SOURCES,
      "instrument": self.table.instruments,
    }[name]
    if isinstance(value, Mapping):
      weights = np.zeros(len(names))
      for part, weight in value.items():
        if not 0 < weight < 1e300:
          must = "finite" if weight > 0 else "positive"
          raise errors.UserError(f"the weight of {name} {part} must be {must}, got {weight}")
        weights[self._resolve(name, part)] = weight
      return (weights / weights.sum()).astype(np.float32)
    index = labels.index_of(value, names, name)
    known = self.table.known(name)
    if index not in known:
      taught = ", ".join(names[i] for i in known[:20])
      raise errors.UserError(
        f"{name} {names[index]} was not in this run's training notes: it knows {taught}"
      )
    return index

  def draw_labels(self, num: int, seed: int, **asked: Label | None) -> dict[str, np.ndarray]:
    """Labels of `num` notes: those asked for, the rest drawn from training notes that share them.

    A run that was taught with labels at times unknown (condition.drop_rate) is left free in what is
    not asked: these labels are -1.

    Raises:
      UserError: as `resolve`; or a number of notes or a seed that is none.
    """
    if num < 1:
      raise errors.UserError(f"the number of notes must be 1 or more, got {num}")
    if not 0 <= seed < 2**32:
      raise errors.UserError(f"seed must be 0 to {2**32 - 1}, got {seed}")
    given = self.resolve(**asked)
    drawn = self.table.draw(np.random.default_rng(seed), given, num)
    if self.config.condition.drop_rate:
      for name in self.conditions:
        if name not in given:
          drawn[name] = np.full_like(drawn[name], -1)
    if "velocity" not in self.conditions:
      drawn["velocity"][:] = _UNCONDITIONED_VELOCITY
    return drawn

  @functools.cached_property
  def _sample(self):
    sample = self.method.sample
    assert sample is not None

    def one(params, note_labels, key):
      batch = jax.tree.map(lambda x: x[None], note_labels)
      return sample(params, batch, key)[0]

    # A key for each note: note i of a seed is the same, however many are asked for beside it.
    def every(params, note_labels, seed):
      index = jnp.arange(note_labels["pitch"].shape[0])
      keys = jax.vmap(functools.partial(jax.random.fold_in, jax.random.key(seed)))(index)
      return jax.vmap(one, in_axes=(None, 0, 0))(params, note_labels, keys)

    return compilation.jit(every)

  def sample(
    self, note_labels: Mapping[str, np.ndarray], seed: int = 0, temperature: float = 1.0
  ) -> np.ndarray:
    """Generates a note for each row of labels ([M, T] float32, full scale -1 to 1).

    Args:
      note_labels: as `draw_labels` gives them.
      seed: the same one gives the same notes.
      temperature: of the prior's deviation: 0.0 gives its most typical note, 1.0 its own variety.

    Raises:
      UserError: a run that has nothing to sample from, or a temperature that is negative.
    """
    if not temperature >= 0.0:
      raise errors.UserError(f"temperature must be 0 or more, got {temperature}")
    if self.method.sample is None:
      raise errors.UserError(
        "this run is a plain autoencoder: it has no prior to generate from, and can reconstruct"
      )
    wanted = methods.at_temperature(note_labels, temperature)
    return np.asarray(self._sample(self.params, wanted, np.uint32(seed)))

  def generate(
    self,
    pitch: float | None = None,
    family: str | int | Mapping[str, float] | None = None,
    velocity: int | None = None,
    source: str | int | Mapping[str, float] | None = None,
    instrument: str | int | None = None,
    qualities: Sequence[str] | None = None,
    num: int | None = None,
    seed: int = 0,
    temperature: float = 1.0,
  ) -> np.ndarray:
    """Generates notes; what is not asked for is drawn from the training notes' labels.

    Args:
      pitch: MIDI number, 0 to 127; 60.5 lies between two keys.
      family: one of `labels.FAMILIES`, or a mix: {'organ': 0.7, 'flute': 0.3}.
      velocity: 0 to 127.
      source: one of `labels.SOURCES`, or a mix.
      instrument: a name of the data set's.
      qualities: names of `labels.QUALITIES`.
      num: how many; without it one note comes alone, [T] rather than [1, T].
      seed: the same one gives the same notes.
      temperature: see `sample`.

    Returns:
      [num, T] float32 or [T], 4 s at `sample_rate`.

    Raises:
      UserError: what this run cannot be asked for, in one line.
    """
    drawn = self.draw_labels(
      1 if num is None else num,
      seed,
      pitch=pitch,
      family=family,
      velocity=velocity,
      source=source,
      instrument=instrument,
      qualities=qualities,
    )
    audio = self.sample(drawn, seed, temperature)
    return audio[0] if num is None else audio

  @functools.cached_property
  def _score(self):
    assert self.method.score is not None
    return compilation.jit(self.method.score)

  def infer_labels(
    self, audio: np.ndarray, seed: int = 0, **asked: Label | None
  ) -> dict[str, np.ndarray]:
    """The labels under which a note is likeliest, for those that are not given.

    Coordinate ascent on the model's own bound of log p(x | c): every value of one label in turn
    that was in training, pitch first, twice over.

    Args:
      audio: [T] waveform.
      seed: of the bound's noise.
      **asked: as in `resolve`.

    Returns:
      [1] integers of each label, qualities [1, 10].
    """
    given = self.resolve(**asked)
    current = self.draw_labels(1, seed, **asked)
    if self.method.score is None:
      return current
    batch_size = 32
    key = jax.random.key(seed)
    for name in [n for n in self.conditions if n not in given and n != "qualities"] * 2:
      values = self.table.known(name)
      scores = []
      for start in range(0, values.size, batch_size):
        chunk = np.resize(values[start : start + batch_size], batch_size)
        batch = {k: np.repeat(v, batch_size, axis=0) for k, v in current.items()}
        batch[name] = chunk.astype(batch[name].dtype)
        batch["audio"] = np.repeat(audio[None], batch_size, axis=0)
        scores.append(np.asarray(self._score(self.params, batch, key)))
      best = values[np.argmax(np.concatenate(scores)[: values.size])]
      current[name][:] = best
    return current

  @functools.cached_property
  def _reconstruct(self):
    assert self.method.reconstruct is not None
    return compilation.jit(self.method.reconstruct)

  def reconstruct(
    self, audio: np.ndarray, note_labels: Mapping[str, np.ndarray] | None = None, seed: int = 0
  ) -> np.ndarray:
    """A note through the encoder and back.

    Args:
      audio: [T] waveform at `sample_rate`, T = 64,000.
      note_labels: as `infer_labels` gives them, which is asked without them.
      seed: of the phases' recovery.

    Returns:
      [T] float32, at the original's level.

    Raises:
      UserError: a waveform of another length, or not finite; a run that cannot reconstruct.
    """
    audio = np.asarray(audio, np.float32)
    if audio.shape != (labels.NUM_SAMPLES,):
      raise errors.UserError(
        f"a note must be {labels.NUM_SAMPLES} samples at {labels.SAMPLE_RATE} Hz, "
        f"got shape {audio.shape}"
      )
    if not np.isfinite(audio).all():
      raise errors.UserError("a note must be finite, got NaN or infinite samples")
    if self.method.reconstruct is None:
      raise errors.UserError("this run cannot reconstruct notes")
    if note_labels is None:
      note_labels = self.infer_labels(audio, seed)
    batch = {**note_labels, "audio": audio[None]}
    return np.asarray(self._reconstruct(self.params, batch, jax.random.key(seed)))[0]


def load(workdir: str, step: int | str | None = None) -> Synthesizer:
  """Loads a run from its workdir, which is all that it needs.

  Args:
    workdir: that `cvae_jax.main` wrote.
    step: of the checkpoint; 'best' for the best that was kept; the newest without it.

  Raises:
    UserError: a directory without a run, without a checkpoint or without this one.
  """
  workdir = os.path.expanduser(workdir)
  config = config_file.load(workdir)
  table = label_table.load(workdir)
  statistics = feature_statistics.load(workdir) if config.representation.standardize else None
  method = methods.make_method(config, len(table.instruments), statistics=statistics)
  step, params = checkpoint.restore_params(workdir, step)
  return Synthesizer(config, step, params, method, table, statistics)
