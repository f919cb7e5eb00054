"""Pieces: notes in ticks, with maps of tempos, metres and chord symbols, as arrays.

A tick is a fraction of a quarter note, so that the positions of notes in bars do not depend on the
tempo. Readers (`midi_reader`, `abc_notation`, `musicxml`, `kern`, `lead_sheet`) make pieces, `grid`
quantises them for tokenizers, and `to_notes` gives the notes of a piece in seconds.
"""

from collections.abc import Iterator
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from cvae_jax import scores

TICKS = 480  # per quarter note, of pieces that are made here; sixteenths and triplets are whole
DEFAULT_QPM, DEFAULT_METER = 120.0, (4, 4)  # of MIDI files without any
LAST_PITCH = 127
NO_SYMBOLS = (np.zeros(0, np.int64), np.zeros(0, np.int8))

# A note: its ticks, MIDI numbers, and the track and channel that it is from (track * 16 + channel).
NOTE = np.dtype(
  [
    ("start", np.int32), ("end", np.int32), ("pitch", np.int16), ("velocity", np.int16),
    ("program", np.int16), ("is_drum", np.bool_), ("part", np.int32),
  ]
)  # fmt: skip


class Piece(NamedTuple):
  """A score.

  Attributes:
    notes: [M] of `NOTE`, sorted by start, then pitch.
    ticks_per_quarter: resolution.
    tempos: [K] ticks and [K] quarter notes per minute from there on; the first tick is 0.
    meters: [J] ticks and [J, 2] numerators and denominators from there on; the first tick is 0.
    end: last tick.
    chords: [C] ticks, increasing, and [C] int8 indices into `chords.NAMES` that hold from there on,
      of the chord symbols of a score; none before the first, and none of files without symbols.
  """

  notes: np.ndarray
  ticks_per_quarter: int
  tempos: tuple[np.ndarray, np.ndarray]
  meters: tuple[np.ndarray, np.ndarray]
  end: int
  chords: tuple[np.ndarray, np.ndarray] = NO_SYMBOLS


class Reading(NamedTuple):
  """A piece, and what was wrong with its file.

  Attributes:
    piece: notes and maps.
    remarks: faults that were read past, in words.
  """

  piece: Piece
  remarks: tuple[str, ...]


class Section(NamedTuple):
  """A part of a piece with one metre and one tempo.

  Attributes:
    start: first tick.
    end: tick after the last.
    meter: numerator and denominator.
    qpm: tempo, in quarter notes per minute.
  """

  start: int
  end: int
  meter: tuple[int, int]
  qpm: float


def make_piece(
  rows: np.ndarray | Sequence[tuple[int, int, int, int, int, bool, int]],
  ticks_per_quarter: int = TICKS,
  tempos: Sequence[tuple[int, float]] = (),
  meters: Sequence[tuple[int, int, int]] = (),
  end: int = 0,
  chords: Sequence[tuple[int, int]] = (),
) -> Piece:
  """Makes a piece of rows.

  Args:
    rows: notes: an array of `NOTE`, or tuples in its order.
    ticks_per_quarter: resolution.
    tempos: (tick, quarter notes per minute), in any order; of several at a tick the last counts.
    meters: (tick, numerator, denominator), likewise.
    end: last tick, if it is after the last note.
    chords: (tick, index into `chords.NAMES`) of chord symbols, as the tempos.
  """
  notes = np.asarray(rows, NOTE)
  notes = notes[np.argsort(notes["start"].astype(np.int64) << 7 | notes["pitch"], kind="stable")]
  tempo_at = {0: DEFAULT_QPM} | dict(sorted(tempos, key=lambda row: row[0]))
  meter_at = {0: DEFAULT_METER} | {
    tick: (top, bottom) for tick, top, bottom in sorted(meters, key=lambda row: row[0])
  }
  chord_at = dict(sorted(chords, key=lambda row: row[0]))
  ticks = lambda changes: np.fromiter(changes, np.int64, len(changes))
  return Piece(
    notes,
    ticks_per_quarter,
    (ticks(tempo_at), np.asarray(list(tempo_at.values()), np.float64)),
    (ticks(meter_at), np.asarray(list(meter_at.values()), np.int64)),
    int(max(end, notes["end"].max(initial=0))),
    (ticks(chord_at), np.asarray(list(chord_at.values()), np.int8)),
  )


def to_seconds(piece: Piece, ticks: np.ndarray) -> np.ndarray:
  """Times of ticks in seconds by the tempo map, of the same shape."""
  starts, qpm = piece.tempos
  per_tick = 60.0 / (qpm * piece.ticks_per_quarter)
  starts_s = np.concatenate([[0.0], np.cumsum(np.diff(starts) * per_tick[:-1])])
  row = np.maximum(np.searchsorted(starts, ticks, "right") - 1, 0)
  return starts_s[row] + (ticks - starts[row]) * per_tick[row]


