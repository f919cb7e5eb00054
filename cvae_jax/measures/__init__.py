"""What is measured of a run: from its method, parameters and notes to numbers.

`metrics/` has the formulas, which know arrays alone; here they meet a run. A measure that a run
cannot have, or that its config does not ask for, is None.
"""

from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

import ml_collections
import numpy as np

from cvae_jax import methods
from cvae_jax.data import notes
from cvae_jax.data import pipeline


class Run(NamedTuple):
  """What is measured.

  Attributes:
    config: a whole one.
    method: the run's functions.
    params: to measure.
    data: its notes.
  """

  config: ml_collections.ConfigDict
  method: methods.Method
  params: Any
  data: pipeline.Notes

  @property
  def batch_size(self) -> int:
    """Notes at a time."""
    return self.config.eval.batch_size


def labels_of(batch: Mapping[str, Any]) -> dict[str, np.ndarray]:
  """A batch's labels, without its audio."""
  return {name: batch[name] for name in notes.BATCH_LABELS}
