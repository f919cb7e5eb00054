"""Reads MIDI files as pieces: notes in ticks with maps of tempo and metre, also damaged files.

`midi` reads the notes of a file in seconds, to play them; this reader keeps bars and beats, and is
fast enough for collections. Faults are read past where that is possible, and described.

Source: "Standard MIDI Files 1.0", MIDI Manufacturers Association 1996.
"""

import collections
from typing import NamedTuple

import numpy as np

from cvae_jax.scores import midi_file
from cvae_jax.scores import piece as piece_lib

_PERCUSSION = 9  # channel, from 0
_SUSTAIN = 64  # controller
_MIN_QPM, _MAX_QPM = 4.0, 1000.0  # other tempos are writing errors, such as 0
_MAX_QUARTERS = 100_000  # 14 hours at 120
_MAX_TICK = 2**31 - 2  # of `piece.NOTE`
_SMPTE_QPM = 120.0  # which a file without beats is read at


class _Events(NamedTuple):
  """What is read of the tracks of a sequence; each list has the ticks of its events."""

  notes: list[int]  # three of each: start, end, and the rest as of `_unpack`
  tempos: list[tuple[int, float]]
  meters: list[tuple[int, int, int]]
  pedals: list[tuple[int, int, bool]]  # tick, part, whether it is down
  faults: collections.Counter


def read(path: str, pedal: bool = False) -> piece_lib.Reading:
  """Reads a MIDI file, see `parse`."""
  return parse(path, midi_file.read_bytes(path), pedal)


def parse(name: str, data: bytes, pedal: bool = False) -> piece_lib.Reading:
  """Parses a MIDI file of any format.

  The sequences of format 2 follow one another. A note without a note-off ends with its track, and
  one that ends when it starts lasts a tick; of overlapping notes of a pitch the first one ends
  first. A damaged track is read up to the damage. Other tempos than 4 to 1000 quarter notes per
  minute and metres without beats are left out. SMPTE time is read at 120.

  Args:
    name: for messages.
    data: of the file.
    pedal: whether the sustain pedal prolongs notes, up to the next one of the pitch.

  Raises:
    UserError: if it is no MIDI file, is over 32 MB or 100,000 quarter notes, or no track can be
      read.
  """
  data = midi_file.check_bytes(name, data)
  kind, division, at = midi_file.read_header(name, data)
  per_tick = midi_file.smpte_seconds(name, division)
  faults: collections.Counter = collections.Counter()
  resolution = division
  if per_tick is not None:
    resolution = max(round(60.0 / _SMPTE_QPM / per_tick), 1)
    faults["SMPTE time, without beats"] = 1
  sequence = _Events([], [], [], [], faults)
  start = end = number = 0
  for begin, stop, is_cut in midi_file.track_chunks(data, at):
    if kind == 2 and number:
      start = end
      sequence.tempos.append((start, piece_lib.DEFAULT_QPM))
      sequence.meters.append((start, *piece_lib.DEFAULT_METER))
    tick, is_whole = _read_track(data[begin:stop], start, number, sequence)
    # A wrong length is no damage if the track has its end.
    faults["damaged tracks"] += is_whole is False or (is_cut and is_whole is None)
    end = max(end, tick)
    if end > min(_MAX_QUARTERS * resolution, _MAX_TICK):
      raise midi_file.unreadable(name, f"it lasts {end:,} ticks of 1/{resolution} quarter note")
    number += 1
  if not number:
    raise midi_file.unreadable(name, "it has no track")
  if not sequence.notes and faults["damaged tracks"]:
    raise midi_file.unreadable(name, "it is damaged, and has no note before the damage")
  if kind == 2 and number > 1:
    faults["sequences of format 2, one after another"] = number
  tempos = [] if per_tick is not None else sequence.tempos
  found = piece_lib.make_piece(_unpack(sequence.notes), resolution, tempos, sequence.meters, end)
  if pedal and sequence.pedals:
    found = _sustain(found, sequence.pedals)
  remarks = tuple(f"{count} {what}" for what, count in sorted(faults.items()) if count)
  return piece_lib.Reading(found, remarks)


def _unpack(numbers: list[int]) -> np.ndarray:
  """Notes of their starts, their ends, and part, program, velocity and pitch in one number each."""
  starts, ends, rest = np.array(numbers, np.int64).reshape(-1, 3).T
  notes = np.empty(len(starts), piece_lib.NOTE)
  notes["start"], notes["end"] = starts, ends
  notes["pitch"], notes["velocity"] = rest & 0x7F, rest >> 7 & 0x7F
  notes["program"], notes["part"] = rest >> 14 & 0x7F, rest >> 21
  notes["is_drum"] = (rest >> 21 & 0x0F) == _PERCUSSION
  return notes


