import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import signal

from cvae_jax.audio import augment
from cvae_jax.audio import stft
from cvae_jax.evaluation.metrics import pitch


def test_nothing_asked_for_changes_nothing(real_note):
  audio = jnp.asarray(real_note[None])
  np.testing.assert_array_equal(augment.vary(audio, jax.random.key(0), 16_000, 0.0, 0.0), audio)


def test_gains_have_the_spread_that_they_should():
  noise = jnp.asarray(np.random.default_rng(0).normal(size=(1, 64_000)), jnp.float32)
  many = jnp.broadcast_to(noise, (200, 64_000))
  varied = augment.vary(many, jax.random.key(0), 16_000, 3.0, 0.0)
  ratio = jnp.abs(jnp.fft.rfft(varied)) / jnp.abs(jnp.fft.rfft(many))
  gain_db = 20 * jnp.log10(ratio[:, jnp.asarray([1000, 5000, 20_000])])
  # Six cosines of 3 dB over the root of their number: at most 3 * sqrt(1 + 1/2 + ... + 1/6) = 4.7.
  assert 2.0 < float(gain_db.std(axis=0).min()) and float(gain_db.std(axis=0).max()) < 4.8
  varied = augment.vary(many, jax.random.key(1), 16_000, 0.0, 2.0)
  end_db = 20 * np.log10(np.abs(np.asarray(varied / many)))[:, -1]
  assert 1.7 < end_db.std() < 2.3 and abs(end_db.mean()) < 0.5


def test_an_equaliser_leaves_silence_before_and_after_a_click_and_is_that_of_scipy():
  click = np.zeros((64, 20_000), np.float32)
  click[:, 1000] = 1.0
  varied = np.asarray(augment.vary(jnp.asarray(click), jax.random.key(0), 16_000, 6.0, 0.0))
  peak = np.abs(varied).max(axis=1)
  assert np.abs(varied[:, :1000]).max() < 1e-5 * peak.min()
  assert np.abs(varied[:, -1000:]).max() < 1e-5 * peak.min()
  # With the same gains, no other causal filter has more of its energy in its beginning.
  taps = varied[0, 1000:5096].astype(np.float64)
  gain = np.abs(np.fft.rfft(taps))
  wanted = signal.minimum_phase(np.fft.fftshift(np.fft.irfft(gain)), "homomorphic", half=False)
  np.testing.assert_allclose(taps[:500], wanted[:500], atol=2e-3 * peak[0])


def test_a_note_keeps_its_pitch_and_changes_its_spectrum(real_note):
  audio = jnp.asarray(np.stack([real_note, real_note]))
  varied = augment.vary(audio, jax.random.key(3), 16_000, 3.0, 2.0)
  before = pitch.median_pitch(real_note, 16_000)
  for note in np.asarray(varied):
    assert pitch.median_pitch(note, 16_000) == pytest.approx(before, abs=0.1)
  level_db = 20 * np.log10(np.abs(np.asarray(stft.stft(varied))) + 1e-2)
  assert np.abs(level_db[0] - level_db[1]).mean() > 0.5  # Two draws.
