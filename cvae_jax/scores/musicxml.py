"""Reads MusicXML, also compressed, as pieces.

Supported are scores by parts and by times; voices, backup and forward, chords, ties, transposing
instruments, changes of metre and tempo, repeats, endings and jumps (the attributes dacapo,
dalsegno, segno, fine, tocoda and coda of `<sound>`, not words alone), which are unfolded, see
`bars.unfold`; chord symbols of all parts (`musicxml_harmony`); dynamics that are numbers, programs,
and percussion by its MIDI keys. A voice of a part is a channel of its track. Grace notes, cue
notes, ornaments and lyrics are left out. An upbeat ends where its bar does, see `bars`.

Source: "MusicXML 4.0", W3C Music Notation Community Group 2021.
"""

import math
import re
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np

from cvae_jax.core import errors
from cvae_jax.scores import bars as bars_lib
from cvae_jax.scores import chord_symbols
from cvae_jax.scores import chords as chord_lib
from cvae_jax.scores import musicxml_file
from cvae_jax.scores import musicxml_harmony
from cvae_jax.scores import piece as piece_lib

_MAX_RESOLUTION, _RESOLUTION = 30_000, 10_080  # ticks per quarter note; the latter is rounded to
_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_BEATS = {"whole": 4.0, "half": 2.0, "quarter": 1.0, "eighth": 0.5, "16th": 0.25}  # quarter notes
_PERCUSSION = 10  # channel, from 1
_MIN_QPM, _MAX_QPM = 4.0, 1000.0
_NAMED = (bars_lib.SEGNO, bars_lib.CODA, bars_lib.TO_CODA, bars_lib.DAL_SEGNO)  # of marks
_NAMELESS = (bars_lib.DA_CAPO, bars_lib.FINE)


class _Sound(NamedTuple):
  """What an instrument of a part plays by."""

  program: int = 0
  is_drum: bool = False
  key: int = -1  # of an unpitched note; -1 for none


def parse(data: bytes, unfold: bool = True) -> piece_lib.Reading:
  """Parses a file of MusicXML, or a compressed one.

  Args:
    data: of the file.
    unfold: whether repeats and jumps are played; else every bar is played once.

  Raises:
    UserError: if it is no MusicXML, is damaged, declares entities, or is too large.
  """
  root = musicxml_file.read_root(data)
  if root.tag not in ("score-partwise", "score-timewise"):
    raise errors.UserError(f"it is no MusicXML score: it begins with <{root.tag[:40]}>")
  measures = _measures_by_part(root)
  number = max(map(len, measures.values()), default=0)
  if not number:
    raise errors.UserError("it has no measures")
  resolution = _find_resolution(root)
  bars = [bars_lib.Bar() for _ in range(number)]
  unknown, unread = 0, list[str]()
  for index, (name, elements) in enumerate(measures.items()):
    part = _Part(index, _find_sounds(root, name), resolution)
    for element, bar in zip(elements, bars, strict=False):
      part.read_measure(element, bar)
    unknown += part.unknown
    unread += part.unread
  _complete(bars, resolution)
  order = bars_lib.unfold(bars) if unfold else list(range(number))
  remarks: tuple[str, ...] = (f"{unknown} percussion notes without a MIDI key",) if unknown else ()
  remarks += chord_symbols.describe(unread)
  return piece_lib.Reading(bars_lib.to_piece(bars, order, resolution), remarks)


def _measures_by_part(root: ElementTree.Element) -> dict[str, list[ElementTree.Element]]:
  """The measures of each part by its id, in order."""
  parts: dict[str, list[ElementTree.Element]] = {}
  if root.tag == "score-partwise":
    for part in root.findall("part"):
      parts.setdefault(part.get("id", ""), []).extend(part.findall("measure"))
    return parts
  for number, measure in enumerate(root.findall("measure")):
    for part in measure.findall("part"):
      elements = parts.setdefault(part.get("id", ""), [])
      elements += [ElementTree.Element("measure")] * (number - len(elements))
      elements.append(part)
  return parts


def _find_resolution(root: ElementTree.Element) -> int:
  """Ticks of a quarter note that all lengths are whole numbers of, if there are not too many."""
  found = {int(_number(x.text, 1)) for x in root.iter("divisions")}
  resolution = math.lcm(*(x for x in found if 0 < x <= _MAX_RESOLUTION))
  return resolution if resolution <= _MAX_RESOLUTION else _RESOLUTION


