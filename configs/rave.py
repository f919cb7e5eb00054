"""RAVE: an autoencoder of any sound in real time, from hours of recordings in --config.data.dir.

python -m cvae_jax.main --config=configs/rave.py --config.data.dir=RECORDINGS

The paper's, at 48 kHz: 3,000,000 steps, a week on a GPU. ':v2' has the networks and discriminators
that the `acids-rave` package has come to. ':small' is for two cores and an hour, at 16 kHz.
"""

from cvae_jax.core import config as config_lib


def v2(config):
  """As version 2 of the package."""
  config.method.update(version="v2", capacity=96, noise_ratios=(), early_noise=True)
  config.method.update(critic_every=4, critic_capacity=64, matching_weight=20.0)
  config.method.update(beta=0.1, beta_warmup_steps=20_000)
  config.optimizer.learning_rate = 1e-3


def small(config):
  """Networks of a million parameters at 16 kHz, and steps of half a second."""
  config.data.recordings.update(sample_rate=16_000, duration_s=4.096)
  config.method.update(version="v1", capacity=16, ratios=(4, 4, 2, 2), latent_dim=32, crop=16_384)
  # To be played live. With no lookahead a latent has to foretell the 64 ms that it is decoded to.
  config.method.update(causal=True, lookahead=1)
  # With the paper's beta the latents collapse to 2 nats in so few steps.
  config.method.update(beta=0.005, beta_warmup_steps=1000, early_noise=True)
  # With the original's 1e-7 the gradient is of noise floors first: half as many steps more.
  config.method.log_floor = 1e-2
  # Discriminators that begin with nothing learnt judge by nothing, or by the ends of excerpts.
  config.method.update(adversarial_from=14_000, critic_warmup=400, margins=(3, 1))
  config.method.critic.learning_rate = 5e-4
  config.optimizer.update(learning_rate=1e-3, schedule="exponential", decay_steps=14_000)
  config.optimizer.update(decay_rate=0.1, warmup_steps=200, ema_decay=0.999)
  config.train.steps = 16_000
  config.eval.every_steps = config.checkpoint.every_steps = 1000


def get_config(variant=""):
  config = config_lib.get_base_config(
    data="recordings", representation=None, model=None, method="rave"
  )
  config.data.recordings.update(sample_rate=48_000, duration_s=2.731, silence_db=-60.0)
  config.optimizer.update(learning_rate=1e-4, b1=0.5, b2=0.9, schedule="constant", warmup_steps=0)
  config.optimizer.update(clip_norm=0.0, ema_decay=0.0)
  config.train.batch_size = config.eval.batch_size = 8
  config.train.steps = 3_000_000
  config.eval.every_steps = 10_000
  config.checkpoint.update(every_steps=10_000, keep_best=1, best_by="spectral")
  return config_lib.apply_variants(config, variant, {"v2": v2, "small": small})
