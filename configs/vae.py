"""Variational autoencoder on the synthetic notes, without a condition; its prior is a flow.

python -m cvae_jax.main --config=configs/vae.py
"""

from cvae_jax.core import config as config_lib


def get_config(variant=""):
  config = config_lib.get_base_config()
  config.method.prior = "flow"
  config.method.vibrato = True
  config.method.attack = True
  config.method.onset_weight = 50.0
  config.method.flow.update(clusters=512, steps=6000)
  config.train.steps = 1000
  return config_lib.apply_variants(config, variant)
