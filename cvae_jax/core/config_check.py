"""What no config may say: values that no part of the system could make sense of."""

from collections.abc import Mapping
from collections.abc import Sequence
import math

import ml_collections

from cvae_jax.core import config as config_lib
from cvae_jax.core import errors
from cvae_jax.core import parts


def need_positive(config: ml_collections.ConfigDict, *names: str) -> None:
  """Raises UserError for a field, by its dotted name, that is not above 0."""
  _need(config, names, "positive", lambda value: value > 0)


def need_not_negative(config: ml_collections.ConfigDict, *names: str) -> None:
  """Raises UserError for a field that is under 0."""
  _need(config, names, "0 or more", lambda value: value >= 0)


def need_under_1(config: ml_collections.ConfigDict, *names: str) -> None:
  """Raises UserError for a field that is 1 or more."""
  _need(config, names, "under 1", lambda value: value < 1.0)


def _need(config, names, what, is_right) -> None:
  flat = config_lib.flatten(config)
  for name in names:
    if not is_right(flat[name]):
      raise errors.UserError(f"{name} must be {what}, got {flat[name]}")


def need_choices(config: ml_collections.ConfigDict, choices: Mapping[str, Sequence[str]]) -> None:
  """Raises UserError for a field that is none of its choices."""
  flat = config_lib.flatten(config)
  for name, allowed in choices.items():
    if flat[name] not in allowed:
      raise errors.UserError(f"{name} must be one of {', '.join(allowed)}, got '{flat[name]}'")


def need_modules(config: ml_collections.ConfigDict, field: str, function: str) -> None:
  """Raises UserError for a field with the path of a module that does not have a function."""
  for path in config_lib.flatten(config)[field]:
    if "." not in path:
      raise errors.UserError(f"{field} must be dotted paths of modules, got '{path}'")
    parts.load("", path, function, field)


_POSITIVE = (
  "train.batch_size",
  "train.accumulate_steps",
  "train.steps",
  "train.log_every_steps",
  "train.steps_per_dispatch",
  "eval.every_steps",
  "eval.classifier_steps",
  "eval.baseline_notes",
  "eval.batch_size",
  "checkpoint.every_steps",
  "checkpoint.keep",
  "data.num_threads",
)
_NOT_NEGATIVE = (
  "condition.drop_rate",
  "data.cache_gb",
  "eval.pitch_notes",
  "eval.sample_notes",
  "eval.waveform_notes",
  "eval.probe_notes",
  "eval.latent_notes",
  "eval.factor_notes",
  "eval.generation_notes",
  "eval.artefact_notes",
  "eval.temperature",
  "checkpoint.keep_best",
  "train.init_step",
  "profile.steps",
  "profile.first_step",
  "augment.equaliser_db",
  "augment.envelope_db",
)
_UNDER_1 = ("condition.drop_rate",)


def need_optimizer(config: ml_collections.ConfigDict, section: str) -> None:
  """Raises UserError for values of an optimizer's section that it cannot use."""
  names = lambda *fields: [f"{section}.{field}" for field in fields]
  need_positive(config, *names("decay_rate", "kernel_rate", "learning_rate"))
  not_negative = ("warmup_steps", "clip_norm", "weight_decay", "ema_decay", "b1", "b2")
  need_not_negative(config, *names(*not_negative))
  need_under_1(config, *names("ema_decay", "b1", "b2"))
  choices = {"name": config_lib.OPTIMIZERS, "schedule": config_lib.SCHEDULES}
  need_choices(config, {f"{section}.{field}": values for field, values in choices.items()})


def check(config: ml_collections.ConfigDict) -> None:
  """Raises UserError for values that no part of the system, or a part of this run, can use."""
  config_lib.check_fields(config)
  for name, value in config_lib.flatten(config).items():
    for number in value if isinstance(value, list) else [value]:
      if isinstance(number, float) and not math.isfinite(number):
        raise errors.UserError(f"{name} must be finite, got {number}")
  if not 0 <= config.seed < 2**32:
    raise errors.UserError(f"seed must be 0 to {2**32 - 1}, got {config.seed}")
  need_positive(config, *_POSITIVE)
  need_not_negative(config, *_NOT_NEGATIVE)
  need_under_1(config, *_UNDER_1)
  need_optimizer(config, "optimizer")
  need_modules(config, "eval.measures", "measure")
  config_lib.call_parts(config, "check")
