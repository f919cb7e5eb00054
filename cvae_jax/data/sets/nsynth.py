"""NSynth by TFDS' own builder, see `data.builders.nsynth`."""

import ml_collections
from ml_collections import config_dict

from cvae_jax.data import data_sets
from cvae_jax.data import prepared

make_form = prepared.make_form


def open_set(config, variant, on_request):
  """See `data_sets.load`; training never prepares it: the download is 73 GB."""
  from cvae_jax.data.builders import nsynth

  variant = data_sets.choose("nsynth", variant, nsynth.variants())
  return prepared.open_set(
    config,
    prepared.locate(nsynth.Nsynth, variant, config),
    lambda: nsynth.Nsynth(
      config.dir,
      config.beam_options,
      config.num_threads,
      config=variant,
      data_dir=config.tfds_dir,
    ),
    on_request,
  )


def get_config() -> ml_collections.ConfigDict:
  """Default fields of the data set."""
  config = ml_collections.ConfigDict()
  # Folder of the archives, if they are already downloaded.
  config.dir = config_dict.placeholder(str)
  config.beam_options = ""  # for preparation, such as 'runner=DirectRunner,direct_num_workers=2'
  return config
