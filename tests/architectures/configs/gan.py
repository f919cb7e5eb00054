"""A GAN on notes."""

from cvae_jax.core import config as config_lib


def get_config(variant=""):
  config = config_lib.get_base_config(model=None, method="foreign.gan")
  config.condition.labels = ("pitch", "family", "velocity")
  config.critic = config_lib.get_optimizer()
  config.critic.b1, config.critic.schedule = 0.5, "exponential"
  return config_lib.apply_variants(config, variant)
