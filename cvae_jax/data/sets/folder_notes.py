"""A folder of recorded notes, see `data.builders.folder_notes`."""

import ml_collections
from ml_collections import config_dict

from cvae_jax.data import data_sets
from cvae_jax.data import notes
from cvae_jax.data import prepared

make_form = prepared.make_form


def open_set(config, variant, on_request):
  """See `data_sets.load`."""
  from cvae_jax.data.builders import folder_notes

  del on_request
  data_sets.no_variants("folder_notes", variant)
  folder = data_sets.need_folder(config, "folder_notes", "the folder of the recordings")
  notes.check_storage(config.storage)
  builder_config = folder_notes.make_config(folder, config.folder, config.storage)
  return prepared.open_own(config, folder_notes.FolderNotes, builder_config)


def get_config() -> ml_collections.ConfigDict:
  """Default fields of the data set."""
  config = ml_collections.ConfigDict()
  config.dir = config_dict.placeholder(str)  # the folder of the files
  config.folder = folder = ml_collections.ConfigDict()
  # Of file names without extension; fields are family, source, instrument, pitch, velocity.
  folder.pattern = "{family}_{source}_{instrument}-{pitch}-{velocity}"
  # A .csv or .sfz file in the folder; file names if not given.
  folder.labels = config_dict.placeholder(str)
  folder.family = "keyboard"  # default where the labels have none
  folder.source = "acoustic"  # default where the labels have none
  folder.velocity = 100  # default where the labels have none
  folder.held_out = "notes"  # notes, instruments
  folder.strict = False  # whether a file that cannot be used is an error
  config.storage = "int16"  # int16, float32: of the samples
  return config
