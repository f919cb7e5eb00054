"""Drum hits in a folder, of any rate and length, with their kinds, sources and kits.

The kind of a file comes from a table (`data.drums.labels`, a CSV file in the folder with a column
`file`), from the Hydrogen kit that it belongs to (drumkit.xml), from its sub-folders or from its
name; see `folders.drum_names`. The label `source` is 'acoustic', 'electronic' or 'unknown', where
any is known, and so is `kit`. Its kit is the table's, Hydrogen's, or the sub-folders that are no
kind. Whole kits are held out; of fewer than three kits, whole drums (files whose names differ in
the number at their end). What is left out and why is in report.csv; see also `data.one_shots`.
"""

import os

from ml_collections import config_dict
import numpy as np

from cvae_jax.core import errors
from cvae_jax.data import clips
from cvae_jax.data import data_sets
from cvae_jax.data import drums
from cvae_jax.data import one_shots
from cvae_jax.data import store
from cvae_jax.data.folders import drum_folder

make_form = drums.make_form
_VERSION = 1  # of the rules
_UNKNOWN = "unknown"
_FEW = 10  # sounds of a kind that are said to be few
# What is left out, by a part of its reason; the first that fits.
_REASONS = {
  "a loop": "loops",
  "silent": "silent",
  "kind of drum": "of no known kind",
  "has the samples of": "copies",
}


def _names(names, values):
  """Names of a label: 'unknown' where some values are, and none where all are."""
  if not any(values):
    return ()
  return (*names, *([] if all(values) else [_UNKNOWN]))


def _index(names, name):
  name = name or _UNKNOWN
  return names.index(name) if name in names else -1


def _describe(index: store.Index) -> str:
  """One line on what is used and what is not."""
  report = store.read_report(index.folder)
  used = [row for row in report if row.used == "yes"]
  counts = store.count_left_out(report, _REASONS)
  clipped = sum("clipped" in row.reason.split() for row in used)
  kinds = index.columns["kind"]
  few = [
    f"{kind} {count}"
    for kind, count in zip(drums.KINDS, np.bincount(kinds, minlength=len(drums.KINDS)), strict=True)
    if count < _FEW
  ]
  kits = index.vocabulary.find("kit")
  known = {} if kits is None else {kits.names[row] for row in index.columns["kit"]} - {_UNKNOWN}
  parts = [f"{len(used)} of {len(report)} files of {len(known)} known kits are used"]
  parts += [f"left out: {', '.join(f'{n} {name}' for name, n in counts.items())}"] if counts else []
  parts += [f"clipped: {clipped}"] if clipped else []
  parts += [f"few: {', '.join(few)}"] if few else []
  return "; ".join(parts)


def find_drums(folder: str, settings) -> list[drum_folder.Drum]:
  """The drums of a folder.

  Args:
    folder: `data.dir`.
    settings: the `data.drums` section of a config.

  Raises:
    UserError: if there is no such folder, or it holds no audio file, or the table cannot be read.
  """
  if settings.labels is None:
    return drum_folder.from_names(folder)
  columns = {
    "kind": settings.kind_column,
    "kit": settings.kit_column,
    "source": settings.source_column,
  }
  return drum_folder.from_table(folder, settings.labels, columns)


def open_set(config, variant, on_request):
  """See `data_sets.load`."""
  del on_request
  data_sets.no_variants("drums", variant)
  form, settings = make_form(config), config.drums
  folder = data_sets.need_folder(config, "drums", "the folder of the drums")
  found = find_drums(folder, settings)
  used = [drum for drum in found if not drum.fault]
  kits = _names(sorted({drum.kit for drum in found} - {""}), [drum.kit for drum in used])
  sources = _names(drums.SOURCES, [drum.source for drum in used])
  entries = [
    store.Entry(
      drum.path,
      drum.name,
      {
        "kind": _index(drums.KINDS, drum.kind),
        **({"source": _index(sources, drum.source)} if sources else {}),
        **({"kit": _index(kits, drum.kit)} if kits else {}),
      },
      drum.kit,
    )
    for drum in found
  ]
  faults = {drum.name: drum.fault for drum in found}
  reader = one_shots.Reader(form.sample_rate, form.num_samples, settings.max_s)

  def read(entry):
    if faults[entry.name]:
      raise errors.UserError(f"{entry.path}: {faults[entry.name]}")
    return reader.read(entry.path)

  key = (_VERSION, form.sample_rate, form.num_samples, settings.max_s, sorted(faults.items()))
  index = store.prepare(
    store.locate(config.tfds_dir, "drums", entries, key),
    entries,
    drums.make_vocabulary(kits, sources),
    form.sample_rate,
    drums.split,
    read=read,
  )
  return clips.make_data_set(f"drums of {os.path.normpath(folder)}", index, form, _describe(index))


def get_config():
  """Default fields of the data set."""
  config = drums.get_config()
  config.dir = config_dict.placeholder(str)  # the folder of the files
  settings = config.drums
  settings.labels = config_dict.placeholder(str)  # a .csv file in the folder; names if not given
  settings.kind_column = "kind"  # of the table
  settings.kit_column = "kit"  # of the table, if it has one
  settings.source_column = "source"  # acoustic or electronic, if it has one
  settings.max_s = 12.0  # seconds; longer files are loops, and left out
  return config
