import numpy as np
import pytest

from cvae_jax import scores
from cvae_jax.methods.common import performer
from cvae_jax.scores import expression
from cvae_jax.synthesis import performance

STILL = expression.Curve(np.zeros(1), np.zeros(1))
RANGES = performer.Ranges(np.linspace(55, 90, 101), np.linspace(-40, -5, 101))
TIMES_S = np.arange(0.0, 4.0, 0.008)


def part(notes, bend=STILL, gain_db=STILL):
  return expression.Part(list(notes), bend, gain_db, STILL)


def at(curve, second):
  return curve[round(second / 0.008)]


def test_chords_are_lines_and_overlaps_are_slurs():
  note = scores.Note
  melody = [note(0.0, 1.05, 60), note(1.0, 2.0, 62), note(2.0, 3.0, 64)]
  assert performance.split_lines(melody) == [
    [note(0.0, 1.0, 60), note(1.0, 2.0, 62), note(2.0, 3.0, 64)]
  ]
  chord = [note(0.0, 1.0, 60), note(0.0, 1.0, 64), note(1.0, 2.0, 65)]
  assert sorted(map(len, performance.split_lines(chord))) == [1, 2]


def test_slurs_glide_and_hardly_dip_and_rests_are_silent():
  notes = [scores.Note(0.5, 1.0, 60), scores.Note(1.0, 1.5, 67), scores.Note(2.5, 3.0, 67)]
  style = performance.Style(0.0)
  pitch = performance.trace_pitch(notes, part(notes), TIMES_S, style)
  assert (
    at(pitch, 0.7) == 60 and at(pitch, 1.2) == 67 and at(pitch, 1.0) == pytest.approx(63.5, 0.05)
  )
  assert np.abs(np.diff(pitch)).max() < 2.5  # Over some frames, and not at once.
  loudness = performance.trace_loudness(notes, part(notes), TIMES_S, RANGES)
  assert at(loudness, 0.3) == -80 and at(loudness, 2.2) == -80
  slur, start = loudness[(TIMES_S > 0.7) & (TIMES_S < 1.4)], at(loudness, 2.504)
  assert np.ptp(slur) == pytest.approx(4.0, abs=0.5) and start < slur.max() - 20


def test_velocity_bend_vibrato_and_expression_are_curves():
  notes = [scores.Note(0.0, 3.0, 60, velocity=30)]
  loud = [notes[0]._replace(velocity=120)]
  bend = expression.Curve(np.asarray([0.0, 1.5]), np.asarray([0.0, 1.0]))
  gain = expression.Curve(np.asarray([0.0, 2.0]), np.asarray([0.0, -12.0]))
  quiet_db = performance.trace_loudness(notes, part(notes, gain_db=gain), TIMES_S, RANGES)
  loud_db = performance.trace_loudness(loud, part(loud, gain_db=gain), TIMES_S, RANGES)
  assert at(loud_db, 1.0) - at(quiet_db, 1.0) > 15
  assert at(loud_db, 1.0) - at(loud_db, 2.5) == pytest.approx(12.0)
  bent = performance.trace_pitch(notes, part(notes, bend), TIMES_S, performance.Style(50.0))
  assert at(bent, 1.0) == 60 and at(bent, 2.0) == 61  # Who bends makes his own vibrato.
  vibrated = performance.trace_pitch(notes, part(notes), TIMES_S, performance.Style(50.0))
  middle = vibrated[(TIMES_S > 1.0) & (TIMES_S < 2.5)]
  assert middle.max() == pytest.approx(60.5, abs=0.02) and at(vibrated, 0.2) == 60
  crossings = np.sum(np.diff(np.sign(middle - 60)) != 0)
  assert crossings == pytest.approx(2 * 5.5 * 1.5, abs=1)


def test_a_runs_own_notes_decay_go_on_and_are_released():
  frames = np.arange(500) * 0.008
  own = np.where(frames < 3.0, -10.0 - 5.0 * frames, -25.0 - 100.0 * (frames - 3.0))
  envelopes = performance.Envelopes(own[None], {(60, 127): 0}, 0.008)
  notes = [scores.Note(0.0, 1.0, 60, velocity=127)]
  loudness = performance.trace_loudness(notes, part(notes), TIMES_S, RANGES, envelopes)
  assert at(loudness, 0.8) == pytest.approx(-14.0, abs=0.1)
  assert at(loudness, 1.2) == pytest.approx(-15.0 - 20.0, abs=1.5)
  assert at(loudness, 2.0) == -80.0
  held = envelopes.held_db(notes[0], np.asarray([5.0]))
  assert held[0] == pytest.approx(-35.0, abs=0.3)
