"""The notes of a MIDI file: keys, pedals and the controllers that end notes."""

import collections
from collections.abc import Iterable
from typing import Any
from typing import NamedTuple

from cvae_jax import scores
from cvae_jax.core import errors
from cvae_jax.scores import midi_file

_DRUMS = 9  # the channel of percussion, from 0
# Controllers.
_SUSTAIN, _SOSTENUTO = 64, 66
_ALL_SOUND_OFF, _RESET_CONTROLLERS = 120, 121
_ALL_NOTES_OFF = (123, 124, 125, 126, 127)
_LONGEST_S = 3 * 3600  # a piece; its samples take 8 bytes each while it is rendered


def read_notes(path: str) -> list[scores.Note]:
  """The notes of a MIDI file by their start, percussion left out.

  Any format, division and tempo, and damaged files as far as they go: see `midi_file`. What is read
  beside notes is told at `collect`.

  Raises:
    UserError: a file that is not there, is no MIDI file, has no notes, or lasts too long.
  """
  notes = []
  for start_s, messages in midi_file.read_parts(path):
    notes += [
      note._replace(start_s=start_s + note.start_s, end_s=start_s + note.end_s)
      for note in collect(messages)
    ]
  if not notes:
    raise errors.UserError(f"{path} holds no notes but percussion")
  last_s = max(note.end_s for note in notes)
  if last_s > _LONGEST_S:
    raise errors.UserError(
      f"{path} lasts {last_s / 3600:.1f} hours: at most {_LONGEST_S / 3600:.0f} can be played"
    )
  return sorted(notes)


class _Begun(NamedTuple):
  """A note that sounds; `number` counts the notes of its channel."""

  start_s: float
  pitch: int
  velocity: int
  program: int
  number: int


class _Channel:
  """The keys and the pedals of a channel; notes that have ended are appended to `finished`."""

  def __init__(self, finished: list[scores.Note]):
    self.finished = finished
    self.program = 0
    self.sustain = False
    self.sostenuto: int | None = None  # Down, it holds the keys of the notes before this number.
    self.count = 0
    self.down: dict[int, collections.deque[_Begun]] = {}
    self.held: list[_Begun] = []  # by a pedal

  def press(self, now: float, pitch: int, velocity: int) -> None:
    begun = _Begun(now, pitch, velocity, self.program, self.count)
    self.count += 1
    self.down.setdefault(pitch, collections.deque()).append(begun)

  def let_go(self, now: float, pitch: int) -> None:
    keys = self.down.get(pitch)
    if keys:
      self._end(now, keys.popleft())

  def all_notes_off(self, now: float) -> None:
    """As if every key were let go: what a pedal holds goes on."""
    for pitch, keys in self.down.items():
      for _ in range(len(keys)):
        self.let_go(now, pitch)

  def all_sound_off(self, now: float) -> None:
    """Silence at once, pedals or not; they stay as they are."""
    for begun in [*self.held, *(begun for keys in self.down.values() for begun in keys)]:
      self._finish(now, begun)
    self.held.clear()
    self.down.clear()

  def control(self, now: float, number: int, value: int) -> None:
    if number == _SUSTAIN:
      self._set_pedals(now, value >= 64, self.sostenuto)
    elif number == _SOSTENUTO:  # What says again that it is down takes no more keys.
      latched = self.count if self.sostenuto is None else self.sostenuto
      self._set_pedals(now, self.sustain, latched if value >= 64 else None)
    elif number == _RESET_CONTROLLERS:
      self._set_pedals(now, False, None)
    elif number == _ALL_SOUND_OFF:
      self.all_sound_off(now)
    elif number in _ALL_NOTES_OFF:
      self.all_notes_off(now)

  def _set_pedals(self, now: float, sustain: bool, sostenuto: int | None) -> None:
    rises = self.sustain > sustain or (self.sostenuto is not None and sostenuto is None)
    self.sustain, self.sostenuto = sustain, sostenuto
    if rises:
      held, self.held = self.held, []
      for begun in held:
        self._end(now, begun)

  def _end(self, now: float, begun: _Begun) -> None:
    """Ends a note whose key is up, unless a pedal holds it."""
    if self.sustain or (self.sostenuto is not None and begun.number < self.sostenuto):
      self.held.append(begun)
    else:
      self._finish(now, begun)

  def _finish(self, now: float, begun: _Begun) -> None:
    self.finished.append(
      scores.Note(begun.start_s, now, begun.pitch, begun.velocity, begun.program)
    )


def collect(messages: Iterable[Any]) -> list[scores.Note]:
  """Notes of mido's messages, whose times are seconds since the one before.

  Beside notes and programs, these controllers are read: sustain (64), sostenuto (66), all sound off
  (120), reset all controllers (121), all notes off (123) and the changes of mode that imply it
  (124 to 127). Others are not, among them volume (7), expression (11), bank select (0, 32), soft
  pedal (67) and hold 2 (69); nor are pitch bend, aftertouch and system exclusive messages.

  Source: "MIDI 1.0 Detailed Specification" 4.2, and RP-015 for the reset of controllers.
  """
  now = 0.0
  found: list[scores.Note] = []
  channels = [_Channel(found) for _ in range(16)]
  for message in messages:
    now += message.time
    number = getattr(message, "channel", _DRUMS)
    if number == _DRUMS:
      continue
    channel = channels[number]
    if message.type == "program_change":
      channel.program = message.program
    elif message.type == "note_on" and message.velocity:
      channel.press(now, message.note, message.velocity)
    elif message.type in ("note_on", "note_off"):
      channel.let_go(now, message.note)
    elif message.type == "control_change":
      channel.control(now, message.control, message.value)
  for channel in channels:  # Whatever is never let go ends with the piece.
    channel.all_sound_off(now)
  return sorted(found)
