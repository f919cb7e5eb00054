"""NSynth's labels, vocabulary and form.

Source: Engel et al. 2017, "Neural Audio Synthesis of Musical Notes with WaveNet Autoencoders".
"""

from collections.abc import Sequence

from cvae_jax.core import errors
from cvae_jax.data import forms
from cvae_jax.data import vocabulary as vocabulary_lib

SAMPLE_RATE = 16_000
NUM_SAMPLES = 64_000  # 4 s: 3 s held and 1 s of release
HOLD_S = 3.0
FORM = forms.Waveform(SAMPLE_RATE, NUM_SAMPLES)

FAMILIES = (
  "bass",
  "brass",
  "flute",
  "guitar",
  "keyboard",
  "mallet",
  "organ",
  "reed",
  "string",
  "synth_lead",
  "vocal",
)
SOURCES = ("acoustic", "electronic", "synthetic")
QUALITIES = (
  "bright",
  "dark",
  "distortion",
  "fast_decay",
  "long_release",
  "multiphonic",
  "nonlinear_env",
  "percussive",
  "reverb",
  "tempo-synced",
)
VELOCITIES = (25, 50, 75, 100, 127)
NUM_PITCHES = 128  # of MIDI
NUM_VELOCITIES = 128
# The range of a piano, which is NSynth's.
MIN_PITCH, MAX_PITCH = 21, 108


def make_vocabulary(instruments: Sequence[str]) -> vocabulary_lib.Vocabulary:
  """NSynth's six labels; `instruments` are names, in the order of their indices."""
  label, names = vocabulary_lib.Label, vocabulary_lib.NAMES
  return vocabulary_lib.Vocabulary(
    (
      label("pitch", vocabulary_lib.NUMBER, high=NUM_PITCHES - 1, one_hot=True, between=True),
      label("velocity", vocabulary_lib.NUMBER, high=NUM_VELOCITIES - 1),
      label("family", names, FAMILIES),
      label("source", names, SOURCES),
      label("instrument", names, tuple(instruments), open_set=True),
      label("qualities", vocabulary_lib.FLAGS, QUALITIES),
    )
  )


def index_of(value: str | int, names: tuple[str, ...], label: str) -> int:
  """Index of a label that is given by name or number.

  Raises:
    UserError: if there is no such label; the message lists the names.
  """
  if isinstance(value, str) and value in names:
    return names.index(value)
  if not isinstance(value, str) and 0 <= int(value) < len(names):
    return int(value)
  raise errors.UserError(f"{label} must be one of {', '.join(names)}, got '{value}'")


def check_range(value: int, high: int, label: str) -> int:
  """Returns the value as an integer if it is in 0 to `high`.

  Raises:
    UserError: if it is not; the message names the range.
  """
  if not 0 <= int(value) <= high:
    raise errors.UserError(f"{label} must be 0-{high}, got {value}")
  return int(value)
