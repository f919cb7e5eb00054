"""How many channels do the layers need?

python -m cvae_jax.ablate --config=configs/ablations/channels.py

16 in the first: half of them lose 1.3 dB, twice as many gain a tenth.
See docs/ablations.md.
"""

from cvae_jax.evaluation import ablation as ablation_lib


def get_ablation(variant=""):
  base = ablation_lib.get_base()
  return ablation_lib.Ablation(
    question="How many channels do the layers need?",
    base=ablation_lib.get_tiny(base) if variant == "tiny" else base,
    variants={
      f"{first}, {2 * first}, {4 * first}": {"model.channels": (first, 2 * first, 4 * first)}
      for first in (4, 8, 16, 32)
    },
  )
