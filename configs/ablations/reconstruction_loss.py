"""Which reconstruction term serves notes best?

python -m cvae_jax.ablate --config=configs/ablations/reconstruction_loss.py

Squared error with a deviation that is learnt; absolute error is not learnt in 400 steps.
See docs/ablations.md.
"""

from cvae_jax.evaluation import ablation as ablation_lib


def get_ablation(variant=""):
  base = ablation_lib.get_base()
  return ablation_lib.Ablation(
    question="Which reconstruction term serves notes best?",
    base=ablation_lib.get_tiny(base) if variant == "tiny" else base,
    variants={
      "squared error": {"method.likelihood": "gaussian"},
      "absolute error": {"method.likelihood": "laplace"},
      "squared error, sigma learned": {"method.learn_sigma": True},
      "absolute error, sigma learned": {"method.likelihood": "laplace", "method.learn_sigma": True},
      "squared error, perceptual": {"method.perceptual": True},
    },
    measures=(
      ablation_lib.LSD,
      ablation_lib.WAVEFORM_LSD,
      ablation_lib.BITS,
      ablation_lib.KL,
      ablation_lib.PITCH,
      ablation_lib.SECONDS,
    ),
  )
