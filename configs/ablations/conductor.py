"""Does a conductor help a decoder through sixteen bars?

python -m cvae_jax.ablate --config=configs/ablations/conductor.py --seeds=3

On tunes instead of a grammar's melodies: --set=data.name=folder_scores --set=data.dir=TUNES
--set=data.scores.tracks="(1,)" --set=data.scores.transpose=5 --set=data.scores.max_windows=0
"""

import os

from cvae_jax.core import config as config_lib
from cvae_jax.evaluation import ablation as ablation_lib
from cvae_jax.evaluation import tables

CONFIG = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "musicvae.py")


def get_ablation(variant=""):
  base = config_lib.load(f"{CONFIG}:flat16,small{',tiny' if variant == 'tiny' else ''}")
  ablation_lib.measure_at_the_end(base)
  if variant != "tiny":
    base.train.steps = base.method.flow.steps = 2000
    base.eval.generation_notes = 512
  conductor = {"method.conductor_layers": 2, "method.segments": base.data.scores.bars}
  generated = lambda path, title, digits=3: tables.Measure(
    f"scores.generated.{path}", title, digits
  )
  return ablation_lib.Ablation(
    question="Does a conductor help a decoder through sixteen bars?",
    base=base,
    variants={"flat": {}, "conductor": conductor},
    measures=(
      tables.Measure("eval.teacher_forced", "teacher-forced, % ↑", 1, 100.0),
      tables.Measure("eval.free_running", "free-running, % ↑", 1, 100.0),
      tables.Measure("eval.kl_bits", "KL, bits", 1),
      generated("similarity_overlap", "self-similarity of bars, overlap ↑"),
      generated("similarity_error", "self-similarity by lag, error ↓"),
      ablation_lib.PARAMETERS,
      ablation_lib.SECONDS,
    ),
  )
