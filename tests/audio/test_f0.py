import itertools

from conftest import FIXTURES
import jax.numpy as jnp
import librosa
import numpy as np
import pytest

from cvae_jax.audio import f0
from cvae_jax.audio import files
from cvae_jax.core import errors


@pytest.mark.parametrize("frame_length,hop_length", [(2048, None), (1024, 300)])
def test_agrees_with_librosa_on_real_notes(frame_length, hop_length):
  paths = sorted((FIXTURES / "nsynth-valid" / "audio").glob("*.flac"))[::3]
  notes = np.stack([files.read_note(str(p), 64_000, 16_000).audio for p in paths])
  ours = f0.yin(jnp.asarray(notes), 65.0, 2100.0, 16_000, frame_length, hop_length)
  theirs = librosa.yin(
    notes.astype(np.float64),
    fmin=65.0,
    fmax=2100.0,
    sr=16_000,
    frame_length=frame_length,
    hop_length=hop_length,
  )
  assert ours.shape == theirs.shape
  audible = librosa.feature.rms(y=notes, frame_length=frame_length, hop_length=hop_length or 512)
  audible = audible[:, 0] > 1e-3
  cents = 1200 * np.abs(np.log2(np.asarray(ours) / theirs))[audible]
  # In a frame without a clear pitch, rounding decides between two lags.
  assert np.mean(cents < 1.0) > 0.99
  assert np.median(cents) < 0.01


def test_a_sine_is_found_within_a_tenth_of_a_semitone():
  for pitch_hz in (110.0, 443.7, 1234.5):
    sine = jnp.sin(2 * jnp.pi * pitch_hz * jnp.arange(16_000) / 16_000)
    found = f0.yin(sine, 60.0, 2000.0, 16_000)[5:-5]
    # The bias is librosa's too: its difference leaves out what would lie past the frame.
    np.testing.assert_allclose(1200 * np.log2(found / pitch_hz), 0.0, atol=10.0)


@pytest.mark.parametrize(
  "fmin,fmax,says",
  [(500.0, 100.0, "0 < fmin < fmax"), (60.0, 9000.0, "8000"), (10.0, 500.0, "it needs 3200")],
)
def test_frequencies_that_there_is_no_room_for_are_refused(fmin, fmax, says):
  with pytest.raises(errors.UserError, match=says):
    f0.yin(jnp.zeros(16_000), fmin, fmax, 16_000)


def _tone(f0_hz, harmonics, rate=16_000):
  phase = np.cumsum(f0_hz / rate)
  return sum(a * np.sin(2 * np.pi * k * phase) for k, a in harmonics.items()).astype(np.float32)


def test_a_track_follows_glides_and_vibrato_and_bridges_noise():
  rate, hop = 16_000, 160
  t = np.arange(2 * rate) / rate
  f0_hz = 220.0 * 2 ** (t / 2 + 0.02 * np.sin(2 * np.pi * 5 * t))
  audio = _tone(f0_hz, {1: 0.1, 2: 0.5, 3: 0.3, 4: 0.3})  # A weak fundamental.
  rng = np.random.default_rng(0)
  audio[rate : rate + 1600] = 0.3 * rng.normal(size=1600)
  found_hz, confidence = f0.track(jnp.asarray(audio), 60.0, 1500.0, rate, 1024, hop)
  assert found_hz.shape == confidence.shape == (1 + 2 * rate // hop,)
  cents = 1200 * np.log2(np.asarray(found_hz)[:-1] / f0_hz[::hop])
  voiced = np.ones(len(cents), bool)
  voiced[:4] = voiced[-4:] = voiced[96:116] = False
  assert np.abs(cents[voiced]).max() < 30
  assert np.asarray(confidence)[:-1][voiced].min() > 0.8
  assert np.asarray(confidence)[102:108].max() < 0.5


def test_a_track_of_silence_is_finite_and_without_confidence():
  found_hz, confidence = f0.track(jnp.zeros((2, 8000)), 60.0, 1500.0, 16_000, 1024, 160)
  assert np.isfinite(found_hz).all() and (np.asarray(confidence) < 0.1).all()


def test_a_path_is_the_cheapest_of_all():
  rng = np.random.default_rng(0)
  cost, octaves = rng.uniform(size=(2, 6, 3)), rng.uniform(0, 3, size=(2, 6, 3))
  path = np.asarray(f0._best_path(jnp.asarray(cost), jnp.asarray(octaves), 0.3))
  for b in range(2):

    def total(way, b=b):
      at = [(cost[b, n, k], octaves[b, n, k]) for n, k in enumerate(way)]
      jumps = [min(0.3 * abs(y[1] - x[1]), 2.0) for x, y in itertools.pairwise(at)]
      return sum(c for c, _ in at) + sum(jumps)

    best = min(itertools.product(range(3), repeat=6), key=total)
    assert tuple(path[b]) == best
