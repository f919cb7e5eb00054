"""Reads Humdrum's **kern as pieces.

Supported are spines that split, join and change places; ties, chords, dots, tuplets and lengths of
more than a whole note; metres and tempos; sections in the order of the expansion list `*>[...]`,
or, without one, repeat signs. A spine is a part, and has voices where it is split. Pitches of
**kern are as they sound, so that `*ITr`, how a part is written, changes nothing. Grace notes,
percussion, programs and other spines are left out. An upbeat ends where its bar does, see `bars`.

Source: "The Humdrum Toolkit: Reference Manual", David Huron 1994, **kern; expansion lists and
`*ITr` as of the documentation of the Verovio Humdrum Viewer.
"""

import collections
from collections.abc import Sequence
import fractions
import math
import re
from typing import NamedTuple

from cvae_jax.core import errors
from cvae_jax.scores import bars as bars_lib
from cvae_jax.scores import piece as piece_lib

_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_MAX_RESOLUTION, _RESOLUTION = 30_000, 10_080  # ticks per quarter note; the latter is rounded to
_MAX_SPINES, _MAX_BARS = 200, 200_000
_MIN_QPM, _MAX_QPM = 4.0, 1000.0
_LENGTH = re.compile(r"(\d{1,4})(?:%(\d{1,4}))?(\.{0,4})")
_PITCH = re.compile(r"(([A-Ga-g])\2*)(#+|-*)")


class _Spine(NamedTuple):
  """A column.

  Attributes:
    track: of the columns of the first line, that it is or has split from.
    is_kern: whether it has notes.
    is_percussion: whether its pitches are places on a staff.
    now: end of its last note, in ticks from the start of the bar.
  """

  track: int
  is_kern: bool = False
  is_percussion: bool = False
  now: int = 0


def parse(text: str, unfold: bool = True) -> piece_lib.Reading:
  """Parses a file.

  Args:
    text: of the file.
    unfold: whether expansion lists and repeats are played; else every bar is played once.

  Raises:
    UserError: if it has no **kern, or a line has another number of columns than there are spines.
  """
  lines = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
  reader = _Reader(_find_resolution(lines))
  for number, line in enumerate(lines, 1):
    if line and not line.startswith("!!"):
      reader.read_line(number, line.split("\t"))
  bars = reader.end()
  order = list(range(len(bars)))
  if unfold:
    expanded = _expand(reader.sections, reader.expansion, len(bars))
    order = bars_lib.unfold(bars) if expanded is None else expanded
  remarks = tuple(f"{n} {what}" for what, n in sorted(reader.faults.items()))
  return piece_lib.Reading(bars_lib.to_piece(bars, order, reader.resolution), remarks)


def _quarters(match: re.Match) -> fractions.Fraction:
  """A length in quarter notes: '8', '4.', '3%2' for two thirds of a whole note, '0' for a breve."""
  if match[1].strip("0"):
    length = fractions.Fraction(4 * int(match[2] or 1), int(match[1]))
  else:
    length = fractions.Fraction(4 * 2 ** len(match[1]))
  return length * (2 - fractions.Fraction(1, 2 ** len(match[3])))


def _find_resolution(lines: Sequence[str]) -> int:
  """Ticks of a quarter note that all lengths are whole numbers of, if there are not too many."""
  tokens = {token for line in lines if line[:1] not in "!*=" for token in re.split("[\t ]", line)}
  lengths = {match[0]: match for match in map(_LENGTH.search, tokens) if match}
  resolution = 1
  for match in lengths.values():
    resolution = math.lcm(resolution, _quarters(match).denominator)
    if resolution > _MAX_RESOLUTION:
      return _RESOLUTION
  return resolution


def _expand(
  sections: Sequence[tuple[int, str]], expansion: Sequence[str], count: int
) -> list[int] | None:
  """Indices of bars by an expansion list; None without one, or if it names no section.

  Args:
    sections: (first bar, name) in order.
    expansion: names in the order of playing.
    count: number of bars.
  """
  ends = [first for first, _ in sections[1:]] + [count]
  bars = {name: range(first, end) for (first, name), end in zip(sections, ends, strict=False)}
  played = [bars[name] for name in expansion if name in bars]
  if not played:
    return None
  order = list(range(sections[0][0]))
  for part in played:
    order += part
    if len(order) > _MAX_BARS:
      raise errors.UserError(f"it has more than {_MAX_BARS:,} bars with its repeats")
  return order


