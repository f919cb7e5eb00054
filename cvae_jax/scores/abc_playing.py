"""Plays the voices of a tune in ABC notation: repeats, ties, upbeats, and the piece they make."""

from collections.abc import Sequence
import re

from cvae_jax.scores import abc_fields
from cvae_jax.scores import chords as chord_lib
from cvae_jax.scores import piece as piece_lib

MAX_EVENTS = 200_000  # of a tune, with its repeats
_WHOLE = abc_fields.WHOLE
_VELOCITY = 90


def _unfold(events: list[tuple]) -> list[tuple]:
  """Events in the order of playing: a repeated part twice, each time with its ending.

  A repetition begins with the chord that is written before its beginning.
  """
  out: list[tuple] = []
  chord = first_chord = chord_lib.NO_CHORD  # that was played last, that was before the part
  start = at = 0  # of the part that may be repeated
  turn, is_skipped = 1, False
  while at < len(events) and len(out) <= MAX_EVENTS:
    kind, text, _ = event = events[at]
    at += 1
    if kind != "bar":
      if not is_skipped or kind in ("meter", "tempo"):
        out.append(event)
        chord = text if kind == "chord" else chord
      continue
    lines = text.rstrip("0123456789,-[")
    endings = re.findall(r"\d", text[len(lines) :])
    ends, begins = lines.startswith(":"), lines.endswith(":")
    if ends and turn == 1 and not is_skipped:
      at, turn = start, 2
      if chord != first_chord:
        out.append(("chord", first_chord, 0))
    elif endings:
      is_skipped = str(turn) not in endings
    elif ends or begins or (turn == 2 and lines in ("||", "|]", "[|")):
      start, turn, is_skipped, first_chord = at, 1, False, chord
  return out


def to_piece(voices: Sequence[list[tuple]]) -> piece_lib.Piece:
  """The piece of voices, each a part; upbeats are moved to the end of their bar.

  Args:
    voices: events of each in written order: (kind, value, value), as `abc_notation` reads them.
  """
  rows: list[tuple[int, int, int, int, int, bool, int]] = []
  tempos: list[tuple[int, float]] = []
  meters: list[tuple[int, int, int]] = []
  chords: list[tuple[int, int]] = []
  end = 0
  for part, events in enumerate(voices):
    tick = _upbeat_rest(events)
    sounding: dict[int, int] = {}  # row of the last notes, by pitch
    is_tied = False
    for kind, value, ticks in _unfold(events):
      if kind == "meter":
        meters.append((tick if tick > 0 and rows else 0, *value))
      elif kind == "tempo":
        tempos.append((tick if rows else 0, value))
      elif kind == "chord":
        chords.append((tick, value))
      elif kind == "tie":
        is_tied = True
      elif kind == "note":
        now: dict[int, int] = {}
        for pitch in value:
          if is_tied and pitch in sounding:
            row = rows[sounding[pitch]]
            rows[sounding[pitch]] = (row[0], tick + ticks, *row[2:])
            now[pitch] = sounding[pitch]
          elif 0 <= pitch <= piece_lib.LAST_PITCH and ticks > 0:
            rows.append((tick, tick + ticks, pitch, _VELOCITY, 0, False, part))
            now[pitch] = len(rows) - 1
        sounding, is_tied = now, False
        tick += ticks
    end = max(end, tick)
  return piece_lib.make_piece(rows, tempos=tempos, meters=meters, end=end, chords=chords)


def _upbeat_rest(events: list[tuple]) -> int:
  """Ticks of rest before an upbeat, so that it ends with a bar; 0 without one."""
  length, bar = 0, _WHOLE
  for kind, value, ticks in events:
    if kind == "meter":
      bar = _WHOLE * value[0] // value[1]
    elif kind == "note":
      length += ticks
    elif kind == "bar" and length:
      break
  return bar - length if 0 < length < bar else 0
