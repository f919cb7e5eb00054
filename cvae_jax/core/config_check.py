"""What no config may say: values that no part of the system could make sense of."""

import math

import ml_collections

from cvae_jax.core import config as config_lib
from cvae_jax.core import errors


def check(config: ml_collections.ConfigDict) -> None:
  """Raises UserError for values that no part of the system could make sense of."""
  positive = (
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
    "model.latent_dim",
    "optimizer.decay_rate",
    "model.kernel_size",
    "representation.samples_per_frame",
    "method.sigma",
    "method.sparsity_target",
    "optimizer.learning_rate",
    "data.num_threads",
    "data.soundfont.pitch_step",
  )
  not_negative = (
    "method.beta",
    "method.beta_warmup_steps",
    "method.beta_cycle_steps",
    "method.free_bits",
    "method.capacity",
    "method.capacity_steps",
    "method.tc_weight",
    "method.mmd_weight",
    "method.leak_weight",
    "method.spectral_weight",
    "method.corruption_amount",
    "method.sparsity_weight",
    "condition.drop_rate",
    "model.residual_blocks",
    "optimizer.warmup_steps",
    "optimizer.clip_norm",
    "optimizer.weight_decay",
    "optimizer.ema_decay",
    "optimizer.b1",
    "optimizer.b2",
    "data.cache_gb",
    "eval.pitch_notes",
    "eval.sample_notes",
    "eval.waveform_notes",
    "eval.probe_notes",
    "eval.latent_notes",
    "eval.generation_notes",
    "eval.temperature",
    "checkpoint.keep_best",
    "representation.griffin_lim_iters",
    "representation.companding",
    "profile.steps",
    "profile.first_step",
    "augment.equaliser_db",
    "augment.envelope_db",
  )
  flat = config_lib.flatten(config)
  for name, value in flat.items():
    for number in value if isinstance(value, list) else [value]:
      if isinstance(number, float) and not math.isfinite(number):
        raise errors.UserError(f"{name} must be finite, got {number}")
  if not 0 <= config.seed < 2**32:
    raise errors.UserError(f"seed must be 0 to {2**32 - 1}, got {config.seed}")
  for name in (*positive, *not_negative):
    least = "positive" if name in positive else "0 or more"
    if flat[name] < 0 or (flat[name] == 0 and name in positive):
      raise errors.UserError(f"{name} must be {least}, got {flat[name]}")
  if not config.model.channels or min(config.model.channels) < 1:
    raise errors.UserError(f"model.channels must be positive, got {config.model.channels}")
  if config.method.prior_levels and min(config.method.prior_levels) < 1:
    raise errors.UserError(
      f"method.prior_levels must be positive, got {config.method.prior_levels}"
    )
  if config.model.flat_channels is not None and config.model.flat_channels < 1:
    raise errors.UserError(
      f"model.flat_channels must be positive, got {config.model.flat_channels}"
    )
  shares = ("condition.drop_rate", "method.sparsity_target")
  for name in ("optimizer.ema_decay", "optimizer.b1", "optimizer.b2", *shares):
    if flat[name] >= 1.0:
      raise errors.UserError(f"{name} must be under 1, got {flat[name]}")
  choices = {
    "model.dtype": ("float32", "bfloat16"),
    "method.posterior": ("gaussian", "point"),
    "method.likelihood": ("gaussian", "laplace"),
    "method.prior": ("standard", "learned"),
    "method.corruption": ("none", "gaussian", "time_mask", "frequency_mask"),
    "method.sparsity": ("none", "l1", "kl"),
    "model.downsampling": ("stride", "max_pool", "avg_pool", "blur_pool"),
    "model.upsampling": ("transposed", "resize", "subpixel"),
    "model.output_size": ("exact", "zero_pad"),
    "model.activation": ("relu", "leaky_relu", "elu", "gelu", "silu"),
    "model.norm": ("none", "layer", "group"),
    "model.conditioning": ("concat", "film", "both"),
    "optimizer.schedule": config_lib.SCHEDULES,
    "representation.phase_start": ("integrated", "random"),
  }
  for name, allowed in choices.items():
    if flat[name] not in allowed:
      raise errors.UserError(f"{name} must be one of {', '.join(allowed)}, got '{flat[name]}'")
