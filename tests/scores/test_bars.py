"""Bars as they are played: repeats, ties over them, upbeats and bars of other lengths."""

from conftest import one_line
import pytest

from cvae_jax.scores import bars as bars_lib

Q = 4  # ticks per quarter note


def bar(begins=False, turns=0, endings=(), length=4 * Q, meter=(4, 4), notes=()):
  return bars_lib.Bar(list(notes), length, meter, [], begins, turns, tuple(endings))


@pytest.mark.parametrize(
  "bars,order",
  [
    ([bar(), bar()], [0, 1]),
    ([bar(), bar(turns=2), bar()], [0, 1, 0, 1, 2]),
    ([bar(), bar(True), bar(turns=3), bar()], [0, 1, 2, 1, 2, 1, 2, 3]),
    ([bar(turns=2), bar(turns=2)], [0, 0, 1, 1]),
    ([bar(True), bar(turns=2, endings=[1]), bar(endings=[2]), bar()], [0, 1, 0, 2, 3]),
    # The second ending has no sign, or is not marked.
    ([bar(), bar(turns=2, endings=[1]), bar(), bar(turns=2)], [0, 1, 0, 2, 3, 2, 3]),
    (
      [bar(), bar(turns=2, endings=[1, 2]), bar(endings=[3]), bar(), bar(turns=2)],
      [0, 1, 0, 1, 0, 2, 3, 4, 3, 4],
    ),
    # Endings of two bars, with a sign after the second one that repeats nothing.
    (
      [bar(), bar(endings=[1]), bar(turns=2, endings=[1]), bar(turns=2, endings=[2]), bar()],
      [0, 1, 2, 0, 3, 4],
    ),
    ([bar(turns=10**9)], [0] * 16),
  ],
)
def test_repeats_are_unfolded(bars, order):
  assert bars_lib.unfold(bars) == order


DC, FINE, SEGNO, DS = ("dacapo", ""), ("fine", ""), ("segno", "s"), ("dalsegno", "s")
TO_CODA, CODA = ("tocoda", "c"), ("coda", "c")


def marked(*marks, again=False, **settings):
  found = bar(**settings)
  found.marks |= set(marks)
  found.repeats_again = again
  return found


@pytest.mark.parametrize(
  "bars,order",
  [
    ([bar(), marked(DC)], [0, 1, 0, 1]),
    ([bar(), marked(FINE), marked(DC)], [0, 1, 2, 0, 1]),
    ([bar(), marked(SEGNO), marked(FINE), marked(DS), bar()], [0, 1, 2, 3, 1, 2]),
    ([bar(), marked(TO_CODA), marked(DC), marked(CODA), bar()], [0, 1, 2, 0, 1, 3, 4]),
    ([bar(), marked(SEGNO), marked(TO_CODA), bar(), marked(DS), marked(CODA)],
     [0, 1, 2, 3, 4, 1, 2, 5]),
    # After all repeats, which are not taken again unless they say so.
    ([bar(turns=2), bar(), marked(FINE, turns=2), marked(DC)], [0, 0, 1, 2, 1, 2, 3, 0, 1, 2]),
    ([marked(turns=2, again=True), marked(FINE, turns=2), marked(DC)], [0, 0, 1, 1, 2, 0, 0, 1]),
    ([bar(), marked(DC, turns=2)], [0, 1, 0, 1, 0, 1]),
    # In the last turn of the part that it is within.
    ([bar(), marked(DC), bar(turns=2), bar()], [0, 1, 2, 0, 1, 0, 1, 2, 3]),
    # With the last ending.
    ([bar(True), bar(turns=2, endings=[1]), marked(FINE, endings=[2]), bar(), marked(DC)],
     [0, 1, 0, 2, 3, 4, 0, 2]),
    ([bar(), marked(endings=[1], turns=2, again=True), marked(DC, endings=[2]), bar()],
     [0, 1, 0, 2, 0, 1, 0, 2, 3]),
    # Each once.
    ([bar(), marked(SEGNO), marked(DS), marked(DC), bar()], [0, 1, 2, 1, 2, 3, 0, 1, 2, 3, 4]),
    # What says nothing: no jump, no place to jump to, a coda that lies before.
    ([marked(CODA), marked(FINE), marked(TO_CODA), bar()], [0, 1, 2, 3]),
    ([bar(), marked(DS), bar()], [0, 1, 2]),
    ([marked(CODA), marked(TO_CODA), marked(DC)], [0, 1, 2, 0, 1, 2]),
  ],
)  # fmt: skip
def test_jumps_are_followed_once_and_after_repeats(bars, order):
  assert bars_lib.unfold(bars) == order


