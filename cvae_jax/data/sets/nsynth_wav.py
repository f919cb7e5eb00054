"""A folder in the layout of NSynth's json/wav distribution, see `data.builders.nsynth_wav`."""

import ml_collections
from ml_collections import config_dict

from cvae_jax.data import data_sets
from cvae_jax.data import notes
from cvae_jax.data import prepared

make_form = prepared.make_form


def open_set(config, variant, on_request):
  """See `data_sets.load`."""
  from cvae_jax.data.builders import nsynth_wav

  del on_request
  data_sets.no_variants("nsynth_wav", variant)
  folder = data_sets.need_folder(config, "nsynth_wav", "the folder with nsynth-train in it")
  notes.check_storage(config.storage)
  builder_config = nsynth_wav.make_config(folder, config.storage)
  return prepared.open_own(config, nsynth_wav.NsynthWav, builder_config)


def get_config() -> ml_collections.ConfigDict:
  """Default fields of the data set."""
  config = ml_collections.ConfigDict()
  config.dir = config_dict.placeholder(str)  # the folder that holds nsynth-train etc.
  config.storage = "int16"  # int16, float32: of the samples
  return config
