"""MusicXML: each element in a file of a few lines, and files that are none."""

import io
import zipfile

from conftest import one_line
import pytest

from cvae_jax.scores import musicxml

TIME = "<time><beats>4</beats><beat-type>4</beat-type></time>"
HEADER = (
  '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE score-partwise PUBLIC '
  '"-//Recordare//DTD MusicXML 4.0 Partwise//EN" "http://www.musicxml.org/dtds/partwise.dtd">\n'
)


def note(name, length=2, extra="", before=""):
  """A note such as 'C4' or 'F#5', or a rest 'r'; lengths are in eighths."""
  alter = {"#": 1, "b": -1}.get(name[1:-1])
  pitch = f"<pitch><step>{name[0]}</step>"
  pitch += f"<alter>{alter}</alter>" if alter else ""
  pitch = "<rest/>" if name == "r" else f"{pitch}<octave>{name[-1]}</octave></pitch>"
  return f"<note>{before}{pitch}<duration>{length}</duration>{extra}</note>"


def measure(*elements, attributes=""):
  return f"<measure>{attributes}{''.join(elements)}</measure>"


def attributes(*elements):
  return f"<attributes><divisions>2</divisions>{''.join(elements)}</attributes>"


def score(*parts, part_list=""):
  """A score of parts, each a list of measures; the first has divisions and 4/4 by default."""
  text = "".join(f'<part id="P{i + 1}">{"".join(part)}</part>' for i, part in enumerate(parts))
  return f"{HEADER}<score-partwise>{part_list}{text}</score-partwise>".encode()


def parse(*measures, **settings):
  return musicxml.parse(score(measures), **settings).piece


def rows(piece):
  """(start, length, pitch) in eighths."""
  unit = piece.ticks_per_quarter / 2
  columns = (piece.notes[name].tolist() for name in ("start", "end", "pitch"))
  return [(a / unit, (b - a) / unit, pitch) for a, b, pitch in zip(*columns, strict=True)]


FIRST = attributes(TIME)
CHORD, GRACE = "<chord/>", "<grace/>"
START, STOP = '<tie type="start"/>', '<tie type="stop"/>'


@pytest.mark.parametrize(
  "elements,expected",
  [
    ([note("C4"), note("F#4", 1), note("Bb4", 1), note("r"), note("B3")],
     [(0, 2, 60), (2, 1, 66), (3, 1, 70), (6, 2, 59)]),
    ([note("C4", 4), note("E4", 4, before=CHORD), note("G4", 4)],
     [(0, 4, 60), (0, 4, 64), (4, 4, 67)]),
    # Two voices, the second one with a gap.
    ([note("C5", 8), "<backup><duration>8</duration></backup>", note("C4"),
      "<forward><duration>4</duration></forward>", note("E4")],
     [(0, 2, 60), (0, 8, 72), (6, 2, 64)]),
    # Grace notes and cue notes.
    ([note("D5", 0, before=GRACE), note("C5", 4), note("E5", 4, before="<cue/>")], [(0, 4, 72)]),
    ([note("C4", 4, START), note("C4", 4, STOP)], [(0, 8, 60)]),
    ([note("C4", 4, START), note("D4", 4, STOP)], [(0, 4, 60), (4, 4, 62)]),
  ],
)  # fmt: skip
def test_notes(elements, expected):
  assert rows(parse(measure(*elements, attributes=FIRST))) == expected


def test_lengths_of_divisions_that_change_are_exact():
  triplets = "<attributes><divisions>3</divisions></attributes>"
  piece = parse(
    measure(note("C4", 8), attributes=FIRST),
    measure(*[note("D4", 1)] * 12, attributes=triplets),
  )
  assert piece.ticks_per_quarter == 6
  assert piece.notes["start"].tolist() == [0, *range(24, 48, 2)]


def test_ties_go_over_bars_and_into_endings():
  ending = '<barline location="{}"><ending number="{}" type="{}"/>{}</barline>'.format
  repeat = '<repeat direction="backward"/>'
  piece = parse(
    measure(note("C4", 8, START), attributes=FIRST),
    measure(ending("left", "1", "start", ""), note("C4", 8, STOP),
            ending("right", "1", "stop", repeat)),
    measure(ending("left", "2", "start", ""), note("C4", 4, STOP), note("D4", 4),
            ending("right", "2", "discontinue", "")),
    measure(note("E4", 8)),
  )  # fmt: skip
  assert rows(piece) == [(0, 16, 60), (16, 12, 60), (28, 4, 62), (32, 8, 64)]


def test_repeats_are_unfolded_or_not():
  forward = '<barline location="left"><repeat direction="forward"/></barline>'
  backward = '<barline location="right"><repeat direction="backward" times="3"/></barline>'
  measures = (
    measure(note("C4", 8), attributes=FIRST), measure(forward, note("D4", 8), backward),
    measure(note("E4", 8)),
  )  # fmt: skip
  assert [pitch for *_, pitch in rows(parse(*measures))] == [60, 62, 62, 62, 64]
  assert [pitch for *_, pitch in rows(parse(*measures, unfold=False))] == [60, 62, 64]


