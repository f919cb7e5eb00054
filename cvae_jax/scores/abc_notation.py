"""Reads tunes in ABC notation as pieces.

Supported are the fields X, T, M, L, Q, K and V, also within lines; notes, rests, accidentals, keys
with modes and extra accidentals, ties, chords, tuplets, broken rhythms, repeats and first and
second endings, which are unfolded; chord symbols, "Am" before a note, of all voices
(`chord_symbols`; a dash after the root is minor), which annotations, "^slow", are not. Decorations,
grace notes, slurs, lyrics and the order of parts (P) are skipped. An upbeat ends where its bar
does.

Source: "The abc music standard" 2.1, Chris Walshaw et al. 2011; accidentals last for their bar, in
every octave (its default of %%propagate-accidentals).
"""

from collections.abc import Iterator
import re
from typing import NamedTuple

from cvae_jax.core import errors
from cvae_jax.scores import abc_fields
from cvae_jax.scores import abc_playing
from cvae_jax.scores import chord_symbols
from cvae_jax.scores import piece as piece_lib

_WHOLE = abc_fields.WHOLE
_MAX_EVENTS = abc_playing.MAX_EVENTS
_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_TUPLETS = {2: 3, 3: 2, 4: 3, 5: 2, 6: 2, 7: 2, 8: 3, 9: 2}  # notes in the time of so many

_ANNOTATION = ("^", "_", "<", ">", "@")  # beginnings of texts that are no chord symbols
_SKIPPED = r"![^!\n]*!|\+[a-z]+\+|\{[^}\n]*\}|`|\\|\$|[.~HLMOPSTuvyJR]|%.*"
_LENGTH = r"(?P<{0}top>\d*)(?P<{0}bottom>(?:/\d*)*)"
_TOKEN = re.compile(
  r'"(?P<symbol>[^"\n]*)"'
  rf"|(?P<skip>{_SKIPPED})"
  r"|\[(?P<field>[A-Za-z]):(?P<value>[^\]\n]*)\]"
  r"|(?P<ending>\[\d[\d,-]*)"
  r"|(?P<bar>(?::*\[?\|+[|\]:]*|::+)(?:\s*\[?\d[\d,-]*)?)"
  r"|\((?P<tuplet>\d)(?::(?P<in_time>\d?))?(?::(?P<count>\d*))?"
  rf"|(?P<accidental>\^\^?|__?|=)?(?P<note>[A-Ga-gzxZX])(?P<octave>[,']*){_LENGTH.format('')}"
  r"|(?P<open>\[)"
  rf"|(?P<close>\]){_LENGTH.format('chord_')}"
  r"|(?P<tie>-)"
  r"|(?P<broken>>+|<+)"
  r"|(?P<other>[()&\s]|.)"
)


class Tune(NamedTuple):
  """A tune of a file.

  Attributes:
    number: of its field X.
    title: of its first field T.
    piece: notes and maps.
    remarks: faults that were read past, in words.
  """

  number: str
  title: str
  piece: piece_lib.Piece
  remarks: tuple[str, ...] = ()


def split(text: str) -> list[tuple[str, str]]:
  """Splits a file at its fields X: (number, text) of each tune."""
  parts = re.split(r"^X:[ \t]*(.*)$", text.replace("\r\n", "\n").replace("\r", "\n"), flags=re.M)
  return [(parts[i].strip(), parts[i + 1]) for i in range(1, len(parts) - 1, 2)]


def read(text: str) -> Iterator[Tune | errors.UserError]:
  """Reads the tunes of a file; a tune that cannot be read is yielded as an error."""
  for number, body in split(text):
    try:
      yield parse(number, body)
    except errors.UserError as e:
      yield e


