"""The official `nsynth`, by TFDS' own builder: see `data.nsynth`."""

import ml_collections
from ml_collections import config_dict

from cvae_jax.data import data_sets
from cvae_jax.data import prepared

make_form = prepared.make_form


def open_set(config, variant, on_request):
  """See `data_sets.load`; prepared on request alone: 73 GB are no side effect of training."""
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
  """Its fields."""
  config = ml_collections.ConfigDict()
  # The folder of the archives, where they have been downloaded already.
  config.dir = config_dict.placeholder(str)
  config.beam_options = ""  # of the preparation: 'runner=DirectRunner,direct_num_workers=2'
  return config
