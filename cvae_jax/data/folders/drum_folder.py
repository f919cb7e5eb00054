"""The drums of a folder: their kinds, kits and sources, from a table, Hydrogen kits or names."""

import functools
import os
from typing import NamedTuple

from cvae_jax.core import errors
from cvae_jax.data import drums
from cvae_jax.data.folders import audio_folder
from cvae_jax.data.folders import drum_names
from cvae_jax.data.folders import hydrogen
from cvae_jax.data.folders import label_csv
from cvae_jax.data.folders import label_text


class Drum(NamedTuple):
  """A file.

  Attributes:
    path: of the file.
    name: path relative to the folder.
    kind: of `drums.KINDS`; None if nothing tells.
    kit: its name; empty if nothing tells.
    source: of `drums.SOURCES`; None if nothing tells.
    fault: why the file is left out; empty if it is not.
  """

  path: str
  name: str
  kind: str | None
  kit: str
  source: str | None
  fault: str = ""


def _kit_of(folders: list[str]) -> str:
  """The folders that are no kind."""
  names = [folder for folder in folders if drum_names.find_kind([folder]) is None]
  return label_text.printable("/".join(names))


def from_names(folder: str) -> list[Drum]:
  """Labels by the folders and names of files, and by the Hydrogen kits among them.

  Raises:
    UserError: if there is no such folder, or it holds no audio file.
  """

  @functools.cache
  def read_kit(place):
    try:
      return hydrogen.read(place), ""
    except errors.UserError as e:
      return None, str(e)

  result = []
  for path, name in audio_folder.find(folder):
    *folders, file = name.split("/")
    stem = os.path.splitext(file)[0]
    kit, fault = read_kit(os.path.dirname(path))
    names, kit_name = [*folders, stem], _kit_of(folders)
    kind = drum_names.find_kind(names)
    if kit is not None:
      kit_name = kit.name or kit_name
      instrument = kit.instruments.get(file, "")
      names = [*names, instrument]
      kind = drum_names.find_kind([instrument]) or kind
    if drum_names.is_loop(names):
      fault = "its name is that of a loop"
    elif kind is None:
      fault = fault or "its name tells no kind of drum"
    else:
      fault = ""
    source = drum_names.find_source([kit_name, *names])
    result.append(Drum(path, label_text.printable(name), kind, kit_name, source, fault))
  return result


def from_table(folder: str, table: str, columns: dict[str, str]) -> list[Drum]:
  """Labels of a CSV table with a column `file`.

  Args:
    folder: that the files are relative to.
    table: its path, relative to the folder.
    columns: of 'kind', 'kit' and 'source'; the latter two may be missing if named so.

  Raises:
    UserError: if the table cannot be read, or has no such column.
  """
  needed = [name for key, name in columns.items() if key == "kind" or name != key]
  finder = label_text.Finder(folder)
  path = os.path.join(folder, table)
  result = []
  for row in label_csv.read_rows(path, "file", None, "data.drums.labels", needed):
    name = row.cells["file"].replace("\\", "/")
    text = row.cells.get(columns["kind"], "")
    kind = text if text in drums.KINDS else drum_names.find_kind([text])
    source = row.cells.get(columns["source"], "").casefold()
    fault = "" if kind else f"the table's kind '{text}' is no kind of drum"
    result.append(
      Drum(
        finder.find(name),
        name,
        kind,
        row.cells.get(columns["kit"], _kit_of(name.split("/")[:-1])),
        source if source in drums.SOURCES else drum_names.find_source([source]),
        fault,
      )
    )
  return result
