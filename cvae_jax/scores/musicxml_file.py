"""Reads the XML of MusicXML files, also of compressed ones."""

import io
import os
from xml.etree import ElementTree
from xml.parsers import expat
import zipfile

from cvae_jax.core import errors

_MAX_BYTES = 32 * 2**20  # unpacked
_MAX_ELEMENTS, _MAX_DEPTH = 2_000_000, 100


def read_root(data: bytes) -> ElementTree.Element:
  """The root element of a file, without names of namespaces.

  Raises:
    UserError: if it is no XML, is damaged, declares entities, or is too large.
  """
  return _parse_xml(_unpack(data) if data[:2] == b"PK" else data)


def _unpack(data: bytes) -> bytes:
  """The score of a compressed file."""
  try:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
      name = _root_file(archive)
      if archive.getinfo(name).file_size > _MAX_BYTES:
        raise errors.UserError(f"it is larger than {_MAX_BYTES // 2**20} MB when unpacked")
      return archive.read(name)
  except errors.UserError:
    raise
  except Exception as e:  # zlib.error, BadZipFile and others have no common base.
    raise errors.UserError(f"it cannot be unpacked ({errors.one_line(e)})") from None


def _root_file(archive: zipfile.ZipFile) -> str:
  """The member of a compressed file that is its score."""
  names = archive.namelist()
  if "META-INF/container.xml" in names:
    with archive.open("META-INF/container.xml") as f:
      for element in _parse_xml(f.read(2**16)).iter("rootfile"):
        kind = element.get("media-type", "application/vnd.recordare.musicxml+xml")
        if element.get("full-path") in names and "xml" in kind:
          return str(element.get("full-path"))
  for name in names:
    suffix = os.path.splitext(name)[1].lower()
    if suffix in (".xml", ".musicxml") and not name.startswith(("META-INF/", "__MACOSX/")):
      return name
  raise errors.UserError("it holds no score, as a compressed MusicXML file does")


def _parse_xml(data: bytes) -> ElementTree.Element:
  """The root of a document, without names of namespaces.

  Entities are refused: a few lines of them may stand for any number of bytes, or for other files.
  """
  parser, builder = expat.ParserCreate(), ElementTree.TreeBuilder()
  count = depth = 0

  def start(tag, attributes):
    nonlocal count, depth
    count, depth = count + 1, depth + 1
    if count > _MAX_ELEMENTS or depth > _MAX_DEPTH:
      what = f"{_MAX_ELEMENTS:,} elements" if depth <= _MAX_DEPTH else f"{_MAX_DEPTH} levels"
      raise errors.UserError(f"it has more than {what} of XML")
    builder.start(tag.rpartition(":")[2], attributes)

  def end(tag):
    nonlocal depth
    depth -= 1
    builder.end(tag.rpartition(":")[2])

  def refuse(name, *_):
    raise errors.UserError(f"it declares an XML entity ('{name[:40]}'), which no score needs")

  parser.StartElementHandler, parser.EndElementHandler = start, end
  parser.CharacterDataHandler, parser.EntityDeclHandler = builder.data, refuse
  parser.buffer_text = True
  try:
    parser.Parse(data, True)
    return builder.close()
  except errors.UserError:
    raise
  except (expat.ExpatError, ValueError, LookupError) as e:
    raise errors.UserError(f"it cannot be read as XML ({errors.one_line(e)})") from None
