"""Reads text files in any common encoding, and finds the files that they name."""

import codecs
import os
import unicodedata

from cvae_jax.core import errors

MAX_BYTES = 64 * 2**20
_MARKS = (  # UTF-32 first: its byte order mark begins with that of UTF-16.
  (codecs.BOM_UTF32_LE, "utf-32"),
  (codecs.BOM_UTF32_BE, "utf-32"),
  (codecs.BOM_UTF16_LE, "utf-16"),
  (codecs.BOM_UTF16_BE, "utf-16"),
  (codecs.BOM_UTF8, "utf-8-sig"),
)


def read(path: str, field: str = "data.folder.labels") -> str:
  """Reads a text file; line ends are normalised to line feeds.

  UTF-8, UTF-16 and UTF-32 are detected by their byte order mark, UTF-16 also by its zero bytes.
  Otherwise the encoding is the first that decodes of UTF-8, Windows-1252 and Latin-1.

  Args:
    path: of the file.
    field: config field that names it, for messages.

  Raises:
    UserError: if the file cannot be read, is too large, or holds a NUL character.
  """
  try:
    if os.path.exists(path) and not os.path.isfile(path):  # Opening a pipe would block.
      raise OSError("it is not a file")
    if os.path.getsize(path) > MAX_BYTES:
      raise OSError(f"it is larger than {MAX_BYTES // 2**20} MB")
    with open(path, "rb") as f:
      text = _decode(f.read())
  except (OSError, UnicodeError) as e:
    reason = getattr(e, "strerror", None) or errors.one_line(e)
    raise errors.UserError(f"{field} {path} cannot be read: {reason}") from None
  text = text.replace("\r\n", "\n").replace("\r", "\n")
  if "\0" in text:
    line = text.count("\n", 0, text.index("\0")) + 1
    raise errors.UserError(
      f"{field} {path} cannot be read: row {line} holds a NUL character: it is not text"
    )
  return text


def _decode(data: bytes) -> str:
  for mark, encoding in _MARKS:
    if data.startswith(mark):
      return data.decode(encoding)
  even, odd = data[:1000:2].count(0), data[1:1000:2].count(0)
  if max(even, odd) > 0.4 * len(data[:1000:2]):
    return data.decode("utf-16-le" if odd > even else "utf-16-be")
  for encoding in ("utf-8", "cp1252"):
    try:
      return data.decode(encoding)
    except UnicodeDecodeError:
      pass
  return data.decode("latin-1")


def printable(text: str) -> str:
  """A file name as valid UTF-8: other bytes are escaped with backslashes."""
  return os.fsencode(text).decode("utf-8", "backslashreplace")


def _fold(name: str) -> str:
  """A name normalised in case and Unicode composition, to compare names by."""
  try:
    name.encode()
  except UnicodeEncodeError:  # Bytes on the disk that are not UTF-8.
    name = os.fsencode(name).decode("latin-1")
  return unicodedata.normalize("NFC", name).casefold()


class Finder:
  """Finds files by names that were written on another system.

  If there is no file of the exact name, backslashes are replaced by slashes, and a name that
  differs in case or Unicode composition is accepted where it is the only match.
  """

  def __init__(self, folder: str):
    self._folder = folder
    self._listings: dict[str, dict[str, list[str]]] = {}

  def find(self, name: str) -> str:
    """The path of a file; if none matches, the path of the name as written."""
    path = os.path.join(self._folder, name)
    if os.path.isfile(path) or len(name) > 4096:
      return path
    name = name.replace("\\", "/")
    path = os.path.join(self._folder, name)
    existing = "/" if name.startswith("/") else self._folder
    for part in filter(None, name.split("/")):
      if not os.path.lexists(os.path.join(existing, part)):
        matches = self._list(existing).get(_fold(part), [])
        if len(matches) != 1:
          return path
        part = matches[0]
      existing = os.path.join(existing, part)
    return existing if os.path.isfile(existing) else path

  def _list(self, folder: str) -> dict[str, list[str]]:
    if folder not in self._listings:
      listing: dict[str, list[str]] = {}
      try:
        for name in os.listdir(folder or "."):
          listing.setdefault(_fold(name), []).append(name)
      except OSError:
        pass
      self._listings[folder] = listing
    return self._listings[folder]
