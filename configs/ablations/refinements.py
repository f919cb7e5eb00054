"""Which changes to the default network and its objective pay?

python -m cvae_jax.ablate --config=configs/ablations/refinements.py

A prior that is learnt, at a low rate: half of the default's Fréchet distance by one seed, four
fifths by another, at the same error. More templates, channels, levels or variety of training notes
do not pay in 600 steps. configs/cvae_best.py is the best of them. See docs/ablations.md.
"""

from cvae_jax.core import config as config_lib
from cvae_jax.evaluation import ablation as ablation_lib


def get_ablation(variant=""):
  base = config_lib.get_base_config()
  base.condition.labels = ("pitch", "family", "source", "velocity")
  base.model.linear_ranks = ()  # The network alone, from random weights.
  base.train.steps = 600
  base.eval.pitch_notes = 64
  base.eval.generation_notes = 396
  base.eval.probe_notes = 800
  ablation_lib.measure_at_the_end(base)
  every_partial = (*range(1, 13), 14, 16, 19, 22, 26, 32, 40, 48, 64)
  upper = (1,) if variant == "tiny" else (16,)  # of 4 latent dimensions, or of 128
  learned = {"method.beta": 16.0, "method.prior": "gaussian"}
  return ablation_lib.Ablation(
    question="Which changes to the default network and its objective pay?",
    base=ablation_lib.get_tiny(base) if variant == "tiny" else base,
    variants={
      "default": {},
      "partials one by one": {"model.partials": every_partial},
      "wide": {"model.channels": (256, 384, 512)},
      "equaliser and envelope": {"augment.equaliser_db": 3.0, "augment.envelope_db": 2.0},
      "sigma learned": {"method.learn_sigma": True},
      "beta 16": {"method.beta": 16.0},
      "beta 64": {"method.beta": 64.0},
      "beta 16, prior learned": learned,
      "beta 4, prior learned": {**learned, "method.beta": 4.0},
      "prior in two levels": {**learned, "method.prior_levels": upper},
      "partials of a vibrato": {**learned, "model.vibrato_cents": (10.0, 30.0)},
    },
    measures=(
      ablation_lib.LSD,
      ablation_lib.KL,
      ablation_lib.FRECHET,
      ablation_lib.FAMILY,
      ablation_lib.PITCH,
      ablation_lib.PROBE_FAMILY,
      ablation_lib.SECONDS,
    ),
  )
