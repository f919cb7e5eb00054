"""Reads Standard MIDI Files, also damaged ones, up to the damage.

Files are parsed chunk by chunk and event by event, so that a malformed event does not invalidate
the file: unknown chunks and irrelevant meta events are skipped by their length, and a wrong length
of a track is corrected by the end of its events.

Source: "Standard MIDI Files 1.0", MIDI Manufacturers Association 1996; RP-029 for RIFF.
"""

from collections.abc import Iterator
import itertools
import logging
import operator
import struct
from typing import Any
from typing import NamedTuple

from cvae_jax.core import errors

_log = logging.getLogger(__name__)

_MAX_BYTES, _BLOCK = 32 * 2**20, 2**20
_HEADER_WITHIN = 256  # bytes from the start; MacBinary inserts 128 before it
_META, _SYSEX, _ESCAPE = 0xFF, 0xF0, 0xF7
_END_OF_TRACK, _TEMPO, _PORT = 0x2F, 0x51, 0x21  # types of meta events
_SYSTEM_DATA = {0xF1: 1, 0xF2: 2, 0xF3: 1}  # data bytes of system messages; others have none
_ONE_BYTE = (0xC0, 0xD0)  # program change and channel pressure
# Note off, note on, controller, program change, pitch bend.
_READ_KINDS = (0x80, 0x90, 0xB0, 0xC0, 0xE0)
_DEFAULT_TEMPO = 500_000  # microseconds per beat
_FRAME_RATES = {24: 24.0, 25: 25.0, 29: 30_000 / 1001, 30: 30.0}


class Part(NamedTuple):
  """Messages that share one set of 16 channels.

  Attributes:
    start_s: start of the part.
    messages: of mido, with `time` in seconds since the previous one; the last marks the end.
  """

  start_s: float
  messages: list[Any]


class _Track(NamedTuple):
  """A track chunk.

  Attributes:
    events: (tick, port, bytes of a channel message or tempo in microseconds per beat).
    end: tick of the last event.
    damage: position and kind of damage; empty for none.
  """

  events: list[tuple[int, int, bytes | int]]
  end: int
  damage: str


class _DamagedError(Exception):
  """Bytes that are not a valid event."""


class _Cursor:
  """A read position in the bytes of a chunk."""

  def __init__(self, data: bytes, start: int, end: int):
    self.data, self.at, self.end = data, start, end

  def byte(self) -> int:
    if self.at >= self.end:
      raise _DamagedError("it is cut off")
    self.at += 1
    return self.data[self.at - 1]

  def number(self) -> int:
    """Reads a variable-length number: seven bits per byte, at most four bytes."""
    value = 0
    for _ in range(4):
      byte = self.byte()
      value = value << 7 | byte & 0x7F
      if byte < 0x80:
        return value
    raise _DamagedError("a number is longer than four bytes")

  def take(self, length: int) -> bytes:
    if length > self.end - self.at:
      raise _DamagedError("it is cut off")
    self.at += length
    return self.data[self.at - length : self.at]


def read_parts(path: str) -> list[Part]:
  """Reads the channel messages of a MIDI file: notes, controllers, programs, pitch bend.

  Tracks are merged, or concatenated in a file of format 2. Tempo changes apply to all tracks. Each
  port (meta event 0x21) and each sequence of format 2 has its own 16 channels. A damaged track is
  read up to the damage, with a warning in the log.

  Raises:
    UserError: if the file does not exist, or no track can be read.
  """
  data = read_bytes(path)
  kind, division, start = read_header(path, data)
  seconds = smpte_seconds(path, division)
  tracks = list(_read_tracks(data, start))
  if not tracks:
    raise unreadable(path, "it has no track")
  damages = [f"track {n} at {track.damage}" for n, track in enumerate(tracks, 1) if track.damage]
  if damages and not any(track.events for track in tracks):
    raise unreadable(path, f"it is damaged: {damages[0]}")
  if damages:
    _log.warning("%s: %d of %d tracks are damaged and read up to the damage: %s", path,
                 len(damages), len(tracks), damages[0])  # fmt: skip
  parts, now = [], 0.0
  for sequence in [[track] for track in tracks] if kind == 2 else [tracks]:
    by_port, length_s = _merge(sequence, division, seconds)
    parts += [Part(now, messages) for messages in by_port]
    now += length_s
  return parts