def _number(text: str | None, default: float) -> float:
  """A number within some 15 digits, or the default."""
  match = re.fullmatch(r"\s*([+-]?\d{0,12}(?:\.\d{0,12})?)\s*", text or "")
  return float(match[1]) if match and re.search(r"\d", match[1]) else default


def _find_sounds(root: ElementTree.Element, part: str) -> dict[str, _Sound]:
  """The instruments of a part by their ids."""
  sounds = {}
  for entry in root.findall("part-list/score-part"):
    if entry.get("id") != part:
      continue
    for midi in entry.findall("midi-instrument"):
      key = int(_number(midi.findtext("midi-unpitched"), 0)) - 1
      program = min(max(int(_number(midi.findtext("midi-program"), 1)) - 1, 0), 127)
      is_drum = key >= 0 or _number(midi.findtext("midi-channel"), 1) == _PERCUSSION
      sounds[midi.get("id", "")] = _Sound(program, is_drum, min(key, piece_lib.LAST_PITCH))
  return sounds


class _Part:
  """Reads the measures of a part, one after the other.

  Attributes:
    unknown: number of percussion notes that are left out, as their MIDI key is not known.
    unread: chord symbols that cannot be read.
  """

  def __init__(self, index: int, sounds: dict[str, _Sound], resolution: int):
    self.unknown = 0
    self.unread: list[str] = []
    self._track, self._sounds, self._resolution = 16 * index, sounds, resolution
    self._default = next(iter(sounds.values()), _Sound())
    self._divisions, self._velocity = 1.0, float(bars_lib.VELOCITY)
    self._transposed: dict[str, int] = {}  # semitones by staff; '' for all
    self._voices: dict[tuple[str, str], int] = {}
    self._endings: tuple[int, ...] = ()

  def _ticks(self, text: str | None) -> int:
    return max(round(_number(text, 0.0) * self._resolution / self._divisions), 0)

  def read_measure(self, measure: ElementTree.Element, bar: bars_lib.Bar) -> None:
    """Adds the contents of a measure to a bar."""
    now = start = 0  # start is that of the last note, for a chord
    has_ended = False
    for element in measure:
      match element.tag:
        case "note":
          length = self._ticks(element.findtext("duration"))
          is_chord = element.find("chord") is not None
          if not is_chord:
            start = now
          if element.find("grace") is None:
            self._add_note(element, start, length, bar)
            now = now if is_chord else now + length
        case "backup":
          now = max(now - self._ticks(element.findtext("duration")), 0)
        case "forward":
          now += self._ticks(element.findtext("duration"))
        case "attributes":
          self._set_attributes(element, bar)
        case "harmony":
          self._add_harmony(element, now, bar)
        case "direction" | "sound":
          self._add_direction(element, now, bar)
        case "barline":
          has_ended |= self._add_barline(element, bar)
      bar.length = max(bar.length, now)
    bar.endings = self._endings or bar.endings
    if has_ended:
      self._endings = ()

  def _set_attributes(self, element: ElementTree.Element, bar: bars_lib.Bar) -> None:
    self._divisions = max(_number(element.findtext("divisions"), self._divisions), 1e-3)
    time = element.find("time")
    if time is not None:
      bar.meter = _find_meter(time) or bar.meter
    for transpose in element.findall("transpose"):
      semitones = _number(transpose.findtext("chromatic"), 0.0)
      semitones += 12 * _number(transpose.findtext("octave-change"), 0.0)
      if abs(semitones) <= piece_lib.LAST_PITCH:
        self._transposed[transpose.get("number", "")] = int(semitones)

  def _add_direction(self, element: ElementTree.Element, now: int, bar: bars_lib.Bar) -> None:
    sound = element if element.tag == "sound" else element.find("sound")
    qpm = 0.0
    if sound is not None:
      qpm = _number(sound.get("tempo"), 0.0)
      self._velocity = _number(sound.get("dynamics"), self._velocity / 0.9) * 0.9
      bar.marks |= {(kind, sound.get(kind, "")) for kind in _NAMED if kind in sound.attrib}
      bar.marks |= {(kind, "") for kind in _NAMELESS if sound.get(kind, "no") != "no"}
      bar.begins_repeat |= sound.get("forward-repeat") == "yes"
    metronome = element.find("direction-type/metronome")
    if not qpm and metronome is not None:
      beat = _BEATS.get(metronome.findtext("beat-unit", ""), 0.0)
      dots = len(metronome.findall("beat-unit-dot"))
      qpm = beat * (2.0 - 0.5 ** min(dots, 4)) * _number(metronome.findtext("per-minute"), 0.0)
    if _MIN_QPM <= qpm <= _MAX_QPM:
      bar.tempos.append((now, qpm))

  def _add_harmony(self, element: ElementTree.Element, now: int, bar: bars_lib.Bar) -> None:
    text = musicxml_harmony.spell(element)
    index = chord_symbols.parse(text)
    if index is None:
      self.unread.append(text)
      return
    offset = _number(element.findtext("offset"), 0.0) * self._resolution / self._divisions
    shift = self._shift(element.findtext("staff", ""))
    chord = int(chord_lib.transpose(np.asarray(index), shift))
    bar.chords.append((max(now + round(offset), 0), chord))

  def _add_barline(self, element: ElementTree.Element, bar: bars_lib.Bar) -> bool:
    """Reads repeat signs and endings; returns whether an ending stops here."""
    repeat, ending = element.find("repeat"), element.find("ending")
    if repeat is not None and repeat.get("direction") == "forward":
      bar.begins_repeat = True
    elif repeat is not None:
      bar.turns = max(int(_number(repeat.get("times"), 2)), 2)
      bar.repeats_again |= repeat.get("after-jump") == "yes"
    if ending is not None and ending.get("type") == "start":
      self._endings = tuple(int(x) for x in re.findall(r"\d{1,2}", ending.get("number", "")))
    return ending is not None and ending.get("type") in ("stop", "discontinue")

  def _add_note(self, element, start: int, length: int, bar: bars_lib.Bar) -> None:
    if element.find("rest") is not None or element.find("cue") is not None:
      return
    instrument = element.find("instrument")
    name = "" if instrument is None else instrument.get("id", "")
    sound = self._sounds.get(name, self._default)
    staff = element.findtext("staff", "")
    pitch = sound.key if element.find("unpitched") is not None else self._pitch(element, staff)
    if pitch < 0:
      self.unknown += element.find("unpitched") is not None
      return
    voice = (staff, element.findtext("voice", ""))
    channel = min(self._voices.setdefault(voice, len(self._voices)), 15)
    ties = {tie.get("type") for tie in element.findall("tie")}
    velocity = _number(element.get("dynamics"), self._velocity / 0.9) * 0.9
    values = (self._track + channel, "stop" in ties, "start" in ties)
    loudness = min(max(round(velocity), 1), 127)
    sounding = (loudness, sound.program, sound.is_drum)
    bar.notes.append(bars_lib.Note(start, length, pitch, *values, *sounding))

  def _pitch(self, element: ElementTree.Element, staff: str) -> int:
    """The MIDI number that a note sounds at; -1 for none."""
    step = _STEPS.get((element.findtext("pitch/step") or "").strip().upper())
    octave = _number(element.findtext("pitch/octave"), -9.0)
    if step is None or not -1 <= octave <= 9:
      return -1
    alter = math.floor(_number(element.findtext("pitch/alter"), 0.0) + 0.5)
    pitch = 12 * (int(octave) + 1) + step + alter + self._shift(staff)
    return pitch if 0 <= pitch <= piece_lib.LAST_PITCH else -1

  def _shift(self, staff: str) -> int:
    """Semitones from what a staff says to what sounds."""
    return self._transposed.get(staff or "1", self._transposed.get("", 0))


def _find_meter(time: ElementTree.Element) -> tuple[int, int] | None:
  """The metre of an element; None for free metre, or one that cannot be read."""
  pairs = []
  for tops, bottom in zip(time.findall("beats"), time.findall("beat-type"), strict=False):
    numbers = [int(x) for x in re.findall(r"\d{1,3}", tops.text or "")]
    pairs.append((sum(numbers), int(_number(bottom.text, 0))))
  if not pairs or any(bottom not in (1, 2, 4, 8, 16, 32) for _, bottom in pairs):
    return None
  lowest = max(bottom for _, bottom in pairs)
  top = sum(top * lowest // bottom for top, bottom in pairs)
  return (top, lowest) if 1 <= top <= 64 else None


def _complete(bars: list[bars_lib.Bar], resolution: int) -> None:
  """Sets metres that go on, and the lengths of bars that nothing is in."""
  meter = None
  for bar in bars:
    bar.meter = meter = bar.meter or meter
    if not bar.length:
      bar.length = bars_lib.bar_ticks(meter or piece_lib.DEFAULT_METER, resolution)
