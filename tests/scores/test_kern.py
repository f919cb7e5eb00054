"""Humdrum's **kern: each element in a file of a few lines, and files that are none."""

from conftest import one_line
import pytest

from cvae_jax.scores import kern


def parse(text, **settings):
  """Parses lines of columns between spaces of two or more."""
  lines = [line.strip() for line in text.strip().split("\n")]
  tabs = "\n".join("\t".join(x.strip() for x in line.split("  ") if x) for line in lines)
  return kern.parse(tabs, **settings)


def rows(reading):
  """(start, length, pitch) in quarter notes."""
  notes, unit = reading.piece.notes, reading.piece.ticks_per_quarter
  columns = (notes[name].tolist() for name in ("start", "end", "pitch"))
  return [(a / unit, (b - a) / unit, pitch) for a, b, pitch in zip(*columns, strict=True)]


def line_of(*tokens):
  """Notes of a file of one spine."""
  return rows(kern.parse("\n".join(["**kern", *tokens, "*-"])))


@pytest.mark.parametrize(
  "tokens,expected",
  [
    (["4c", "8cc", "8C", "4CC", "4ccc#"],
     [(0, 1, 60), (1, 0.5, 72), (1.5, 0.5, 48), (2, 1, 36), (3, 1, 85)]),
    (["4e-", "4b--", "4f##", "4gn"], [(0, 1, 63), (1, 1, 69), (2, 1, 67), (3, 1, 67)]),
    (["4.c", "8..d", "32e", "2r", "1f"], [(0, 1.5, 60), (1.5, 0.875, 62), (2.375, 0.125, 64),
                                          (4.5, 4, 65)]),
    (["0c", "00d", "1%2e", "3%2f", "12g"],
     [(0, 8, 60), (8, 16, 62), (24, 8, 64), (32, 8 / 3, 65), (104 / 3, 1 / 3, 67)]),
    # Beams, slurs, stems and fermatas; a grace note; a chord, whose second note has no length.
    (["(8cL/", "8d)J;", "8qe", "4c 4e g"], [(0, 0.5, 60), (0.5, 0.5, 62), (1, 1, 60), (1, 1, 64),
                                            (1, 1, 67)]),
    (["[2c", "=2", "2c_", "=3", "4c]", "4c"], [(0, 5, 60), (5, 1, 60)]),
    (["[4c [4e", "4c] 4e"], [(0, 2, 60), (0, 2, 64)]),
    (["[4c 4e", "4c] 4e"], [(0, 2, 60), (0, 1, 64), (1, 1, 64)]),
    (["4rcc", "4c"], [(1, 1, 60)]),
  ],
)  # fmt: skip
def test_notes(tokens, expected):
  found = line_of(*tokens)
  assert len(found) == len(expected)
  for a, b in zip(found, expected, strict=True):
    assert a == pytest.approx(b, abs=1e-9)


def test_spines_go_on_at_their_own_times():
  reading = parse(
    """
    !!!OTL: a title
    **kern  **text  **kern
    *M3/4  *  *M3/4
    ! left  !  ! right
    =1  =1  =1
    2C  la  8e
    .  .  8f
    .  lo  4g
    4D  .  4a
    =2  =2  =2
    2.C  .  4.e
    .  .  4.f
    *-  *-  *-
    """
  )
  assert rows(reading) == [
    (0, 2, 48), (0, 0.5, 64), (0.5, 0.5, 65), (1, 1, 67), (2, 1, 50), (2, 1, 69), (3, 3, 48),
    (3, 1.5, 64), (4.5, 1.5, 65),
  ]  # fmt: skip
  assert sorted(set(reading.piece.notes["part"].tolist())) == [0, 32]
  assert reading.piece.meters[1].tolist() == [[3, 4]] and reading.piece.end == 6 * 2  # eighths


