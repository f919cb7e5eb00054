"""The public API: a trained run that generates and reconstructs."""

from collections.abc import Mapping
from collections.abc import Sequence
import functools
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from cvae_jax import methods
from cvae_jax.core import config_file
from cvae_jax.core import errors
from cvae_jax.core import workdirs
from cvae_jax.data import data_sets
from cvae_jax.data import forms
from cvae_jax.data import label_table
from cvae_jax.data import vocabulary as vocabulary_lib
from cvae_jax.methods.common import feature_statistics
from cvae_jax.methods.common import inversion as inversion_lib
from cvae_jax.training import checkpoint
from cvae_jax.training import compilation

# A number, a name, names of flags, or a mix: weights by name.
Label = int | float | str | Sequence[str] | Mapping[str, float]
_MAX_EXAMPLES = 1_000_000  # per call


class Synthesizer:
  """A trained run that generates and reconstructs sounds or scores.

  Attributes:
    config: of the training.
    step: of the checkpoint.
    params: of the networks.
    method: the run's functions.
    table: labels of the training examples.
    form: of the examples.
    statistics: of the features; None if they are not standardised.
    inversion: of the features; None if no run inverts them.
  """

  def __init__(
    self,
    config: ml_collections.ConfigDict,
    step: int,
    params: Any,
    method: methods.Method,
    table: label_table.LabelTable,
    form: forms.Form,
    statistics: feature_statistics.FeatureStatistics | None = None,
    inversion: inversion_lib.Inversion | None = None,
  ):
    self.config = config
    self.step = step
    self.params = params
    self.method = method
    self.table = table
    self.form = form
    self.statistics = statistics
    self.inversion = inversion

  def with_fields(self, fields: Mapping[str, Any]) -> "Synthesizer":
    """The same run with other values of its config's fields, by dotted name."""
    config = self.config.copy_and_resolve_references()
    config.update_from_flattened_dict(fields)
    kept = (self.statistics, self.inversion)
    method = methods.make_method(
      config, self.form, self.vocabulary, statistics=self.statistics, inversion=self.inversion
    )
    return Synthesizer(config, self.step, self.params, method, self.table, self.form, *kept)

  def need(self, part: str, what: str, kind: str) -> Any:
    """A part of the method that not every method has, of a run of sounds.

    Args:
      part: field of the method.
      what: it is needed for.
      kind: of runs that have it, and which configs make them.

    Raises:
      UserError: if this run has none.
    """
    forms.need_waveform(self.form, what)
    found = getattr(self.method, part)
    if found is None:
      raise errors.UserError(
        f"{what} needs a run that {kind}: this one is a '{self.config.method.name}'"
      )
    return found

  @property
  def conditions(self) -> tuple[str, ...]:
    """The labels that this run is conditioned on."""
    return tuple(self.config.condition.labels)

  @property
  def vocabulary(self) -> vocabulary_lib.Vocabulary:
    """Vocabulary of the training examples' labels."""
    return self.table.vocabulary

  @property
  def sample_rate(self) -> int:
    """Sample rate of the sounds, in Hz.

    Raises:
      UserError: if the run generates scores.
    """
    return forms.need_waveform(self.form, "a sample rate").sample_rate

  def resolve(self, **labels: Label | None) -> dict[str, Any]:
    """Checks labels and converts names to indices; labels that are None are left out.

    Args:
      **labels: by name of the label: a name or its index, a mix of names (weights by name), a
        number (a pitch may be fractional), or names of flags.

    Raises:
      UserError: if the run is not conditioned on a label, a value does not exist, or a value was
        not in the training data.
    """
    resolved: dict[str, Any] = {}
    for name, value in labels.items():
      if value is None:
        continue
      if name not in self.conditions:
        conditioning = (
          f"conditioned on {', '.join(self.conditions)}" if self.conditions else "unconditional"
        )
        raise errors.UserError(f"this run is {conditioning}: it takes no label '{name}'")
      resolved[name] = self._resolve(self.vocabulary.get(name), value)
    return resolved

  def _resolve(self, label: vocabulary_lib.Label, value: Any) -> Any:
    if label.kind == vocabulary_lib.NUMBER:
      return label.parse_number(value)
    if label.kind == vocabulary_lib.FLAGS:
      indices = [label.index_of(name) for name in ([value] if isinstance(value, str) else value)]
      return np.isin(np.arange(len(label.names)), indices).astype(np.float32)
    if isinstance(value, Mapping):
      weights = np.zeros(len(label.names))
      for part, weight in value.items():
        if not 0 < weight < 1e300:
          requirement = "finite" if weight > 0 else "positive"
          raise errors.UserError(
            f"the weight of {label.name} {part} must be {requirement}, got {weight}"
          )
        weights[self._resolve(label, part)] = weight
      return (weights / weights.sum()).astype(np.float32)
    index = label.index_of(value)
    if index not in self.table.known(label.name):
      trained_names = ", ".join(self.table.known_names(label.name)[:20])
      raise errors.UserError(
        f"{label.name} {label.names[index]} was not in this run's training data: it has "
        f"{trained_names}"
      )
    return index

  def draw_labels(self, num: int, seed: int, **labels: Label | None) -> dict[str, np.ndarray]:
    """Draws labels of `num` examples, given some: the rest are those of matching training examples.

    For a run that was trained with dropped labels (condition.drop_rate), labels that are not given
    are unknown (-1) instead.

    Returns:
      A column of `num` rows for each label of the vocabulary.

    Raises:
      UserError: as `resolve`; or if the number of examples or the seed is out of range.
    """
    if not 1 <= num <= _MAX_EXAMPLES:
      raise errors.UserError(f"the number of examples must be 1 to {_MAX_EXAMPLES}, got {num}")
    if not 0 <= seed < 2**32:
      raise errors.UserError(f"seed must be 0 to {2**32 - 1}, got {seed}")
    resolved = self.resolve(**labels)
    columns = self.table.draw(np.random.default_rng(seed), resolved, num)
    if self.config.condition.drop_rate:
      for name in self.conditions:
        if name not in resolved:
          columns[name] = np.full_like(columns[name], -1)
    velocity = vocabulary_lib.VELOCITY
    if velocity in columns and velocity not in self.conditions:
      columns[velocity][:] = self.vocabulary.get(velocity).high
    return columns

  @functools.cached_property
  def _sample(self):
    def one(params, labels, key):
      batch = jax.tree.map(lambda x: x[None], labels)
      return self.method.sample(params, batch, key)[0]

    # One key per example: example i of a seed does not depend on the number of examples.
    def every(params, labels, seed):
      index = jnp.arange(methods.count(labels))
      keys = jax.vmap(functools.partial(jax.random.fold_in, jax.random.key(seed)))(index)
      return jax.vmap(one, in_axes=(None, 0, 0))(params, labels, keys)

    return compilation.jit(every)

  def sample(
    self,
    labels: Mapping[str, np.ndarray],
    seed: int = 0,
    temperature: float = 1.0,
    num: int | None = None,
  ) -> np.ndarray:
    """Generates an example for each row of labels ([M, ...], of the run's form).

    Args:
      labels: as returned by `draw_labels`.
      seed: the same seed gives the same examples.
      temperature: factor of the prior's standard deviation; 0.0 gives its mode.
      num: M, if there are no labels.

    Raises:
      UserError: if the run has no prior, or the temperature is negative.
    """
    check_temperature(temperature)
    if not self.method.can_sample:
      use = "it can only reconstruct"
      if self.method.performer is not None:
        use = "play it with cvae_jax.convert or cvae_jax.render, or reconstruct"
      raise errors.UserError(f"this run has no prior to generate from: {use}")
    rows = len(next(iter(labels.values()))) if labels else num
    if rows is None:
      raise ValueError("`num` must be given if there are no labels")
    conditions = methods.at_temperature(labels, rows, temperature)
    return np.asarray(self._sample(self.params, conditions, np.uint32(seed)))

  def generate(
    self,
    *,
    num: int | None = None,
    seed: int = 0,
    temperature: float = 1.0,
    **labels: Label | None,
  ) -> np.ndarray:
    """Generates examples; labels that are not given are drawn from training examples.

    >>> synth.generate(pitch=60, family={"organ": 0.7, "flute": 0.3}, velocity=100, num=4)

    Args:
      num: number of examples; None returns a single example without a batch axis.
      seed: the same seed gives the same examples.
      temperature: see `sample`.
      **labels: by name, as in `resolve`.

    Returns:
      [num, ...] or [...]: waveforms in full scale -1 to 1 at `sample_rate`, or tokens.

    Raises:
      UserError: as `draw_labels` and `sample`.
    """
    rows = 1 if num is None else num
    examples = self.sample(self.draw_labels(rows, seed, **labels), seed, temperature, rows)
    return examples[0] if num is None else examples

  @functools.cached_property
  def _score(self):
    assert self.method.score is not None
    return compilation.jit(self.method.score)

  def infer_labels(
    self, example: np.ndarray, seed: int = 0, **labels: Label | None
  ) -> dict[str, np.ndarray]:
    """Infers the labels that are not given, by maximum likelihood.

    Coordinate ascent on the model's bound of log p(x|c): all training values of one label at a
    time, in the order of the condition, in two passes.

    Args:
      example: of the run's form.
      seed: of the bound's noise.
      **labels: given labels, as in `resolve`.

    Returns:
      [1] integers of each label, flags [1, n].
    """
    resolved = self.resolve(**labels)
    current = self.draw_labels(1, seed, **labels)
    if self.method.score is None:
      return current
    batch_size = 32
    key = jax.random.key(seed)
    flags = {label.name for label in self.vocabulary.of_kind(vocabulary_lib.FLAGS)}
    for name in [n for n in self.conditions if n not in resolved and n not in flags] * 2:
      values = self.table.known(name)
      scores = []
      for start in range(0, values.size, batch_size):
        chunk = np.resize(values[start : start + batch_size], batch_size)
        batch = {k: np.repeat(v, batch_size, axis=0) for k, v in current.items()}
        batch[name] = chunk.astype(batch[name].dtype)
        batch[self.form.key] = np.repeat(example[None], batch_size, axis=0)
        scores.append(np.asarray(self._score(self.params, batch, key)))
      best = values[np.argmax(np.concatenate(scores)[: values.size])]
      current[name][:] = best
    return current

  @functools.cached_property
  def _reconstruct(self):
    return compilation.jit(self.method.reconstruct)

  def reconstruct(
    self, example: np.ndarray, labels: Mapping[str, np.ndarray] | None = None, seed: int = 0
  ) -> np.ndarray:
    """Encodes and decodes an example.

    Args:
      example: of the run's form: a waveform [T] at `sample_rate`, or tokens [L].
      labels: as returned by `infer_labels`; inferred if not given.
      seed: of the phase recovery.

    Returns:
      The reconstruction; a sound has the original's level.

    Raises:
      UserError: if the example is not of the run's form, or the run cannot reconstruct.
    """
    example = self.form.check(example)
    if not self.method.can_reconstruct:
      raise errors.UserError("this run cannot reconstruct: it has no encoder, or no decoder")
    if labels is None:
      labels = self.infer_labels(example, seed)
    batch = {**labels, self.form.key: example[None]}
    return np.asarray(self._reconstruct(self.params, batch, jax.random.key(seed)))[0]


