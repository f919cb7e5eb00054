"""A codec on excerpts of recordings."""

from cvae_jax.core import config as config_lib


def get_config(variant=""):
  config = config_lib.get_base_config("recordings", None, None, "foreign.codec")
  config.data.recordings.sample_rate, config.data.recordings.duration_s = 22_050, 0.5
  config.train.batch_size = config.eval.batch_size = 8
  config.optimizer.learning_rate, config.optimizer.warmup_steps = 1e-2, 1
  return config
