"""Reads MIDI files as parts with curves: notes, pitch bend, expression and modulation."""

from collections.abc import Iterable
from typing import Any
from typing import NamedTuple

import numpy as np

from cvae_jax import scores
from cvae_jax.core import errors
from cvae_jax.scores import midi
from cvae_jax.scores import midi_file

_DRUMS = 9  # percussion channel, from 0
_MODULATION, _DATA, _VOLUME, _EXPRESSION, _RPN_LOW, _RPN_HIGH = 1, 6, 7, 11, 100, 101
_RESET = 121
_BEND_RANGE = 2.0  # semitones, without the parameter that sets it
_BEND_STEPS = 8192.0


class Curve(NamedTuple):
  """A value that changes at moments and is held between them.

  Attributes:
    times_s: of the changes, ascending; the first is 0.
    values: from each of them on.
  """

  times_s: np.ndarray
  values: np.ndarray

  @property
  def is_constant(self) -> bool:
    """Whether it never changes."""
    return bool(np.ptp(self.values) == 0.0)

  def at(self, times_s: np.ndarray) -> np.ndarray:
    """Values at times."""
    return self.values[np.searchsorted(self.times_s, times_s, side="right") - 1]


class Part(NamedTuple):
  """What one channel plays.

  Attributes:
    notes: sorted by start.
    bend: in semitones.
    gain_db: of volume (controller 7) and expression (11).
    modulation: of controller 1, from 0 to 1.
  """

  notes: list[scores.Note]
  bend: Curve
  gain_db: Curve
  modulation: Curve


class _Track:
  """The curves of a channel while they are collected."""

  def __init__(self):
    self.changes = {"bend": [(0.0, 0.0)], "gain_db": [(0.0, 0.0)], "modulation": [(0.0, 0.0)]}
    self.parameter, self.range, self.bend = [127, 127], _BEND_RANGE, 0.0
    self.levels = {_VOLUME: 127, _EXPRESSION: 127}
    self.has_volume = False

  def add(self, now: float, message: Any) -> None:
    if message.type == "pitchwheel":
      self.bend = message.pitch / _BEND_STEPS
      self.changes["bend"].append((now, self.bend * self.range))
    elif message.type == "control_change":
      self._control(now, message.control, message.value)

  def _control(self, now, number, value):
    if number in (_RPN_HIGH, _RPN_LOW):
      self.parameter[number == _RPN_LOW] = value
    elif number == _DATA and self.parameter == [0, 0]:
      self.range = float(value)
      self.changes["bend"].append((now, self.bend * self.range))
    elif number == _MODULATION:
      self.changes["modulation"].append((now, value / 127.0))
    elif number in self.levels:
      self.levels[number] = value
      self._add_gain(now)
    elif number == _RESET:
      self.bend, self.levels[_EXPRESSION] = 0.0, 127
      self.changes["bend"].append((now, 0.0))
      self.changes["modulation"].append((now, 0.0))
      self._add_gain(now)

  def _add_gain(self, now):
    # The curve of RP-003 and of the soundfonts' standard: 40 log10.
    levels = np.maximum(np.asarray(list(self.levels.values())) / 127.0, 1e-2)
    self.changes["gain_db"].append((now, float(np.sum(40.0 * np.log10(levels)))))


def collect(messages: Iterable[Any]) -> list[Part]:
  """The parts of mido messages, whose times are seconds since the previous message.

  A channel is a part, percussion (channel 10) and channels without notes left out. The range of
  pitch bend is two semitones, or what registered parameter 0 sets.
  """
  now = 0.0
  of_channel: dict[int, list[Any]] = {}
  last_s: dict[int, float] = {}
  tracks: dict[int, _Track] = {}
  for message in messages:
    now += message.time
    number = getattr(message, "channel", _DRUMS)
    if number == _DRUMS:
      continue
    relative = message.copy(time=now - last_s.get(number, 0.0))
    last_s[number] = now
    of_channel.setdefault(number, []).append(relative)
    tracks.setdefault(number, _Track()).add(now, message)
  parts = []
  for number, channel_messages in sorted(of_channel.items()):
    notes = midi.collect(channel_messages)
    if notes:
      curves = {
        name: Curve(*(np.asarray(column) for column in zip(*changes, strict=True)))
        for name, changes in tracks[number].changes.items()
      }
      parts.append(Part(notes, **curves))
  return parts


def read_parts(path: str) -> list[Part]:
  """Reads the parts of a MIDI file; see `midi.read_notes` for what is read of notes.

  Raises:
    UserError: as `midi.read_notes`.
  """
  midi.read_notes(path)  # Its errors are those of this function.
  parts = []
  for start_s, messages in midi_file.read_parts(path):
    for part in collect(messages):
      move = lambda curve, start_s=start_s: Curve(
        np.concatenate([[0.0], curve.times_s + start_s]), np.concatenate([[0.0], curve.values])
      )
      notes = [
        note._replace(start_s=start_s + note.start_s, end_s=start_s + note.end_s)
        for note in part.notes
      ]
      parts.append(Part(notes, *(move(curve) if start_s else curve for curve in part[1:])))
  if not parts:
    raise errors.UserError(f"{path} holds no notes other than percussion")
  return parts
