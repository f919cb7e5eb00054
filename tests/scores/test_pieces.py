"""Pieces, their maps, and the reader of MIDI files that keeps bars."""

import struct

from conftest import one_line
import numpy as np
import pytest

from cvae_jax import scores
from cvae_jax.scores import grid
from cvae_jax.scores import melody
from cvae_jax.scores import midi
from cvae_jax.scores import midi_reader
from cvae_jax.scores import piece as piece_lib


def make(rows, **maps):
  """A piece of (start, end, pitch) in quarter notes, on one part."""
  q = piece_lib.TICKS
  notes = [(round(a * q), round(b * q), pitch, 100, 0, False, 0) for a, b, pitch in rows]
  return piece_lib.make_piece(notes, **maps)


def chunk(name, body):
  return name + struct.pack(">I", len(body)) + body


def midi_bytes(*tracks, kind=1, division=480):
  header = chunk(b"MThd", struct.pack(">HHh", kind, len(tracks), division))
  return header + b"".join(chunk(b"MTrk", track) for track in tracks)


END = b"\x00\xff\x2f\x00"


def rows_of(piece):
  names = ("start", "end", "pitch", "velocity")
  return list(zip(*(piece.notes[name].tolist() for name in names), strict=True))


def test_seconds_follow_the_tempo_map():
  q = piece_lib.TICKS
  piece = make([(0, 1, 60), (4, 5, 62), (6, 8, 64)], tempos=[(0, 60.0), (4 * q, 120.0)])
  notes = piece_lib.to_notes(piece)
  assert [(n.start_s, n.end_s) for n in notes] == [(0.0, 1.0), (4.0, 4.5), (5.0, 6.0)]
  assert [n.start_s for n in piece_lib.to_notes(piece, 120.0)] == [0.0, 2.0, 3.0]
  again = piece_lib.from_notes(piece_lib.to_notes(piece, 90.0), 90.0)
  assert rows_of(again) == rows_of(piece)


def test_a_piece_survives_its_midi_file():
  rng = np.random.default_rng(0)
  rows = []
  for part, (program, is_drum) in enumerate([(0, False), (33, False), (5, True)]):
    # Notes of a pitch that overlap or touch are the reader's choice: here each pitch sounds once.
    for pitch in rng.choice(np.arange(21, 109), 20, replace=False).tolist():
      start = int(rng.integers(0, 5000))
      end = start + int(rng.integers(1, 900))
      velocity = int(rng.integers(1, 128))
      rows.append((start, end, pitch, velocity, program, is_drum, part))
  piece = piece_lib.make_piece(
    rows, 96, [(0, 90.0), (500, 133.0)], [(0, 3, 4), (288, 7, 8)], end=7000
  )
  found, remarks = midi_reader.parse("x.mid", piece_lib.to_midi(piece))
  assert not remarks and found.end == piece.end and found.ticks_per_quarter == 96
  names = ["start", "pitch", "end", "velocity", "program", "is_drum"]
  as_rows = lambda x: sorted(zip(*(x.notes[name].tolist() for name in names), strict=True))
  assert as_rows(found) == as_rows(piece)
  np.testing.assert_array_equal(found.tempos[0], piece.tempos[0])
  np.testing.assert_allclose(found.tempos[1], piece.tempos[1], rtol=1e-6)
  np.testing.assert_array_equal(found.meters[1], piece.meters[1])


def test_notes_agree_with_the_reader_that_plays_them(tmp_path):
  q = piece_lib.TICKS
  piece = make(
    [(i / 3, i / 3 + 0.4, 60 + 5 * i % 12) for i in range(30)], tempos=[(0, 70.0), (q, 141.0)]
  )
  (tmp_path / "x.mid").write_bytes(piece_lib.to_midi(piece))
  played = midi.read_notes(str(tmp_path / "x.mid"))
  ours = piece_lib.to_notes(midi_reader.read(str(tmp_path / "x.mid")).piece)
  for a, b in zip(ours, played, strict=True):
    assert (a.pitch, a.velocity) == (b.pitch, b.velocity)
    assert [a.start_s, a.end_s] == pytest.approx([b.start_s, b.end_s], abs=1e-6)


