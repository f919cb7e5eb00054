"""Scores: notes in time, the tokens that stand for them, and a plain sound to hear them by."""

from collections.abc import Sequence
import io
from typing import NamedTuple
from typing import Protocol

import numpy as np

SAMPLE_RATE = 16_000  # of `play`, in Hz
_TICKS = 480  # of a quarter note, in the MIDI files that are written
_PARTIALS = (1.0, 0.5, 0.25, 0.15, 0.08)
_DECAY_S, _RELEASE_S, _ATTACK_S = 1.2, 0.05, 0.005
_PEAK = 0.89  # -1 dB


class Note(NamedTuple):
  """A note of a piece.

  Attributes:
    start_s: when its key goes down.
    end_s: when it is released: by the key, or by the pedal that held it.
    pitch: MIDI number.
    velocity: 1 to 127.
    program: General MIDI's, from 0.
  """

  start_s: float
  end_s: float
  pitch: int
  velocity: int = 100
  program: int = 0


class Tokenizer(Protocol):
  """Tokens that stand for notes; `decode` after `encode` gives what the tokens can express."""

  @property
  def size(self) -> int:
    """How many tokens there are."""

  def encode(self, notes: Sequence[Note]) -> np.ndarray:
    """[L] integers, of any length."""

  def decode(self, tokens: np.ndarray) -> list[Note]:
    """Notes by their start; any sequence of tokens is one."""


def to_midi(notes: Sequence[Note], qpm: float = 120.0) -> bytes:
  """A MIDI file of format 0 with the notes, at a tempo in quarters a minute.

  Up to fifteen programs have a channel each, channel 10 left out; more share the last.
  """
  import mido

  programs = sorted({note.program for note in notes})
  free = [channel for channel in range(16) if channel != 9]
  channels = {program: free[min(i, len(free) - 1)] for i, program in enumerate(programs)}
  to_ticks = lambda seconds: round(seconds * qpm / 60.0 * _TICKS)
  # At one moment what ends comes before what begins.
  events: list[tuple[int, int, mido.Message]] = []
  for program, channel in channels.items():
    events.append((0, 0, mido.Message("program_change", channel=channel, program=program)))
  for note in notes:
    channel, start = channels[note.program], to_ticks(note.start_s)
    end = max(to_ticks(note.end_s), start + 1)
    settings = dict(channel=channel, note=int(note.pitch))
    events.append((start, 2, mido.Message("note_on", velocity=int(note.velocity), **settings)))
    events.append((end, 1, mido.Message("note_off", velocity=0, **settings)))
  track = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=round(60e6 / qpm))])
  now = 0
  for tick, _, message in sorted(events, key=lambda event: event[:2]):
    track.append(message.copy(time=tick - now))
    now = tick
  file = mido.MidiFile(type=0, ticks_per_beat=_TICKS)
  file.tracks.append(track)
  out = io.BytesIO()
  file.save(file=out)
  return out.getvalue()


def play(notes: Sequence[Note], sample_rate: int = SAMPLE_RATE) -> np.ndarray:
  """What notes sound like: [T] float32, five decaying partials each, no louder than -1 dB.

  Args:
    notes: of a piece; without any, half a second of silence.
    sample_rate: in Hz.
  """
  end_s = max((note.end_s for note in notes), default=0.0) + 0.5
  audio = np.zeros(int(end_s * sample_rate))
  for note in notes:
    duration_s = max(note.end_s - note.start_s, 0.0)
    t = np.arange(int((duration_s + 5 * _RELEASE_S) * sample_rate)) / sample_rate
    f0_hz = 440.0 * 2.0 ** ((note.pitch - 69) / 12)
    tone = sum(
      gain * np.sin(2 * np.pi * k * f0_hz * t)
      for k, gain in enumerate(_PARTIALS, 1)
      if k * f0_hz < sample_rate / 2
    )
    released = np.exp(-np.maximum(t - duration_s, 0.0) / _RELEASE_S)
    envelope = np.minimum(t / _ATTACK_S, 1.0) * np.exp(-t / _DECAY_S) * released
    start = int(note.start_s * sample_rate)
    room = audio[start : start + t.size]
    room += ((note.velocity / 127) ** 2 * tone * envelope)[: room.size]
  peak = np.abs(audio).max(initial=0.0)
  return (audio * min(1.0, _PEAK / max(peak, 1e-9))).astype(np.float32)
