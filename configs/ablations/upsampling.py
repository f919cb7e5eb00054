"""Is a transposed convolution better than resize-and-convolve or sub-pixel?

python -m cvae_jax.ablate --config=configs/ablations/upsampling.py

Sub-pixel is 0.4 dB better, resize-and-convolve 0.4 dB worse. See docs/ablations.md.
"""

from cvae_jax.evaluation import ablation as ablation_lib


def get_ablation(variant=""):
  base = ablation_lib.get_base()
  return ablation_lib.Ablation(
    question="Is a transposed convolution better than resize-and-convolve or sub-pixel?",
    base=ablation_lib.get_tiny(base) if variant == "tiny" else base,
    variants={name: {"model.upsampling": name} for name in ("transposed", "resize", "subpixel")},
  )
