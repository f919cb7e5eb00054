import numpy as np
import pytest

from cvae_jax.scores import chords


def found(*pitches):
  durations = np.bincount(np.asarray(pitches) % 12, minlength=12)[None].astype(float)
  return chords.NAMES[chords.find(durations, np.asarray([min(pitches)]))[0]]


@pytest.mark.parametrize(
  "pitches,name",
  [
    ((60, 64, 67), "C"),
    ((57, 60, 64), "Am"),
    ((48, 64, 67, 70), "C"),  # C7, whose upper notes are E dim.
    ((57, 60, 64, 67), "Am"),  # Am7, and as many notes of C.
    ((48, 57, 64, 67), "C"),  # The same notes over C: C6.
    ((59, 62, 65), "Bdim"),
    ((56, 60, 64), "Abaug"),  # Symmetric: its lowest note is the root.
    ((64, 68, 72), "Eaug"),
    ((52, 60, 67), "C"),  # C over E.
    ((62, 69), "D"),  # A fifth: the first of equals.
  ],
)
def test_triads_are_found(pitches, name):
  assert found(*pitches) == name


def test_there_are_49_classes_and_none_where_nothing_sounds():
  assert len(chords.NAMES) == len(set(chords.NAMES)) == 49
  np.testing.assert_array_equal(chords.find(np.zeros((2, 12)), np.full(2, 127)), chords.NO_CHORD)


@pytest.mark.parametrize("semitones", [-5, 0, 3, 12])
def test_a_transposed_chord_is_the_chord_of_transposed_notes(semitones):
  every = np.arange(49)
  moved = chords.transpose(every, semitones)
  np.testing.assert_array_equal(chords.transpose(moved, -semitones), every)
  names = [chords.NAMES[i] for i in moved]
  assert names[0] == "N.C." and names[1] == found(*(np.asarray((60, 64, 67)) + semitones))
  assert names[2] == found(*(np.asarray((60, 63, 67)) + semitones))


def test_chords_of_parts_go_by_how_long_notes_sound():
  starts, ends = np.asarray([0, 0, 0, 8, 8, 8, 7]), np.asarray([8, 8, 8, 20, 20, 20, 8])
  pitches = np.asarray([60, 64, 67, 57, 60, 64, 66])
  by_step = chords.of_parts(starts, ends, pitches, 8, 28)
  assert [chords.NAMES[i] for i in by_step[[0, 7, 8, 16, 24, 27]]] == (
    ["C", "C", "Am", "Am", "N.C.", "N.C."]
  )
  assert len(by_step) == 28


def test_the_chord_of_a_part_is_the_longest_one_in_it():
  by_step = np.asarray([5, 5, 3, 3, 7, 7, 7, 1, 0, 2, 0, 0, 4, 4], np.int8)
  assert chords.longest_of_parts(by_step, 4).tolist() == [5] * 4 + [7] * 4 + [0] * 4 + [4] * 2
  assert chords.longest_of_parts(by_step[:0], 4).tolist() == []


def test_notes_of_a_chord_are_known():
  chord = np.asarray([chords.NAMES.index(name) for name in ("C", "C", "F#m", "F#m", "N.C.")])
  inside = chords.contains(chord, np.asarray([67, 66, 69, 70, 60]))
  assert inside.tolist() == [True, False, True, False, False]
