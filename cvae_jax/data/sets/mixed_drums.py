"""Several data sets of drums as one, with the label `origin`: synthetic, soundfont, recorded."""

from collections.abc import Sequence

import ml_collections

from cvae_jax.core import errors
from cvae_jax.data import concatenated
from cvae_jax.data import data_sets
from cvae_jax.data import drums
from cvae_jax.data import vocabulary as vocabulary_lib
from cvae_jax.data.sets import drums as recorded_drums
from cvae_jax.data.sets import soundfont_drums
from cvae_jax.data.sets import synth_drums

make_form = drums.make_form
ORIGINS = {"synth_drums": "synthetic", "soundfont_drums": "soundfont", "drums": "recorded"}


def open_set(config, variant, on_request):
  """See `data_sets.load`.

  Raises:
    UserError: data sets that are not of drums, one that is named twice, or repeats that do not fit.
  """
  data_sets.no_variants("mixed_drums", variant)
  names = tuple(config.mixed.names)
  repeats = tuple(config.mixed.repeats) or (1,) * len(names)
  sets = [name.partition("/")[0] for name in names]
  if len(names) < 2 or len(set(sets)) < len(sets) or not set(sets) <= set(ORIGINS):
    raise errors.UserError(
      f"data.mixed.names must be two or more of {', '.join(ORIGINS)}, got {names}"
    )
  if len(repeats) != len(names) or min(repeats) < 1:
    raise errors.UserError(
      f"data.mixed.repeats must be a positive number for each of {', '.join(names)}, got {repeats}"
    )
  parts = [data_sets.load(concatenated.make_section(config, name), on_request) for name in names]
  constants = [{"origin": i} for i in range(len(sets))]
  return concatenated.make_data_set(
    "mixed_drums", parts, repeats, vocabulary_lib.Vocabulary((make_label(sets),)), constants
  )


def make_label(names: Sequence[str]) -> vocabulary_lib.Label:
  """The label `origin` of data sets of these names."""
  origins = tuple(ORIGINS[name] for name in names)
  return vocabulary_lib.Label("origin", vocabulary_lib.NAMES, origins)


def make_vocabulary(names: Sequence[str], kits: Sequence[str]) -> vocabulary_lib.Vocabulary:
  """The labels of data sets of these names with kits of those."""
  return vocabulary_lib.Vocabulary((*drums.make_vocabulary(kits).labels, make_label(names)))


def get_config() -> ml_collections.ConfigDict:
  """Default fields of the data set, with those of the data sets that it may have."""
  config = synth_drums.get_config()
  for part in (soundfont_drums, recorded_drums):
    config.update(part.get_config())
  config.mixed = mixed = ml_collections.ConfigDict()
  mixed.names = ("synth_drums", "soundfont_drums")  # of synth_drums, soundfont_drums, drums
  mixed.repeats = ()  # how often an epoch has each one's training sounds; once if empty
  return config


def tiny(config: ml_collections.ConfigDict) -> None:
  """A few synthetic kits and short sounds."""
  synth_drums.tiny(config)
  config.data.mixed.names = tuple(
    "synth_drums/tiny" if name == "synth_drums" else name for name in config.data.mixed.names
  )
