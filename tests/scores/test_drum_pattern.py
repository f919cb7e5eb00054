"""Patterns of drums: times, velocities, and MIDI files, read by our reader and by mido."""

import io

from conftest import one_line
import mido
import numpy as np
import pytest

from cvae_jax import scores
from cvae_jax.audio import level
from cvae_jax.core import errors
from cvae_jax.scores import drum_pattern
from cvae_jax.scores import midi

BEAT = drum_pattern.Pattern(
  (
    drum_pattern.Track(36, (2, 0, 0, 0) * 4),
    drum_pattern.Track(42, (1, 1) * 8, 0.25),
    drum_pattern.Track(38, (0,) * 16),
  ),
  100.0,
  2 / 3,
)


def test_swing_moves_every_second_sixteenth():
  np.testing.assert_allclose(drum_pattern.step_beats(0.5), np.arange(16) / 4)
  swung = drum_pattern.step_beats(2 / 3)
  np.testing.assert_allclose(swung[::2], np.arange(8) / 2)
  np.testing.assert_allclose(swung[1::2] - swung[::2], 1 / 3)  # The last of a triplet of eighths.


def test_accents_are_6_db_and_levels_are_velocities():
  gains = [float(level.velocity_to_gain(v)) for v in drum_pattern.VELOCITIES]
  assert 20 * np.log10(gains[2] / gains[1]) == pytest.approx(6.0, abs=0.1)
  softer = drum_pattern.velocity_of(drum_pattern.ACCENT, 0.25)
  assert float(level.velocity_to_gain(softer)) == pytest.approx(0.25, rel=0.02)
  assert drum_pattern.velocity_of(drum_pattern.HIT, 0.0) == 0


@pytest.mark.parametrize("bars", [1, 3])
def test_a_midi_file_has_the_strokes_and_ends_with_its_bar(bars, tmp_path):
  body = drum_pattern.to_midi(BEAT, bars)
  path = tmp_path / "beat.mid"
  path.write_bytes(body)
  found = midi.read_percussion(str(path))
  events = [
    drum_pattern.Event(e.start_s + bar * BEAT.duration_s, e.key, e.velocity)
    for bar in range(bars)
    for e in drum_pattern.to_events(BEAT)
  ]
  assert len(found) == len(events) == bars * 20
  assert [(n.pitch, n.velocity) for n in found] == [(e.key, e.velocity) for e in events]
  tick_s = 60 / 100 / 480
  np.testing.assert_allclose([n.start_s for n in found], [e.start_s for e in events], atol=tick_s)
  theirs = mido.MidiFile(file=io.BytesIO(body))
  assert theirs.length == pytest.approx(bars * BEAT.duration_s, abs=1e-6)
  assert {m.channel for m in theirs if not m.is_meta} == {9}
  with pytest.raises(errors.UserError, match="no notes other than percussion"):
    midi.read_notes(str(path))


def test_a_file_without_percussion_is_refused(tmp_path):
  path = tmp_path / "notes.mid"
  path.write_bytes(scores.to_midi([scores.Note(0.0, 1.0, 60)]))
  with pytest.raises(errors.UserError, match="no percussion") as caught:
    midi.read_percussion(str(path))
  assert one_line(caught)
  assert midi.count_notes(str(path)) == 1


@pytest.mark.parametrize(
  "changes,message",
  [
    ({"tempo_bpm": 0.0}, "tempo must be 30 to 300 bpm, got 0"),
    ({"tempo_bpm": float("nan")}, "tempo"),
    ({"swing": 0.8}, "swing must be 0.5 to 0.75"),
    ({"tracks": BEAT.tracks * 6}, "1 to 16 tracks, got 18"),
    ({"tracks": ()}, "1 to 16 tracks, got 0"),
    ({"tracks": (drum_pattern.Track(20, (0,) * 16),)}, "track 1: the key must be 35 to 81, got 20"),
    ({"tracks": (drum_pattern.Track(36, (0,) * 15),)}, "track 1 must have 16 steps"),
    ({"tracks": (drum_pattern.Track(36, (3,) * 16),)}, "track 1 must have 16 steps"),
    ({"tracks": (drum_pattern.Track(36, (0,) * 16, 1.5),)}, "level must be 0 to 1"),
  ],
)
def test_bad_patterns_are_refused(changes, message):
  with pytest.raises(errors.UserError, match=message):
    drum_pattern.to_events(BEAT._replace(**changes))
