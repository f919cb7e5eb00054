"""The public API: a trained run, loaded by its workdir, that generates and reconstructs."""

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
from cvae_jax.training import checkpoint
from cvae_jax.training import compilation

# A number, a name, names of qualities, or a mix: weights by name.
Label = int | float | str | Sequence[str] | Mapping[str, float]
_MOST = 1_000_000  # examples at one call


class Synthesizer:
  """A run that makes examples: sounds, or scores.

  Attributes:
    config: that it was trained with.
    step: of its checkpoint.
    params: that it generates with.
    method: its functions.
    table: labels of the examples that it was trained on.
    form: of its examples.
    statistics: of its features, where they are standardised.
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
  ):
    self.config = config
    self.step = step
    self.params = params
    self.method = method
    self.table = table
    self.form = form
    self.statistics = statistics

  @property
  def conditions(self) -> tuple[str, ...]:
    """The labels that this run is conditioned on."""
    return tuple(self.config.condition.labels)

  @property
  def vocabulary(self) -> vocabulary_lib.Vocabulary:
    """Of the labels of its training examples."""
    return self.table.vocabulary

  @property
  def sample_rate(self) -> int:
    """Of its sounds, in Hz.

    Raises:
      UserError: a run that makes scores.
    """
    return forms.need_waveform(self.form, "a sample rate").sample_rate

  def resolve(self, **asked: Label | None) -> dict[str, Any]:
    """Checks labels and turns names into numbers; those that are None are left out.

    Args:
      **asked: labels of the vocabulary: a name or its number, a mix of names (weights by name), a
        number (of a pitch one between two keys), names of flags.

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
      resolved[name] = self._resolve(self.vocabulary.get(name), value)
    return resolved

  def _resolve(self, label: vocabulary_lib.Label, value: Any) -> Any:
    if label.kind == vocabulary_lib.NUMBER:
      return label.parse_number(value)
    if label.kind == vocabulary_lib.FLAGS:
      chosen = [label.index_of(name) for name in ([value] if isinstance(value, str) else value)]
      return np.isin(np.arange(len(label.names)), chosen).astype(np.float32)
    if isinstance(value, Mapping):
      weights = np.zeros(len(label.names))
      for part, weight in value.items():
        if not 0 < weight < 1e300:
          must = "finite" if weight > 0 else "positive"
          raise errors.UserError(f"the weight of {label.name} {part} must be {must}, got {weight}")
        weights[self._resolve(label, part)] = weight
      return (weights / weights.sum()).astype(np.float32)
    index = label.index_of(value)
    if index not in self.table.known(label.name):
      known = ", ".join(self.table.known_names(label.name)[:20])
      raise errors.UserError(
        f"{label.name} {label.names[index]} was not in this run's training data: it knows {known}"
      )
    return index

  def draw_labels(self, num: int, seed: int, **asked: Label | None) -> dict[str, np.ndarray]:
    """Labels of `num` examples: those asked for, the rest of training examples that share them.

    A run that was trained with labels at times unknown (condition.drop_rate) is left free in what
    is not asked: these labels are -1.

    Returns:
      A column of `num` rows for each label of the vocabulary: none where it has none.

    Raises:
      UserError: as `resolve`; or a number of examples or a seed that is none.
    """
    if not 1 <= num <= _MOST:
      raise errors.UserError(f"the number of examples must be 1 to {_MOST}, got {num}")
    if not 0 <= seed < 2**32:
      raise errors.UserError(f"seed must be 0 to {2**32 - 1}, got {seed}")
    given = self.resolve(**asked)
    drawn = self.table.draw(np.random.default_rng(seed), given, num)
    if self.config.condition.drop_rate:
      for name in self.conditions:
        if name not in given:
          drawn[name] = np.full_like(drawn[name], -1)
    velocity = vocabulary_lib.VELOCITY
    if velocity in drawn and velocity not in self.conditions:
      drawn[velocity][:] = self.vocabulary.get(velocity).high
    return drawn

  @functools.cached_property
  def _sample(self):
    def one(params, labels, key):
      batch = jax.tree.map(lambda x: x[None], labels)
      return self.method.sample(params, batch, key)[0]

    # A key for each example: example i of a seed is the same, however many are asked for beside it.
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
      labels: as `draw_labels` gives them.
      seed: the same one gives the same examples.
      temperature: of the prior's deviation: 0.0 gives its most typical example, 1.0 its own
        variety.
      num: M, where there are no labels.

    Raises:
      UserError: a run that has nothing to sample from, or a temperature that is negative.
    """
    if not 0.0 <= temperature < np.inf:
      raise errors.UserError(f"temperature must be 0 or more, got {temperature}")
    if not self.method.can_sample:
      raise errors.UserError("this run has no prior to generate from: it can reconstruct")
    rows = len(next(iter(labels.values()))) if labels else num
    if rows is None:
      raise ValueError("without labels `num` must say how many examples are wanted")
    wanted = methods.at_temperature(labels, rows, temperature)
    return np.asarray(self._sample(self.params, wanted, np.uint32(seed)))

  def generate(
    self,
    *,
    num: int | None = None,
    seed: int = 0,
    temperature: float = 1.0,
    **asked: Label | None,
  ) -> np.ndarray:
    """Generates examples; labels that are not asked for are drawn from training examples.

    >>> synth.generate(pitch=60, family={"organ": 0.7, "flute": 0.3}, velocity=100, num=4)

    Args:
      num: how many; without it one example comes alone, [T] rather than [1, T].
      seed: the same one gives the same examples.
      temperature: see `sample`.
      **asked: labels by name, as in `resolve`.

    Returns:
      [num, ...] or [...]: waveforms in full scale -1 to 1 at `sample_rate`, or tokens.

    Raises:
      UserError: what this run cannot be asked for, in one line.
    """
    rows = 1 if num is None else num
    examples = self.sample(self.draw_labels(rows, seed, **asked), seed, temperature, rows)
    return examples[0] if num is None else examples

  @functools.cached_property
  def _score(self):
    assert self.method.score is not None
    return compilation.jit(self.method.score)

  def infer_labels(
    self, example: np.ndarray, seed: int = 0, **asked: Label | None
  ) -> dict[str, np.ndarray]:
    """The labels under which an example is likeliest, for those that are not given.

    Coordinate ascent on the model's own bound of log p(x | c): every value of one label in turn
    that was in training, in the order of the condition, twice over.

    Args:
      example: of the run's form.
      seed: of the bound's noise.
      **asked: as in `resolve`.

    Returns:
      [1] integers of each label, flags [1, n].
    """
    given = self.resolve(**asked)
    current = self.draw_labels(1, seed, **asked)
    if self.method.score is None:
      return current
    batch_size = 32
    key = jax.random.key(seed)
    flags = {label.name for label in self.vocabulary.of_kind(vocabulary_lib.FLAGS)}
    for name in [n for n in self.conditions if n not in given and n not in flags] * 2:
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
    """An example through the encoder and back.

    Args:
      example: of the run's form: a waveform [T] at `sample_rate`, or tokens [L].
      labels: as `infer_labels` gives them, which is asked without them.
      seed: of the phases' recovery.

    Returns:
      An example; a sound at the original's level.

    Raises:
      UserError: an example of another form; a run that cannot reconstruct.
    """
    example = self.form.check(example)
    if not self.method.can_reconstruct:
      raise errors.UserError("this run cannot reconstruct: it has no encoder, or no decoder")
    if labels is None:
      labels = self.infer_labels(example, seed)
    batch = {**labels, self.form.key: example[None]}
    return np.asarray(self._reconstruct(self.params, batch, jax.random.key(seed)))[0]


def load(workdir: str = workdirs.DEFAULT, step: int | str | None = None) -> Synthesizer:
  """Loads a run from its workdir, which is all that it needs.

  Args:
    workdir: that `cvae_jax.main` or `cvae_jax.package` wrote, or `pretrained:NAME` for a run that
      comes with the package.
    step: of the checkpoint; 'best' for the best that was kept; the newest without it.

  Raises:
    UserError: a directory without a run, without a checkpoint or without this one.
  """
  workdir = workdirs.resolve(workdir)
  config = config_file.load(workdir)
  table = label_table.load(workdir)
  form = data_sets.make_form(config.data)
  statistics = None
  standardize = "representation" in config and config.representation.standardize
  if standardize and isinstance(form, forms.Waveform):
    statistics = feature_statistics.load(workdir)
  method = methods.make_method(config, form, table.vocabulary, statistics=statistics)
  step, params = checkpoint.restore_params(workdir, step)
  return Synthesizer(config, step, params, method, table, form, statistics)
