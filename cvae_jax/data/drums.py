"""What the data sets of drums share: the ten kinds, their labels, form and fields."""

from collections.abc import Mapping
from collections.abc import Sequence
import os
import re

import ml_collections

from cvae_jax.data import forms
from cvae_jax.data import store
from cvae_jax.data import vocabulary as vocabulary_lib
from cvae_jax.data.folders import audio_folder

KINDS = (
  "kick", "snare", "hihat_closed", "hihat_open", "clap", "tom", "cymbal", "rim", "cowbell",
  "percussion",
)  # fmt: skip
SOURCES = ("acoustic", "electronic")


def make_vocabulary(
  kits: Sequence[str], sources: Sequence[str] = SOURCES
) -> vocabulary_lib.Vocabulary:
  """The labels of a drum: `kind`, and `source` and `kit` (an open set) that have names."""
  names = vocabulary_lib.NAMES
  return vocabulary_lib.Vocabulary(
    (
      vocabulary_lib.Label("kind", names, KINDS),
      *([vocabulary_lib.Label("source", names, tuple(sources))] if sources else []),
      *([vocabulary_lib.Label("kit", names, tuple(kits), open_set=True)] if kits else []),
    )
  )


def make_form(config: ml_collections.ConfigDict) -> forms.Waveform:
  """Sounds of `data.drums.duration_s` at `data.drums.sample_rate`."""
  settings = config.drums
  audio_folder.check_form("drums", settings)
  return forms.Waveform(settings.sample_rate, round(settings.duration_s * settings.sample_rate))


def drum_of(name: str) -> str:
  """What the hits of one drum share: the name of a file without the number at its end."""
  return re.sub(r"[\W\d_]+$", "", os.path.splitext(name)[0]) or name


def split(entries: Sequence[store.Entry]) -> Mapping[str, store.Place]:
  """The split of each hit, stratified by kind: whole kits, the groups of the entries.

  Of fewer than three kits whole drums are held out, and of fewer than three drums single hits.
  """
  classes = [str(entry.labels["kind"]) for entry in entries]
  drum_names = [drum_of(entry.name) for entry in entries]
  kit_names = [entry.group or name for entry, name in zip(entries, drum_names, strict=True)]
  for names in (kit_names, drum_names, [entry.name for entry in entries]):
    if len(set(names)) >= len(store.SPLITS):
      break
  split_of = audio_folder.split_groups(names, classes)
  return {entry.name: split_of[name] for entry, name in zip(entries, names, strict=True)}


def get_config() -> ml_collections.ConfigDict:
  """Default fields of all data sets of drums."""
  config = ml_collections.ConfigDict()
  config.drums = drums = ml_collections.ConfigDict()
  drums.sample_rate = 16_000  # Hz
  drums.duration_s = 2.0  # longer sounds are faded out, shorter ones padded
  return config