def test_spines_split_join_and_change_places():
  reading = parse(
    """
    **kern  **kern
    2C  2c
    *^  *
    2D  4d  2e
    .  4f  .
    *v  *v  *
    *x  *x
    4g  4C
    *+  *
    *  **kern  *
    4a  4aa  4D
    *-  *-  *-
    """
  )
  assert rows(reading) == [
    (0, 2, 48), (0, 2, 60), (2, 2, 50), (2, 1, 62), (2, 2, 64), (3, 1, 65), (4, 1, 48), (4, 1, 67),
    (5, 1, 50), (5, 1, 69), (5, 1, 81),
  ]  # fmt: skip
  by_pitch = dict(zip(*(reading.piece.notes[x].tolist() for x in ("pitch", "part")), strict=True))
  assert by_pitch[50] == 0 and by_pitch[62] == 1 and by_pitch[64] == by_pitch[69] == 16
  assert by_pitch[81] == 32


SECTIONS = [
  "*M4/4",
  "*>[A,B,A,C]",
  "*>norep[A,C]",
  "*>A",
  "1c",
  "=:|!",
  "*>B",
  "1d",
  "=",
  "*>C",
  "1e",
]


def test_sections_follow_the_expansion_list():
  pitches = lambda *tokens, **settings: [
    pitch for *_, pitch in rows(kern.parse("\n".join(["**kern", *tokens, "*-"]), **settings))
  ]
  assert pitches(*SECTIONS) == [60, 62, 60, 64]
  assert pitches(*SECTIONS, unfold=False) == [60, 62, 64]
  # Without a list, or with one of other names, repeat signs are played.
  assert pitches("*>[X]", *SECTIONS[3:]) == [60, 60, 62, 64]
  assert pitches("1c", "=!|:", "1d", "=:|!|:", "1e", "=:|!", "1f") == [60, 62, 62, 64, 64, 65]


def test_maps_and_an_upbeat():
  reading = kern.parse(
    "**kern\n*M3/4\n*MM90.5\n*ITrd1c2\n4c\n=1\n4d\n*MM60\n2e\n=2\n*M2/4\n2f\n==\n*-\n"
  )
  assert rows(reading) == [(2, 1, 60), (3, 1, 62), (4, 2, 64), (6, 2, 65)]
  piece = reading.piece
  unit = piece.ticks_per_quarter
  assert (piece.meters[0] / unit).tolist() == [0, 6]
  assert piece.meters[1].tolist() == [[3, 4], [2, 4]]
  assert (piece.tempos[0] / unit).tolist() == [0, 4] and piece.tempos[1].tolist() == [90.5, 60]


def test_a_note_over_a_bar_line_leaves_bars_as_they_are():
  reading = parse(
    "**kern  **kern\n*M2/4  *M2/4\n=1  =1\n4C  2c\n2D  .\n=2  =2\n.  4d\n4E  4e\n=  =\n*-  *-"
  )
  assert rows(reading) == [(0, 1, 48), (0, 2, 60), (1, 2, 50), (2, 1, 62), (3, 1, 52), (3, 1, 64)]
  assert reading.piece.meters[1].tolist() == [[2, 4]]


def test_percussion_is_left_out_and_said():
  reading = kern.parse("**kern\n*clefX\n4c\n4rc\n4c\n*-")
  assert not len(reading.piece.notes)
  assert reading.remarks == ("2 percussion notes, which are left out",)


@pytest.mark.parametrize(
  "text,says",
  [
    ("", "it has no spine **kern"),
    ("**text\nla\n*-", "it has no spine **kern"),
    ("**kern\t**kern\n4c\n", "line 2 has 1 columns, where there are 2 spines"),
    ("**kern\n" + "*^\n*^\t*^\n4c\t4c\n", "line 4 has 2 columns, where there are 4 spines"),
    ("**kern\n*>[" + "A," * 200_001 + "]\n*>A\n1c\n", "more than 200,000 bars"),
    ("**kern\n" + "000c\n" * 3_200, "it lasts 102,400 quarter notes"),
  ],
)
def test_what_cannot_be_read_is_one_line(text, says):
  with pytest.raises(Exception) as error:
    kern.parse(text)
  assert says in one_line(error)