def parse(number: str, text: str) -> Tune:
  """Parses a tune.

  Args:
    number: of the tune, for messages.
    text: that follows its field X.

  Raises:
    UserError: if it has no key field, or a field that cannot be read.
  """
  title, header = "", dict[str, str]()
  lines = iter(text.split("\n"))
  for line in lines:
    match = re.match(r"([A-Za-z]):[ \t]*([^%]*)", line)
    if match is None:
      continue
    if match[1] == "T":
      title = title or match[2].strip()
    header.setdefault(match[1], match[2].strip())
    if match[1] == "K":
      break
  if "K" not in header:
    raise errors.UserError("it has no field K:, which ends its header")
  body = list(lines)
  meter = abc_fields.parse_meter(header.get("M", "4/4"))
  unit = abc_fields.parse_length(header["L"]) if "L" in header else abc_fields.default_unit(meter)
  voices: dict[str, _Voice] = {}
  make_voice = lambda: _Voice(meter, unit, abc_fields.parse_key(header["K"]))
  voice = voices["1"] = make_voice()
  if "Q" in header:
    voice.set_field("Q", header["Q"])
  for line in body:
    field = re.match(r"([A-Za-z]):(.*)", line)
    if field is None:
      pieces = [line]
    elif field[1] in "KMLQV":
      pieces = [f"[{field[1]}:{field[2].partition('%')[0].replace(']', '')}]"]
    else:
      continue
    for token in _TOKEN.finditer("\n".join(pieces)):
      if token["field"] == "V":
        name = (token["value"].split() or ["1"])[0]
        if name not in voices:
          # The first voice that is named is the one that the tune begins in.
          voices[name] = make_voice() if voice.events else voices["1"]
        voice = voices[name]
      else:
        voice.add(token)
  found = list({id(x): x for x in voices.values()}.values())
  parts, unread = _read_symbols([x.events for x in found])
  return Tune(number, title, abc_playing.to_piece(parts), chord_symbols.describe(unread))


def _read_symbols(voices: list[list[tuple]]) -> tuple[list[list[tuple]], list[str]]:
  """Events of voices with indices for chord symbols, and the symbols that cannot be read."""
  symbols = [text for events in voices for kind, text, _ in events if kind == "chord"]
  indices = dict(zip(symbols, chord_symbols.read(symbols), strict=True))
  known = lambda event: event[0] != "chord" or indices[event[1]] is not None
  index = lambda event: ("chord", indices[event[1]], 0) if event[0] == "chord" else event
  parts = [[index(event) for event in events if known(event)] for events in voices]
  return parts, [text for text in symbols if indices[text] is None]


