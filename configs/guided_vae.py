"""Guided-VAE on notes with known factors: dimensions of z that tilt, transpose and stretch.

python -m cvae_jax.main --config=configs/guided_vae.py
python -m cvae_jax.main --config=configs/guided_vae.py:labels

Unsupervised, a light second decoder of the same z reserves a dimension each for the tilt of the
spectrum, the transposition and the stretch of the envelope. `:labels` is the supervised form: a
dimension each says the brightness, the attack, the decay and the noise, and the others should not.
`:vae` is the same network without guidance, to compare with. See docs/ablations.md.
"""

from cvae_jax.core import config as config_lib

LABELS = ("brightness", "attack", "decay", "noise")


def labels(config):
  config.method.guidance.update(kind="labels", labels=LABELS)


def vae(config):
  config.method.guidance.update(kind="none", labels=())


def get_config(variant=""):
  config = config_lib.get_base_config("synth_notes/factors", "log_mel", "conv1d")
  # An octave: pitch is no factor, and would be most of what a code says.
  config.data.filter.min_pitch, config.data.filter.max_pitch = 54, 65
  config.representation.n_mels = 128
  config.model.update(latent_dim=16, linear_ranks=())  # PCA's dimensions have no other meaning.
  config.method.guidance.kind = "transformations"
  config.train.steps = 400
  config.eval.factor_notes = 1000
  return config_lib.apply_variants(config, variant, {"labels": labels, "vae": vae})
