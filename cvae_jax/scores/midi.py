"""Reads the notes of MIDI files, with pedals and the controllers that end notes."""

import collections
from collections.abc import Callable
from collections.abc import Iterable
from typing import Any
from typing import NamedTuple

from cvae_jax import scores
from cvae_jax.core import errors
from cvae_jax.scores import midi_file

_DRUMS = 9  # percussion channel, from 0
# Controllers.
_SUSTAIN, _SOSTENUTO = 64, 66
_ALL_SOUND_OFF, _RESET_CONTROLLERS = 120, 121
_ALL_NOTES_OFF = (123, 124, 125, 126, 127)
_MAX_DURATION_S = 3 * 3600  # rendering takes 8 bytes per sample


def read_notes(path: str) -> list[scores.Note]:
  """Reads the notes of a MIDI file, sorted by start, without percussion.

  Supports any format, time division and tempo; damaged files are read up to the damage, see
  `midi_file`. For the supported messages see `collect`.

  Raises:
    UserError: if the file does not exist, is not a MIDI file, has no notes, or is too long.
  """
  notes = _read(path, collect)
  if not notes:
    raise errors.UserError(f"{path} holds no notes other than percussion")
  return notes


def read_percussion(path: str) -> list[scores.Note]:
  """Reads the percussion of a MIDI file, channel 10, sorted by start; pitches are its keys.

  Raises:
    UserError: if the file does not exist, is not a MIDI file, has no percussion, or is too long.
  """
  notes = _read(path, lambda messages: collect(messages, percussion=True))
  if not notes:
    raise errors.UserError(f"{path} holds no percussion: nothing is played on channel 10")
  return notes


def count_notes(path: str) -> int:
  """Number of notes of a MIDI file other than percussion.

  Raises:
    UserError: if the file does not exist, is not a MIDI file, or is too long.
  """
  return len(_read(path, collect))


def _read(path: str, collect_notes: Callable[[Iterable[Any]], list[scores.Note]]):
  notes = []
  for start_s, messages in midi_file.read_parts(path):
    notes += [
      note._replace(start_s=start_s + note.start_s, end_s=start_s + note.end_s)
      for note in collect_notes(messages)
    ]
  last_s = max((note.end_s for note in notes), default=0.0)
  if last_s > _MAX_DURATION_S:
    raise errors.UserError(
      f"{path} lasts {last_s / 3600:.1f} hours: it must be at most {_MAX_DURATION_S / 3600:.0f}"
    )
  return sorted(notes)


class _ActiveNote(NamedTuple):
  """A note that has started; `number` counts the notes of its channel."""

  start_s: float
  pitch: int
  velocity: int
  program: int
  number: int


class _Channel:
  """State of a channel's keys and pedals; notes that end are appended to `finished`."""

  def __init__(self, finished: list[scores.Note]):
    self.finished = finished
    self.program = 0
    self.sustain = False
    self.sostenuto: int | None = None  # If down, it sustains notes before this number.
    self.count = 0
    self.down: dict[int, collections.deque[_ActiveNote]] = {}
    self.held: list[_ActiveNote] = []  # sustained by a pedal

  def press(self, now: float, pitch: int, velocity: int) -> None:
    note = _ActiveNote(now, pitch, velocity, self.program, self.count)
    self.count += 1
    self.down.setdefault(pitch, collections.deque()).append(note)

  def release(self, now: float, pitch: int) -> None:
    keys = self.down.get(pitch)
    if keys:
      self._end(now, keys.popleft())

  def all_notes_off(self, now: float) -> None:
    """Releases all keys; notes that a pedal sustains continue."""
    for pitch, keys in self.down.items():
      for _ in range(len(keys)):
        self.release(now, pitch)

  def all_sound_off(self, now: float) -> None:
    """Ends all notes, regardless of pedals, whose state is kept."""
    for note in [*self.held, *(note for keys in self.down.values() for note in keys)]:
      self._finish(now, note)
    self.held.clear()
    self.down.clear()

  def control(self, now: float, number: int, value: int) -> None:
    if number == _SUSTAIN:
      self._set_pedals(now, value >= 64, self.sostenuto)
    elif number == _SOSTENUTO:  # A repeated pedal-down message captures no further keys.
      latched = self.count if self.sostenuto is None else self.sostenuto
      self._set_pedals(now, self.sustain, latched if value >= 64 else None)
    elif number == _RESET_CONTROLLERS:
      self._set_pedals(now, False, None)
    elif number == _ALL_SOUND_OFF:
      self.all_sound_off(now)
    elif number in _ALL_NOTES_OFF:
      self.all_notes_off(now)

  def _set_pedals(self, now: float, sustain: bool, sostenuto: int | None) -> None:
    is_pedal_released = self.sustain > sustain or (self.sostenuto is not None and sostenuto is None)
    self.sustain, self.sostenuto = sustain, sostenuto
    if is_pedal_released:
      sustained_notes, self.held = self.held, []
      for note in sustained_notes:
        self._end(now, note)

  def _end(self, now: float, note: _ActiveNote) -> None:
    """Ends a note whose key was released, unless a pedal sustains it."""
    if self.sustain or (self.sostenuto is not None and note.number < self.sostenuto):
      self.held.append(note)
    else:
      self._finish(now, note)

  def _finish(self, now: float, note: _ActiveNote) -> None:
    self.finished.append(scores.Note(note.start_s, now, note.pitch, note.velocity, note.program))


def collect(messages: Iterable[Any], percussion: bool = False) -> list[scores.Note]:
  """Collects notes from mido messages, whose times are seconds since the previous message.

  Supported are notes, program changes and these controllers: sustain (64), sostenuto (66), all
  sound off (120), reset all controllers (121), all notes off (123) and the mode changes that imply
  it (124 to 127). Ignored are all other controllers, among them volume (7), expression (11), bank
  select (0, 32), soft pedal (67) and hold 2 (69); and pitch bend, aftertouch and system exclusive
  messages.

  Args:
    messages: of mido.
    percussion: whether the notes are those of channel 10 alone, or of all others.

  Source: "MIDI 1.0 Detailed Specification" 4.2, and RP-015 for the reset of controllers.
  """
  now = 0.0
  notes: list[scores.Note] = []
  channels = [_Channel(notes) for _ in range(16)]
  for message in messages:
    now += message.time
    number = getattr(message, "channel", _DRUMS)
    if not hasattr(message, "channel") or (number == _DRUMS) != percussion:
      continue
    channel = channels[number]
    if message.type == "program_change":
      channel.program = message.program
    elif message.type == "note_on" and message.velocity:
      channel.press(now, message.note, message.velocity)
    elif message.type in ("note_on", "note_off"):
      channel.release(now, message.note)
    elif message.type == "control_change":
      channel.control(now, message.control, message.value)
  for channel in channels:  # Notes without a note-off end with the piece.
    channel.all_sound_off(now)
  return sorted(notes)
