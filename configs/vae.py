"""Variational autoencoder on the embedded notes, without a condition.

python -m cvae_jax.main --config=configs/vae.py
"""

from cvae_jax.core import config as config_lib


def get_config(variant=""):
  return config_lib.apply_variants(config_lib.get_base_config(), variant)
