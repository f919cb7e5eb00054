"""DDSP's autoencoder of notes: f0, loudness, and a latent that varies in time.

python -m cvae_jax.main --config=configs/ddsp.py

`docs/ddsp.md` has what 44 minutes on two cores make of real notes: f0 within 0.032 semitones and
loudness within 1.75 dB. ':paper' has the original's sizes and schedule.
"""

from cvae_jax.core import config as config_lib


def get_config(variant=""):
  config = config_lib.get_base_config(representation=None, model=None, method="ddsp")
  config.method.update(fmin_hz=26.0, fmax_hz=4200.0, f0_frame_length=1280)
  config.optimizer.learning_rate = 1e-3
  config.optimizer.clip_norm = 3.0
  config.optimizer.b2 = 0.99
  config.train.batch_size = 8
  config.train.steps = 2000
  return config_lib.apply_variants(config, variant)
