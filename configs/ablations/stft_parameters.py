"""Which window and hop serve the STFT best?

python -m cvae_jax.ablate --config=configs/ablations/stft_parameters.py

A window of 2,048 samples: shorter ones are not learnt in 200 steps. A hop of half the window is as
good as one of a quarter, at half of the size. See docs/ablations.md.
"""

from cvae_jax.core import config as config_lib
from cvae_jax.evaluation import ablation as ablation_lib


def get_ablation(variant=""):
  base = ablation_lib.get_base()
  config_lib.set_part(base, "representation", "log_magnitude")
  base.train.steps = 200  # Images up to eight times as large.
  return ablation_lib.Ablation(
    question="Which window and hop serve the STFT best?",
    base=ablation_lib.get_tiny(base) if variant == "tiny" else base,
    variants={
      f"{n_fft} / {hop}": {
        "representation.n_fft": n_fft,
        "representation.win_length": n_fft,
        "representation.hop_length": hop,
      }
      for n_fft, hop in ((512, 256), (1024, 256), (1024, 512), (2048, 512), (2048, 1024))
    },
    measures=(
      ablation_lib.WAVEFORM_LSD,
      ablation_lib.PITCH,
      ablation_lib.PARAMETERS,
      ablation_lib.SECONDS,
    ),
  )
