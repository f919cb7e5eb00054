"""MCNN: a network that inverts spectrograms, of drums; `representation.inversion=mcnn:RUN` uses it.

python -m cvae_jax.main --config=configs/mcnn.py --workdir=runs/mcnn

':transposed' has the network and objective of the Neural Drum Machine's, ':paper' its mels and
sizes as well, but for its schedule, by epochs without gain. ':notes' inverts the magnitudes that
configs/cvae.py has, ':notes_mel' those of `log_mel`. What is trained and how near it comes:
docs/audio.md. ':recorded' learns from a soundfont's and a folder's drums as well.
"""

from cvae_jax.core import config as config_lib


def transposed(config):
  """The original's network and objective."""
  config.method.update(network="transposed", spectral_weight=0.0, envelope_weight=0.0)
  config.method.update(convergence_weight=3.0, log_weight=10.0, mask_weight=1.0)


def paper(config):
  """As Aouameur et al. 2019; 512 mels have a bin each in transforms of 4,096 samples or more."""
  transposed(config)
  config.representation.update(n_fft=4096, n_mels=512)
  config.method.update(crop=0, start_share=1.0)
  config.augment.equaliser_db = 0.0
  config.optimizer.update(learning_rate=1e-4, schedule="constant", warmup_steps=0, clip_norm=0.0)
  config.optimizer.update(b2=0.999, ema_decay=0.0)
  config.train.update(batch_size=128, steps=50_000)


def recorded(config):
  """And of a soundfont's and a folder's, which are fewer."""
  config_lib.set_part(config, "data", "mixed_drums")
  config.data.mixed.names = ("synth_drums", "soundfont_drums", "drums")
  config.data.mixed.repeats = (1, 3, 12)


def notes(config):
  """Of the notes' log-magnitudes, at 16 kHz."""
  config_lib.set_part(config, "data", "synth_notes")
  config_lib.set_part(config, "representation", "log_magnitude")
  config.representation.update(n_fft=2048, win_length=2048, hop_length=512)
  config.method.update(crop=32_768, start_share=0.4)
  config.train.steps = 2500


def notes_mel(config):
  """Of the notes' mels."""
  notes(config)
  config_lib.set_part(config, "representation", "log_mel")
  config.representation.n_mels = 256


def get_config(variant=""):
  config = config_lib.get_base_config(
    data="synth_drums", representation="log_mel", model=None, method="mcnn"
  )
  config.data.drums.sample_rate = 22_050
  config.representation.update(n_fft=1024, win_length=1024, hop_length=256, n_mels=128)
  config.augment.equaliser_db = 6.0
  config.optimizer.learning_rate = 1.5e-3
  config.train.update(batch_size=8, steps=5000)
  config.eval.every_steps = config.checkpoint.every_steps = 1000
  variants = {"transposed": transposed, "paper": paper, "recorded": recorded}
  variants |= {"notes": notes, "notes_mel": notes_mel}
  return config_lib.apply_variants(config, variant, variants)
