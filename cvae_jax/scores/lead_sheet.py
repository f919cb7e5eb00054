"""Reads lead sheets as pieces: a JSON object for each tune, of which files have one a line.

    {"melody": [[0.0, 1.0, 60], [1.0, 2.0, 64]], "chords": [[0.0, "C"], [1.0, "B-7"]],
     "time_signatures": [[0.0, "3/4"]], "bar_onsets": [0.0, 1.0, 4.0]}

`melody` has an onset, a duration and a MIDI number for each note, `chords` an onset and a chord
symbol (`chord_symbols`), `time_signatures` an onset and a metre, and `bar_onsets` the start of each
bar; onsets and durations are in quarter notes. A dash after the root of a symbol is a flat, as
music21 writes it, unless a tune has flats that are written as b. Without `time_signatures` the
metre is that of the commonest bar, or 4/4, and without `bar_onsets` bars follow from the metre.
Other fields are left out, keys (`key_sharps`) too, which a piece has no place for. See `bars` for
upbeats, and for bars that are not as long as their metre says.
"""

import bisect
import collections
from collections.abc import Sequence
import itertools
import json
import math
import re
from typing import Any

from cvae_jax.core import errors
from cvae_jax.scores import bars as bars_lib
from cvae_jax.scores import chord_symbols
from cvae_jax.scores import piece as piece_lib

_MAX_QUARTERS = 100_000.0  # 14 hours at 120
_TICKS = piece_lib.TICKS


def parse(text: str) -> piece_lib.Reading:
  """Parses a line of a file.

  Raises:
    UserError: if it is no JSON object with a melody, or a row of it cannot be read.
  """
  try:
    fields = json.loads(text)
  except RecursionError:
    raise errors.UserError("it is not JSON: it is nested too deep") from None
  except ValueError as e:  # Also of numbers of thousands of digits.
    raise errors.UserError(f"it is not JSON: {errors.one_line(e)}") from None
  if not isinstance(fields, dict) or "melody" not in fields:
    raise errors.UserError("it is no lead sheet: a JSON object with a field melody")
  notes = [_read_note(row, number) for number, row in enumerate(_rows(fields, "melody"))]
  symbols = [_read_symbol(row, n) for n, row in enumerate(_rows(fields, "chords"))]
  meters = [_read_meter(row, n) for n, row in enumerate(_rows(fields, "time_signatures"))]
  onsets = [_time(x, f"bar_onsets[{n}]") for n, x in enumerate(_rows(fields, "bar_onsets"))]
  bars = _make_bars(sorted(meters), onsets, max((a + b for a, b, _ in notes), default=0))
  starts = [0]
  for bar in bars:
    starts.append(starts[-1] + bar.length)
  find_bar = lambda start: min(bisect.bisect_right(starts, start), len(bars)) - 1
  for start, length, pitch in notes:
    row = find_bar(start)
    bars[row].notes.append(bars_lib.Note(start - starts[row], length, pitch))
  unread = []
  indices = chord_symbols.read([symbol for _, symbol in symbols], has_dashes=True)
  for (start, symbol), index in zip(symbols, indices, strict=True):
    row = find_bar(start)
    if index is None:
      unread.append(symbol)
    else:
      bars[row].chords.append((start - starts[row], index))
  found = bars_lib.to_piece(bars, range(len(bars)), _TICKS)
  return piece_lib.Reading(found, chord_symbols.describe(unread))


def _rows(fields: dict[str, Any], name: str) -> list[Any]:
  """The list of a field; [] without one."""
  rows = fields.get(name)
  if rows is not None and not isinstance(rows, list):
    raise errors.UserError(f"its {name} must be a list, got {str(rows)[:40]}")
  return rows or []


def _time(value: Any, name: str) -> int:
  """Ticks of an onset or a duration in quarter notes."""
  is_number = isinstance(value, int | float) and not isinstance(value, bool)
  if not is_number or not math.isfinite(value) or not 0 <= value <= _MAX_QUARTERS:
    raise errors.UserError(
      f"its {name} must be 0 to {_MAX_QUARTERS:,.0f} quarter notes, got {str(value)[:40]}"
    )
  return round(value * _TICKS)


def _read_note(row: Any, number: int) -> tuple[int, int, int]:
  """Start and length in ticks, and MIDI number."""
  name = f"melody[{number}]"
  if not isinstance(row, list) or len(row) != 3:
    raise errors.UserError(f"its {name} must be [onset, duration, pitch], got {str(row)[:40]}")
  pitch = row[2]
  if not isinstance(pitch, int) or not 0 <= pitch <= piece_lib.LAST_PITCH:
    raise errors.UserError(f"the pitch of its {name} must be 0-127, got {str(pitch)[:40]}")
  return _time(row[0], f"{name}[0]"), max(_time(row[1], f"{name}[1]"), 1), int(pitch)


def _read_symbol(row: Any, number: int) -> tuple[int, str]:
  """Start in ticks, and chord symbol."""
  name = f"chords[{number}]"
  if not isinstance(row, list) or len(row) != 2 or not isinstance(row[1], str):
    raise errors.UserError(f"its {name} must be [onset, symbol] as [0, 'Am7'], got {str(row)[:40]}")
  return _time(row[0], f"{name}[0]"), row[1]


def _read_meter(row: Any, number: int) -> tuple[int, tuple[int, int]]:
  """Start in ticks, numerator and denominator."""
  name = f"time_signatures[{number}]"
  match = None
  if isinstance(row, list) and len(row) == 2 and isinstance(row[1], str):
    match = re.fullmatch(r"([1-9]\d?)/(1|2|4|8|16|32)", row[1].strip())
  if match is None or int(match[1]) > 64:
    raise errors.UserError(f"its {name} must be [onset, metre] as [0, '4/4'], got {str(row)[:40]}")
  return _time(row[0], f"{name}[0]"), (int(match[1]), int(match[2]))


def _make_bars(
  meters: Sequence[tuple[int, tuple[int, int]]], onsets: Sequence[int], end: int
) -> list[bars_lib.Bar]:
  """Bars without notes, from the start of the piece to its end.

  Args:
    meters: (tick, metre), sorted.
    onsets: first ticks of the bars; () for bars as long as their metre says.
    end: last tick of the notes.

  Raises:
    UserError: if the onsets do not increase.
  """
  if any(a >= b for a, b in itertools.pairwise(onsets)):
    raise errors.UserError("its bar_onsets must increase")
  lengths = collections.Counter(b - a for a, b in itertools.pairwise(onsets))
  default: tuple[int, int] | None = piece_lib.DEFAULT_METER
  if lengths:
    default = bars_lib.meter_of(lengths.most_common(1)[0][0], (4, 4), _TICKS)
  # Without onsets, all bars of a metre in a row are as good as one.
  starts = list(onsets) or [tick for tick, _ in meters]
  starts = sorted({0, *starts})
  places = [tick for tick, _ in meters]
  bars = []
  for start, after in zip(starts, [*starts[1:], None], strict=True):
    row = max(bisect.bisect_right(places, start) - 1, 0)
    meter = meters[row][1] if meters else default
    whole = bars_lib.bar_ticks(meter or piece_lib.DEFAULT_METER, _TICKS)
    length = max(-(-(end - start) // whole), 1) * whole if after is None else after - start
    bars.append(bars_lib.Bar(length=length, meter=meter))
  return bars
