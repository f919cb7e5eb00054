"""Chord symbols: each spelling, and the triads that music21 and what sounds have of the same.

SYMBOLIC_SCORES names a folder with openewld/openewld.jsonl.gz and nottingham/nottingham-abc.zip and
nottingham-midi.zip; without it these are not compared.
"""

import gzip
import json
import os
import pathlib
import zipfile

import numpy as np
import pytest

from cvae_jax.scores import abc_notation
from cvae_jax.scores import chord_symbols
from cvae_jax.scores import chords
from cvae_jax.scores import grid
from cvae_jax.scores import midi_reader
from cvae_jax.scores import piece as piece_lib

COLLECTIONS = pathlib.Path(os.environ.get("SYMBOLIC_SCORES", "none"))
SYMBOLS = {
  "C": "C", "c#": None, "F#": "F#", "Gb": "F#", "C♯m": "C#m", "B♭": "Bb", "D##": "E", "E𝄫": "D",
  "Am7": "Am", "Amin7": "Am", "A-7": "Am", "A\u22127": "Am", "Ami7": "Am", "A:min7": "Am",
  "Bbmaj7": "Bb", "BbM7": "Bb", "BbΔ7": "Bb", "BbMaj7": "Bb", "Bbj7": "Bb", "Bbma7": "Bb",
  "CmM7": "Cm", "Cm(maj7)": "Cm", "Cm6": "Cm", "Cmadd9": "Cm", "C6": "C", "C69": "C", "C6/9": "C",
  "C7": "C", "C13": "C", "Cadd9": "C", "Cmaj7#11": "C", "G7b9": "G", "Galt": "G", "Gdom7": "G",
  "F#dim": "F#dim", "F#o": "F#dim", "F#°7": "F#dim", "Eø": "Edim", "EØ7": "Edim", "E/o7": "Edim",
  "Em7b5": "Edim", "Em7(b5)": "Edim", "Em7-5": "Edim", "E-7b5": "Edim", "Am7 alter b5": "Adim",
  "C+": "Caug", "Caug7": "Caug", "C7+": "Caug", "C7#5": "Caug", "C7(+5)": "Caug", "C+7": "Caug",
  "A7 alter #5 add b9": "Aaug", "C7+9": "C", "C7-9": "C",
  "C/E": "C", "Am/G": "Am", "D/f+": "D", "C7/Bb": "C", "Gsus/C add 7": "G", "E7/B alter b5": "E",
  "Gd": "Gdim", "D#d7": "Ebdim", "Ea": "Eaug", " (D7)": "D", "D m": "Dm", "Hm7": "Bm", "H": "B",
  "C7b5": "C", "Am(#5)": "Am", "C(b5)": "C", "Cb5": "B",
  "N.C.": "N.C.", "NC": "N.C.", "n.c.": "N.C.", "N": "N.C.", "No chord": "N.C.",
  "Fine": None, "D.C.": None, "Coda": None, "Add": None, "Ed.": None, "slow": None, "%": None,
  "": None, "C?": None, "G;D": None, "C" + "7" * 40: None,
}  # fmt: skip


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_symbols_are_triads(symbol):
  found = chord_symbols.parse(symbol)
  assert (None if found is None else chords.NAMES[found]) == SYMBOLS[symbol]


@pytest.mark.parametrize("index", range(1, 49))
def test_names_of_classes_are_symbols_of_their_own(index):
  assert chord_symbols.parse(chords.NAMES[index]) == index


@pytest.mark.parametrize(
  "kind,notes",
  [("sus4", (0, 5, 7)), ("sus2", (0, 2, 7)), ("7sus4", (0, 5, 7, 10)), ("5", (0, 7)), ("ped", (0,)),
   ("7b5", (0, 4, 6, 10))],
)  # fmt: skip
def test_what_is_no_triad_is_what_its_notes_are_found_to_be(kind, notes):
  for root, name in ((0, "C"), (6, "F#"), (10, "Bb")):
    durations = np.isin(np.arange(12), np.add(notes, root) % 12)[None].astype(float)
    (found,) = chords.find(durations, np.asarray([48 + root]))
    assert chord_symbols.parse(name + kind) == found == chords.NAMES.index(name)


def read(*symbols, **settings):
  found = chord_symbols.read(symbols, **settings)
  return [None if index is None else chords.NAMES[index] for index in found]