def check_temperature(temperature: float) -> None:
  """Raises UserError for a temperature that is negative or not finite."""
  if not 0.0 <= temperature < np.inf:
    raise errors.UserError(f"temperature must be 0 or more, got {temperature}")


def load(workdir: str = workdirs.DEFAULT, step: int | str | None = None) -> Synthesizer:
  """Loads a run from its workdir, which is self-contained.

  Args:
    workdir: of `cvae_jax.main` or `cvae_jax.package`, or `pretrained:NAME` for a run that comes
      with the package.
    step: of the checkpoint, or 'best'; the newest if not given.

  Raises:
    UserError: if the directory holds no run, or no such checkpoint.
  """
  workdir = workdirs.resolve(workdir)
  config = config_file.load(workdir)
  table = label_table.load(workdir)
  form = data_sets.make_form(config.data)
  statistics = None
  standardize = "representation" in config and config.representation.standardize
  if standardize and isinstance(form, forms.Waveform):
    statistics = feature_statistics.load(workdir)
  inversion = inversion_lib.load(workdir) if inversion_lib.is_learned(config) else None
  method = methods.make_method(
    config, form, table.vocabulary, statistics=statistics, inversion=inversion
  )
  step, params = checkpoint.restore_params(workdir, step)
  return Synthesizer(config, step, params, method, table, form, statistics, inversion)
