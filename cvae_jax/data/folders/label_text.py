"""Text files that people have written about their sounds: in any encoding, from any system."""

import codecs
import os
import unicodedata

from cvae_jax.core import errors

MAX_BYTES = 64 * 2**20
_MARKS = (  # UTF-32 first, whose mark begins as that of UTF-16.
  (codecs.BOM_UTF32_LE, "utf-32"),
  (codecs.BOM_UTF32_BE, "utf-32"),
  (codecs.BOM_UTF16_LE, "utf-16"),
  (codecs.BOM_UTF16_BE, "utf-16"),
  (codecs.BOM_UTF8, "utf-8-sig"),
)


def read(path: str, field: str = "data.folder.labels") -> str:
  """The text of a file, with lines that end in a line feed.

  UTF-8, UTF-16 and UTF-32 are told by their mark, UTF-16 by its zeros as well; what is none of them
  is of Windows, or Latin-1.

  Args:
    path: of the file.
    field: of the config that names it, for messages.

  Raises:
    UserError: a file that cannot be read, is too large, or holds a NUL character.
  """
  try:
    if os.path.exists(path) and not os.path.isfile(path):  # A pipe would wait for its writer.
      raise OSError("it is no file")
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
      f"{field} {path} cannot be read: row {line} holds a NUL, which no text does"
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
  """A name as text that can be written anywhere: bytes that are no UTF-8 as escapes."""
  return os.fsencode(text).decode("utf-8", "backslashreplace")


def _fold(name: str) -> str:
  """What two names have in common that differ in case or in how an accent is composed."""
  try:
    name.encode()
  except UnicodeEncodeError:  # Bytes on the disk that are no UTF-8.
    name = os.fsencode(name).decode("latin-1")
  return unicodedata.normalize("NFC", name).casefold()


class Finder:
  """Finds files by names that another system was less strict about.

  A name that does not exist as it is written is tried with slashes for its backslashes, and in
  another case where exactly one file fits.
  """

  def __init__(self, folder: str):
    self._folder = folder
    self._listings: dict[str, dict[str, list[str]]] = {}

  def find(self, name: str) -> str:
    """The path of a file; where there is none, that of the name as it is written."""
    path = os.path.join(self._folder, name)
    if os.path.isfile(path) or len(name) > 4096:
      return path
    name = name.replace("\\", "/")
    path = os.path.join(self._folder, name)
    found = "/" if name.startswith("/") else self._folder
    for part in filter(None, name.split("/")):
      if not os.path.lexists(os.path.join(found, part)):
        fitting = self._list(found).get(_fold(part), [])
        if len(fitting) != 1:
          return path
        part = fitting[0]
      found = os.path.join(found, part)
    return found if os.path.isfile(found) else path

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
