"""The scores of a folder: MIDI and notation, also within zip files, which are read in place."""

from collections.abc import Callable
from collections.abc import Iterator
import gzip
import io
import os
from typing import Any
from typing import NamedTuple
import zipfile
import zlib

from cvae_jax.core import errors
from cvae_jax.data.folders import label_text
from cvae_jax.scores import abc_notation
from cvae_jax.scores import kern
from cvae_jax.scores import lead_sheet
from cvae_jax.scores import midi_reader
from cvae_jax.scores import musicxml
from cvae_jax.scores import piece as piece_lib

MIDI, ABC, ZIP = (".mid", ".midi", ".kar", ".rmi"), (".abc",), (".zip",)
MUSICXML, KERN = (".musicxml", ".xml", ".mxl"), (".krn",)
LEAD_SHEETS = (".jsonl", ".jsonl.gz")
READ = (*MIDI, *ABC, *MUSICXML, *KERN, *LEAD_SHEETS)
# Files of scores that are listed as left out.
UNSUPPORTED = (".mscz", ".mscx", ".mei")
_MAX_BYTES = 32 * 2**20


class File(NamedTuple):
  """A file of scores.

  Attributes:
    name: relative to the folder, with '/'; of a member of a zip file, below the zip file's name.
    path: of the file, or of the zip file.
    member: name within the zip file; empty for none.
    size: in bytes, unpacked.
    fault: why it cannot be read; empty for none.
  """

  name: str
  path: str
  member: str = ""
  size: int = 0
  fault: str = ""


class Tune(NamedTuple):
  """A tune of a file.

  Attributes:
    name: of the file, and of the tune within a file of several.
    piece: notes and maps; None if it cannot be read.
    remark: what was read past, or why the tune cannot be read.
  """

  name: str
  piece: piece_lib.Piece | None
  remark: str = ""


def find(folder: str) -> list[File]:
  """The files of scores of a folder, its sub-folders and its zip files, sorted by name.

  Raises:
    UserError: if there is no such folder, or it holds no file of `READ` or `ZIP`.
  """
  if not os.path.isdir(folder):
    raise errors.UserError(f"data.dir {folder} is not a folder")
  files: list[File] = []
  for root, folders, names in os.walk(folder):
    folders[:] = sorted(name for name in folders if not name.startswith("."))
    for base in sorted(name for name in names if not name.startswith(".")):
      path = os.path.join(root, base)
      name = os.path.relpath(path, folder).replace(os.sep, "/")
      suffix = _suffix(base)
      if suffix in ZIP:
        files += _members(name, path)
      elif suffix in READ:
        files.append(File(name, path, size=os.path.getsize(path) if os.path.isfile(path) else 0))
      elif suffix in UNSUPPORTED:
        files.append(File(name, path, fault=_unsupported(suffix)))
  if not files:
    raise errors.UserError(f"data.dir {folder} holds no scores ({', '.join((*READ, *ZIP))})")
  return files


def _suffix(name: str) -> str:
  """The extension of a file, of two parts where it is packed."""
  name = name.lower()
  return LEAD_SHEETS[1] if name.endswith(LEAD_SHEETS[1]) else os.path.splitext(name)[1]


def _unsupported(suffix: str) -> str:
  return f"{suffix} files are not read: save the score as MusicXML or MIDI"


def _members(name: str, path: str) -> list[File]:
  """The files of scores in a zip file."""
  try:
    with zipfile.ZipFile(path) as archive:
      members = archive.infolist()
  except (OSError, zipfile.BadZipFile, ValueError) as e:
    return [File(name, path, fault=f"it cannot be read as a zip file ({errors.one_line(e)})")]
  files = []
  for info in sorted(members, key=lambda info: info.filename):
    base = os.path.basename(info.filename)
    suffix = _suffix(base)
    if base.startswith(".") or info.filename.startswith("__MACOSX/"):
      continue
    if suffix in (*READ, *UNSUPPORTED):
      fault = _unsupported(suffix) if suffix in UNSUPPORTED else ""
      files.append(File(f"{name}/{info.filename}", path, info.filename, info.file_size, fault))
  return files


def read_all(files: list[File], pedal: bool = False) -> Iterator[Tune]:
  """Reads the tunes of files; faults become remarks.

  Args:
    files: of `find`.
    pedal: whether the sustain pedal of MIDI prolongs notes.
  """
  for file, data in read_bytes(files):
    try:
      if isinstance(data, errors.UserError):
        raise data
      yield from read(file, data, pedal)
    except errors.UserError as e:
      yield Tune(file.name, None, label_text.printable(str(e)))


