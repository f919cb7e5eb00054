"""Bars of written scores, as readers of notation make them, and the piece that they are played as.

Repeats are unfolded and jumps are followed, ties are joined in the order of playing, chord symbols
hold until the next one that is played, and an upbeat ends where its bar does. Bars that are shorter
or longer than their metre says keep their length: where several in a row do not add up to whole
bars, they get a metre of their own, so that later bars begin on the grid of theirs.
"""

from collections.abc import Sequence
import dataclasses
from typing import NamedTuple

from cvae_jax.core import errors
from cvae_jax.scores import chords as chord_lib
from cvae_jax.scores import piece as piece_lib

SEGNO, CODA, TO_CODA, FINE = "segno", "coda", "tocoda", "fine"
DA_CAPO, DAL_SEGNO = "dacapo", "dalsegno"
VELOCITY = 90  # of notes without dynamics
_MAX_NOTES = 200_000  # of a piece, with its repeats
_MAX_TURNS = 16  # of a repeated part
_MAX_QUARTERS = 100_000  # 14 hours at 120
_MAX_TICK = 2**31 - 2  # of `piece.NOTE`


class Note(NamedTuple):
  """A written note.

  Attributes:
    start: in ticks from the start of its bar.
    length: in ticks.
    pitch: MIDI number, as it sounds.
    part: of the score, see `piece.NOTE`.
    from_tie: whether a tie to the note before ends here.
    to_tie: whether a tie to the next note starts here.
    velocity: 1 to 127.
    program: General MIDI program, from 0.
    is_drum: whether the pitch is a key of General MIDI's percussion.
  """

  start: int
  length: int
  pitch: int
  part: int = 0
  from_tie: bool = False
  to_tie: bool = False
  velocity: int = VELOCITY
  program: int = 0
  is_drum: bool = False


@dataclasses.dataclass
class Bar:
  """A bar of all parts.

  Attributes:
    notes: in any order.
    length: in ticks.
    meter: numerator and denominator; None for free metre, or none yet.
    tempos: (ticks from the start of the bar, quarter notes per minute).
    begins_repeat: whether a repeated part begins with it.
    turns: how often the part that ends with it is played; 0 without a repeat sign.
    endings: turns in which it is played, of a first or second ending; () for all.
    chords: (ticks from the start of the bar, index into `chords.NAMES`) of chord symbols.
    repeats_again: whether its repeat sign counts after a jump as well.
    marks: (kind, name) of `SEGNO` and `CODA` at its start, and of what is at its end: `TO_CODA`,
      `DAL_SEGNO`, and `DA_CAPO` and `FINE`, which have the name ''.
  """

  notes: list[Note] = dataclasses.field(default_factory=list)
  length: int = 0
  meter: tuple[int, int] | None = None
  tempos: list[tuple[int, float]] = dataclasses.field(default_factory=list)
  begins_repeat: bool = False
  turns: int = 0
  endings: tuple[int, ...] = ()
  chords: list[tuple[int, int]] = dataclasses.field(default_factory=list)
  repeats_again: bool = False
  marks: set[tuple[str, str]] = dataclasses.field(default_factory=set)


def unfold(bars: Sequence[Bar]) -> list[int]:
  """Indices of bars in the order of playing: repeated parts with their endings, and jumps.

  A part without a sign at its start begins after the one before, or with the piece. A jump, da capo
  or dal segno, is taken once, when its bar is played for the last time of its repeats; one to a
  segno that is not there is none. After it, parts are played once, with their last ending, unless
  their sign says otherwise, playing ends with a fine, and goes on at the coda where it is told to.

  Raises:
    UserError: if the piece then has more than 200,000 notes or bars.
  """
  order: list[int] = []
  start = at = notes = 0
  turn = 1
  has_jumped, jumps = False, _find_jumps(bars)
  while at < len(bars):
    bar = bars[at]
    is_late = turn > 1 or has_jumped
    left_endings = is_late and not bar.endings and at > start and bool(bars[at - 1].endings)
    if left_endings or (bar.begins_repeat and at != start):
      start, turn = at, 1
    is_once = has_jumped and not _repeats_again(bars, at)
    if bar.endings and (_num_turns(bars, at) if is_once else turn) not in bar.endings:
      at += 1
      continue
    order.append(at)
    notes += len(bar.notes) + 1
    if notes > _MAX_NOTES:
      raise errors.UserError(f"it has more than {_MAX_NOTES:,} notes with its repeats")
    at += 1
    if bar.turns and not is_once and turn < _num_turns(bars, at - 1):
      at, turn = start, turn + 1
      continue
    if has_jumped and (FINE, "") in bar.marks:
      break
    target = _find_coda(bars, at) if has_jumped else None
    is_due = target is None and at - 1 in jumps
    if is_due and not _comes_again(bars, at - 1, turn, has_jumped):
      target, has_jumped = jumps.pop(at - 1), True
    if target is not None:
      start, at, turn = target, target, 1
    elif bar.turns and not bar.endings:
      start, turn = at, 1
  return order


