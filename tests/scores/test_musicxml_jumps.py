"""Jumps of MusicXML: da capo, dal segno, fine and coda, beside music21's expansion."""

import pytest

from cvae_jax.scores import musicxml

STEPS = "CDEFGAB"
PLAIN = "<direction-type><words>{}</words></direction-type>"
SEGNO = '<direction><direction-type><segno/></direction-type><sound segno="s"/></direction>'
CODA = '<direction><direction-type><coda/></direction-type><sound coda="c"/></direction>'
FORWARD = '<barline location="left"><repeat direction="forward"/></barline>'
BACKWARD = '<barline location="right"><repeat direction="backward"/></barline>'
AGAIN = BACKWARD.replace("/></bar", ' after-jump="yes"/></bar')


def words(text, sound):
  return f"<direction>{PLAIN.format(text)}<sound {sound}/></direction>"


FINE = words("Fine", 'fine="yes"')
DC_FINE = words("D.C. al Fine", 'dacapo="yes"')
DS_FINE = words("D.S. al Fine", 'dalsegno="s"')
TO_CODA = words("To Coda", 'tocoda="c"')
DS_CODA = words("D.S. al Coda", 'dalsegno="s"')
DC_CODA = words("D.C. al Coda", 'dacapo="yes"')
SCORES = {
  "CDEFCD": ["", (FINE,), "", (DC_FINE,)],
  "CDEFDE": ["", SEGNO, (FINE,), (DS_FINE,)],
  "CDEFCDG": ["", (TO_CODA,), "", (DC_CODA,), CODA],
  "CDEFGDEAB": ["", SEGNO, (TO_CODA,), "", (DS_CODA,), CODA, ""],
  "CDCDEFEFCD": ["", (FINE, BACKWARD), FORWARD, (BACKWARD + DC_FINE,)],
}


def make(measures):
  """A score of a whole note a measure; of each what is before the note, or (after it,)."""
  text = ""
  for number, (step, element) in enumerate(zip(STEPS, measures, strict=False), 1):
    before, after = ("", "".join(element)) if isinstance(element, tuple) else (element, "")
    first = "<divisions>1</divisions><time><beats>4</beats><beat-type>4</beat-type></time>"
    text += (
      f'<measure number="{number}">'
      + (f"<attributes>{first}</attributes>" if number == 1 else "")
      + f"{before}<note><pitch><step>{step}</step><octave>4</octave></pitch><duration>4</duration>"
      + f"<type>whole</type></note>{after}</measure>"
    )
  return (
    '<score-partwise version="4.0"><part-list><score-part id="P1"><part-name>x</part-name>'
    f'</score-part></part-list><part id="P1">{text}</part></score-partwise>'
  )


def steps_of(measures, **settings):
  names = {0: "C", 2: "D", 4: "E", 5: "F", 7: "G", 9: "A", 11: "B"}
  piece = musicxml.parse(make(measures).encode(), **settings).piece
  return "".join(names[pitch % 12] for pitch in piece.notes["pitch"].tolist())


@pytest.mark.parametrize("expected", SCORES)
def test_jumps_are_followed(expected):
  assert steps_of(SCORES[expected]) == expected
  assert steps_of(SCORES[expected], unfold=False) == STEPS[: len(SCORES[expected])]


@pytest.mark.parametrize("expected", SCORES)
def test_jumps_are_those_of_music21(expected):
  converter = pytest.importorskip("music21.converter")
  score = converter.parse(make(SCORES[expected]), format="musicxml")
  notes = score.expandRepeats().recurse().notes
  assert "".join(note.pitch.step for note in notes) == steps_of(SCORES[expected])


def test_repeats_after_a_jump_and_implied_ones():
  assert steps_of(["", (FINE, AGAIN), (DC_FINE,)]) == "CDCDECDCD"
  implied = '<sound forward-repeat="yes"/>'
  assert steps_of(["", implied, (BACKWARD,)]) == "CDEDE"
  assert steps_of(["", "", ('<sound dacapo="no"/>',)]) == "CDE"
  assert steps_of(['<sound dalsegno="s"/>', SEGNO, ""]) == "CDE"
