"""DDSP as a conditional VAE: draws instruments, and plays recordings on them.

python -m cvae_jax.main --config=configs/ddsp_vae.py

`pretrained:ddsp` is such a run on more data (`configs/pretrained_ddsp.py`); its card has figures.
"""

from cvae_jax.core import config as config_lib


def get_config(variant=""):
  config = config_lib.get_base_config(representation=None, model=None, method="ddsp")
  config.condition.labels = ("pitch", "family", "source", "velocity")
  config.method.latent = "note"
  config.method.update(fmin_hz=26.0, fmax_hz=4200.0, f0_frame_length=1280)
  config.optimizer.learning_rate = 1e-3
  config.optimizer.clip_norm = 3.0
  config.optimizer.b2 = 0.99
  config.train.batch_size = 8
  config.train.steps = 2000
  return config_lib.apply_variants(config, variant)
