"""DDSP of one instrument, from minutes of its recordings, which are --config.data.dir.

python -m cvae_jax.main --config=configs/ddsp_solo.py --config.data.dir=RECORDINGS

On 7.9 minutes of violin 23 minutes on two cores that did other work as well (16 without):
`pretrained:violin`. A held-out recording by another player has a spectral distance of 7.33 and a
loudness 1.80 dB off. Files are held out by name: --config.data.recordings.held_out="('take-7*',)".
"""

from cvae_jax.core import config as config_lib


def get_config(variant=""):
  config = config_lib.get_base_config(
    data="recordings", representation=None, model=None, method="ddsp"
  )
  config.data.recordings.update(sample_rate=16_000, duration_s=2.048, silence_db=-50.0)
  config.method.latent = "none"
  config.method.room_s = 1.5
  config.optimizer.learning_rate = 1e-3
  config.optimizer.clip_norm = 3.0
  config.optimizer.b2 = 0.99
  config.train.batch_size = 8
  config.train.steps = 6000
  config.eval.batch_size = 8
  return config_lib.apply_variants(config, variant)
