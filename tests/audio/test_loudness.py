import jax
import jax.numpy as jnp
import librosa
import numpy as np
import pytest

from cvae_jax.audio import loudness


@pytest.mark.parametrize("min_db", [-80.0, None])
def test_a_weighting_agrees_with_librosa(min_db):
  frequencies_hz = np.linspace(10, 8000, 500)
  np.testing.assert_allclose(
    loudness.a_weighting(frequencies_hz, min_db),
    librosa.A_weighting(frequencies_hz, min_db=min_db),
    atol=1e-6,
  )


@pytest.mark.parametrize("frame_length,hop_length", [(2048, 512), (500, 77)])
@pytest.mark.parametrize("center", [True, False])
def test_rms_agrees_with_librosa(real_note, frame_length, hop_length, center):
  ours = loudness.rms(jnp.asarray(real_note), frame_length, hop_length, center)
  theirs = librosa.feature.rms(
    y=real_note, frame_length=frame_length, hop_length=hop_length, center=center
  )[0]
  np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-7)


def test_loudness_agrees_with_librosas_weighting(real_note):
  ours = loudness.loudness(jnp.asarray(real_note), 16_000)
  power = np.abs(librosa.stft(real_note, n_fft=2048, hop_length=512, pad_mode="constant")) ** 2
  weighted_db = librosa.perceptual_weighting(
    power, librosa.fft_frequencies(sr=16_000, n_fft=2048), top_db=None, amin=1e-20
  )
  theirs = 10 * np.log10(np.maximum(np.mean(10 ** (weighted_db / 10), axis=0), 1e-10))
  np.testing.assert_allclose(ours, theirs, atol=0.01)


def test_1_khz_is_heard_better_than_100_hz_and_silence_not_at_all():
  time = jnp.arange(16_000) / 16_000
  tones = jnp.stack([jnp.sin(2 * jnp.pi * f * time) for f in (1000.0, 100.0)] + [0.0 * time])
  level_db = loudness.loudness(tones, 16_000)[:, 10]
  assert float(level_db[0] - level_db[1]) == pytest.approx(19.1, abs=0.3)  # IEC 61672-1's table
  assert float(level_db[2]) == -100.0


def test_silence_has_a_finite_gradient():
  gradient = jax.grad(lambda x: jnp.sum(loudness.rms(x)))(jnp.zeros(4096))
  np.testing.assert_array_equal(gradient, 0.0)