def test_sections_end_where_metre_or_tempo_change():
  q = piece_lib.TICKS
  piece = make(
    [(0, 20, 60)],
    tempos=[(0, 100.0), (8 * q, 100.0), (12 * q, 80.0)],
    meters=[(0, 4, 4), (4 * q, 4, 4), (16 * q, 3, 4)],
  )
  rows = [(s.start // q, s.end // q, s.meter, s.qpm) for s in piece_lib.sections(piece)]
  assert rows == [(0, 12, (4, 4), 100.0), (12, 16, (4, 4), 80.0), (16, 20, (3, 4), 80.0)]
  rows = [(s.start // q, s.end // q) for s in piece_lib.sections(piece, split_tempo=False)]
  assert rows == [(0, 16), (16, 20)]


FAULTS = {
  # Running status, a note-on of velocity 0 as note-off, and a note without a note-off.
  "running status": (
    midi_bytes(b"\x00\x90\x3c\x64\x60\x3c\x00\x00\x3e\x64\x60\xff\x2f\x00"),
    [(0, 96, 60, 100), (96, 192, 62, 100)],
    "1 notes without a note-off",
  ),
  "overlap": (
    midi_bytes(b"\x00\x90\x3c\x64\x30\x90\x3c\x50\x30\x80\x3c\x00\x30\x80\x3c\x00" + END),
    [(0, 96, 60, 100), (48, 144, 60, 80)],
    "",
  ),
  "no length": (
    midi_bytes(b"\x00\x90\x3c\x64\x00\x80\x3c\x00" + END),
    [(0, 1, 60, 100)],
    "1 notes of no length",
  ),
  "tempo 0": (
    midi_bytes(b"\x00\xff\x51\x03\x00\x00\x00\x00\x90\x3c\x64\x10\x80\x3c\x00" + END),
    [(0, 16, 60, 100)],
    "1 tempos out of range",
  ),
  "key and metre": (
    midi_bytes(
      b"\x00\xff\x59\x02\x10\x05\x00\xff\x58\x04\x00\x02\x18\x08\x00\x90\x3c\x64\x10\x80\x3c\x00"
      + END
    ),
    [(0, 16, 60, 100)],
    "1 key signatures out of range, 1 metres out of range",
  ),
  "truncated": (
    midi_bytes(b"\x00\x90\x3c\x64\x10\x80\x3c\x00\x00\x90\x3e\x64\x81"),
    [(0, 16, 60, 100), (16, 17, 62, 100)],
    "1 damaged tracks, 1 notes without a note-off",
  ),
  "format 2": (
    midi_bytes(*[b"\x00\x90\x3c\x64\x10\x80\x3c\x00\x10\xff\x2f\x00"] * 2, kind=2),
    [(0, 16, 60, 100), (32, 48, 60, 100)],
    "2 sequences of format 2, one after another",
  ),
  "smpte": (
    midi_bytes(b"\x00\x90\x3c\x64\x14\x80\x3c\x00" + END, division=-25 * 256 + 40),
    [(0, 20, 60, 100)],
    "1 SMPTE time, without beats",
  ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_read_past_and_described(name):
  data, rows, says = FAULTS[name]
  found, remarks = midi_reader.parse(name, data)
  assert rows_of(found) == rows and ", ".join(remarks) == says
  assert found.ticks_per_quarter == (500 if name == "smpte" else 480)
  assert found.tempos[1].tolist() == [120.0] * (2 if name == "format 2" else 1)


@pytest.mark.parametrize(
  "data,says",
  [
    (b"", "it is empty"),
    (b"\0" * 64, "it begins with"),
    (b"MThd" + b"\0" * (33 * 2**20), "it is larger than 32 MB"),
    (midi_bytes(), "it has no track"),
    (midi_bytes(b"\x00\x3c"), "it is damaged, and has no note"),
    (midi_bytes(b"\xff\xff\xff\x7f\x90\x3c\x64" + END, division=1), "268,435,455 ticks of 1/1 "),
    (midi_bytes(b"\xff\xff\xff\x7f\x90\x3c\x64" * 9 + END, division=32_767), "ticks of 1/32767"),
  ],
)
def test_what_cannot_be_read_is_one_line(data, says):
  with pytest.raises(Exception) as error:
    midi_reader.parse("x.mid", data)
  assert says in one_line(error) and "x.mid" in one_line(error)


def test_random_damage_is_read_or_refused():
  piece = make([(i / 4, i / 4 + 0.5, 50 + i) for i in range(40)], meters=[(0, 3, 4)])
  whole = piece_lib.to_midi(piece)
  rng = np.random.default_rng(0)
  read = 0
  for _ in range(300):
    data = bytearray(whole)
    for at in rng.integers(0, len(data), 4):
      data[at] = rng.integers(256)
    try:
      found = midi_reader.parse("x.mid", bytes(data)).piece
    except Exception as error:
      assert "\n" not in str(error) and type(error).__name__ == "UserError"
      continue
    read += 1
    assert (found.notes["end"] > found.notes["start"]).all()
  assert read > 150


def test_the_pedal_prolongs_notes_up_to_the_next_of_the_pitch():
  # Down at 10, up at 40; 60 at 0-20, 62 at 0-5, 60 again at 30-35.
  events = [
    (0, b"\x90\x3c\x64"), (0, b"\x90\x3e\x64"), (5, b"\x80\x3e\x00"), (10, b"\xb0\x40\x7f"),
    (20, b"\x80\x3c\x00"), (30, b"\x90\x3c\x64"), (35, b"\x80\x3c\x00"), (40, b"\xb0\x40\x00"),
  ]  # fmt: skip
  track, last = b"", 0
  for tick, message in events:
    track, last = track + bytes([tick - last]) + message, tick
  data = midi_bytes(track + END)
  dry = rows_of(midi_reader.parse("x", data).piece)
  held = rows_of(midi_reader.parse("x", data, pedal=True).piece)
  assert [(a, b) for a, b, *_ in dry] == [(0, 20), (0, 5), (30, 35)]
  assert [(a, b) for a, b, *_ in held] == [(0, 30), (0, 5), (30, 40)]


def test_a_melody_is_the_highest_line_and_ends_with_a_bar_of_silence():
  rows = [(1, 3, 60), (1, 2, 67), (2, 2.5, 64), (9, 10, 62)]
  piece = make(rows)
  (section,) = piece_lib.sections(piece)
  lines = list(grid.melodies(grid.quantise(piece, section, 4), melody.Melody()))
  assert [begin for begin, _ in lines] == [0, 32]
  first = np.zeros(16, int)
  first[[4, 8, 10]] = 2 + 67 - 21, 2 + 64 - 21, melody.OFF
  assert lines[0][1].tolist() == first.tolist()
  # Without a silence of two bars it is one melody of three bars.
  ((begin, whole),) = grid.melodies(grid.quantise(piece, section, 4), melody.Melody(), gap_bars=2)
  assert (begin, len(whole)) == (0, 48)
  # Twenty-four steps a bar hold triplets.
  triplets = make([(i / 3, (i + 1) / 3, 60 + i) for i in range(12)])
  (section,) = piece_lib.sections(triplets)
  ((_, tokens),) = grid.melodies(grid.quantise(triplets, section, 6), melody.Melody())
  assert np.flatnonzero(tokens).tolist() == list(range(0, 24, 2))


def test_chord_symbols_hold_by_step_and_into_later_sections():
  q = piece_lib.TICKS
  chords = [(6 * q, 9), (q, 1), (q, 5), (2 * q + 60, 13), (12 * q, 0)]
  piece = make([(0, 16, 60)], chords=chords, tempos=[(8 * q, 90.0)])
  assert piece.chords[0].tolist() == [q, 2 * q + 60, 6 * q, 12 * q]
  first, second = piece_lib.sections(piece)
  # The symbol half a step after the ninth is at the tenth.
  expected = [0] * 4 + [5] * 5 + [13] * 15 + [9] * 8
  assert grid.chords(piece, first, 4, 32).tolist() == expected
  assert grid.chords(piece, second, 4, 32).tolist() == [9] * 16 + [0] * 16
  assert not grid.chords(make([(0, 1, 60)]), first, 4, 32).any()


def test_bars_that_are_no_whole_number_of_steps_are_refused():
  piece = make([(0, 1, 60)], meters=[(0, 7, 32)])
  (section,) = piece_lib.sections(piece)
  assert grid.bar_steps((6, 8), 4) == 12 and grid.bar_steps((4, 4), 6) == 24
  assert grid.quantise(piece, section, 4) is None


def test_a_file_is_read_on_its_own_beats(tmp_path):
  from cvae_jax.data import forms

  piece = make([(i / 2, i / 2 + 0.5, 60 + i) for i in range(8)], tempos=[(0, 73.0)])
  (tmp_path / "slow.mid").write_bytes(piece_lib.to_midi(piece))
  form = forms.Score(16, melody.Melody())
  tokens, _ = form.read(str(tmp_path / "slow.mid"))
  assert [n.start_s for n in form.tokenizer.decode(tokens)] == [i / 4 for i in range(8)]
  assert [n.pitch for n in form.tokenizer.decode(tokens)] == list(range(60, 68))
  (tmp_path / "drums.mid").write_bytes(scores.to_midi([scores.Note(0, 1, 36, is_drum=True)]))
  with pytest.raises(Exception) as error:
    form.read(str(tmp_path / "drums.mid"))
  assert "holds no notes that the tokens of this run represent" in one_line(error)