def make_piece(bars):
  return bars_lib.to_piece(bars, bars_lib.unfold(bars), Q)


def rows(piece):
  return [tuple(row) for row in piece.notes[["start", "end", "pitch"]].tolist()]


def test_ties_are_joined_in_the_order_of_playing():
  tied = bars_lib.Note(0, 4 * Q, 60, to_tie=True)
  held = bars_lib.Note(0, Q, 60, from_tie=True)
  bars = [
    bar(notes=[tied]),
    bar(turns=2, endings=[1], notes=[held]),
    bar(endings=[2], notes=[held]),
  ]
  assert rows(make_piece(bars)) == [(0, 20, 60), (32, 52, 60)]
  # A tie to another voice of the part is one; to another part or pitch it is none.
  assert rows(make_piece([bars[0], bar(notes=[held._replace(part=1)])])) == [(0, 20, 60)]
  other = [held._replace(part=16), held._replace(pitch=61)]
  assert rows(make_piece([bars[0], bar(notes=other)])) == [(0, 16, 60), (16, 20, 60), (16, 20, 61)]
  # The mark of its end may be missing; where another voice strikes the pitch, it tells which.
  free = held._replace(from_tie=False, length=2)
  assert rows(make_piece([bars[0], bar(notes=[free])])) == [(0, 18, 60)]
  assert rows(make_piece([bars[0], bar(notes=[free, held])])) == [(0, 20, 60), (16, 18, 60)]
  late = held._replace(start=2)
  assert rows(make_piece([bars[0], bar(notes=[late])])) == [(0, 16, 60), (18, 22, 60)]


@pytest.mark.parametrize(
  "symbols,kinds,expected",
  [
    ([[(0, 1)], [(8, 2), (0, 3)], []], [{}, {}, {}], [(0, 1), (16, 3), (24, 2)]),
    # What is written before the repeated part holds at its beginning, each time.
    ([[(0, 1)], [(8, 2)]], [{}, {"begins": True, "turns": 2}],
     [(0, 1), (24, 2), (32, 1), (40, 2)]),
    # The second ending goes on with what sounds, and not with the first ending's.
    ([[(0, 1)], [(0, 2)], []], [{}, {"turns": 2, "endings": [1]}, {"endings": [2]}],
     [(0, 1), (16, 2), (32, 1)]),
    ([[], [(4, 2)]], [{}, {"turns": 2}], [(20, 2), (32, 0), (52, 2)]),
    ([[], []], [{}, {"turns": 2}], []),
  ],
)  # fmt: skip
def test_chord_symbols_are_where_they_are_played(symbols, kinds, expected):
  bars = [bar(**settings) for settings in kinds]
  for written, chords in zip(bars, symbols, strict=True):
    written.chords.extend(chords)
  ticks, indices = make_piece(bars).chords
  assert list(zip(ticks.tolist(), indices.tolist(), strict=True)) == expected


def test_an_upbeat_ends_with_a_bar():
  piece = make_piece([bar(length=Q, notes=[bars_lib.Note(0, Q, 60)]), bar()])
  assert rows(piece) == [(12, 16, 60)] and piece.end == 32
  assert piece.meters[0].tolist() == [0]


@pytest.mark.parametrize(
  "lengths,ticks,meters",
  [
    ([16, 16], [0], [(4, 4)]),
    # Two that add up to a bar, as around a repeat sign.
    ([16, 12, 4, 16], [0], [(4, 4)]),
    ([16, 6, 16], [0, 16, 22], [(4, 4), (3, 8), (4, 4)]),
    ([16, 20, 16], [0, 16, 36], [(4, 4), (5, 4), (4, 4)]),
    ([16, 12, 12, 16], [0, 16, 40], [(4, 4), (6, 4), (4, 4)]),
    # The last one ends the piece.
    ([16, 12], [0], [(4, 4)]),
  ],
)
def test_odd_bars_keep_later_ones_on_the_grid(lengths, ticks, meters):
  piece = make_piece([bar(length=length) for length in lengths])
  assert piece.meters[0].tolist() == ticks
  assert [tuple(x) for x in piece.meters[1].tolist()] == meters


def test_what_is_too_long_is_one_line():
  notes = [bars_lib.Note(0, 1, 60)] * 20_000
  with pytest.raises(Exception) as error:
    bars_lib.unfold([bar(turns=16, notes=notes)])
  assert "more than 200,000 notes" in one_line(error)
  with pytest.raises(Exception) as error:
    make_piece([bar(notes=[bars_lib.Note(0, 10**9, 60)])])
  assert "it lasts 250,000,000 quarter notes" in one_line(error)