def to_notes(piece: Piece, qpm: float | None = None) -> list[scores.Note]:
  """The notes of a piece in seconds, sorted.

  Args:
    piece: with notes in ticks.
    qpm: one tempo for the whole piece, in quarter notes per minute; None for its tempo map.
  """
  notes = piece.notes
  if qpm is not None:
    piece = piece._replace(tempos=(np.zeros(1, np.int64), np.asarray([qpm])))
  starts, ends = (to_seconds(piece, notes[name]).tolist() for name in ("start", "end"))
  names = ("pitch", "velocity", "program", "is_drum")
  columns = [notes[name].tolist() for name in names]
  return sorted(map(scores.Note, starts, ends, *columns))


def from_notes(notes: Sequence[scores.Note], qpm: float = DEFAULT_QPM) -> Piece:
  """A piece of one tempo with a part for each program, of notes in seconds; ticks are rounded."""
  programs = sorted({(note.is_drum, note.program) for note in notes})
  to_tick = lambda seconds: round(seconds * qpm / 60.0 * TICKS)
  rows = [
    (
      to_tick(x.start_s), max(to_tick(x.end_s), to_tick(x.start_s) + 1), x.pitch, x.velocity,
      x.program, x.is_drum, programs.index((x.is_drum, x.program)),
    )
    for x in notes
  ]  # fmt: skip
  return make_piece(rows, tempos=[(0, qpm)])


def sections(piece: Piece, split_tempo: bool = True) -> Iterator[Section]:
  """Splits a piece where its metre or its tempo changes; a repeated value is no change.

  Source: MusicVAE (Roberts et al. 2018), which splits files at tempo and time signature changes.

  Args:
    piece: with its maps.
    split_tempo: whether tempo changes split as well.
  """
  tempo_ticks, qpm = piece.tempos
  meter_ticks, meters = piece.meters
  ticks = np.union1d(meter_ticks, tempo_ticks if split_tempo else tempo_ticks[:1])
  ticks = ticks[ticks < max(piece.end, 1)]
  rows = [np.searchsorted(x, ticks, "right") - 1 for x in (meter_ticks, tempo_ticks)]
  values = [
    ((int(meters[i, 0]), int(meters[i, 1])), float(qpm[j])) for i, j in zip(*rows, strict=True)
  ]
  same = lambda a, b: a == b if split_tempo else a[0] == b[0]
  first = 0
  for i in range(1, len(ticks) + 1):
    if i == len(ticks) or not same(values[i], values[first]):
      end = piece.end if i == len(ticks) else int(ticks[i])
      yield Section(int(ticks[first]), end, *values[first])
      first = i


def to_midi(piece: Piece) -> bytes:
  """Encodes a piece as a MIDI file of format 1: its maps in a track, then one for each part.

  Ticks, tempos, metres, velocities and programs are kept, chord symbols are not. Percussion is on
  channel 10.
  """
  import io

  import mido

  file = mido.MidiFile(type=1, ticks_per_beat=piece.ticks_per_quarter)
  maps: list[tuple[int, int, mido.MetaMessage]] = []
  for tick, qpm in zip(*(x.tolist() for x in piece.tempos), strict=True):
    maps.append((tick, 0, mido.MetaMessage("set_tempo", tempo=round(60e6 / qpm))))
  for tick, (top, bottom) in zip(*(x.tolist() for x in piece.meters), strict=True):
    message = mido.MetaMessage("time_signature", numerator=top, denominator=bottom)
    maps.append((tick, 0, message))
  _add_track(file, maps, piece.end)
  free_channels = [channel for channel in range(16) if channel != 9]
  names = ("start", "end", "pitch", "velocity")
  for number, part in enumerate(np.unique(piece.notes["part"])):
    notes = piece.notes[piece.notes["part"] == part]
    channel = 9 if notes["is_drum"][0] else free_channels[number % len(free_channels)]
    program = int(notes["program"][0])
    change = mido.Message("program_change", channel=channel, program=program)
    events: list[tuple[int, int, mido.Message]] = [(0, 0, change)]
    for start, end, pitch, velocity in zip(*(notes[n].tolist() for n in names), strict=True):
      key = {"channel": channel, "note": pitch}
      events.append((start, 2, mido.Message("note_on", velocity=velocity, **key)))
      events.append((end, 1, mido.Message("note_off", velocity=0, **key)))
    _add_track(file, events, piece.end)
  out = io.BytesIO()
  file.save(file=out)
  return out.getvalue()


def _add_track(file, events, end: int) -> None:
  """Appends a track of (tick, order at a tick, message) to a file of mido."""
  import mido

  track, last = mido.MidiTrack(), 0
  for tick, _, message in sorted(events, key=lambda event: event[:2]):
    track.append(message.copy(time=tick - last))
    last = tick
  track.append(mido.MetaMessage("end_of_track", time=max(end - last, 0)))
  file.tracks.append(track)