class _Voice:
  """Reads a voice: its events in written order, to be unfolded.

  Attributes:
    events: (kind, value, value): notes ("note", pitches, ticks), with pitches () for a rest;
      "tie"; bar lines ("bar", text, 0); "meter" and "tempo"; chord symbols ("chord", text, 0).
  """

  def __init__(self, meter, unit, key):
    self.meter, self.unit, self.key = meter, unit, key
    self.events: list[tuple] = [] if meter is None else [("meter", meter, 0)]
    self.bar_accidentals: dict[str, int] = {}
    self.chord: list[tuple[int, float]] | None = None
    self.tuplet: tuple[float, int] = (1.0, 0)  # factor, notes left
    self.factor = 1.0  # of a broken rhythm, of the next note

  def set_field(self, field: str, value: str) -> None:
    if field == "K":
      self.key = abc_fields.parse_key(value)
    elif field == "L":
      self.unit = abc_fields.parse_length(value)
    elif field == "M":
      self.meter = abc_fields.parse_meter(value)
      if self.meter is not None:
        self.events.append(("meter", self.meter, 0))
    elif field == "Q":
      match = re.search(r"(?:(\d+)/(\d+)\s*=\s*)?(\d+)\s*$", re.sub(r'"[^"]*"', "", value).strip())
      if match is not None:
        beat = 4 * int(match[1]) / max(int(match[2]), 1) if match[1] else 1.0
        qpm = beat * int(match[3])
        if 4 <= qpm <= 1000:
          self.events.append(("tempo", qpm, 0))

  def add(self, token: re.Match) -> None:
    """Adds what a token stands for."""
    if token["note"] is not None:
      self._add_note(token)
    elif token["symbol"] is not None:
      text = token["symbol"].strip()
      if text and not text.startswith(_ANNOTATION):
        self.events.append(("chord", text, 0))
    elif token["bar"] is not None:
      self.bar_accidentals = {}
      self.events.append(("bar", re.sub(r"\s", "", token["bar"]), 0))
    elif token["ending"] is not None:
      # At the start of a line it belongs to the bar line before.
      before = self.events.pop()[1] if self.events and self.events[-1][0] == "bar" else "|"
      self.events.append(("bar", before + token["ending"], 0))
    elif token["field"] is not None:
      self.set_field(token["field"], token["value"])
    elif token["tuplet"] is not None:
      count = int(token["tuplet"])
      if count:
        time = int(token["in_time"]) if token["in_time"] else _TUPLETS.get(count, 2)
        if count in (5, 7, 9) and not token["in_time"] and self.meter is not None:
          time = 3 if self.meter[1] == 8 and self.meter[0] % 3 == 0 else 2
        self.tuplet = (time / count, int(token["count"]) if token["count"] else count)
    elif token["open"] is not None:
      self.chord = []
    elif token["close"] is not None and self.chord is not None:
      notes, self.chord = self.chord, None
      if notes:
        pitches = tuple(pitch for pitch, _ in notes)
        length = _times(token["chord_top"], token["chord_bottom"])
        self._append(pitches, notes[0][1] * length)
    elif token["tie"] is not None:
      self.events.append(("tie", 0, 0))
    elif token["broken"] is not None:
      self._break(token["broken"])

  def _add_note(self, token: re.Match) -> None:
    letter, length = token["note"], _times(token["top"], token["bottom"])
    if letter in "zxZX":
      if letter in "ZX" and self.meter is not None:
        length = _WHOLE * self.meter[0] / self.meter[1] * max(length, 1.0) / self.unit
      if self.chord is None:
        self._append((), length)
      return
    name = letter.upper()
    octave = (letter == name.lower()) + token["octave"].count("'") - token["octave"].count(",")
    if token["accidental"]:
      self.bar_accidentals[name] = abc_fields.ACCIDENTALS[token["accidental"]]
    shift = self.bar_accidentals.get(name, self.key.get(name, 0))
    pitch = 60 + 12 * octave + _STEPS[name] + shift
    if self.chord is not None:
      self.chord.append((pitch, length))
    else:
      self._append((pitch,), length)

  def _append(self, pitches: tuple[int, ...], length: float) -> None:
    factor, left = self.tuplet
    ticks = self.unit * length * self.factor * factor
    self.factor = 1.0
    self.tuplet = (factor, left - 1) if left > 1 else (1.0, 0)
    self.events.append(("note", pitches, round(ticks)))
    if len(self.events) > _MAX_EVENTS:
      raise errors.UserError(f"it has more than {_MAX_EVENTS:,} notes")

  def _break(self, text: str) -> None:
    """Lengthens the last note by half and shortens the next one, or the other way round."""
    short = 0.5 ** len(text)
    last, self.factor = (2.0 - short, short) if text[0] == ">" else (short, 2.0 - short)
    for i in range(len(self.events) - 1, -1, -1):
      if self.events[i][0] == "note":
        kind, pitches, ticks = self.events[i]
        self.events[i] = (kind, pitches, round(ticks * last))
        return


def _times(top: str, bottom: str) -> float:
  """A multiple of the unit note length: '3/2', '/', '//', '2'; '' is 1."""
  length = float(min(int(top or 1), 10_000))
  for part in bottom.split("/")[1:]:
    length /= max(int(part or 2), 1)
  return length
