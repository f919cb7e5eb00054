"""ABC notation: closed forms of each element, and a tune known by heart."""

from conftest import one_line
import pytest

from cvae_jax.scores import abc_notation
from cvae_jax.scores import chords

HEADER = "X:1\nT:Test\nM:4/4\nL:1/8\nK:C\n"


def notes_of(body, header=HEADER):
  """(start in eighths, length in eighths, pitch) of a tune's notes."""
  (tune,) = abc_notation.read(header + body)
  if isinstance(tune, Exception):
    raise tune
  notes = tune.piece.notes
  rows = zip(*(notes[name].tolist() for name in ("start", "end", "pitch")), strict=True)
  return [(start / 240, (end - start) / 240, pitch) for start, end, pitch in rows]


def pitches(body, header=HEADER):
  return [pitch for *_, pitch in notes_of(body, header)]


@pytest.mark.parametrize(
  "body,expected",
  [
    ("C2 D E/ F/ G3 z|", [(0, 2, 60), (2, 1, 62), (3, 0.5, 64), (3.5, 0.5, 65), (4, 3, 67)]),
    ("C, c c' B,3/2 z/ x2 A// z3/4 |", [
      (0, 1, 48), (1, 1, 72), (2, 1, 84), (3, 1.5, 59), (7, 0.25, 69),
    ]),
    ("(3CDE F2 (3:2:2GA B2 c2|", [
      (0, 2 / 3, 60), (2 / 3, 2 / 3, 62), (4 / 3, 2 / 3, 64), (2, 2, 65), (4, 2 / 3, 67),
      (14 / 3, 2 / 3, 69), (16 / 3, 2, 71), (22 / 3, 2, 72),
    ]),
    ("C>D E<<F G4|", [(0, 1.5, 60), (1.5, 0.5, 62), (2, 0.25, 64), (2.25, 1.75, 65), (4, 4, 67)]),
    ("[CE]2 [EG2c]2 z4|", [(0, 2, 60), (0, 2, 64), (2, 2, 64), (2, 2, 67), (2, 2, 72)]),
    ("C4- C4 | C2-D2 [CE]4-|[CE]8|", [
      (0, 8, 60), (8, 2, 60), (10, 2, 62), (12, 12, 60), (12, 12, 64),
    ]),
    ("G2 | C8 |", [(6, 2, 67), (8, 8, 60)]),  # An upbeat ends with its bar.
    ("Z2 C8|", [(16, 8, 60)]),
    ('"Am7"!trill!{cd}C4 ~D4 % E8\n|', [(0, 4, 60), (4, 4, 62)]),
  ],
)  # fmt: skip
def test_lengths(body, expected):
  found = notes_of(body)
  assert len(found) == len(expected)
  for a, b in zip(found, expected, strict=True):
    assert a == pytest.approx(b, abs=2 / 240)


@pytest.mark.parametrize(
  "key,body,expected",
  [
    ("G", "FfB", [66, 78, 71]),
    ("Bb", "BEA", [70, 63, 69]),
    ("Ador", "Fcf", [66, 72, 78]),
    ("Em", "FC", [66, 60]),
    ("D mixolydian", "FC", [66, 60]),
    ("Cm", "EAB=E", [63, 68, 70, 64]),
    ("HP", "cfg", [73, 78, 79]),
    ("D exp ^c =f", "cF", [73, 65]),
    ("none", "F", [65]),
    # An accidental lasts for its bar, in every octave.
    ("C", "^F f F|F __B^^G=F", [66, 78, 66, 65, 69, 69, 65]),
    ("C", "C[K:A]CF|[M:3/4][L:1/4]G", [60, 61, 66, 68]),
  ],
)
def test_keys_and_accidentals(key, body, expected):
  assert pitches(body, HEADER.replace("K:C", f"K:{key}")) == expected


@pytest.mark.parametrize(
  "body,letters",
  [
    ("|:A8|B8:|c8|", "ABABc"),
    ("A8|B8:|c8||", "ABABc"),
    ("|:A8|1B8:|2c8||d8|", "ABAcd"),
    ("|:A8|[1B8:|[2c8|]d8|", "ABAcd"),
    ("|:A8|1B8:|\n[2c8||d8:|", "ABAcdd"),
    ("|:A8::B8:|", "AABB"),
    ("A8:|\n|:B8:|c8", "AABBc"),
    ("A8:||:B8:|", "AABB"),
    ("|:A8|1B8:|2c8|:d8|e8:|", "ABAcdede"),
  ],
)
def test_repeats_are_unfolded(body, letters):
  names = {69: "A", 71: "B", 72: "c", 74: "d", 76: "e"}
  assert "".join(names[p] for p in pitches(body)) == letters