def read_bytes(files: list[File]) -> Iterator[tuple[File, bytes | errors.UserError]]:
  """Reads the bytes of files, or why they cannot be read; each zip file is opened once."""
  archive, opened = None, ""
  try:
    for file in files:
      try:
        if file.fault:
          raise errors.UserError(file.fault)
        if file.size > _MAX_BYTES:
          raise errors.UserError(f"it is larger than {_MAX_BYTES // 2**20} MB")
        if file.member and opened != file.path:
          if archive is not None:
            archive.close()
          archive, opened = zipfile.ZipFile(file.path), file.path
        data: bytes | errors.UserError = _read_bytes(file, archive if file.member else None)
      except errors.UserError as e:
        data = e
      yield file, data
  finally:
    if archive is not None:
      archive.close()


def _read_bytes(file: File, archive: zipfile.ZipFile | None) -> bytes:
  """The bytes of a file.

  Raises:
    UserError: if it cannot be read.
  """
  try:
    if archive is not None:
      return archive.read(file.member)
    if not os.path.isfile(file.path):  # Opening a pipe would block.
      raise errors.UserError("it is not a file")
    with open(file.path, "rb") as f:
      return f.read()
  # Of a damaged or an encrypted member, or one of an unknown compression.
  except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError, ValueError) as e:
    raise errors.UserError(f"it cannot be read ({errors.one_line(e)})") from None
  except Exception as e:  # zlib.error and lzma.LZMAError have no common base.
    raise errors.UserError(f"it cannot be unpacked ({errors.one_line(e)})") from None


def read(file: File, data: bytes, pedal: bool = False) -> Iterator[Tune]:
  """Reads the tunes of a file.

  Args:
    file: for its name.
    data: its bytes.
    pedal: whether the sustain pedal of MIDI prolongs notes.

  Raises:
    UserError: if it cannot be read.
  """
  suffix = _suffix(file.name)
  if suffix in ABC:
    yield from _read_many(file.name, abc_notation.split(_decode(data)), _parse_abc)
    return
  if suffix in LEAD_SHEETS:
    lines = _decode(_unpack(data) if suffix.endswith(".gz") else data).split("\n")
    lines = [line for line in lines if line.strip()]
    yield from _read_many(file.name, lines, lead_sheet.parse)
    return
  if suffix in MIDI:
    found, remarks = midi_reader.parse("it", data, pedal)
  else:
    found, remarks = musicxml.parse(data) if suffix in MUSICXML else kern.parse(_decode(data))
  yield Tune(file.name, found, "; ".join(remarks))


def _read_many(name: str, parts: list, parse: Callable[[Any], piece_lib.Reading]) -> Iterator[Tune]:
  """Reads the tunes of a file of several; what cannot be read of one leaves the others.

  Raises:
    UserError: if there is none.
  """
  if not parts:
    what = "a line of JSON" if _suffix(name) in LEAD_SHEETS else "a field X:"
    raise errors.UserError(f"it holds no tune: each begins with {what}")
  for row, part in enumerate(parts, 1):
    tune = name if len(parts) == 1 else f"{name}#{row}"
    try:
      found, remarks = parse(part)
      yield Tune(tune, found, "; ".join(remarks))
    except errors.UserError as e:
      yield Tune(tune, None, label_text.printable(str(e)))


def _parse_abc(part: tuple[str, str]) -> piece_lib.Reading:
  tune = abc_notation.parse(*part)
  return piece_lib.Reading(tune.piece, tune.remarks)


def _unpack(data: bytes) -> bytes:
  """The bytes of a gzip file.

  Raises:
    UserError: if it is damaged, or too large when unpacked.
  """
  try:
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as f:
      unpacked = f.read(_MAX_BYTES + 1)
  except (OSError, EOFError, zlib.error) as e:
    raise errors.UserError(f"it cannot be unpacked ({errors.one_line(e)})") from None
  if len(unpacked) > _MAX_BYTES:
    raise errors.UserError(f"it is larger than {_MAX_BYTES // 2**20} MB when unpacked")
  return unpacked


def _decode(data: bytes) -> str:
  """Text of UTF-8, or else of Latin-1."""
  try:
    return data.decode("utf-8")
  except UnicodeDecodeError:
    return data.decode("latin-1")