def _read_track(data: bytes, start: int, number: int, events: _Events) -> tuple[int, bool | None]:
  """Reads the events of a track.

  The inner loop of reading a collection: a function call per event would double its time.

  Returns:
    Its last tick, and whether it has its end; None for none, and no damage before it.
  """
  notes, faults = events.notes, events.faults
  sounding: dict[int, list[tuple[int, int]]] = {}  # starts and the rest by key
  tick, at, running, size = start, 0, 0, len(data)
  kind = channel = 0  # of the running status
  rest_of = [(number * 16 + channel) << 21 for channel in range(16)]
  is_whole: bool | None = None
  try:
    while at < size:
      byte = data[at]
      at += 1
      if byte < 0x80:
        tick += byte
      else:
        delta = byte & 0x7F
        while byte >= 0x80:
          byte = data[at]
          at += 1
          delta = delta << 7 | byte & 0x7F
        tick += delta
      status = data[at]
      if status >= 0xF0:
        at, is_end = _read_other(data, at + 1, status, tick, events)
        if is_end:
          is_whole = True
          break
        continue
      if status >= 0x80:
        at += 1
        if status != running:
          running, kind, channel = status, status & 0xF0, status & 0x0F
      elif not running:
        is_whole = False
        break
      if kind == 0x90 or kind == 0x80:
        pitch, velocity = data[at] & 0x7F, data[at + 1] & 0x7F
        at += 2
        key = channel << 7 | pitch
        rows = sounding.get(key)
        if velocity and kind == 0x90:
          if rows is None:
            sounding[key] = [(tick, rest_of[channel] | velocity << 7 | pitch)]
          else:
            rows.append((tick, rest_of[channel] | velocity << 7 | pitch))
        elif rows:
          begin, rest = rows.pop(0)
          if tick > begin:
            notes += (begin, tick, rest)
          else:
            notes += (begin, begin + 1, rest)
            faults["notes of no length"] += 1
      elif kind == 0xC0:
        rest_of[channel] = (number * 16 + channel) << 21 | (data[at] & 0x7F) << 14
        at += 1
      elif kind == 0xD0:
        at += 1
      else:
        if kind == 0xB0 and data[at] == _SUSTAIN:
          events.pedals.append((tick, number * 16 + channel, data[at + 1] >= 64))
        at += 2
  except IndexError:
    is_whole = False
  for rows in sounding.values():
    for begin, rest in rows:
      faults["notes without a note-off"] += 1
      notes += (begin, max(tick, begin + 1), rest)
  return tick, is_whole


def _read_other(data: bytes, at: int, status: int, tick: int, events: _Events) -> tuple[int, bool]:
  """Reads a meta or system event; returns the next position, and whether the track ends."""
  if status not in (0xFF, 0xF0, 0xF7):
    return at + {0xF1: 1, 0xF2: 2, 0xF3: 1}.get(status, 0), False
  kind = -1
  if status == 0xFF:
    kind = data[at]
    at += 1
  length, byte = 0, 0x80
  while byte >= 0x80:
    byte = data[at]
    at += 1
    length = length << 7 | byte & 0x7F
  body = data[at : at + length]
  if len(body) < length:
    raise IndexError
  if kind == 0x51 and length >= 3:
    period = int.from_bytes(body[:3], "big")
    if period and _MIN_QPM <= 60e6 / period <= _MAX_QPM:
      events.tempos.append((tick, 60e6 / period))
    else:
      events.faults["tempos out of range"] += 1
  elif kind == 0x58 and length >= 2:
    if 1 <= body[0] <= 64 and body[1] <= 6:
      events.meters.append((tick, body[0], 1 << body[1]))
    else:
      events.faults["metres out of range"] += 1
  elif kind == 0x59 and length >= 2 and (not -7 <= (body[0] ^ 0x80) - 0x80 <= 7 or body[1] > 1):
    events.faults["key signatures out of range"] += 1
  return at + length, kind == 0x2F


def _sustain(found: piece_lib.Piece, pedals: list[tuple[int, int, bool]]) -> piece_lib.Piece:
  """Prolongs notes that end while the pedal of their part is down, up to the next of the pitch."""
  notes = found.notes.copy()
  for part in {part for _, part, _ in pedals}:
    rows = np.flatnonzero((notes["part"] == part) & ~notes["is_drum"])
    ticks, downs = (np.asarray(x) for x in zip(*_presses(pedals, part), strict=True))
    last = np.searchsorted(ticks, notes["end"][rows], "right") - 1
    ends = np.append(ticks[1:], found.end)[last]
    held = (last >= 0) & downs[last]
    notes["end"][rows] = np.where(held, np.maximum(ends, notes["end"][rows]), notes["end"][rows])
    order = rows[np.lexsort((notes["start"][rows], notes["pitch"][rows]))]
    again = np.flatnonzero(np.diff(notes["pitch"][order]) == 0)
    following = notes["start"][order[again + 1]]
    first = order[again]
    cut = np.minimum(notes["end"][first], following)
    notes["end"][first] = np.maximum(cut, notes["start"][first] + 1)
  return found._replace(notes=notes)


def _presses(pedals: list[tuple[int, int, bool]], part: int) -> list[tuple[int, bool]]:
  """Ticks at which the pedal of a part changes, and whether it is then down."""
  changes: list[tuple[int, bool]] = []
  for tick, of, is_down in sorted(pedals):
    if of == part and (not changes or changes[-1][1] != is_down):
      changes.append((tick, is_down))
  return changes
