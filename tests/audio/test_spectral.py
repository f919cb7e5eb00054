import jax.numpy as jnp
import numpy as np
import pytest

from cvae_jax.audio import level
from cvae_jax.evaluation.metrics import probes
from cvae_jax.evaluation.metrics import spectral
from cvae_jax.methods.common import losses


def test_a_probe_reads_what_is_there_and_nothing_else():
  rng = np.random.default_rng(0)
  labels = rng.integers(4, size=600)
  codes = rng.normal(size=(600, 10))
  told = codes.copy()
  told[:, 3] += 4 * labels  # A direction that says it, as loud as it likes.
  fit, held = slice(0, 400), slice(400, 600)
  nothing = probes.linear_probe(codes[fit], labels[fit], codes[held], labels[held])
  everything = probes.linear_probe(told[fit], labels[fit], 1 * told[held], labels[held])
  scaled = probes.linear_probe(1e3 * told[fit], labels[fit], 1e3 * told[held], labels[held])
  assert nothing < 0.4 and everything > 0.9 and scaled == pytest.approx(everything, abs=0.02)


def test_chance_is_the_most_frequent_label():
  assert probes.chance(np.asarray([1, 1, 2]), np.asarray([1, 2, 2, 2])) == 0.25


def test_the_distance_of_sounds_is_in_db_and_does_not_care_for_level():
  rng = np.random.default_rng(0)
  audio = (0.1 * rng.normal(size=(2, 16_000))).astype(np.float32)
  np.testing.assert_allclose(spectral.log_spectral_distance(audio, 0.5 * audio + 0.1), 0, atol=0.05)
  other = (0.1 * rng.normal(size=(2, 16_000))).astype(np.float32)
  # Levels of two noises differ by the deviation of the difference of two log-exponentials, 7.9 dB.
  np.testing.assert_allclose(spectral.log_spectral_distance(audio, other), 7.9, atol=0.5)


def test_mel_cepstral_distortion_is_that_of_librosas_bands():
  import librosa
  import scipy.fft

  rng = np.random.default_rng(0)
  a, b = ((0.1 * rng.normal(size=16_000) * np.linspace(1, k, 16_000)) for k in (0.1, 0.6))

  def cepstra(x):
    x = x - x.mean()
    x = x * (level.PEAK / np.abs(x).max())
    magnitude = np.abs(librosa.stft(x, n_fft=1024, hop_length=256))
    bands = librosa.filters.mel(sr=16_000, n_fft=1024, n_mels=40, fmin=27.5, fmax=8000) @ magnitude
    floor = 256 * 1e-4 / 40
    return scipy.fft.dct(np.log(np.maximum(bands, floor)), axis=0, norm="ortho")[1:14]

  squared = np.sum(np.square(cepstra(a) - cepstra(b)), axis=0)
  expected = np.mean(10 / np.log(10) * np.sqrt(2 * squared))
  found = spectral.mel_cepstral_distortion(a[None], b[None], 16_000)
  assert found[0] == pytest.approx(expected, rel=1e-3)
  assert spectral.mel_cepstral_distortion(a[None], 0.2 * a[None], 16_000)[0] < 1e-3


def test_si_sdr_is_the_level_of_what_was_added_at_any_scale():
  rng = np.random.default_rng(0)
  audio, noise = rng.normal(size=(2, 3, 50_000))
  found = spectral.si_sdr(audio, 0.3 * (audio + 0.1 * noise) + 1.0)
  np.testing.assert_allclose(found, 20.0, atol=0.1)
  assert (spectral.si_sdr(audio, noise) < -20).all() and (spectral.si_sdr(audio, audio) > 200).all()
  assert np.isfinite(spectral.si_sdr(np.zeros((1, 9)), np.zeros((1, 9)))).all()


def test_the_multi_resolution_distance_is_that_of_the_loss():
  rng = np.random.default_rng(0)
  a, b = (0.1 * rng.normal(size=(2, 2, 16_000))).astype(np.float32)
  expected = losses.multi_resolution_stft(*(level.normalize(jnp.asarray(x)) for x in (a, b)))
  np.testing.assert_allclose(spectral.multi_resolution_distance(3 * a, b), expected, rtol=1e-3)