def _find_jumps(bars: Sequence[Bar]) -> dict[int, int]:
  """The bars that playing goes back to, by the bars after which it does."""
  segnos = {name: i for i, bar in enumerate(bars) for kind, name in bar.marks if kind == SEGNO}
  jumps: dict[int, int] = {}
  for i, bar in enumerate(bars):
    for kind, name in sorted(bar.marks):
      if kind == DA_CAPO:
        jumps.setdefault(i, 0)
      elif kind == DAL_SEGNO and name in segnos:
        jumps.setdefault(i, segnos[name])
  return jumps


def _find_coda(bars: Sequence[Bar], after: int) -> int | None:
  """The later bar that playing skips to after a bar that says so; None for none."""
  names = {name for kind, name in bars[after - 1].marks if kind == TO_CODA}
  for i in range(after, len(bars) if names else after):
    if any((CODA, name) in bars[i].marks for name in names):
      return i
  return None


def _run_of_endings(bars: Sequence[Bar], at: int) -> Sequence[Bar]:
  """The bars with endings around a bar; the bar alone if it has none."""
  first = last = at
  while bars[at].endings and first > 0 and bars[first - 1].endings:
    first -= 1
  while bars[at].endings and last + 1 < len(bars) and bars[last + 1].endings:
    last += 1
  return bars[first : last + 1]


def _repeats_again(bars: Sequence[Bar], at: int) -> bool:
  """Whether the sign of a bar, or of one of the endings that it is of, counts after a jump."""
  return any(bar.repeats_again for bar in _run_of_endings(bars, at))


def _comes_again(bars: Sequence[Bar], at: int, turn: int, has_jumped: bool) -> bool:
  """Whether a bar that is played in a turn is of a repeated part that is played again."""
  for i in range(at, len(bars)):
    left_endings = bars[at].endings and not bars[i].endings
    if i > at and (left_endings or bars[i].begins_repeat):
      return False
    if bars[i].turns:
      return turn < _num_turns(bars, i) and (not has_jumped or _repeats_again(bars, i))
  return False


def _num_turns(bars: Sequence[Bar], at: int) -> int:
  """How often the part is played that ends with a bar: as its sign or its endings say."""
  turns = [bars[at].turns, *(x for bar in _run_of_endings(bars, at) for x in bar.endings)]
  return min(max(turns), _MAX_TURNS)


def to_piece(bars: Sequence[Bar], order: Sequence[int], resolution: int) -> piece_lib.Piece:
  """The piece of bars.

  Args:
    bars: as written.
    order: their indices in the order of playing.
    resolution: ticks of a quarter note.

  Raises:
    UserError: if it is longer than 100,000 quarter notes.
  """
  played = [bars[index] for index in order]
  starts = [_upbeat_rest(played[0], resolution)] if played else [0]
  for bar in played:
    starts.append(starts[-1] + bar.length)
  ends = starts[-1:] + [
    tick + note.start + note.length
    for bar, tick in zip(played, starts, strict=False)
    for note in bar.notes
  ]
  if max(ends) > min(_MAX_QUARTERS * resolution, _MAX_TICK):
    raise errors.UserError(
      f"it lasts {max(ends) // resolution:,} quarter notes, and may last {_MAX_QUARTERS:,}"
    )
  rows: list[tuple[int, int, int, int, int, bool, int]] = []
  tied: dict[tuple[int, int], list[int]] = {}  # rows that a tie starts at, by track and pitch
  tempos: list[tuple[int, float]] = []
  for bar, tick in zip(played, starts[:-1], strict=True):
    tempos += [(tick + ticks if rows or ticks else 0, qpm) for ticks, qpm in bar.tempos]
    for note in sorted(bar.notes, key=lambda note: (note.start, not note.from_tie)):
      _play(note, tick + note.start, rows, tied)
  meters = _meters(played, starts, resolution)
  chords = _chords(bars, order, starts)
  return piece_lib.make_piece(rows, resolution, tempos, meters, starts[-1], chords)