def test_maps():
  waltz = attributes("<time><beats>2+3</beats><beat-type>8</beat-type></time>")
  tempo = '<direction><sound tempo="90.5"/></direction>'
  metronome = (
    "<direction><direction-type><metronome><beat-unit>quarter</beat-unit><beat-unit-dot/>"
    "<per-minute>60</per-minute></metronome></direction-type></direction>"
  )
  piece = parse(
    measure(tempo, note("C4"), attributes=FIRST),  # An upbeat of a quarter note.
    measure(note("C4", 4), metronome, note("D4", 4)),
    measure(note("E4", 5), attributes=waltz),
  )
  assert rows(piece) == [(6, 2, 60), (8, 4, 60), (12, 4, 62), (16, 5, 64)]
  ticks, meters = piece.meters
  assert (ticks / 2).tolist() == [0, 8] and meters.tolist() == [[4, 4], [5, 8]]
  assert piece.tempos[0].tolist() == [0, 12] and piece.tempos[1].tolist() == [90.5, 90.0]


def test_parts_voices_and_transposition():
  clarinet = attributes(TIME, "<transpose><diatonic>-1</diatonic><chromatic>-2</chromatic>"
                        "<octave-change>-1</octave-change></transpose>")  # fmt: skip
  voice = lambda number: f"<voice>{number}</voice>"
  data = score(
    [measure(note("C4", 8), attributes=FIRST), measure(note("E4", 8))],
    # Its second measure is missing, as is its third voice.
    [measure(note("C5", 8, voice(1)), "<backup><duration>8</duration></backup>",
             note("E4", 4, voice(2)), attributes=clarinet)],
  )  # fmt: skip
  notes = musicxml.parse(data).piece.notes
  assert notes["pitch"].tolist() == [50, 58, 60, 64]
  by_pitch = dict(zip(notes["pitch"].tolist(), notes["part"].tolist(), strict=True))
  assert by_pitch == {60: 0, 64: 0, 58: 16, 50: 17}


def test_programs_percussion_and_velocity():
  part_list = (
    '<part-list><score-part id="P1"><midi-instrument id="I1"><midi-program>41</midi-program>'
    '</midi-instrument></score-part><score-part id="P2"><midi-instrument id="I2">'
    "<midi-channel>10</midi-channel><midi-unpitched>39</midi-unpitched></midi-instrument>"
    '<midi-instrument id="I3"><midi-channel>10</midi-channel></midi-instrument></score-part>'
    "</part-list>"
  )
  hit = "<note><unpitched/><duration>4</duration><instrument id='{}'/></note>".format
  loud = '<direction><sound dynamics="120"/></direction>'
  reading = musicxml.parse(
    score(
      [measure(note("C4"), loud, note("C4"), attributes=FIRST)],
      [measure(hit("I2"), hit("I3"), attributes=FIRST)],
      part_list=part_list,
    )
  )
  notes = reading.piece.notes
  columns = notes[["pitch", "velocity", "program", "is_drum"]].tolist()
  assert columns == [(38, 90, 0, True), (60, 90, 40, False), (60, 108, 40, False)]
  assert reading.remarks == ("1 percussion notes without a MIDI key",)


def test_scores_by_times_and_compressed_ones_are_the_same():
  parts = ([note("C4", 8), note("D4", 8)], [note("E3", 8), note("F3", 8)])
  partwise = score(*[[measure(n, attributes=FIRST) for n in part] for part in parts])
  columns = [
    "<measure>" + "".join(f'<part id="P{i}">{FIRST}{n}</part>' for i, n in enumerate(pair))
    + "</measure>"
    for pair in zip(*parts, strict=True)
  ]  # fmt: skip
  timewise = f"<score-timewise>{''.join(columns)}</score-timewise>".encode()
  expected = rows(musicxml.parse(partwise).piece)
  assert len(expected) == 4 and rows(musicxml.parse(timewise).piece) == expected
  container = '<container><rootfiles><rootfile full-path="a/b.xml"/></rootfiles></container>'
  for members in (
    {"META-INF/container.xml": container, "c.xml": "<x/>", "a/b.xml": partwise},
    {"other.txt": "", "score.xml": partwise},
  ):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
      for name, text in members.items():
        archive.writestr(name, text)
    assert rows(musicxml.parse(out.getvalue()).piece) == expected


BOMB = (
  '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'
  "<score-partwise>&b;</score-partwise>"
)


@pytest.mark.parametrize(
  "data,says",
  [
    (b"", "it cannot be read as XML (no element found"),
    (score([measure(note("C4"), attributes=FIRST)])[:-30], "it cannot be read as XML"),
    (b"<svg/>", "it is no MusicXML score: it begins with <svg>"),
    (b"<score-partwise/>", "it has no measures"),
    (BOMB.encode(), "it declares an XML entity ('a'), which no score needs"),
    (b"<a>" * 200, "it has more than 100 levels of XML"),
    (b"<a>" + b"<b/>" * 2_000_001, "it has more than 2,000,000 elements of XML"),
    (b"PK\3\4 no more", "it cannot be unpacked"),
    (score([measure(note("C4", 10**9), attributes=FIRST)]), "it lasts 500,000,000 quarter notes"),
  ],
)
def test_what_cannot_be_read_is_one_line(data, says):
  with pytest.raises(Exception) as error:
    musicxml.parse(data)
  assert says in one_line(error)


def test_a_compressed_file_without_a_score_or_of_a_huge_one_is_one_line():
  for members, says in (
    ({"a.txt": b"x"}, "it holds no score"),
    ({"a.xml": b" " * (33 * 2**20)}, "it is larger than 32 MB when unpacked"),
  ):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
      for name, text in members.items():
        archive.writestr(name, text)
    with pytest.raises(Exception) as error:
      musicxml.parse(out.getvalue())
    assert says in one_line(error)
