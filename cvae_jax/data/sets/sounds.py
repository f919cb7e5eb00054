"""A folder of sounds with names as labels: drum hits, effects, voices, of any rate and length.

Without a table a sound has one label, `kind`: the sub-folder that it lies in. With one
(`data.sounds.labels`, a CSV file in the folder with a column `file`) the columns that
`data.sounds.columns` names are labels. Held out is a tenth each of the sounds for validation and
test; by the values of a column (`data.sounds.held_out`), such as the kit that a drum is from, since
the strokes of one drum are close relatives. The first label is in each split as it is in all.
"""

from collections.abc import Mapping
from collections.abc import Sequence
import os

import ml_collections
from ml_collections import config_dict

from cvae_jax.core import errors
from cvae_jax.data import clips
from cvae_jax.data import data_sets
from cvae_jax.data import forms
from cvae_jax.data import store
from cvae_jax.data import vocabulary as vocabulary_lib
from cvae_jax.data.folders import audio_folder
from cvae_jax.data.folders import label_csv

KIND = "kind"


def make_form(config):
  """Sounds of `data.sounds.duration_s` at `data.sounds.sample_rate`, padded or cut."""
  settings = config.sounds
  audio_folder.check_form("sounds", settings)
  return forms.Waveform(settings.sample_rate, round(settings.duration_s * settings.sample_rate))


def _rows(folder: str, settings) -> list[dict[str, str]]:
  """What is said of every sound: `file`, its labels, and what it is held out by."""
  found = audio_folder.find(folder)
  if settings.labels is None:
    if tuple(settings.columns) != (KIND,) or settings.held_out is not None:
      raise errors.UserError(
        "data.sounds.columns and data.sounds.held_out name columns of a table: give it as "
        "data.sounds.labels"
      )
    return [
      {"file": name, KIND: name.split("/")[0] if "/" in name else "sound"} for _, name in found
    ]
  needed = [*settings.columns, *filter(None, [settings.held_out])]
  path = os.path.join(folder, settings.labels)
  rows = []
  for row in label_csv.read_rows(path, "file", None, "data.sounds.labels", needed):
    missing = next((column for column in needed if column not in row.cells), None)
    if missing:
      raise errors.UserError(f"{path}, row {row.number}: it has no {missing}")
    rows.append({**row.cells, "file": row.cells["file"].replace("\\", "/")})
  return rows


def find_entries(folder: str, settings) -> tuple[list[store.Entry], vocabulary_lib.Vocabulary]:
  """The sounds of a folder with their labels.

  Args:
    folder: of them.
    settings: the `data.sounds` section of a config.

  Raises:
    UserError: a folder that is none or holds no audio file, or a table that cannot be read.
  """
  rows = _rows(folder, settings)
  columns = [KIND] if settings.labels is None else list(settings.columns)
  if not columns:
    raise errors.UserError("data.sounds.columns must name a column of the table at least")
  held_out = settings.held_out if settings.labels is not None else None
  names = {column: sorted({row[column] for row in rows}) for column in columns}
  labels = tuple(
    vocabulary_lib.Label(column, vocabulary_lib.NAMES, tuple(values))
    for column, values in names.items()
  )
  entries = [
    store.Entry(
      os.path.join(folder, row["file"]),
      row["file"],
      {column: names[column].index(row[column]) for column in columns},
      row[held_out] if held_out else row["file"],
    )
    for row in rows
  ]
  return entries, vocabulary_lib.Vocabulary(labels)


def split(entries: Sequence[store.Entry]) -> Mapping[str, store.Place]:
  """Sounds by split: whole groups, with the first label in each split as it is in all."""
  first = next(iter(entries[0].labels))
  groups = [entry.group for entry in entries]
  of_group = audio_folder.split_groups(groups, [str(entry.labels[first]) for entry in entries])
  return {entry.name: of_group[entry.group] for entry in entries}


def open_set(config, variant, on_request):
  """See `data_sets.load`."""
  del on_request
  data_sets.no_variants("sounds", variant)
  form = make_form(config)
  folder = data_sets.need_folder(config, "sounds", "the folder of the sounds")
  entries, vocabulary = find_entries(folder, config.sounds)
  settings = (form.sample_rate, form.duration_s)
  where = store.locate(config.tfds_dir, "sounds", entries, settings)
  index = store.prepare(where, entries, vocabulary, form.sample_rate, split, max_s=form.duration_s)
  return data_sets.DataSet(
    f"sounds of {folder}",
    form,
    index.vocabulary,
    {name: len(index.of_split(name)) for name in store.SPLITS},
    lambda name, cache_gb, num_threads: clips.Clips(index, name, form),
    index.folder,
    2 * int(index.lengths.sum()),
  )


def get_config() -> ml_collections.ConfigDict:
  """Its fields."""
  config = ml_collections.ConfigDict()
  config.dir = config_dict.placeholder(str)  # the folder of the files
  config.sounds = sounds = ml_collections.ConfigDict()
  sounds.sample_rate = 44_100  # Hz
  sounds.duration_s = 2.0  # of a sound; longer ones are cut, shorter ones padded
  sounds.labels = config_dict.placeholder(str)  # a .csv in the folder; sub-folders without one
  sounds.columns = ("kind",)  # of the table, that are labels
  sounds.held_out = config_dict.placeholder(
    str
  )  # a column whose values are held out; files if none
  return config
