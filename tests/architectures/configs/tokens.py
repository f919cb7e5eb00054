"""A model of tokens on melodies."""

from cvae_jax.core import config as config_lib


def get_config(variant=""):
  config = config_lib.get_base_config("foreign.melodies", None, None, "foreign.tokens")
  config.train.batch_size = config.eval.batch_size = 16
  config.optimizer.learning_rate, config.optimizer.warmup_steps = 0.1, 1
  return config
