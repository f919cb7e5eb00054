"""What gives a dimension of z a meaning: a lower rate, independence, or guidance?

python -m cvae_jax.ablate --config=configs/ablations/guidance.py --seeds=3
"""

from cvae_jax.evaluation import ablation as ablation_lib
from cvae_jax.evaluation import tables


def _score(name, title):
  return tables.Measure(f"disentanglement.{name}", f"{title} ↑", 3)


def get_ablation(variant=""):
  base = ablation_lib.load_config(__file__, "guided_vae.py:vae")
  labels = ablation_lib.load_config(__file__, "guided_vae.py:labels").method.guidance.labels
  labels = labels[:2] if variant == "tiny" else labels  # of 4 latent dimensions
  guided = {"method.guidance.kind": "labels", "method.guidance.labels": labels}
  ablation_lib.measure_at_the_end(base)
  base.eval.pitch_notes = 0
  return ablation_lib.Ablation(
    question="What gives a dimension of z a meaning: a lower rate, independence, or guidance?",
    base=ablation_lib.get_tiny(base) if variant == "tiny" else base,
    variants={
      "VAE": {},
      "beta-VAE, 16": {"method.beta": 16.0},
      "beta-TCVAE, 16": {"method.tc_weight": 16.0},
      "Guided-VAE, transformations": {"method.guidance.kind": "transformations"},
      "Guided-VAE, labels": guided,
    },
    measures=(
      _score("mig", "MIG"),
      _score("dci_disentanglement", "DCI disentanglement"),
      _score("dci_completeness", "DCI completeness"),
      _score("sap", "SAP"),
      _score("modularity", "modularity"),
      _score("factor_vae", "factor-VAE score"),
      ablation_lib.LSD,
      ablation_lib.KL,
    ),
  )
