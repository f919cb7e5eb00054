"""What does z say of the labels, with a condition and without, by its rate?

python -m cvae_jax.ablate --config=configs/ablations/leakage.py

At a low rate (beta 128) less than a VAE's, 37 against 49 % for pitch; at beta 1 more.
See docs/ablations.md.
"""

from cvae_jax.evaluation import ablation as ablation_lib


def get_ablation(variant=""):
  base = ablation_lib.get_base()
  variants = {}
  for beta in (1.0, 16.0, 128.0):
    variants[f"VAE, beta {beta:g}"] = {"method.beta": beta, "condition.labels": ()}
    variants[f"CVAE, beta {beta:g}"] = {"method.beta": beta}
  return ablation_lib.Ablation(
    question="What does z say of the labels, with a condition and without, by its rate?",
    base=ablation_lib.get_tiny(base) if variant == "tiny" else base,
    variants=variants,
    measures=(
      ablation_lib.PROBE_PITCH,
      ablation_lib.PROBE_FAMILY,
      ablation_lib.KL,
      ablation_lib.LSD,
      ablation_lib.PITCH,
      ablation_lib.SECONDS,
    ),
  )
