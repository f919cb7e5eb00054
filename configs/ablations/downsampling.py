"""Is a strided convolution better than a pool?

python -m cvae_jax.ablate --config=configs/ablations/downsampling.py

No pool is better, by 0.05 dB of the sound at most; a stride is the cheapest. See docs/ablations.md.
"""

from cvae_jax.evaluation import ablation as ablation_lib


def get_ablation(variant=""):
  base = ablation_lib.get_base()
  return ablation_lib.Ablation(
    question="Is a strided convolution better than a pool?",
    base=ablation_lib.get_tiny(base) if variant == "tiny" else base,
    variants={
      name: {"model.downsampling": name} for name in ("stride", "max_pool", "avg_pool", "blur_pool")
    },
  )
