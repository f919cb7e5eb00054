from absl import logging as absl_logging
import pytest

from cvae_jax.core import quiet
from cvae_jax.synthesis import synthesizer


@pytest.fixture
def talkative():
  """Libraries that say what they would say to who imports them: commands have them quiet."""
  before = absl_logging.get_verbosity()
  absl_logging.set_verbosity(absl_logging.INFO)
  yield
  absl_logging.set_verbosity(before)


def test_a_run_is_loaded_from_python_without_a_word(tiny_run, talkative, caplog, capfd):
  synthesizer.load(tiny_run)
  assert not caplog.records and capfd.readouterr() == ("", "")


def test_what_a_library_said_it_says_again_afterwards(talkative):
  with pytest.raises(ValueError), quiet.libraries():
    assert absl_logging.get_verbosity() == absl_logging.ERROR
    raise ValueError
  assert absl_logging.get_verbosity() == absl_logging.INFO
  absl_logging.set_verbosity(absl_logging.FATAL)
  with quiet.libraries():  # No louder than they were.
    assert absl_logging.get_verbosity() == absl_logging.FATAL
