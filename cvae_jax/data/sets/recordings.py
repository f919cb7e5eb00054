"""A folder of recordings of any length, rate, channel count and format, as excerpts.

Files are resampled once to one rate and stored as memory-mapped 16-bit samples (`data.store`).
`data.recordings.held_out` names the files that are held out for validation. Without it a tenth of
the files each is held out for validation and test; with fewer than three files, the last two tenths
of each file. The label `recording` is the file that an excerpt is from, and, where there are
sub-folders, `kind` the one that it is in.
"""

from collections.abc import Mapping
from collections.abc import Sequence
import functools

import ml_collections
from ml_collections import config_dict

from cvae_jax.core import errors
from cvae_jax.data import clips
from cvae_jax.data import data_sets
from cvae_jax.data import forms
from cvae_jax.data import store
from cvae_jax.data import vocabulary as vocabulary_lib
from cvae_jax.data.folders import audio_folder

_BY_TIME = (("train", 0.8), ("valid", 0.1), ("test", 0.1))


def make_form(config):
  """Excerpts of `data.recordings.duration_s` at `data.recordings.sample_rate`."""
  settings = config.recordings
  audio_folder.check_form("recordings", settings)
  num_samples = round(settings.duration_s * settings.sample_rate)
  return forms.Waveform(settings.sample_rate, num_samples, is_excerpt=True)


def find_entries(folder: str) -> tuple[list[store.Entry], vocabulary_lib.Vocabulary]:
  """The recordings of a folder, labelled by their names.

  Raises:
    UserError: if there is no such folder, or it holds no audio file.
  """
  audio_files = audio_folder.find(folder)
  names = tuple(name for _, name in audio_files)
  labels = [vocabulary_lib.Label("recording", vocabulary_lib.NAMES, names, open_set=True)]
  columns = {"recording": list(range(len(names)))}
  kinds = [audio_folder.kind_of(name, "recording") for name in names]
  if any("/" in name for name in names):
    values = tuple(sorted(set(kinds)))
    labels.append(vocabulary_lib.Label(audio_folder.KIND, vocabulary_lib.NAMES, values))
    columns[audio_folder.KIND] = [values.index(kind) for kind in kinds]
  entries = [
    store.Entry(path, name, {column: values[i] for column, values in columns.items()})
    for i, (path, name) in enumerate(audio_files)
  ]
  return entries, vocabulary_lib.Vocabulary(tuple(labels))


def split(
  entries: Sequence[store.Entry], held_out: Sequence[str] = ()
) -> Mapping[str, store.Place]:
  """The split of each file; with fewer than three files, shares of each file.

  Args:
    entries: the files.
    held_out: patterns of names that are held out for validation; the others are for training.

  Raises:
    UserError: a pattern that no file matches, or patterns that leave none for training.
  """
  names = [entry.name for entry in entries]
  if held_out:
    held = audio_folder.find_held_out(names, held_out, "data.recordings.held_out", "file", 10)
    places = {name: "valid" if name in held else "train" for name in names}
    if "train" not in places.values():
      raise errors.UserError("data.recordings.held_out leaves no file to train on")
    return places
  if len(names) < len(store.SPLITS):
    return dict.fromkeys(names, _BY_TIME)
  return audio_folder.split(names)


def open_set(config, variant, on_request):
  """See `data_sets.load`."""
  del on_request
  data_sets.no_variants("recordings", variant)
  form, settings = make_form(config), config.recordings
  folder = data_sets.need_folder(config, "recordings", "the folder of the recordings")
  entries, vocabulary = find_entries(folder)
  held_out = tuple(settings.held_out)
  key = (form.sample_rate, held_out) if held_out else form.sample_rate
  store_dir = store.locate(config.tfds_dir, "recordings", entries, key)
  place = functools.partial(split, held_out=held_out)
  index = store.prepare(store_dir, entries, vocabulary, form.sample_rate, place)
  places = {
    name: len(clips.find_places(index, name, form.num_samples, settings.silence_db)[0])
    for name in store.SPLITS
  }
  if not any(places.values()):
    raise errors.UserError(
      f"{folder} has no excerpt of {settings.duration_s:g} s that is louder than "
      f"data.recordings.silence_db, {settings.silence_db:g} dB"
    )
  return data_sets.DataSet(
    f"recordings of {folder}",
    form,
    index.vocabulary,
    places,
    lambda name, cache_gb, num_threads: clips.Excerpts(index, name, form, settings.silence_db),
    index.folder,
    2 * int(index.lengths.sum()),
    lambda: audio_folder.draw(index, form.num_samples, settings.silence_db),
    _describe_use(index, sum(places.values()), form),
  )


def _describe_use(index, num_places, form) -> str:
  """One line on how much of the recordings is used."""
  report = store.read_report(index.folder)
  used_rows = [row for row in report if row.used == "yes"]
  total_s = sum(row.seconds for row in used_rows)
  silent_s = max(total_s - num_places * form.duration_s, 0.0)
  return (
    f"{len(used_rows)} of {len(report)} files, {total_s / 60:.1f} minutes: {num_places:,} excerpts "
    f"of {form.duration_s:g} s; {silent_s / 60:.1f} minutes are silence or remainders"
  )


def get_config() -> ml_collections.ConfigDict:
  """Default fields of the data set."""
  config = ml_collections.ConfigDict()
  config.dir = config_dict.placeholder(str)  # the folder of the files
  config.recordings = recordings = ml_collections.ConfigDict()
  recordings.sample_rate = 22_050  # Hz
  recordings.duration_s = 1.5  # of an excerpt
  recordings.silence_db = -60.0  # dB below full scale; excerpts that stay below are left out
  # Names of files, or patterns as 'player-a_*', that are held out; () for a tenth, by chance.
  recordings.held_out = ()
  return config
