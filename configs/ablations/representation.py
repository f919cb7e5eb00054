"""Which representation of sound does the network learn best?

python -m cvae_jax.ablate --config=configs/ablations/representation.py

Mel bands in 400 steps, by the sound that comes back; constant-Q bins are the most in tune. See
docs/ablations.md.
"""

from cvae_jax.evaluation import ablation as ablation_lib


def get_ablation(variant=""):
  base = ablation_lib.get_base()
  base.representation.n_fft = base.representation.win_length = 1024
  return ablation_lib.Ablation(
    question="Which representation of sound does the network learn best?",
    base=ablation_lib.get_tiny(base) if variant == "tiny" else base,
    variants={
      **{name: {"representation.name": name} for name in ("log_magnitude", "log_mel")},
      "cqt": {"representation.name": "cqt", "representation.n_bins": 252},
      **{name: {"representation.name": name} for name in ("log_mel_if", "mdct", "pqmf")},
    },
    measures=(
      ablation_lib.WAVEFORM_LSD,
      ablation_lib.PITCH,
      ablation_lib.PARAMETERS,
      ablation_lib.SECONDS,
    ),
  )
