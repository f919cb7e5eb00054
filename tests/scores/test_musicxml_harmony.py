"""Chord symbols of MusicXML: roots, kinds and degrees, and where they are."""

import pytest

from cvae_jax.scores import chords
from cvae_jax.scores import musicxml

NOTE = "<note><pitch><step>C</step><octave>4</octave></pitch><duration>{}</duration></note>"
FIRST = "<divisions>2</divisions><time><beats>4</beats><beat-type>4</beat-type></time>"


def harmony(root, kind="major", *degrees, alter=0, extra=""):
  """An element; degrees are (value, alter, type)."""
  text = "".join(
    f"<degree><degree-value>{value}</degree-value><degree-alter>{shift}</degree-alter>"
    f"<degree-type>{name}</degree-type></degree>"
    for value, shift, name in degrees
  )
  step = f"<root><root-step>{root}</root-step><root-alter>{alter}</root-alter></root>"
  kind = kind if kind.startswith("<") else f"<kind>{kind}</kind>"
  return f"<harmony>{step if root else ''}{kind}{text}{extra}</harmony>"


def read(*measures, attributes=""):
  """(eighth, name) of the chord symbols, and the remarks of the file."""
  elements = "".join(f"<measure>{x}</measure>" for x in measures[1:])
  text = (
    f'<score-partwise><part id="P1"><measure><attributes>{FIRST}{attributes}</attributes>'
    f"{measures[0]}</measure>{elements}</part></score-partwise>"
  )
  piece, remarks = musicxml.parse(text.encode())
  ticks, indices = piece.chords
  eighths = (2 * ticks / piece.ticks_per_quarter).tolist()
  return list(zip(eighths, (chords.NAMES[i] for i in indices), strict=True)), remarks


@pytest.mark.parametrize(
  "element,name",
  [
    (harmony("C"), "C"),
    (harmony("B", "dominant-13th", alter=-1), "Bb"),
    (harmony("C", "minor-seventh", alter=1), "C#m"),
    (harmony("F", "major-minor", alter="1.0"), "F#m"),
    (harmony("E", "half-diminished"), "Edim"),
    (harmony("E", "diminished-seventh", alter=-1), "Ebdim"),
    (harmony("G", "augmented-seventh"), "Gaug"),
    (harmony("G", "suspended-fourth"), "G"),
    (harmony("C", "power", alter=-1), "B"),
    (harmony("C", "dominant", (5, 1, "alter"), (9, -1, "add")), "Caug"),
    (harmony("C", "minor-seventh", (5, -1, "alter")), "Cdim"),
    (harmony("C", "major", (5, 0, "subtract"), (9, 0, "add")), "C"),
    (harmony("D", '<kind text="m7b5">other</kind>'), "Ddim"),
    (harmony("C", "none"), "N.C."),
    (harmony("", '<kind text="N.C.">none</kind>', extra="<function>I</function>"), "N.C."),
    (harmony("C", "minor", extra="<bass><bass-step>G</bass-step></bass>"), "Cm"),
  ],
)
def test_kinds_are_triads(element, name):
  assert read(element + NOTE.format(8)) == ([(0, name)], ())


def test_what_is_no_triad_is_a_remark():
  elements = (
    harmony("C", "Neapolitan"), harmony("", "major", extra="<function>V7</function>"),
    harmony("", "major", extra="<numeral><numeral-root>5</numeral-root></numeral>"),
    harmony("C", '<kind text="?">other</kind>'), harmony("C", alter=5), "<harmony/>",
  )  # fmt: skip
  for element in elements:
    found, remarks = read(harmony("G") + NOTE.format(4) + element + NOTE.format(4))
    assert found == [(0, "G")]
    assert len(remarks) == 1 and remarks[0].startswith("1 chord symbols that cannot be read, such")


def test_places_offsets_transposition_and_repeats():
  offset = lambda value: f"<offset>{value}</offset>"
  first = harmony("D") + harmony("E", extra=offset(3)) + NOTE.format(8) + harmony(
    "G", extra=offset(-2)
  )  # fmt: skip
  repeat = '<barline location="right"><repeat direction="backward"/></barline>'
  second = NOTE.format(4) + harmony("A", "minor") + NOTE.format(4) + repeat
  clarinet = "<transpose><chromatic>-2</chromatic></transpose>"
  found, _ = read(first, second, attributes=clarinet)
  once = [(0, "C"), (3, "D"), (6, "F"), (12, "Gm")]
  assert found == once + [(16 + start, name) for start, name in once]
