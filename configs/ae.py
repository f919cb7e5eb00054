"""Autoencoder on synthetic notes: no KL, no condition, no prior to sample from.

python -m cvae_jax.main --config=configs/ae.py
"""

from cvae_jax.core import config as config_lib


def get_config(variant=""):
  config = config_lib.get_base_config()
  config.method.posterior = "point"
  config.method.beta = 0.0
  return config_lib.apply_variants(config, variant)