def symbols_of(body):
  """(eighth, name) of the chord symbols of a tune, and its remarks."""
  tune = abc_notation.parse("1", HEADER.partition("\n")[2] + body)
  ticks, indices = tune.piece.chords
  names = [chords.NAMES[i] for i in indices]
  return list(zip((ticks / 240).tolist(), names, strict=True)), tune.remarks


@pytest.mark.parametrize(
  "body,expected",
  [
    ('"Am7"A4 "B-7"[Bd]4|z2"F#dim/A"c2"N.C."d4|',
     [(0, "Am"), (4, "Bm"), (10, "F#dim"), (12, "N.C.")]),
    ('"^slow""C"C4"_x""<x"">x""@1,2 x"" "D4|', [(0, "C")]),
    ('"C"G2|"F"A8|', [(6, "C"), (8, "F")]),  # An upbeat.
    ('"C""G"G8|', [(0, "G")]),  # Of two at a place, the last one.
    ("A8|", []),
    # A repetition begins with what is written before it, and an ending goes on with what sounds.
    ('"C"A8|:B8|"F"A8:|"G"c8|', [(0, "C"), (16, "F"), (24, "C"), (32, "F"), (40, "G")]),
    ('|:"C"A8|1"G"B8:|2c8|"F"d8|', [(0, "C"), (8, "G"), (16, "C"), (32, "F")]),
    ('A8|"F"A8:|', [(8, "F"), (16, "N.C."), (24, "F")]),
    ('V:1\nA8|"F"A8|\nV:2\n"C"C8|C4"G"C4|', [(0, "C"), (8, "F"), (12, "G")]),
  ],
)  # fmt: skip
def test_chord_symbols_are_where_they_are_played(body, expected):
  assert symbols_of(body) == (expected, ())


def test_symbols_that_cannot_be_read_are_counted():
  found, remarks = symbols_of('"C"A4"Fine"A4|"Xyz"B4"G"B4|')
  assert found == [(0, "C"), (12, "G")]
  assert remarks == ("2 chord symbols that cannot be read, such as 'Fine'",)


def test_maps_voices_and_tunes():
  text = (
    "X:4\nT:One\nM:6/8\nQ:3/8=60\nK:D\nDEF G3|[M:9/8]A3 B3 c3|\n\n"
    "X:5\nT:Two\nM:C|\nK:G\nV:1\nG4 A4|\nV:2\n[V:2]B,8|\nw:words\n"
  )
  one, two = abc_notation.read(text)
  assert (one.number, one.title) == ("4", "One")
  assert one.piece.meters[0].tolist() == [0, 1440]
  assert one.piece.meters[1].tolist() == [[6, 8], [9, 8]]
  assert one.piece.tempos[1].tolist() == [90.0]
  assert two.piece.meters[1].tolist() == [[2, 2]]
  assert two.piece.notes["part"].tolist() == [1, 0, 0]
  assert two.piece.notes["pitch"].tolist() == [59, 67, 69]


def test_a_known_tune():
  body = "C C G G | A A G2 | F F E E | D D C2 |]"
  assert pitches(body, "X:1\nM:4/4\nL:1/4\nK:C\n") == [
    60, 60, 67, 67, 69, 69, 67, 65, 65, 64, 64, 62, 62, 60
  ]  # fmt: skip


@pytest.mark.parametrize(
  "text,says",
  [
    ("X:1\nT:x\nCDE|", "it has no field K:"),
    ("X:1\nM:4/5\nK:C\nC|", "M:4/5 is no metre"),
    ("X:1\nL:x\nK:C\nC|", "L:x is no note length"),
    ("X:1\nK:C\n" + "|:" + "C" * 200_001 + ":|", "it has more than 200,000 notes"),
  ],
)
def test_what_cannot_be_read_is_one_line(text, says):
  (error,) = abc_notation.read(text)
  with pytest.raises(Exception) as raised:
    raise error
  assert says in one_line(raised)
