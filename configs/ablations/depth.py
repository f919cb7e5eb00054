"""How many layers does the network need?

python -m cvae_jax.ablate --config=configs/ablations/depth.py

Three: deeper ones are not learnt in 400 steps, and two flatten four times as much.
See docs/ablations.md.
"""

from cvae_jax.evaluation import ablation as ablation_lib


def get_ablation(variant=""):
  base = ablation_lib.get_base()
  return ablation_lib.Ablation(
    question="How many layers does the network need?",
    base=ablation_lib.get_tiny(base) if variant == "tiny" else base,
    variants={
      f"{depth} layers": {"model.channels": tuple(16 * 2**i for i in range(depth))}
      for depth in (2, 3, 4, 5)
    },
  )