def unreadable(path: str, why: str) -> errors.UserError:
  """The error of a file that is not read, in one line."""
  return errors.UserError(f"{path} cannot be read as a MIDI file ({why})")


def read_bytes(path: str) -> bytes:
  """Reads the bytes of a MIDI file.

  Raises:
    UserError: if the file does not exist, or as `check_bytes`.
  """
  try:
    with open(path, "rb") as f:
      blocks = iter(lambda: f.read(_BLOCK), b"")  # A single read would allocate the limit.
      data = b"".join(itertools.islice(blocks, _MAX_BYTES // _BLOCK + 1))
  except FileNotFoundError:
    raise errors.UserError(f"{path} does not exist") from None
  except OSError as e:
    raise unreadable(path, e.strerror or str(e)) from None
  except ValueError:
    raise errors.UserError(f"{path!r} is not a valid path: it holds a NUL character") from None
  return check_bytes(path, data)


def check_bytes(path: str, data: bytes) -> bytes:
  """The bytes of a MIDI file, out of its RIFF file if it is in one.

  Raises:
    UserError: if the file is empty, over 32 MB, or another RIFF file.
  """
  if not data:
    raise unreadable(path, "it is empty")
  if len(data) > _MAX_BYTES:
    raise unreadable(path, f"it is larger than {_MAX_BYTES // 2**20} MB")
  return _unwrap(path, data) if data[:4] == b"RIFF" else data


def _unwrap(path: str, data: bytes) -> bytes:
  """Extracts the MIDI file from a RIFF file of kind RMID."""
  if data[8:12] != b"RMID":
    raise unreadable(path, f"it is a RIFF file of kind {data[8:12].decode('ascii', 'replace')!r}")
  at = 12
  while at + 8 <= len(data):
    length = struct.unpack_from("<I", data, at + 4)[0]
    if data[at : at + 4] == b"data":
      return data[at + 8 : at + 8 + length] if length else data[at + 8 :]
    at += 8 + length + length % 2
  raise unreadable(path, "it is a RIFF file of kind 'RMID' without a data chunk")


def read_header(path: str, data: bytes) -> tuple[int, int, int]:
  """Reads the header: (format, division, position of the first chunk after it).

  Raises:
    UserError: if there is none.
  """
  at = data.find(b"MThd", 0, _HEADER_WITHIN)
  if at < 0:
    raise unreadable(path, f"it begins with {data[:4]!r}, not b'MThd'")
  if at + 14 > len(data):
    raise unreadable(path, "it is cut off within its header")
  length, kind, _, division = struct.unpack_from(">IHHh", data, at + 4)
  end = at + 8 + length
  # A header may be longer than six bytes in later formats; a wrong length is ignored.
  return kind, division, end if length >= 6 and _is_chunk(data, end) else at + 14


def smpte_seconds(path: str, division: int) -> float | None:
  """Seconds per tick of an SMPTE time division; None if ticks are fractions of a beat.

  Raises:
    UserError: if the division is invalid.
  """
  if division > 0:
    return None
  rate, ticks = -(division >> 8), division & 0xFF
  if rate not in _FRAME_RATES or not ticks:
    text = f"{rate} frames per second of {ticks} ticks" if division else "0 ticks per beat"
    raise unreadable(path, f"its time division is {text}, which is invalid")
  return 1.0 / (_FRAME_RATES[rate] * ticks)


def _is_chunk(data: bytes, at: int) -> bool:
  """Whether a chunk may begin, or the file ends, at a position."""
  name = data[at : at + 4]
  if at == len(data) or name == b"MTrk":
    return True
  if not name.isalnum() or at + 8 > len(data):
    return False
  return at + 8 + struct.unpack_from(">I", data, at + 4)[0] <= len(data)


def _read_tracks(data: bytes, at: int) -> Iterator[_Track]:
  """Yields the tracks of a file."""
  for body, end, too_long in track_chunks(data, at):
    yield _read_track(_Cursor(data, body, end), too_long)


def track_chunks(data: bytes, at: int) -> Iterator[tuple[int, int, bool]]:
  """Finds the tracks of a file; a length that does not lead to a chunk is ignored.

  Args:
    data: of the file.
    at: position of the first chunk, from `read_header`.

  Yields:
    First byte of a track's events, the byte after the last, and whether the length that it states
    exceeds the file.
  """
  while at + 8 <= len(data):
    is_track = data[at : at + 4] == b"MTrk"
    body = at + 8
    end = body + struct.unpack_from(">I", data, at + 4)[0]
    too_long = end > len(data)
    if not _is_chunk(data, end) or (is_track and end == body):
      next_track = data.find(b"MTrk", body if is_track else at + 1)
      end = next_track if next_track >= 0 else len(data)
    if is_track:
      yield body, end, too_long
    at = end


class _Clock:
  """Current tick of a track, and current port of its messages."""

  tick = 0
  port = 0


def _read_track(cursor: _Cursor, too_long: bool) -> _Track:
  """Reads the events of a track up to its end, or up to damage."""
  events: list[tuple[int, int, bytes | int]] = []
  clock = _Clock()
  try:
    ended = _read_events(cursor, events, clock)
    damage = f"byte {cursor.at}: it is cut off" if too_long and not ended else ""
  except _DamagedError as e:
    damage = f"byte {cursor.at}: {e}"
  return _Track(events, clock.tick, damage)


def _read_events(
  cursor: _Cursor, events: list[tuple[int, int, bytes | int]], clock: _Clock
) -> bool:
  """Appends a track's events; returns whether there was an end-of-track event."""
  running = 0
  while cursor.at < cursor.end:
    clock.tick += cursor.number()
    status = cursor.byte()
    if status == _META:
      kind, body = cursor.byte(), cursor.take(cursor.number())
      if kind == _END_OF_TRACK:
        return True
      if kind == _TEMPO and len(body) >= 3 and any(body[:3]):
        events.append((clock.tick, clock.port, int.from_bytes(body[:3], "big")))
      elif kind == _PORT and body:
        clock.port = body[0]
    elif status in (_SYSEX, _ESCAPE):
      cursor.take(cursor.number())
    elif status > _SYSEX:
      cursor.take(_SYSTEM_DATA.get(status, 0))
    else:  # Some writers use running status also after the above.
      if status < 0x80 and not running:
        raise _DamagedError("an event has no status")
      values = [status] if status < 0x80 else []
      running = running if status < 0x80 else status
      while len(values) < (1 if running & 0xF0 in _ONE_BYTE else 2):
        values.append(min(cursor.byte(), 127))
      if running & 0xF0 in _READ_KINDS:
        events.append((clock.tick, clock.port, bytes((running, *values))))
  return False


def _merge(
  tracks: list[_Track], division: int, seconds_per_tick: float | None
) -> tuple[list[list[Any]], float]:
  """Merges simultaneous tracks: messages by port, and the duration in seconds."""
  import mido

  merged = sorted((e for track in tracks for e in track.events), key=operator.itemgetter(0))
  end = max(track.end for track in tracks)
  per_tick = seconds_per_tick or _DEFAULT_TEMPO / 1e6 / division
  tempo_tick, tempo_s = 0, 0.0  # of the last tempo
  by_port: dict[int, list[Any]] = {}
  last_s: dict[int, float] = {}
  for tick, port, event in merged:
    now = tempo_s + (tick - tempo_tick) * per_tick
    if isinstance(event, bytes):
      messages = by_port.setdefault(port, [])
      messages.append(mido.Message.from_bytes(event, time=now - last_s.get(port, 0.0)))
      last_s[port] = now
    elif seconds_per_tick is None:
      tempo_tick, tempo_s, per_tick = tick, now, event / 1e6 / division
  length_s = tempo_s + (end - tempo_tick) * per_tick
  for port, messages in by_port.items():
    messages.append(mido.MetaMessage("end_of_track", time=length_s - last_s[port]))
  return list(by_port.values()), length_s
