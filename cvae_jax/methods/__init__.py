"""Methods: how a kind of model is trained, evaluated and sampled.

A file here is a `method.name` of a config; `make_method(config, task)` is what it must have. The
loop, the commands and the API know a method only as the functions of `Method`, and ask what it can
do: never what it is.
"""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
import math
from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from cvae_jax.audio import level
from cvae_jax.audio import representations
from cvae_jax.core import errors
from cvae_jax.core import parts
from cvae_jax.data import forms
from cvae_jax.data import vocabulary as vocabulary_lib
from cvae_jax.methods.common import condition as condition_lib
from cvae_jax.methods.common import feature_statistics
from cvae_jax.methods.common import inversion as inversion_lib
from cvae_jax.methods.common import performer as performer_lib
from cvae_jax.methods.common import streamer as streamer_lib

Batch = Mapping[str, Any]  # of arrays, JAX's or NumPy's
# Sums over a batch and what to divide them by, by metric: exact averages over a split.
Sums = dict[str, tuple[jax.Array, jax.Array]]
TEMPERATURE = "temperature"  # of draws, among labels


class Task(NamedTuple):
  """What a method is given beside its config.

  Attributes:
    form: of the examples.
    vocabulary: of their labels.
    representation: between waveforms and features; None where examples are no waveforms.
    condition: from labels to c.
    total_steps: of the run, for schedules.
    num_examples: of its training split.
  """

  form: forms.Form
  vocabulary: vocabulary_lib.Vocabulary
  representation: representations.Representation | None
  condition: condition_lib.Condition
  total_steps: int
  num_examples: int

  def need_representation(self) -> tuple[representations.Representation, forms.Waveform]:
    """The representation and the form, for a method on the features of waveforms.

    Raises:
      UserError: examples that are no waveforms.
    """
    if self.representation is None or not isinstance(self.form, forms.Waveform):
      raise errors.UserError("this method needs a data set of sounds, and this one has scores")
    return self.representation, self.form


class Turn(NamedTuple):
  """A kind of training step, of a method that has several: compiled apart, chosen on the host.

  A choice within a compiled step would make gradients of convolutions slow, and hold all kinds.

  Attributes:
    phase: of the training that it belongs to, which is named when it begins.
    train_step: as `Method.train_step`.
  """

  phase: str
  train_step: Callable[[Any, Batch], tuple[Any, dict[str, jax.Array]]]


class Phase(NamedTuple):
  """Training after `train.steps`, on what is computed once of every training example.

  Attributes:
    name: of the phase, for messages.
    steps: that it takes.
    batch_size: rows of one step.
    num_examples: training examples, at most, that rows are computed of.
    prepare: (params, batch) to rows: arrays [B, ...] by name. Parameters are `best_params`.
    begin: (state, rows of all examples) to the state that the phase begins with.
    train_step: (state, rows [batch_size, ...]) to (state, metrics), as `Method.train_step`.
  """

  name: str
  steps: int
  batch_size: int
  num_examples: int
  prepare: Callable[[Any, Batch], dict[str, jax.Array]]
  begin: Callable[[Any, Mapping[str, jax.Array]], Any]
  train_step: Callable[[Any, Mapping[str, jax.Array]], tuple[Any, dict[str, jax.Array]]]


