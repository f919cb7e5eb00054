"""The classifier that evaluation listens with."""

import numpy as np
import pytest

from cvae_jax.audio import mel
from cvae_jax.evaluation.metrics import classifier


@pytest.mark.parametrize(
  "rate,seconds,hop",
  [(16_000, 4.0, 1024), (16_000, 2.0, 512), (22_050, 2.0, 512), (22_050, 1.0, 512),
   (22_050, 0.1, 512), (44_100, 1.0, 1024), (48_000, 0.5, 1024)],
)  # fmt: skip
def test_short_sounds_are_seen_in_shorter_frames_with_a_bin_in_every_band(rate, seconds, hop):
  assert classifier.choose_hop(round(rate * seconds), rate) == hop
  filters = mel.make_filterbank(rate, 2 * hop, 256, 27.5, rate / 2)
  assert (np.asarray(filters).max(axis=1) > 0).all()
