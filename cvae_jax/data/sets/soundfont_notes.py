"""Notes of a soundfont, rendered in NSynth's protocol, see `data.builders.soundfont_notes`."""

import ml_collections
from ml_collections import config_dict

from cvae_jax.core import config_check
from cvae_jax.data import prepared

make_form = prepared.make_form


def open_set(config, variant, on_request):
  """See `data_sets.load`; the variant is what is held out: 'instruments' or 'notes'."""
  from cvae_jax.core import errors
  from cvae_jax.data.builders import soundfont_notes

  del on_request
  held_out = variant or "instruments"
  if held_out not in soundfont_notes.HELD_OUT:
    raise errors.UserError(
      f"soundfont_notes holds out {' or '.join(soundfont_notes.HELD_OUT)}, got '{variant}'"
    )
  builder_config = soundfont_notes.make_config(config.soundfont, held_out)
  return prepared.open_own(config, soundfont_notes.SoundfontNotes, builder_config)


def get_config() -> ml_collections.ConfigDict:
  """Default fields of the data set."""
  config = ml_collections.ConfigDict()
  config.soundfont = soundfont = ml_collections.ConfigDict()
  # An SF2 or SF3 file; the system's default if not given.
  soundfont.path = config_dict.placeholder(str)
  soundfont.programs = ()  # 0-127; all programs if empty
  soundfont.include_effects = False  # whether to include sound effects and percussion
  soundfont.pitch_step = 1  # semitones between pitches, from 21 to 108
  soundfont.velocities = (25, 50, 75, 100, 127)  # 1-127
  soundfont.max_stretch = 12  # semitones; notes farther from any sample are left out
  return config


def check(config: ml_collections.ConfigDict) -> None:
  """Raises UserError for invalid values; `config` is a whole one."""
  config_check.need_positive(config, "data.soundfont.pitch_step")
