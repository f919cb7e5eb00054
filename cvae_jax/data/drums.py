"""What the data sets of drums share: the ten kinds, their labels, form and fields."""

from collections.abc import Sequence

import ml_collections

from cvae_jax.data import clips
from cvae_jax.data import data_sets
from cvae_jax.data import forms
from cvae_jax.data import store
from cvae_jax.data import vocabulary as vocabulary_lib
from cvae_jax.data.folders import audio_folder

KINDS = (
  "kick", "snare", "hihat_closed", "hihat_open", "clap", "tom", "cymbal", "rim", "cowbell",
  "percussion",
)  # fmt: skip
SOURCES = ("acoustic", "electronic")


def make_vocabulary(kits: Sequence[str]) -> vocabulary_lib.Vocabulary:
  """The labels of a drum: `kind`, `source`, and `kit`, of which others are held out."""
  names = vocabulary_lib.NAMES
  return vocabulary_lib.Vocabulary(
    (
      vocabulary_lib.Label("kind", names, KINDS),
      vocabulary_lib.Label("source", names, SOURCES),
      vocabulary_lib.Label("kit", names, tuple(kits), open_set=True),
    )
  )


def make_form(config: ml_collections.ConfigDict) -> forms.Waveform:
  """Sounds of `data.drums.duration_s` at `data.drums.sample_rate`."""
  settings = config.drums
  audio_folder.check_form("drums", settings)
  return forms.Waveform(settings.sample_rate, round(settings.duration_s * settings.sample_rate))


def make_data_set(
  name: str, index: store.Index, form: forms.Waveform, remark: str = ""
) -> data_sets.DataSet:
  """The data set of a store of drums."""
  return data_sets.DataSet(
    name,
    form,
    index.vocabulary,
    {split: len(index.of_split(split)) for split in store.SPLITS},
    lambda split, cache_gb, num_threads: clips.Clips(index, split, form),
    index.folder,
    2 * int(index.lengths.sum()),
    remark=remark,
  )


def get_config() -> ml_collections.ConfigDict:
  """Default fields of all data sets of drums."""
  config = ml_collections.ConfigDict()
  config.drums = drums = ml_collections.ConfigDict()
  drums.sample_rate = 16_000  # Hz
  drums.duration_s = 2.0  # longer sounds are faded out, shorter ones padded
  return config