class Method(NamedTuple):
  """A kind of model as pure functions; what a kind cannot do is None.

  Labels are a batch without its examples. Those that are given to draw hold a 'temperature' [B] as
  well, by which a prior's deviation is multiplied.

  Attributes:
    init: (rng, batch) to the state that a run begins with: any PyTree with `step`, `params` and
      `best_params`, see `state.TrainState`. The batch is read for its shapes alone.
    train_step: (state, batch) to (state, metrics); metrics has 'loss'.
    eval_step: (params, batch, rng) to sums and counts; batch['mask'] [B] is 0 for padding.
    code_shape: of one example's code, where there are codes: (D,), (N, D) for a sequence, (0,) for
      a method that draws without a code.
    meanings: of the first dimensions of a code, where training gives them any: 'tilt', 'attack'.
    measured: names of the last dimensions of a code, where these are measured of an example and not
      learnt: 'vibrato', 'attack time'; '' for one that says nothing by itself.
    encode: (params, batch) to codes [B, *code_shape]: the posterior's mean; with a third argument,
      a random key, a draw from the posterior.
    decode: (params, codes, labels, rng) to examples [B, ...].
    draw_code: (params, labels, rng) to codes of the prior.
    full_level: whether decoded waveforms all have the peak `level.PEAK`: a drawn one then gets the
      gain of its velocity, a reconstructed one the peak of its original.
    score: (params, batch, rng) to [B] log-likelihood or a bound of it, in nats.
    log_weight: (params, batch, rng) to [B] log p(x, z | c) - log q(z | x, c) of one sample z, in
      nats: its mean is the ELBO, and the log of its exponential's mean over K samples the
      importance-weighted bound (Burda et al. 2016).
    features: batch to the features [B, N, F, C] that the network sees.
    level_db: features to the spectrogram [B, N, F] in dB by which errors are measured.
    phase: of training after `train.steps`.
    turn: a step's number to its kind, where `train_step`, which is the first one's, is not the only
      one: always the same object for a kind.
    fit: (state, batches) to the state of a new run: what is fitted on training examples before the
      first step, on the host.
    warm_start: (state, params) to the state of a new run with the parameters of another run.
    fit_examples: training examples, at most, that it is given.
    performer: how it is played by f0 and loudness. Batches of training examples then hold their f0,
      see `data.tracked`; a batch without it is tracked by the method itself.
    streamer: how it codes and decodes sound block by block.
    extend_code: (params, the last codes [B, K, D] of a sequence, labels, rng) to codes [B, W, D]
      that begin with those: a prior that goes on. K is 0 or more, and at most `context`.
    context: K at most.
  """

  init: Callable[[jax.Array, Batch], Any]
  train_step: Callable[[Any, Batch], tuple[Any, dict[str, jax.Array]]]
  eval_step: Callable[[Any, Batch, jax.Array], Sums]
  code_shape: tuple[int, ...] | None = None
  meanings: tuple[str, ...] = ()
  measured: tuple[str, ...] = ()
  encode: Callable[..., jax.Array] | None = None
  decode: Callable[[Any, jax.Array, Batch, jax.Array], jax.Array] | None = None
  draw_code: Callable[[Any, Batch, jax.Array], jax.Array] | None = None
  full_level: bool = False
  score: Callable[[Any, Batch, jax.Array], jax.Array] | None = None
  log_weight: Callable[[Any, Batch, jax.Array], jax.Array] | None = None
  features: Callable[[Batch], jax.Array] | None = None
  level_db: Callable[[jax.Array], jax.Array] | None = None
  phase: Phase | None = None
  turn: Callable[[int], Turn] | None = None
  fit: Callable[[Any, Iterable[Batch]], Any] | None = None
  warm_start: Callable[[Any, Any], Any] | None = None
  fit_examples: int = 4096
  performer: performer_lib.Performer | None = None
  streamer: streamer_lib.Streamer | None = None
  extend_code: Callable[[Any, jax.Array, Batch, jax.Array], jax.Array] | None = None
  context: int = 0

  def phase_of(self, step: int) -> str:
    """Name of the phase of `turn` that a state at this step comes from; '' if there is one kind."""
    return self.turn(max(step - 1, 0)).phase if self.turn is not None else ""

  @property
  def can_sample(self) -> bool:
    """Whether examples can be drawn."""
    return self.draw_code is not None and self.decode is not None

  @property
  def can_reconstruct(self) -> bool:
    """Whether examples can be encoded and decoded."""
    return self.encode is not None and self.decode is not None

  @property
  def code_size(self) -> int:
    """Numbers of one code."""
    return math.prod(self.code_shape or (0,))

  def gain(self, labels: Batch) -> jax.Array | None:
    """[B] of drawn waveforms by their velocity; None where they have their own level."""
    if not self.full_level or vocabulary_lib.VELOCITY not in labels:
      return None
    return level.velocity_to_gain(labels[vocabulary_lib.VELOCITY])

  def sample(self, params: Any, labels: Batch, rng: jax.Array) -> jax.Array:
    """Draws examples: a code with the first half of the split key, decoded with the second."""
    assert self.draw_code is not None and self.decode is not None
    code_rng, decode_rng = jax.random.split(rng)
    examples = self.decode(params, self.draw_code(params, labels, code_rng), labels, decode_rng)
    gain = self.gain(labels)
    return examples if gain is None else examples * gain[:, None]

  def reconstruct(self, params: Any, batch: Batch, rng: jax.Array) -> jax.Array:
    """Encodes and decodes examples."""
    assert self.encode is not None and self.decode is not None
    if not self.full_level:
      return self.decode(params, self.encode(params, batch), batch, rng)
    original = level.remove_dc(jnp.asarray(batch["audio"]))
    audio = self.decode(params, self.encode(params, batch), batch, rng)
    return audio * (jnp.max(jnp.abs(original), axis=-1, keepdims=True) / level.PEAK)


def at_temperature(labels: Batch, count: int, temperature: float = 1.0) -> dict[str, Any]:
  """Labels of `count` examples that ask for draws at a temperature: see `Method`."""
  return {**labels, TEMPERATURE: np.full(count, temperature, np.float32)}


def count(labels: Batch) -> int:
  """How many examples labels are of that are given to draw."""
  return len(labels[TEMPERATURE])


def make_representation(
  config: ml_collections.ConfigDict, form: forms.Waveform
) -> representations.Representation:
  """The representation of a whole config; its features are not standardised."""
  return representations.make_representation(
    config.representation, form.num_samples, form.sample_rate
  )


def make_method(
  config: ml_collections.ConfigDict,
  form: forms.Form,
  vocabulary: vocabulary_lib.Vocabulary,
  num_examples: int = 1,
  total_steps: int | None = None,
  statistics: feature_statistics.FeatureStatistics | None = None,
  inversion: inversion_lib.Inversion | None = None,
) -> Method:
  """Builds the method that a config asks for, with its representation and condition.

  Args:
    config: a whole config.
    form: of the data set's examples.
    vocabulary: of their labels.
    num_examples: of the training split; only training needs it.
    total_steps: for schedules; `config.train.steps` without one.
    statistics: of the features, where the config has them standardised.
    inversion: of the features, where the config has them inverted by a run.

  Raises:
    UserError: a config that does not fit together.
  """
  representation = None
  if isinstance(form, forms.Waveform) and "representation" in config:
    representation = make_representation(config, form)
    if inversion_lib.is_learned(config):
      if inversion is None:
        raise ValueError("representation.inversion needs the run that it names")
      representation = inversion_lib.attach(representation, inversion, form)
    if config.representation.standardize:
      if statistics is None:
        raise ValueError("representation.standardize needs the features' statistics")
      representation = feature_statistics.standardize(representation, statistics)
  task = Task(
    form,
    vocabulary,
    representation,
    condition_lib.make_condition(config.condition.labels, vocabulary),
    total_steps or config.train.steps,
    num_examples,
  )
  module = parts.load("cvae_jax.methods", config.method.name, "make_method", "method.name")
  return module.make_method(config, task)
