"""Does it matter how the output is brought to the input's size?

python -m cvae_jax.ablate --config=configs/ablations/output_size.py

Hardly. See docs/ablations.md.
"""

from cvae_jax.evaluation import ablation as ablation_lib


def get_ablation(variant=""):
  base = ablation_lib.get_base()
  return ablation_lib.Ablation(
    question="Does it matter how the output is brought to the input's size?",
    base=ablation_lib.get_tiny(base) if variant == "tiny" else base,
    variants={name: {"model.output_size": name} for name in ("exact", "zero_pad")},
  )
