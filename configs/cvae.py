"""Conditional VAE on the embedded notes: pitch, family, source and velocity are given.

python -m cvae_jax.main --config=configs/cvae.py
"""

from cvae_jax import config as config_lib


def get_config(variant=""):
  config = config_lib.get_base_config()
  config.condition.labels = ("pitch", "family", "source", "velocity")
  return config_lib.apply_variants(config, variant)
