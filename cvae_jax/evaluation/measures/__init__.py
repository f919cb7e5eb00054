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
from cvae_jax.data import forms
from cvae_jax.data import pipeline
from cvae_jax.data import vocabulary as vocabulary_lib


class Run(NamedTuple):
  """What is measured.

  Attributes:
    config: a whole one.
    method: the run's functions.
    params: to measure.
    data: its examples.
  """

  config: ml_collections.ConfigDict
  method: methods.Method
  params: Any
  data: pipeline.Data

  @property
  def batch_size(self) -> int:
    """Examples at a time."""
    return self.config.eval.batch_size

  @property
  def waveform(self) -> forms.Waveform | None:
    """The form of its examples, where they are waveforms."""
    return self.data.form if isinstance(self.data.form, forms.Waveform) else None

  def labels_of(self, batch: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """A batch's labels, without its examples."""
    return vocabulary_lib.select(batch, self.data.vocabulary)

  def inputs_of(self, batch: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """A batch's examples and labels."""
    return {self.data.form.key: batch[self.data.form.key], **self.labels_of(batch)}