class _Reader:
  """Reads lines.

  Attributes:
    resolution: ticks of a quarter note.
    sections: (first bar, name) of sections.
    expansion: names of sections in the order of playing; () without a list.
    faults: what is read past, by what it is.
  """

  def __init__(self, resolution: int):
    self.resolution = resolution
    self.sections: list[tuple[int, str]] = []
    self.expansion: tuple[str, ...] = ()
    self.faults: collections.Counter = collections.Counter()
    self._spines: list[_Spine] = []
    self._bars = [bars_lib.Bar()]
    self._has_kern = False

  def end(self) -> list[bars_lib.Bar]:
    """The bars that were read.

    Raises:
      UserError: if there were none.
    """
    if not self._has_kern:
      raise errors.UserError("it has no spine **kern")
    self._end_bar()
    return self._bars[:-1]

  def read_line(self, number: int, tokens: list[str]) -> None:
    """Reads a line of columns."""
    if not self._spines:
      self._spines = [_Spine(track) for track in range(len(tokens))]
    if len(tokens) != len(self._spines) or len(tokens) > _MAX_SPINES:
      raise errors.UserError(
        f"line {number} has {len(tokens)} columns, where there are {len(self._spines)} spines"
      )
    if any(token.startswith("*") for token in tokens):
      for spine, token in zip(self._spines, tokens, strict=True):
        self._interpret(spine, token)
      self._spines = self._move_spines(tokens)
    elif tokens[0].startswith("="):
      self._end_bar()
      if len(self._bars) > 1 and re.search(r":[|!]", tokens[0]):
        self._bars[-2].turns = 2
      self._bars[-1].begins_repeat |= bool(re.search(r"[|!]:", tokens[0]))
    elif not tokens[0].startswith("!"):
      self._read_notes(tokens)

  def _end_bar(self) -> None:
    """Ends the bar if anything is in it; a note that is longer goes on in the next one."""
    bar, ends = self._bars[-1], [spine.now for spine in self._spines if spine.is_kern]
    bar.length = max([bar.length, *ends])
    if not bar.length:
      return
    whole = bars_lib.bar_ticks(bar.meter, self.resolution) if bar.meter else 0
    bar.length = whole if whole in ends else bar.length
    self._spines = [s._replace(now=max(s.now - bar.length, 0)) for s in self._spines]
    self._bars.append(bars_lib.Bar(meter=bar.meter))

  def _interpret(self, spine: _Spine, token: str) -> None:
    """Reads what is of the whole score: metre, tempo, sections."""
    if match := re.fullmatch(r"\*M(\d{1,3})/(\d{1,2})", token):
      top, bottom = int(match[1]), int(match[2])
      top, bottom = (top, bottom) if bottom else (2 * top, 1)
      if 1 <= top <= 64 and bottom in (1, 2, 4, 8, 16, 32):
        self._bars[-1].meter = (top, bottom)
    elif match := re.fullmatch(r"\*MM(\d{1,4}(?:\.\d{1,6})?)", token):
      if _MIN_QPM <= float(match[1]) <= _MAX_QPM:
        self._bars[-1].tempos.append((spine.now, float(match[1])))
    elif match := re.fullmatch(r"\*>\[(.*)\]", token):
      self.expansion = tuple(name.strip() for name in match[1].split(","))
    elif match := re.fullmatch(r"\*>([^\[\]]+)", token):
      if not self.sections or self.sections[-1][1] != match[1]:
        self._end_bar()
        self.sections.append((len(self._bars) - 1, match[1]))

  def _move_spines(self, tokens: list[str]) -> list[_Spine]:
    """The spines after a line that may split, join, swap, end or begin some."""
    spines: list[_Spine] = []
    self._has_kern |= "**kern" in tokens
    joins = False
    # As they are now: a section may have ended the bar.
    for spine, token, after in zip(self._spines, tokens, [*tokens[1:], ""], strict=True):
      if token.startswith("**"):
        spine = spine._replace(is_kern=token == "**kern")
      elif token.startswith("*clef"):
        spine = spine._replace(is_percussion=token == "*clefX")
      if token == "*v" and joins:
        spines[-1] = spines[-1]._replace(now=max(spines[-1].now, spine.now))
      elif token == "*-":
        self._bars[-1].length = max(self._bars[-1].length, spine.now)
      else:
        spines += [spine] * (2 if token == "*^" else 1)
      if token == "*+":
        spines.append(_Spine(1 + max(s.track for s in self._spines)))
      joins = token == after == "*v"
    swapped = [place for place, token in enumerate(tokens) if token == "*x"]
    if len(swapped) == 2 and len(spines) == len(tokens):
      a, b = swapped
      spines[a], spines[b] = spines[b], spines[a]
    return spines

  def _read_notes(self, tokens: list[str]) -> None:
    """Reads a line of notes, which start together."""
    rows = [
      (place, _LENGTH.search(token))
      for place, token in enumerate(tokens)
      if self._spines[place].is_kern and token not in (".", "") and not re.search("[qQ]", token)
    ]
    start = max((self._spines[place].now for place, _ in rows), default=0)
    for place, match in rows:
      spine = self._spines[place]
      if match is None:
        self.faults["notes without a length"] += 1
        continue
      self._spines[place] = spine._replace(now=start + self._ticks(match))
      if spine.is_percussion:
        self.faults["percussion notes, which are left out"] += "r" not in tokens[place]
        continue
      voice = sum(other.track == spine.track for other in self._spines[:place])
      part = 16 * spine.track + min(voice, 15)
      self._bars[-1].notes += self._chord(tokens[place].split(" "), match, start, part)

  def _ticks(self, match: re.Match) -> int:
    return round(_quarters(match) * self.resolution)

  def _chord(self, notes: list[str], first: re.Match, start: int, part: int):
    """The notes of a token; those without a length have the first one's."""
    for note in notes:
      pitch = _PITCH.search(note)
      if pitch is None or "r" in note:
        continue
      octave = len(pitch[1]) - 1 if pitch[2].islower() else -len(pitch[1])
      shift = len(pitch[3]) * (1 if "#" in pitch[3] else -1)
      number = 60 + 12 * octave + _STEPS[pitch[2].upper()] + shift
      length = self._ticks(_LENGTH.search(note) or first)
      ties = ("]" in note or "_" in note, "[" in note or "_" in note)
      yield bars_lib.Note(start, length, number, part, *ties)
