"""Checks and corrects the sizes in audio file headers.

Writers that cannot fill in a size afterwards (because they write to a pipe, or lost power) leave a
placeholder: 0, or about 2 or 4 GB. Such a file is read to its end. Any other size that exceeds the
file means that the file is truncated.
"""

from collections.abc import Iterator
import io
import struct
from typing import BinaryIO
from typing import NamedTuple

# Sizes from here on are placeholders: sox writes 0x7f000000 and 0x7ffff000, recorders 0x80000000
# and 0xfffff000, others all ones. Notes of 2 GB do not occur.
_UNKNOWN = 0x7F000000
_MAX_CHUNKS = 10_000  # before the samples; a file with more is not audio
# More than the ratio of the longest to the shortest MP3 frame, for any bit rate of the first
# frames.
_STRETCH = 64
_WAVE64 = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb"  # the first 12 bytes of its GUID
_FRAME = 1441  # bytes of the longest frame; encoders' counts may be off by one frame
_TAG = 128  # bytes of an ID3v1 tag, which libsndfile searches at the end


class Header(NamedTuple):
  """The result of checking a file's header.

  Attributes:
    missing: number of bytes that the header promises and the file does not hold.
    head: replacement of the file's first bytes, with corrected sizes; empty if none is needed.
    stretch: factor by which to overstate the file's length, for formats where libsndfile estimates
      the number of samples from it and reads no more than that.
  """

  missing: int = 0
  head: bytes = b""
  stretch: int = 1


class Patched(io.RawIOBase):
  """A file-like object with a replaced head or an overstated length, for libsndfile.

  Args:
    file: open for reading.
    header: of the file.
  """

  def __init__(self, file: BinaryIO, header: Header):
    self._file = file
    self._head = header.head
    self._stretch = header.stretch
    self._end = file.seek(0, io.SEEK_END) * header.stretch
    file.seek(0)

  def readable(self) -> bool:
    return True

  def seekable(self) -> bool:
    return True

  def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
    if whence == io.SEEK_END:
      offset, whence = max(self._end + offset, 0), io.SEEK_SET
    elif whence == io.SEEK_CUR:
      offset, whence = self._file.tell() + offset, io.SEEK_SET
    return self._file.seek(max(offset, 0), whence)

  def tell(self) -> int:
    return self._file.tell()

  def readinto(self, buffer) -> int:
    position = self._file.tell()
    data = self._file.read(len(buffer))
    if not data and self._stretch > 1 and position >= self._end - _TAG:
      data = bytes(min(len(buffer), self._end - position))
    replacement = self._head[position : position + len(data)]
    buffer[: len(data)] = replacement + data[len(replacement) :]
    return len(data)


