"""Scores: notes, their tokenizers, MIDI output, and a simple synthesizer to render them."""

from collections.abc import Sequence
import io
from typing import NamedTuple
from typing import Protocol

import numpy as np

GRID_QPM = 120.0  # quarter notes per minute of notes on a grid of fractions of a quarter note
SAMPLE_RATE = 16_000  # of `play`, in Hz
_PERCUSSION = 9  # channel, from 0
_TICKS = 480  # per quarter note, in MIDI files that are written
_PARTIALS = (1.0, 0.5, 0.25, 0.15, 0.08)
_DECAY_S, _RELEASE_S, _ATTACK_S = 1.2, 0.05, 0.005
_PEAK = 0.89  # -1 dB


class Note(NamedTuple):
  """A note of a piece.

  Attributes:
    start_s: note-on time.
    end_s: time of the release, of the key or of the pedal that sustained it.
    pitch: MIDI number.
    velocity: 1 to 127.
    program: General MIDI program, from 0.
    is_drum: whether the pitch is a key of General MIDI's percussion.
  """

  start_s: float
  end_s: float
  pitch: int
  velocity: int = 100
  program: int = 0
  is_drum: bool = False


class Tokenizer(Protocol):
  """Converts between notes and tokens; `decode(encode(notes))` may quantise the notes.

  A tokenizer of steps that are fractions of a quarter note takes and gives notes at
  `GRID_QPM`, whatever the tempo of a piece; one of steps in seconds has `in_seconds = True`.
  """

  @property
  def size(self) -> int:
    """Number of different tokens."""

  def encode(self, notes: Sequence[Note]) -> np.ndarray:
    """Encodes notes as [L] integers, of any length."""

  def decode(self, tokens: np.ndarray) -> list[Note]:
    """Decodes any sequence of tokens to notes, sorted by start."""


def to_midi(notes: Sequence[Note], qpm: float = 120.0) -> bytes:
  """Encodes notes as a MIDI file of format 0, at a tempo in quarter notes per minute.

  Percussion is on channel 10. Up to fifteen programs have a channel each of the others; further
  programs share the last one.
  """
  import mido

  programs = sorted({note.program for note in notes if not note.is_drum})
  free_channels = [channel for channel in range(16) if channel != _PERCUSSION]
  channels = {
    program: free_channels[min(i, len(free_channels) - 1)] for i, program in enumerate(programs)
  }
  to_ticks = lambda seconds: round(seconds * qpm / 60.0 * _TICKS)
  # At the same tick, note-offs come before note-ons.
  events: list[tuple[int, int, mido.Message]] = []
  for program, channel in channels.items():
    events.append((0, 0, mido.Message("program_change", channel=channel, program=program)))
  for note in notes:
    channel = _PERCUSSION if note.is_drum else channels[note.program]
    start = to_ticks(note.start_s)
    end = max(to_ticks(note.end_s), start + 1)
    settings = dict(channel=channel, note=int(note.pitch))
    events.append((start, 2, mido.Message("note_on", velocity=int(note.velocity), **settings)))
    events.append((end, 1, mido.Message("note_off", velocity=0, **settings)))
  track = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=round(60e6 / qpm))])
  last_tick = 0
  for tick, _, message in sorted(events, key=lambda event: event[:2]):
    track.append(message.copy(time=tick - last_tick))
    last_tick = tick
  file = mido.MidiFile(type=0, ticks_per_beat=_TICKS)
  file.tracks.append(track)
  out = io.BytesIO()
  file.save(file=out)
  return out.getvalue()


def play(notes: Sequence[Note], sample_rate: int = SAMPLE_RATE) -> np.ndarray:
  """Renders notes to [T] float32, with five decaying partials each and a peak of at most -1 dB.

  Percussion is rendered by `drum_sounds`.

  Args:
    notes: to render; an empty list gives half a second of silence.
    sample_rate: in Hz.
  """
  from cvae_jax.scores import drum_sounds

  end_s = max((note.end_s for note in notes), default=0.0) + 0.5
  audio = np.zeros(int(end_s * sample_rate))
  for note in notes:
    start = int(note.start_s * sample_rate)
    if note.is_drum:
      sound = drum_sounds.render(note.pitch, sample_rate)[: max(audio.size - start, 0)]
      audio[start : start + sound.size] += (note.velocity / 127) ** 2 * sound
      continue
    duration_s = max(note.end_s - note.start_s, 0.0)
    t = np.arange(int((duration_s + 5 * _RELEASE_S) * sample_rate)) / sample_rate
    f0_hz = 440.0 * 2.0 ** ((note.pitch - 69) / 12)
    tone = sum(
      gain * np.sin(2 * np.pi * k * f0_hz * t)
      for k, gain in enumerate(_PARTIALS, 1)
      if k * f0_hz < sample_rate / 2
    )
    release = np.exp(-np.maximum(t - duration_s, 0.0) / _RELEASE_S)
    envelope = np.minimum(t / _ATTACK_S, 1.0) * np.exp(-t / _DECAY_S) * release
    segment = audio[start : start + t.size]
    segment += ((note.velocity / 127) ** 2 * tone * envelope)[: segment.size]
  peak = np.abs(audio).max(initial=0.0)
  return (audio * min(1.0, _PEAK / max(peak, 1e-9))).astype(np.float32)
