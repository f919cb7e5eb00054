"""How should the condition reach the network, and what does z then say of the labels?

python -m cvae_jax.ablate --config=configs/ablations/condition.py

By concatenation: FiLM alone cannot place partials (2 % in tune). Neither a learned prior nor a
critic takes the labels out of z; a low rate does (leakage.py). See docs/ablations.md.
"""

from cvae_jax.evaluation import ablation as ablation_lib


def get_ablation(variant=""):
  base = ablation_lib.get_base()
  return ablation_lib.Ablation(
    question="How should the condition reach the network, and what does z then say of the labels?",
    base=ablation_lib.get_tiny(base) if variant == "tiny" else base,
    variants={
      "none (VAE)": {"condition.labels": ()},
      "concat": {},
      "concat, critic": {"method.leak_weight": 3000.0},
      "film": {"model.conditioning": "film"},
      "both": {"model.conditioning": "both"},
      "both, prior learned": {"model.conditioning": "both", "method.prior": "gaussian"},
    },
    measures=(
      ablation_lib.LSD,
      ablation_lib.KL,
      ablation_lib.PITCH,
      ablation_lib.PROBE_FAMILY,
      ablation_lib.PROBE_PITCH,
      ablation_lib.PARAMETERS,
      ablation_lib.SECONDS,
    ),
  )
