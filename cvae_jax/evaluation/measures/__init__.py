"""Measures of a run: functions from its method, parameters and data to numbers.

The formulas are in `metrics/` and take arrays; measures apply them to a run. A measure returns None
if it does not apply to the run, or its config disables it.
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
  """A run to evaluate.

  Attributes:
    config: a whole one.
    method: the run's functions.
    params: parameters to evaluate.
    data: the run's examples.
  """

  config: ml_collections.ConfigDict
  method: methods.Method
  params: Any
  data: pipeline.Data

  @property
  def batch_size(self) -> int:
    """Examples per batch."""
    return self.config.eval.batch_size

  @property
  def waveform(self) -> forms.Waveform | None:
    """The form of the examples if they are waveforms, else None."""
    return self.data.form if isinstance(self.data.form, forms.Waveform) else None

  def labels_of(self, batch: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """A batch's labels, without its examples."""
    return vocabulary_lib.select(batch, self.data.vocabulary)

  def inputs_of(self, batch: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """A batch's examples and labels."""
    return {self.data.form.key: batch[self.data.form.key], **self.labels_of(batch)}
