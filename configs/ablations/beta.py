"""How much should the KL weigh, and how should it come to its weight?

python -m cvae_jax.ablate --config=configs/ablations/beta.py

As good as not at all in 400 steps: the distance stays while the KL falls by a third.
See docs/ablations.md.
"""

from cvae_jax.evaluation import ablation as ablation_lib


def get_ablation(variant=""):
  base = ablation_lib.get_base()
  return ablation_lib.Ablation(
    question="How much should the KL weigh, and how should it come to its weight?",
    base=ablation_lib.get_tiny(base) if variant == "tiny" else base,
    variants={
      "autoencoder": {"method.posterior": "point", "method.beta": 0.0},
      "beta 0.25": {"method.beta": 0.25},
      "beta 1 (ELBO)": {"method.beta": 1.0},
      "beta 4": {"method.beta": 4.0},
      "beta 1, no warm-up": {"method.beta_warmup_steps": 0},
      "beta 1, cyclical": {"method.beta_cycle_steps": 100, "method.beta_warmup_steps": 50},
      "free bits 0.5": {"method.free_bits": 0.5},
      "capacity 150 nats": {"method.capacity": 150.0, "method.capacity_steps": 200},
      "total correlation 4": {"method.tc_weight": 4.0},
      "MMD 1000": {"method.beta": 0.1, "method.mmd_weight": 1000.0},
    },
    measures=(
      ablation_lib.LSD,
      ablation_lib.BITS,
      ablation_lib.KL,
      ablation_lib.PITCH,
      ablation_lib.SECONDS,
    ),
  )
