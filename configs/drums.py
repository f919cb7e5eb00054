"""Neural Drum Machine: a conditional Wasserstein autoencoder of drums, and its relatives.

    python -m cvae_jax.main --config=configs/drums.py
    python -m cvae_jax.main --config=configs/drums.py:mixed
    python -m cvae_jax.main --config=configs/drums.py:recorded --config.data.dir=DIR

25 minutes for `:recorded` on about one of two busy cores; what it reached: docs/drums.md.

Codes of every kind of drum are to be N(0, I) by themselves (an MMD on balanced batches), and a
flow learns what they then are. Variants:

    mixed      synthetic drums, and twice in an epoch those of a soundfont
    recorded   and three times the hits of a folder
    cvae       a conditional VAE in place of the Wasserstein autoencoder
    paper      the network, sizes and objective of Aouameur, Esling & Hadjeres 2019, but for group
               normalisation in place of batch normalisation
"""

import math

from cvae_jax.core import config as config_lib


def mixed(config):
  """Synthetic drums and a soundfont's."""
  config_lib.set_part(config, "data", "mixed_drums")
  config.data.mixed.update(names=("synth_drums", "soundfont_drums"), repeats=(1, 2))


def recorded(config):
  """And a folder's."""
  mixed(config)
  config.data.mixed.names = ("synth_drums", "soundfont_drums", "drums")
  config.data.mixed.repeats = (1, 2, 3)


def cvae(config):
  """-ELBO in place of the MMD."""
  config.method.update(posterior="gaussian", mmd_weight=0.0, mmd_by="")


def paper(config):
  """As the original has it: 512 mels of a second, in cells of mean 0 and deviation 1."""
  config.data.drums.duration_s = 1.0
  config.representation.update(n_fft=2048, n_mels=512, standardize=True)
  config_lib.set_part(config, "model", "conv2d")
  config.model.update(latent_dim=64, channels=(32, 64, 128), kernel_size=5, kernel_bins=11)
  config.model.update(strides=(2, 3), hidden_units=(1024, 512), norm="group", conditioning="both")
  config.condition.update(labels=("kind",), drop_rate=0.0)
  # The sum of squared errors and 10 MMD.
  config.method.update(sigma=math.sqrt(0.5), mmd_weight=10.0, prior="standard")
  config.augment.equaliser_db = 0.0
  config.optimizer.update(learning_rate=1e-3, schedule="constant", warmup_steps=0, ema_decay=0.0)
  config.train.update(batch_size=640, steps=110_000)  # 64 of each kind


def get_config(variant=""):
  config = config_lib.get_base_config(
    data="synth_drums", representation="log_mel", model="conv1d", method="vae"
  )
  config.data.drums.update(sample_rate=22_050, duration_s=2.0)
  config.data.balance = "kind"
  config.representation.update(n_fft=1024, win_length=1024, hop_length=256, n_mels=128)
  config.model.update(latent_dim=64, channels=(160, 320, 320), conditioning="film")
  config.condition.labels = ("kind", "source")
  config.condition.drop_rate = 0.1
  config.method.update(posterior="point", mmd_weight=1e4, mmd_by="kind", prior="flow")
  config.method.smoothing_db = 0.0
  config.method.gate_db = 55.0
  config.method.flow.hidden = 256
  config.augment.equaliser_db = 2.0
  config.optimizer.ema_decay = 0.999
  config.train.batch_size = 80
  config.train.steps = 2000
  config.eval.pitch_notes = 0
  variants = {"mixed": mixed, "recorded": recorded, "cvae": cvae, "paper": paper}
  return config_lib.apply_variants(config, variant, variants)
