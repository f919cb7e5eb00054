"""Several data sets of notes as one: their splits and their lists of instruments, joined."""

import ml_collections

from cvae_jax.core import errors
from cvae_jax.data import concatenated
from cvae_jax.data import data_sets
from cvae_jax.data import labels
from cvae_jax.data import prepared
from cvae_jax.data.sets import nsynth_wav
from cvae_jax.data.sets import soundfont_notes

make_form = prepared.make_form


def open_set(config, variant, on_request):
  """See `data_sets.load`.

  Raises:
    UserError: fewer than two data sets, one that is not of NSynth's notes, or repeats that do not
      fit them.
  """
  data_sets.no_variants("mixed", variant)
  names, repeats = config.mixed.names, config.mixed.repeats or (1,) * len(config.mixed.names)
  if len(names) < 2 or any(name.partition("/")[0] == "mixed" for name in names):
    raise errors.UserError(f"data.mixed.names must be two data sets of notes or more, got {names}")
  if len(repeats) != len(names) or min(repeats) < 1:
    raise errors.UserError(
      f"data.mixed.repeats must be a positive number for each of {', '.join(names)}, got {repeats}"
    )
  parts = []
  for name in names:
    section = concatenated.make_section(config, name)
    if data_sets.make_form(section) != labels.FORM:
      raise errors.UserError(f"data.mixed.names: {name} does not hold notes of 4 s at 16 kHz")
    parts.append(data_sets.load(section, on_request))
  return concatenated.make_data_set("mixed", parts, repeats)


def get_config() -> ml_collections.ConfigDict:
  """Default fields of the data set, with those of soundfont_notes and nsynth_wav."""
  config = soundfont_notes.get_config()
  config.update(nsynth_wav.get_config())
  config.mixed = mixed = ml_collections.ConfigDict()
  mixed.names = ("synth_notes", "soundfont_notes")  # the data sets
  mixed.repeats = ()  # how often an epoch has each one's training notes; once if empty
  return config
