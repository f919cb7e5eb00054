"""Drum patterns of sixteen steps, and their MIDI files."""

import io
from typing import NamedTuple

import numpy as np

from cvae_jax.core import errors
from cvae_jax.data import percussion

STEPS = 16  # sixteenths of a bar of 4/4
SILENT, HIT, ACCENT = 0, 1, 2
VELOCITIES = (0, 90, 127)  # of each, which are 6 dB apart (`level.velocity_to_gain`)
MAX_TRACKS = 16
MIN_BPM, MAX_BPM = 30.0, 300.0
STRAIGHT, MAX_SWING = 0.5, 0.75
_TICKS = 480  # per quarter note
_NOTE_TICKS = 60  # of a note; drums ring as long as they do
_STEPS_PER_BEAT = 4


class Track(NamedTuple):
  """A drum's steps.

  Attributes:
    key: of General MIDI's percussion.
    steps: [STEPS] of SILENT, HIT, ACCENT.
    level: gain, 0 to 1.
  """

  key: int
  steps: tuple[int, ...]
  level: float = 1.0


class Pattern(NamedTuple):
  """A bar.

  Attributes:
    tracks: from the top.
    tempo_bpm: quarter notes per minute.
    swing: share of two sixteenths that the first one takes: 0.5 is straight, 2/3 a triplet's.
  """

  tracks: tuple[Track, ...]
  tempo_bpm: float = 120.0
  swing: float = STRAIGHT

  @property
  def duration_s(self) -> float:
    """Duration of the bar."""
    return STEPS / _STEPS_PER_BEAT * 60.0 / self.tempo_bpm


class Event(NamedTuple):
  """A stroke.

  Attributes:
    start_s: time in seconds.
    key: of General MIDI's percussion.
    velocity: MIDI velocity, 1 to 127.
  """

  start_s: float
  key: int
  velocity: int


def check(pattern: Pattern) -> None:
  """Raises UserError for a pattern that cannot be played."""
  if not MIN_BPM <= pattern.tempo_bpm <= MAX_BPM:
    raise errors.UserError(
      f"the tempo must be {MIN_BPM:g} to {MAX_BPM:g} bpm, got {pattern.tempo_bpm:g}"
    )
  if not STRAIGHT <= pattern.swing <= MAX_SWING:
    raise errors.UserError(f"swing must be {STRAIGHT} to {MAX_SWING}, got {pattern.swing:g}")
  if not 1 <= len(pattern.tracks) <= MAX_TRACKS:
    raise errors.UserError(f"a pattern has 1 to {MAX_TRACKS} tracks, got {len(pattern.tracks)}")
  for number, track in enumerate(pattern.tracks, 1):
    if track.key not in percussion.KEYS:
      raise errors.UserError(
        f"track {number}: the key must be {percussion.FIRST} to {percussion.LAST}, got {track.key}"
      )
    if len(track.steps) != STEPS or not set(track.steps) <= {SILENT, HIT, ACCENT}:
      raise errors.UserError(f"track {number} must have {STEPS} steps of 0, 1 or 2 (accent)")
    if not 0.0 <= track.level <= 1.0:
      raise errors.UserError(f"track {number}: the level must be 0 to 1, got {track.level:g}")


def step_beats(swing: float) -> np.ndarray:
  """[STEPS] starts of the steps, in quarter notes: of each two, the second one is late by swing."""
  steps = np.arange(STEPS)
  return (steps // 2 + (steps % 2) * swing) * 2.0 / _STEPS_PER_BEAT


def velocity_of(step: int, level: float = 1.0) -> int:
  """MIDI velocity of a step on a track of some level; 0 if it is silent."""
  if not VELOCITIES[step] or not level:
    return 0
  return max(1, round(VELOCITIES[step] * level**0.5))  # The gain is its square.


def to_events(pattern: Pattern) -> list[Event]:
  """The strokes of a pattern, by their start.

  Raises:
    UserError: as `check`.
  """
  check(pattern)
  starts_s = step_beats(pattern.swing) * 60.0 / pattern.tempo_bpm
  events = [
    Event(float(start_s), track.key, velocity_of(step, track.level))
    for track in pattern.tracks
    for start_s, step in zip(starts_s, track.steps, strict=True)
  ]
  return sorted(event for event in events if event.velocity)


def to_midi(pattern: Pattern, bars: int = 1, title: str = "drums") -> bytes:
  """Encodes a pattern as a MIDI file of format 0 on channel 10, which ends with its last bar.

  Swing is in the times and accents in the velocities.

  Args:
    pattern: to be repeated.
    bars: how often.
    title: of the track.

  Raises:
    UserError: as `check`, or for a number of bars below 1.
  """
  import mido

  check(pattern)
  if bars < 1:
    raise errors.UserError(f"the number of bars must be 1 or more, got {bars}")
  bar_ticks = STEPS // _STEPS_PER_BEAT * _TICKS
  starts = [round(beat * _TICKS) for beat in step_beats(pattern.swing)]
  messages: list[tuple[int, int, mido.Message]] = []
  for bar in range(bars):
    for track in pattern.tracks:
      for start, step in zip(starts, track.steps, strict=True):
        velocity = velocity_of(step, track.level)
        if velocity:
          tick, note = bar * bar_ticks + start, dict(channel=percussion.CHANNEL, note=track.key)
          messages.append((tick, 1, mido.Message("note_on", velocity=velocity, **note)))
          messages.append((tick + _NOTE_TICKS, 0, mido.Message("note_off", **note)))
  track_out = mido.MidiTrack(
    [
      mido.MetaMessage("track_name", name=title),
      mido.MetaMessage("set_tempo", tempo=round(60e6 / pattern.tempo_bpm)),
      mido.MetaMessage("time_signature", numerator=4, denominator=4),
    ]
  )
  last = 0
  for tick, _, message in sorted(messages, key=lambda item: item[:2]):
    track_out.append(message.copy(time=tick - last))
    last = tick
  track_out.append(mido.MetaMessage("end_of_track", time=max(0, bars * bar_ticks - last)))
  file = mido.MidiFile(type=0, ticks_per_beat=_TICKS)
  file.tracks.append(track_out)
  out = io.BytesIO()
  file.save(file=out)
  return out.getvalue()
