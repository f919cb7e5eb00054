"""Methods: how a kind of model is trained, evaluated and sampled.

A file here is a `method.name` of a config; `make_method(config, task)` is what it must have. The
loop, the tools and the API know a method only as the functions of `Method`.
"""

from collections.abc import Callable
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

import jax
import ml_collections
import numpy as np

from cvae_jax import condition as condition_lib
from cvae_jax import errors
from cvae_jax import feature_statistics
from cvae_jax import parts
from cvae_jax.audio import representations
from cvae_jax.data import labels

Batch = Mapping[str, Any]  # of arrays, JAX's or NumPy's
# Sums over a batch and what to divide them by, by metric: exact averages over a split.
Sums = dict[str, tuple[jax.Array, jax.Array]]


def at_temperature(note_labels: Batch, temperature: float) -> dict[str, Any]:
  """Labels [M] that ask for draws at a temperature: see `Method.draw_code`.

  Raises:
    UserError: a temperature that is negative, or beyond all numbers.
  """
  if not 0.0 <= temperature <= 1e6:
    raise errors.UserError(f"temperature must be 0 or more, and finite; got {temperature}")
  asked = np.full(len(note_labels["pitch"]), temperature, np.float32)
  return {**note_labels, "temperature": asked}


class Task(NamedTuple):
  """What a method is given beside its config.

  Attributes:
    representation: between waveforms and features.
    condition: from labels to c.
    total_steps: of the run, for schedules.
    num_notes: of its training split.
  """

  representation: representations.Representation
  condition: condition_lib.Condition
  total_steps: int
  num_notes: int


class Method(NamedTuple):
  """A kind of model as pure functions; what a kind cannot do is None.

  Attributes:
    init: (rng, batch) to the state a run begins with; the batch is read for its shapes alone.
    train_step: (state, batch) to (state, metrics); metrics has 'loss'.
    eval_step: (params, batch, rng) to sums and counts; batch['mask'] [B] is 0 for padding.
    features: batch to the features [B, N, F, C] that the network sees.
    level_db: features to the spectrogram [B, N, F] in dB by which errors are measured.
    encode: (params, batch) to codes [B, D]: the posterior's mean; with a third argument, a random
      key, a draw from the posterior.
    decode: (params, codes [B, D], labels, rng) to [B, T] waveforms at the peak `level.PEAK`.
    reconstruct: (params, batch, rng) to [B, T] waveforms at the originals' level.
    draw_code: (params, labels, rng) to codes [B, D] of the prior. Labels may hold a 'temperature'
      [B], by which the prior's deviation is multiplied.
    sample: (params, labels, rng) to [B, T] waveforms at the level of their velocity: `draw_code`
      with the first half of the split key, decoded with the second.
    score: (params, batch, rng) to [B] log-likelihood or a bound of it, in nats.
    log_weight: (params, batch, rng) to [B] log p(x, z | c) - log q(z | x, c) of one sample z, in
      nats: its mean is the ELBO, and the log of its exponential's mean over K samples the
      importance-weighted bound (Burda et al. 2016).
  """

  init: Callable[[jax.Array, Batch], Any]
  train_step: Callable[[Any, Batch], tuple[Any, dict[str, jax.Array]]]
  eval_step: Callable[[Any, Batch, jax.Array], Sums]
  features: Callable[[Batch], jax.Array] | None
  level_db: Callable[[jax.Array], jax.Array] | None
  encode: Callable[..., jax.Array] | None
  decode: Callable[[Any, jax.Array, Batch, jax.Array], jax.Array] | None
  reconstruct: Callable[[Any, Batch, jax.Array], jax.Array] | None
  draw_code: Callable[[Any, Batch, jax.Array], jax.Array] | None
  sample: Callable[[Any, Batch, jax.Array], jax.Array] | None
  score: Callable[[Any, Batch, jax.Array], jax.Array] | None
  log_weight: Callable[[Any, Batch, jax.Array], jax.Array] | None


def make_representation(config: ml_collections.ConfigDict) -> representations.Representation:
  """The representation of a whole config, of notes; its features are not standardised."""
  return representations.make_representation(
    config.representation, labels.NUM_SAMPLES, labels.SAMPLE_RATE
  )


def make_method(
  config: ml_collections.ConfigDict,
  num_instruments: int,
  num_notes: int = 1,
  total_steps: int | None = None,
  statistics: feature_statistics.FeatureStatistics | None = None,
) -> Method:
  """Builds the method that a config asks for, with its representation and condition.

  Args:
    config: a whole config.
    num_instruments: how many instruments the data set has.
    num_notes: of the training split; only training needs it.
    total_steps: for schedules; `config.train.steps` without one.
    statistics: of the features, where the config has them standardised.

  Raises:
    UserError: a config that does not fit together.
  """
  representation = make_representation(config)
  if config.representation.standardize:
    if statistics is None:
      raise ValueError("representation.standardize needs the features' statistics")
    representation = feature_statistics.standardize(representation, statistics)
  task = Task(
    representation,
    condition_lib.make_condition(config.condition.labels, num_instruments),
    total_steps or config.train.steps,
    num_notes,
  )
  module = parts.load("cvae_jax.methods", config.method.name, "method.name")
  return module.make_method(config, task)
