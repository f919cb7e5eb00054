"""Does a recurrent network learn faster by orthogonal momentum than by Adam?

python -m cvae_jax.ablate --config=configs/ablations/optimizer.py

On tunes instead of a grammar's melodies: --set=data.name=folder_scores --set=data.dir=TUNES
--set=data.scores.tracks="(1,)" --set=data.scores.transpose=5 --set=data.scores.max_windows=0
"""

from cvae_jax.evaluation import ablation as ablation_lib
from cvae_jax.evaluation import tables


def get_ablation(variant=""):
  base = ablation_lib.load_config(__file__, "musicvae.py" + (":tiny" if variant == "tiny" else ""))
  base.optimizer.update(name="adam", kernel_rate=1e-3)
  ablation_lib.measure_at_the_end(base)
  if variant != "tiny":
    base.train.steps = 1500
  muon = lambda rate: {"optimizer.name": "muon", "optimizer.kernel_rate": rate}
  return ablation_lib.Ablation(
    question="Does a recurrent network learn faster by orthogonal momentum than by Adam?",
    base=base,
    variants={
      "Adam, 2e-3": {},
      "Adam, 4e-3": {"optimizer.learning_rate": 4e-3},
      "Muon, 1e-3": muon(1e-3),
      "Muon, 3e-3": muon(3e-3),
    },
    measures=(
      tables.Measure("eval.teacher_forced", "teacher-forced, % ↑", 1, 100.0),
      tables.Measure("eval.free_running", "free-running, % ↑", 1, 100.0),
      tables.Measure("eval.whole", "without an error, % ↑", 1, 100.0),
      tables.Measure("eval.kl_bits", "KL, bits", 1),
      ablation_lib.SECONDS,
    ),
  )
