"""What every method on features of waveforms shares."""

from conftest import get_config
import jax
import numpy as np
import pytest

from cvae_jax import methods
from cvae_jax.data import forms
from cvae_jax.methods.common import waveforms

FORM = forms.Waveform(8_000, 8_000)


@pytest.mark.parametrize("gate_db,end", [(40.0, 8), (30.0, 6), (0.0, None), (75.0, 15)])
def test_a_sound_that_has_fallen_under_the_gate_is_over(gate_db, end):
  """Levels fall by 10 dB in two frames; four in a row below the gate end it, a dip does not."""
  config = get_config("ae", "tiny", **{"method.gate_db": gate_db})
  representation = methods.make_representation(config, FORM)
  frames, bins, _ = representation.shape
  level_db = np.full((2, frames), -80.0)
  level_db[:, :16] = -5.0 * np.arange(16)
  level_db[:, 24] = -10.0  # It comes again, too late.
  level_db[1] = np.roll(level_db[1], 3)
  level_db[1, :3] = -80.0  # Silence before it is no end.
  level_db[1, 5] = -80.0
  features = np.full((2, frames, bins, 1), -1.0, np.float32)
  features[:, :, 3, 0] = level_db / 40.0 + 1.0
  result = np.asarray(waveforms.end_in_silence(config, representation, jax.numpy.asarray(features)))
  if end is None:
    np.testing.assert_array_equal(result, features)
    return
  for row, late in ((0, 0), (1, 3)):
    over = late + end + 1 + 3  # The first frame below the gate, and three more.
    np.testing.assert_array_equal(result[row, :over], features[row, :over])
    assert (result[row, over:] == -1.0).all()
