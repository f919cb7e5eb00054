import jax.numpy as jnp
import librosa
import numpy as np
import pytest

from cvae_jax.audio import decibel
from cvae_jax.audio import mel
from cvae_jax.audio import stft
from cvae_jax.core import errors


@pytest.mark.parametrize("htk", [False, True])
def test_mel_spectrogram_agrees_with_librosa(real_note, htk):
  magnitude = np.abs(np.asarray(stft.stft(jnp.asarray(real_note), 1024, 256)))
  ours = mel.linear_to_mel(jnp.asarray(magnitude), 16_000, 80, 20.0, 7600.0, htk)
  theirs = librosa.feature.melspectrogram(
    S=magnitude.T, sr=16_000, n_fft=1024, n_mels=80, fmin=20.0, fmax=7600.0, htk=htk
  ).T
  np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def test_the_way_back_from_mel_has_the_mel_spectrogram_it_came_from():
  magnitude = jnp.asarray(np.exp(-np.arange(513) / 200)[None].astype(np.float32))
  mels = mel.linear_to_mel(magnitude, 16_000, 64)
  back = mel.mel_to_linear(mels, 16_000, 1024)
  np.testing.assert_allclose(mel.linear_to_mel(back, 16_000, 64), mels, rtol=1e-3)


def test_a_fine_mel_axis_loses_nothing_where_it_is_finer_than_the_bins():
  axis = mel.make_axis(16_000, 1024, 512, 0.0, 8000.0)
  np.testing.assert_allclose(axis.to_mel.sum(axis=1), 1.0, rtol=1e-5)
  np.testing.assert_allclose(axis.to_linear.sum(axis=1), 1.0, rtol=1e-5)
  ramp = np.arange(513, dtype=np.float32)
  np.testing.assert_allclose((axis.to_linear @ (axis.to_mel @ ramp))[:500], ramp[:500], atol=0.1)
  fine = axis.half_width == 1.0
  assert fine[0] and not fine[-1]
  np.testing.assert_allclose(axis.to_mel[fine] @ ramp, axis.center[fine], atol=1e-3)


def test_powers_in_decibels_agree_with_librosa():
  power = np.geomspace(1e-12, 10, 50).astype(np.float32)
  theirs = librosa.power_to_db(power, ref=2.0, amin=1e-9, top_db=60.0)
  ours = decibel.power_to_db(jnp.asarray(power), 2.0, 1e-9, 60.0)
  np.testing.assert_allclose(ours, theirs, atol=1e-4)
  np.testing.assert_allclose(
    decibel.db_to_power(ours, 2.0), librosa.db_to_power(theirs, ref=2.0), rtol=1e-4
  )


def test_more_mels_than_bins_are_refused():
  with pytest.raises(errors.UserError, match="mel filters hold no bin at n_fft 256"):
    mel.make_filterbank(16_000, 256, 256, 0.0, 8000.0)


@pytest.mark.parametrize("top_db", [None, 40.0])
def test_decibels_agree_with_librosa(top_db):
  amplitude = np.geomspace(1e-7, 10, 50).astype(np.float32)
  ours = decibel.amplitude_to_db(jnp.asarray(amplitude), 2.0, 1e-5, top_db)
  theirs = librosa.amplitude_to_db(amplitude, ref=2.0, amin=1e-5, top_db=top_db)
  np.testing.assert_allclose(ours, theirs, atol=1e-4)
  back = decibel.db_to_amplitude(
    decibel.amplitude_to_db(jnp.asarray(amplitude), 2.0, 1e-8, None), 2.0
  )
  np.testing.assert_allclose(back, amplitude, rtol=1e-4)