def _chords(
  bars: Sequence[Bar], order: Sequence[int], starts: Sequence[int]
) -> list[tuple[int, int]]:
  """(tick, index) of chord symbols, of bars in the order of playing, which start at ticks.

  Where playing goes back, the chord holds that is written before the bar it goes to; where it skips
  bars, the last one that was played.
  """
  written = [chord_lib.NO_CHORD]  # before each bar
  for bar in bars:
    symbols = sorted(bar.chords, key=lambda x: x[0])
    written.append(symbols[-1][1] if symbols else written[-1])
  chords: list[tuple[int, int]] = []
  before = -1
  for index, tick in zip(order, starts, strict=False):
    if index <= before and chords:
      chords.append((tick, written[index]))
    chords += [(tick + ticks, chord) for ticks, chord in bars[index].chords]
    before = index
  return chords


def _play(note: Note, start: int, rows: list[tuple], tied: dict[tuple[int, int], list[int]]):
  """Adds a note to the rows of a piece, or prolongs the one that it is tied to."""
  # A tie may lead to another voice; files lack the marks of where ties end.
  key = (note.part // 16, note.pitch)
  row = next((row for row in tied.get(key, []) if rows[row][1] == start), -1)
  if row >= 0:
    tied[key].remove(row)
    rows[row] = (rows[row][0], start + note.length, *rows[row][2:])
  elif 0 <= note.pitch <= piece_lib.LAST_PITCH and note.length > 0:
    row = len(rows)
    values = (note.pitch, note.velocity, note.program, note.is_drum, note.part)
    rows.append((start, start + note.length, *values))
  if note.to_tie and row >= 0:
    tied.setdefault(key, []).append(row)


def bar_ticks(meter: tuple[int, int], resolution: int) -> int:
  """Ticks of a bar of a metre, rounded down."""
  return 4 * resolution * meter[0] // meter[1]


def meter_of(ticks: int, meter: tuple[int, int], resolution: int) -> tuple[int, int] | None:
  """The metre of a bar of so many ticks, in beats of another one if possible; None for none."""
  for bottom in (meter[1], 4, 8, 16, 32):
    top, rest = divmod(ticks * bottom, 4 * resolution)
    if not rest and 1 <= top <= 64:
      return top, bottom
  return None


def _upbeat_rest(bar: Bar, resolution: int) -> int:
  """Ticks of rest before a first bar, so that an upbeat ends with a bar; 0 without one."""
  whole = bar_ticks(bar.meter, resolution) if bar.meter else 0
  return whole - bar.length if 0 < bar.length < whole else 0


def _meters(
  bars: Sequence[Bar], starts: Sequence[int], resolution: int
) -> list[tuple[int, int, int]]:
  """(tick, numerator, denominator) of the metres of bars that are played one after the other."""
  meters: list[tuple[int, int, int]] = []
  at = 0
  while at < len(bars):
    first, meter = at, bars[at].meter
    at += 1
    if meter is None:
      continue
    tick = starts[first] if first else 0
    if not meters or meters[-1][1:] != meter:
      meters.append((tick, *meter))
    whole = bar_ticks(meter, resolution)
    while at < len(bars) and (starts[at] - tick) % whole:
      if bars[at].meter != meter or bars[at].length % whole == 0:
        break
      at += 1
    odd = meter_of(starts[at] - tick, meter, resolution)
    if at < len(bars) and (starts[at] - tick) % whole and odd is not None:
      meters.append((tick, *odd))
  return meters
