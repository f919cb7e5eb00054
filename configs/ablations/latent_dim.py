"""How many latent dimensions does a note need?

python -m cvae_jax.ablate --config=configs/ablations/latent_dim.py

32 in 400 steps; what more gain in features is not in the sound that comes back.
See docs/ablations.md.
"""

from cvae_jax.evaluation import ablation as ablation_lib


def get_ablation(variant=""):
  base = ablation_lib.get_base()
  return ablation_lib.Ablation(
    question="How many latent dimensions does a note need?",
    base=ablation_lib.get_tiny(base) if variant == "tiny" else base,
    variants={
      f"{dim} dimensions": {"model.latent_dim": dim} for dim in (16, 32, 64, 128, 256, 512)
    },
  )
