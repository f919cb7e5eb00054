"""Live playing: blocks are the whole, and what is followed is what is measured of the whole."""

from conftest import sing
import jax
import numpy as np
import pytest

from cvae_jax.audio import controls as controls_lib
from cvae_jax.core import errors
from cvae_jax.methods.common import performer as performer_lib
from cvae_jax.synthesis import conversion
from cvae_jax.synthesis import live
from cvae_jax.synthesis import synthesizer

SR = 16_000


@pytest.fixture(scope="module")
def synth(ddsp_run):
  return synthesizer.load(str(ddsp_run))


def test_blocks_are_what_is_played_in_one_go(synth):
  audio = sing(1.6, 300.0, 500.0)
  controls = conversion.measure(synth.method.performer, [audio], SR)
  whole = np.concatenate(list(conversion.play(synth, controls)))
  line = live.Line(synth, 8)
  late = synth.method.performer.latency
  blocks = [line.play(controls.f0_hz[i : i + 8], controls.loudness_db[i : i + 8])
            for i in range(0, len(controls.f0_hz) - 7, 8)]  # fmt: skip
  played = np.concatenate(blocks)[late:]
  # Noise is drawn block by block: what is of the harmonics is the same.
  same = np.corrcoef(played, whole[: len(played)])[0, 1]
  assert same > 0.99


def test_a_voice_is_followed_as_it_is_measured_of_the_whole(synth):
  performer = synth.method.performer
  audio = sing(2.0, 300.0, 500.0)
  whole = conversion.measure(performer, [audio], SR)
  follower = live.Follower(performer, SR, 8)
  size = 8 * performer.tracking.hop_length
  parts = [follower.follow(audio[i : i + size]) for i in range(0, len(audio) - size + 1, size)]
  found = jax.tree.map(lambda *x: np.concatenate(x), *parts)
  late = follower.delay_frames
  count = len(found.f0_hz) - late
  np.testing.assert_allclose(found.loudness_db[late:], whole.loudness_db[:count], atol=1e-3)
  clear = controls_lib.clear_frames(whole)[:count]
  cents = 1200.0 * np.log2(found.f0_hz[late:] / whole.f0_hz[:count])[clear]
  assert clear.mean() > 0.7 and np.mean(np.abs(cents) < 20.0) > 0.97


def make_controls(pitch, loudness_db, confidence=1.0, count=100):
  f0_hz = 440.0 * 2.0 ** ((np.full(count, pitch) - 69.0) / 12.0)
  return controls_lib.Controls(f0_hz, np.full(count, loudness_db), np.full(count, confidence))


def test_a_voice_is_moved_to_the_instruments_register_in_pauses_only():
  ranges = performer_lib.Ranges(np.linspace(60.0, 80.0, 101), np.linspace(-40.0, 0.0, 101))
  register = live.Register(ranges, 0.01)
  moved = register.move(make_controls(45.0, -30.0))
  assert register.semitones == 24.0
  pitch = 69.0 + 12.0 * np.log2(moved.f0_hz / 440.0)
  np.testing.assert_allclose(pitch, 69.0, atol=1e-4)
  for _ in range(30):
    register.move(make_controls(58.0, -30.0))
  assert register.semitones == 24.0  # While it is sung, no octave is changed.
  assert register.gain_db == pytest.approx(-2.0 + 30.0, abs=0.1)  # From quiet to what is loud.
  quiet = register.move(make_controls(58.0, -78.0, 0.1))
  assert register.semitones == 12.0
  assert np.all(quiet.loudness_db == -controls_lib.RANGE_DB)  # The room is not played.
  fixed = live.Register(ranges, 0.01, 7.0)
  fixed.move(make_controls(45.0, -30.0))
  assert fixed.semitones == 7.0


def test_blocks_of_a_wrong_length_are_refused(synth):
  with pytest.raises(errors.UserError, match="1-64 frames, got 0"):
    live.Line(synth, 0)
  with pytest.raises(errors.UserError, match="pitch must be of the 4 frames of a block, got 3"):
    live.Line(synth, 4).play(np.full(3, 220.0), np.full(4, -20.0))
