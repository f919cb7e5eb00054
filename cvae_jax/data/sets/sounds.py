"""A folder of sounds with names as labels: drum hits, effects, voices, of any rate and length.

Without a table a sound has one label, `kind`: the name of its sub-folder. With a table
(`data.sounds.labels`, a CSV file in the folder with a column `file`) the labels are the columns of
`data.sounds.columns`. A tenth of the sounds each is held out for validation and test. With
`data.sounds.held_out` whole values of a column are held out, such as drum kits, since hits of one
drum are near duplicates. The splits are stratified by the first label.
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


def make_form(config):
  """Sounds of `data.sounds.duration_s` at `data.sounds.sample_rate`, padded or cut."""
  settings = config.sounds
  audio_folder.check_form("sounds", settings)
  return forms.Waveform(settings.sample_rate, round(settings.duration_s * settings.sample_rate))


def _rows(folder: str, settings) -> list[dict[str, str]]:
  """A row for every sound: its `file`, its labels, and the column that it is held out by."""
  audio_files = audio_folder.find(folder)
  if settings.labels is None:
    if tuple(settings.columns) != (audio_folder.KIND,) or settings.held_out is not None:
      raise errors.UserError(
        "data.sounds.columns and data.sounds.held_out name columns of a table: set "
        "data.sounds.labels"
      )
    return [
      {"file": name, audio_folder.KIND: audio_folder.kind_of(name, "sound")}
      for _, name in audio_files
    ]
  columns = [*settings.columns, *filter(None, [settings.held_out])]
  path = os.path.join(folder, settings.labels)
  rows = []
  for row in label_csv.read_rows(path, "file", None, "data.sounds.labels", columns):
    missing = next((column for column in columns if column not in row.cells), None)
    if missing:
      raise errors.UserError(f"{path}, row {row.number}: the column {missing} is empty")
    rows.append({**row.cells, "file": row.cells["file"].replace("\\", "/")})
  return rows


def find_entries(folder: str, settings) -> tuple[list[store.Entry], vocabulary_lib.Vocabulary]:
  """The sounds of a folder with their labels.

  Args:
    folder: of the sounds.
    settings: the `data.sounds` section of a config.

  Raises:
    UserError: if there is no such folder, it holds no audio file, or the table cannot be read.
  """
  rows = _rows(folder, settings)
  columns = [audio_folder.KIND] if settings.labels is None else list(settings.columns)
  if not columns:
    raise errors.UserError("data.sounds.columns must name at least one column of the table")
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
  """The split of each sound: whole groups, stratified by the first label."""
  first_label = next(iter(entries[0].labels))
  groups = [entry.group for entry in entries]
  split_of_group = audio_folder.split_groups(
    groups, [str(entry.labels[first_label]) for entry in entries]
  )
  return {entry.name: split_of_group[entry.group] for entry in entries}


def open_set(config, variant, on_request):
  """See `data_sets.load`."""
  del on_request
  data_sets.no_variants("sounds", variant)
  form = make_form(config)
  folder = data_sets.need_folder(config, "sounds", "the folder of the sounds")
  entries, vocabulary = find_entries(folder, config.sounds)
  settings = (form.sample_rate, form.duration_s)
  store_dir = store.locate(config.tfds_dir, "sounds", entries, settings)
  index = store.prepare(
    store_dir, entries, vocabulary, form.sample_rate, split, max_s=form.duration_s
  )
  return clips.make_data_set(f"sounds of {folder}", index, form)


def get_config() -> ml_collections.ConfigDict:
  """Default fields of the data set."""
  config = ml_collections.ConfigDict()
  config.dir = config_dict.placeholder(str)  # the folder of the files
  config.sounds = sounds = ml_collections.ConfigDict()
  sounds.sample_rate = 44_100  # Hz
  sounds.duration_s = 2.0  # longer sounds are cut, shorter ones padded
  # A .csv file in the folder; sub-folders if not given.
  sounds.labels = config_dict.placeholder(str)
  sounds.columns = ("kind",)  # of the table, used as labels
  # Column whose values are held out; files if not given.
  sounds.held_out = config_dict.placeholder(str)
  return config
