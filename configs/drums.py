"""Neural Drum Machine: a conditional Wasserstein autoencoder of drums.

python -m cvae_jax.main --config=configs/drums.py
"""

from cvae_jax.core import config as config_lib


def get_config(variant=""):
  config = config_lib.get_base_config(
    data="mixed_drums", representation="log_mel", model="conv1d", method="vae"
  )
  config.data.mixed.names = ("synth_drums", "soundfont_drums")
  config.data.drums.update(sample_rate=22_050, duration_s=2.0)
  config.data.balance = "kind"
  config.representation.update(n_fft=1024, win_length=1024, hop_length=256, n_mels=128)
  config.model.update(latent_dim=64, channels=(192, 384, 384), conditioning="norm")
  config.condition.labels = ("kind", "source", "origin")
  config.condition.drop_rate = 0.1
  config.method.update(posterior="point", mmd_weight=3e4, mmd_by="kind", prior="flow")
  config.method.smoothing_db = 0.0
  config.augment.equaliser_db = 2.0
  config.optimizer.ema_decay = 0.999
  config.train.batch_size = 80
  config.train.steps = 2000
  config.eval.pitch_notes = 0
  return config_lib.apply_variants(config, variant)