def read(file: BinaryIO, size: int) -> Header:
  """Checks the header of a WAV, Wave64, AIFF, AU or MP3 file; others pass unchecked.

  Args:
    file: open for reading, at any position.
    size: of the file, in bytes.
  """
  file.seek(0)
  head = file.read(12)
  if head[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64") and head[8:] == b"WAVE":
    return _read_wav(file, size, ">" if head[:4] == b"RIFX" else "<", head[:4])
  if head[:4] == b"FORM" and head[8:] in (b"AIFF", b"AIFC"):
    return _read_aiff(file, size)
  if head == _WAVE64:
    return _read_wave64(file, size)
  if head[:4] == b".snd":
    start, length = struct.unpack(">II", (head[4:] + file.read(4)).ljust(12, b"\0")[:8])
    return Header(0 if length >= _UNKNOWN else max(start + length - size, 0))
  return _read_mp3(file, size, head)


def _chunks(file: BinaryIO, order: str) -> Iterator[tuple[bytes, int, int]]:
  """Yields name, length and position of the body of each chunk, from the current position."""
  position = file.tell()
  for _ in range(_MAX_CHUNKS):
    head = file.read(8)
    if len(head) < 8:
      return
    name, length = struct.unpack(f"{order}4sI", head)
    yield name, length, position + 8
    position += 8 + length + length % 2
    file.seek(position)


def _ends_in_chunks(file: BinaryIO, size: int, position: int, order: str) -> bool:
  """Whether the file consists of chunks with valid names from a position to its end."""
  file.seek(position)
  end = position
  for name, length, start in _chunks(file, order):
    if not all(32 <= byte < 127 for byte in name):
      return False
    end = start + length
    if end > size:
      return False
  return end > position and size - end <= 8


def _read_wav(file: BinaryIO, size: int, order: str, magic: bytes) -> Header:
  long_size = None
  for name, length, start in _chunks(file, order):
    if name == b"ds64" and length >= 16:
      long_size = struct.unpack("<Q", file.read(16)[8:].ljust(8, b"\0"))[0]
    if name != b"data":
      continue
    is_long = magic in (b"RF64", b"BW64") and length == 0xFFFFFFFF
    if is_long:
      length = long_size or 0
    available = size - start
    is_placeholder = length > available and (length >= 2**62 if is_long else length >= _UNKNOWN)
    if length == 0 and available:
      is_placeholder = not _ends_in_chunks(file, size, start, order)
    if not is_placeholder:
      return Header(max(length - available, 0))
    return Header(0, _wav_head(file, start, size, order) if size < 2**32 else b"")
  return Header()


def _wav_head(file: BinaryIO, start: int, size: int, order: str) -> bytes:
  """Head of a WAV of less than 4 GB, with sizes as if all bytes after `start` were samples."""
  file.seek(0)
  head = bytearray(file.read(start))
  if head[:4] != b"RIFX":
    head[:4] = b"RIFF"
  struct.pack_into(f"{order}I", head, 4, size - 8)
  struct.pack_into(f"{order}I", head, start - 4, size - start)
  if head[12:16] == b"ds64":
    head[12:16] = b"JUNK"
  return bytes(head)


def _read_wave64(file: BinaryIO, size: int) -> Header:
  position = 40
  for _ in range(_MAX_CHUNKS):
    file.seek(position)
    chunk = file.read(24)
    if len(chunk) < 24:
      break
    length = struct.unpack("<Q", chunk[16:])[0]  # Includes these 24 bytes.
    if chunk[:4] == b"data":
      return Header(max(position + length - size, 0) if length < 2**62 else 0)
    if length < 24 or position + length > size:
      break
    position += (length + 7) // 8 * 8
  return Header()


def _read_aiff(file: BinaryIO, size: int) -> Header:
  for name, length, start in _chunks(file, ">"):
    if name != b"SSND":
      continue
    available = size - start
    is_placeholder = length > available and length >= _UNKNOWN
    if length <= 8 < available:
      is_placeholder = not _ends_in_chunks(file, size, start + length, ">")
    if not is_placeholder:
      return Header(max(length - available, 0))
    file.seek(0)
    head = bytearray(file.read(start))
    struct.pack_into(">I", head, 4, min(size - 8, 0xFFFFFFFF))
    struct.pack_into(">I", head, start - 4, min(available, 0xFFFFFFFF))
    return Header(0, bytes(head))
  return Header()


def _read_mp3(file: BinaryIO, size: int, head: bytes) -> Header:
  """Checks an MP3 whose first frame has the number of bytes (Xing, LAME).

  Without it libsndfile estimates the length from the size of the file, embedded pictures included,
  and the bit rate of the first frames, which may be too high or too low.
  """
  start = 0
  if head[:3] != b"ID3" and not _is_frame(head):
    return Header()
  if head[:3] == b"ID3":
    start = 10 + sum((byte & 0x7F) << 7 * i for i, byte in enumerate(reversed(head[6:10])))
  file.seek(start)
  frame = file.read(200)
  tag = max(frame.find(b"Xing"), frame.find(b"Info")) if _is_frame(frame) else -1
  if tag < 0:
    return Header(stretch=_STRETCH)
  flags = struct.unpack(">I", frame[tag + 4 : tag + 8].ljust(4, b"\0"))[0]
  length_position = tag + 8 + 4 * (flags & 1)
  if not flags & 2 or len(frame) < length_position + 4:
    return Header()
  length = struct.unpack(">I", frame[length_position : length_position + 4])[0]
  missing = start + length - size
  is_complete = length >= _UNKNOWN or missing <= max(_FRAME, length // 50)
  return Header(0 if is_complete else missing)


def _is_frame(data: bytes) -> bool:
  """Whether the data begin with an MPEG frame's sync word."""
  return len(data) > 1 and data[0] == 0xFF and data[1] & 0xE0 == 0xE0