def test_a_tune_tells_how_its_symbols_are_spelt():
  assert read("B-7", "C/E-", "A-+") == ["Bm", "C", "Am"]
  assert read("B-7", "C/E-", "A-+", "C--", has_dashes=True) == ["Bb", "C", "Abaug", "Bb"]
  # Another flat of the tune is a b, so that its dashes are minor.
  assert read("B-7", "Eb", has_dashes=True) == ["Bm", "Eb"]
  assert read("B7", "H7", "Bb", "Hm") == ["Bb", "B", "Bb", "Bm"]
  assert read("B7", "Half time") == ["B", None]
  assert chord_symbols.describe([]) == ()
  assert chord_symbols.describe(["Fi\nne", "x"]) == (
    "2 chord symbols that cannot be read, such as 'Fi\\nne'",
  )


def symbols_of_openewld():
  path = COLLECTIONS / "openewld" / "openewld.jsonl.gz"
  if not path.exists():
    return ()
  with gzip.open(path, "rt", encoding="utf-8") as f:
    return sorted({symbol for line in f for _, symbol in json.loads(line)["chords"]})


def test_triads_are_those_of_music21():
  harmony = pytest.importorskip("music21.harmony")
  roots = ("C", "C#", "E-", "F", "A-", "B-", "B")
  kinds = ("", "m", "dim", "+", "7", "m7", "maj7", "o7", "ø7", "mM7", "6", "m6", "7+", "9", "m9",
           "13", "sus", "power", "7 add b9", "m7 alter b5", "/D", "m/G")  # fmt: skip
  symbols = [root + kind for root in roots for kind in kinds] + list(symbols_of_openewld())
  triads = {(4, 7): "", (3, 7): "m", (4, 8): "aug", (3, 6): "dim"}
  no_triad = 0
  for symbol, index in zip(symbols, chord_symbols.read(symbols, True), strict=True):
    chord = harmony.ChordSymbol(symbol)
    root = chord.root().pitchClass
    inside = {(pitch.pitchClass - root) % 12 for pitch in chord.pitches}
    names = {chords.NAMES[chords.of_triad(root, *x)] for x in triads if set(x) <= inside}
    no_triad += not names
    if names:
      assert chords.NAMES[index] in names, symbol
    else:
      assert (index - 1) // 4 == root, symbol
  assert no_triad < len(symbols) / 8


def test_symbols_of_nottingham_are_what_sounds_in_its_chords():
  folder = COLLECTIONS / "nottingham"
  if not folder.exists():
    pytest.skip("SYMBOLIC_SCORES names no folder with nottingham")
  texts = zipfile.ZipFile(folder / "nottingham-abc.zip")
  files = zipfile.ZipFile(folder / "nottingham-midi.zip")
  same = total = tunes = 0
  for name in texts.namelist():
    ((number, text),) = abc_notation.split(texts.read(name).decode("latin-1"))
    written = abc_notation.parse(number, text).piece
    played = midi_reader.parse(name, files.read(name.replace(".abc", ".mid"))).piece
    tracks = played.notes["part"] // 16
    if line(written, written.notes) != line(played, played.notes[tracks == tracks.min()]):
      continue  # The set's own order of parts, which is not read.
    tunes += 1
    (section, *others) = piece_lib.sections(written)
    steps = grid.bar_steps(section.meter, 2)
    if others or steps % 2:
      continue
    by_step = grid.chords(written, section, 2, -(-section.end // 240))
    symbols = chords.longest_of_parts(by_step, steps // 2)
    other = played._replace(notes=played.notes[tracks != tracks.min()])
    notes = grid.quantise(other, section._replace(end=played.end), 2)
    pitches = notes.notes["pitch"].astype(np.int64)
    sounding = chords.of_parts(notes.starts, notes.ends, pitches, steps // 2, len(symbols))
    both = (symbols != chords.NO_CHORD) & (sounding != chords.NO_CHORD)
    same, total = same + (symbols == sounding)[both].sum(), total + both.sum()
  assert tunes > 400 and total > 80_000 and same / total > 0.97


def line(piece, notes):
  """Starts in twelfths of a quarter note, and pitches."""
  starts = np.round(notes["start"] * 12 / piece.ticks_per_quarter)
  return list(zip(starts.tolist(), notes["pitch"].tolist(), strict=True))
