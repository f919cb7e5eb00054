"""Lead sheets as lines of JSON: notes, bars and metres, and lines that are none."""

import json

from conftest import one_line
import pytest

from cvae_jax.scores import chords
from cvae_jax.scores import lead_sheet
from cvae_jax.scores import piece as piece_lib

Q = piece_lib.TICKS


def parse(**fields):
  return lead_sheet.parse(json.dumps(fields)).piece


def rows(piece):
  return [tuple(row) for row in piece.notes[["start", "end", "pitch"]].tolist()]


def meters(piece):
  return dict(
    zip((piece.meters[0] / Q).tolist(), map(tuple, piece.meters[1].tolist()), strict=True)
  )


def test_notes_are_in_quarter_notes():
  piece = parse(melody=[[1.5, 1 / 3, 62], [0, 1, 60], [9, 2, 64]], chords=[[0, "C"]])
  assert rows(piece) == [(0, Q, 60), (720, 880, 62), (9 * Q, 11 * Q, 64)]
  assert meters(piece) == {0: (4, 4)} and piece.end == 12 * Q


def test_chord_symbols_are_read_and_move_with_an_upbeat():
  symbols = [[1, "B-7"], [0, "F"], [4.5, "Gm7/C"], [4.5, "C7"], [6, "Fine"], [20, "N.C."]]
  fields = {"melody": [[0, 4, 60]], "chords": symbols, "bar_onsets": [0, 1, 4]}
  reading = lead_sheet.parse(json.dumps({**fields, "time_signatures": [[0, "3/4"]]}))
  ticks, indices = reading.piece.chords
  assert (ticks / Q).tolist() == [2, 3, 6.5, 22]
  assert [chords.NAMES[i] for i in indices] == ["F", "Bb", "C", "N.C."]
  assert reading.remarks == ("1 chord symbols that cannot be read, such as 'Fine'",)
  assert not len(parse(melody=[[0, 1, 60]]).chords[0])


def test_an_upbeat_ends_with_a_bar_and_odd_bars_have_a_metre():
  melody = [[0, 1, 60], [1, 3, 62], [4, 2, 64], [6, 3, 65]]
  signatures = [[0, "3/4"]]
  piece = parse(melody=melody, time_signatures=signatures, bar_onsets=[0, 1, 4, 6])
  assert rows(piece) == [(960, 1440, 60), (1440, 2880, 62), (2880, 3840, 64), (3840, 5280, 65)]
  assert meters(piece) == {0: (3, 4), 6: (2, 4), 8: (3, 4)}
  # Without onsets of bars they follow from the metre.
  piece = parse(melody=melody, time_signatures=[*signatures, [6, "2/2"]])
  assert rows(piece)[0] == (0, Q, 60) and meters(piece) == {0: (3, 4), 6: (2, 2)}
  assert piece.end == 10 * Q


def test_the_metre_without_any_is_that_of_the_commonest_bar():
  piece = parse(melody=[[0, 1, 60]], bar_onsets=[0, 3, 6, 10, 13])
  assert meters(piece) == {0: (3, 4), 6: (4, 4), 10: (3, 4)}
  assert meters(parse(melody=[[0, 1, 60]], bar_onsets=[0, 1.5, 3])) == {0: (3, 8)}


@pytest.mark.parametrize(
  "line,says",
  [
    ("[1", "it is not JSON"),
    ("[" * 100_000, "it is not JSON"),
    ("[1]", "it is no lead sheet: a JSON object with a field melody"),
    ('{"notes": []}', "it is no lead sheet"),
    ('{"melody": 3}', "its melody must be a list, got 3"),
    ('{"melody": [[0, 1]]}', "its melody[0] must be [onset, duration, pitch], got [0, 1]"),
    ('{"melody": [[0, 1, 60], [0, 1, 128]]}', "the pitch of its melody[1] must be 0-127, got 128"),
    ('{"melody": [[0, 1, 60.5]]}', "the pitch of its melody[0] must be 0-127, got 60.5"),
    ('{"melody": [[NaN, 1, 60]]}', "its melody[0][0] must be 0 to 100,000 quarter notes, got nan"),
    ('{"melody": [[0, -1, 60]]}', "its melody[0][1] must be 0 to"),
    ('{"melody": [], "time_signatures": [[0, "4/5"]]}', "its time_signatures[0] must be [onset, m"),
    (
      '{"melody": [], "chords": [[0, 3]]}',
      "its chords[0] must be [onset, symbol] as [0, 'Am7'], g",
    ),
    ('{"melody": [], "chords": [[-1, "C"]]}', "its chords[0][0] must be 0 to 100,000 quarter note"),
    ('{"melody": [], "bar_onsets": [0, 4, 4]}', "its bar_onsets must increase"),
    ('{"melody": [[99999, 100000, 60]]}', "it lasts 200,000 quarter notes, and may last 100,000"),
  ],
)
def test_what_cannot_be_read_is_one_line(line, says):
  with pytest.raises(Exception) as error:
    lead_sheet.parse(line)
  assert says in one_line(error)
