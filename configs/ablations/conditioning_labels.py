"""Which labels should the condition hold?

python -m cvae_jax.ablate --config=configs/ablations/conditioning_labels.py

Pitch, which is worth 1.9 dB; family a third more; source and velocity for control.
See docs/ablations.md.
"""

from cvae_jax.evaluation import ablation as ablation_lib


def get_ablation(variant=""):
  base = ablation_lib.get_base()
  return ablation_lib.Ablation(
    question="Which labels should the condition hold?",
    base=ablation_lib.get_tiny(base) if variant == "tiny" else base,
    variants={
      "none": {"condition.labels": ()},
      "pitch": {"condition.labels": ("pitch",)},
      "pitch, family": {"condition.labels": ("pitch", "family")},
      "pitch, family, source": {"condition.labels": ("pitch", "family", "source")},
      "all four": {"condition.labels": ("pitch", "family", "source", "velocity")},
      "all four, at times unknown": {"condition.drop_rate": 0.15},
    },
  )
