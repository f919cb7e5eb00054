"""Drum kits of Hydrogen: the name of the instrument that each file of a kit belongs to."""

import os
from typing import NamedTuple
from xml.etree import ElementTree

from cvae_jax.core import errors
from cvae_jax.data.folders import label_text

FILE = "drumkit.xml"


class Kit(NamedTuple):
  """A kit.

  Attributes:
    name: of the kit.
    instruments: name by file, as both are written there.
  """

  name: str
  instruments: dict[str, str]


def _text(element, tag: str) -> str:
  found = element.find(f"{{*}}{tag}")
  return "" if found is None or found.text is None else " ".join(found.text.split())


def read(folder: str) -> Kit | None:
  """Reads the kit of a folder; None if it holds none.

  Files are of an instrument's layers, within components since Hydrogen 0.9.7, or its only one.

  Raises:
    UserError: if the kit cannot be read.
  """
  path = os.path.join(folder, FILE)
  if not os.path.exists(path):
    return None
  # The text is decoded already, whatever encoding its declaration names.
  text = label_text.read(path, "the drum kit").partition("?>")
  try:
    root = ElementTree.fromstring(text[2] if text[1] else text[0])
  except ElementTree.ParseError as e:
    raise errors.UserError(f"the drum kit {path} cannot be read: {errors.one_line(e)}") from None
  instruments = {}
  for instrument in root.iter():
    if instrument.tag.rpartition("}")[2] != "instrument":
      continue
    for element in instrument.iter():
      if element.tag.rpartition("}")[2] == "filename" and element.text:
        instruments[element.text.strip()] = _text(instrument, "name")
  return Kit(_text(root, "name"), instruments)
