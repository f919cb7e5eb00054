import jax.numpy as jnp
import librosa
import librosa.filters
import numpy as np
import pytest

from cvae_jax.audio import cqt
from cvae_jax.audio import stft
from cvae_jax.core import errors

SETTINGS = [(32.703, 84, 12), (27.5, 288, 36), (40.0, 150, 24)]


@pytest.mark.parametrize("fmin,n_bins,bins_per_octave", SETTINGS)
def test_agrees_with_librosa(real_note, fmin, n_bins, bins_per_octave):
  ours = np.abs(cqt.cqt(jnp.asarray(real_note), 16_000, 512, fmin, n_bins, bins_per_octave))
  theirs = librosa.cqt(
    real_note,
    sr=16_000,
    hop_length=512,
    fmin=fmin,
    n_bins=n_bins,
    bins_per_octave=bins_per_octave,
    sparsity=0.0,
  )
  theirs = np.abs(theirs).T
  error = np.abs(ours - theirs).max(axis=0) / theirs.max()
  assert error[-bins_per_octave:].max() < 1e-5
  assert error.max() < 0.03  # librosa's resampling, octave by octave.


def test_agrees_with_the_filters_themselves_in_every_octave(real_note):
  ours = cqt.cqt(jnp.asarray(real_note), 16_000, 512, 32.703, 72, 12)
  freqs_hz = cqt.frequencies(72, 32.703, 12)
  step = 2 ** (2 / 12)
  alpha = np.full(72, (step - 1) / (step + 1))
  basis, lengths = librosa.filters.wavelet(freqs=freqs_hz, sr=16_000, alpha=alpha)
  half = basis.shape[1] // 2
  padded = np.pad(real_note.astype(np.float64), half)
  for frame in (10, 60, 100):
    window = padded[frame * 512 : frame * 512 + 2 * half]
    # Correlation with each filter at full rate, in time.
    expected = np.abs(basis[:, ::-1] @ window) * np.sqrt(lengths)
    np.testing.assert_allclose(np.abs(ours[frame]), expected, atol=2e-3 * expected.max())


def test_a_full_scale_sine_has_full_scale():
  full = cqt.full_scale(16_000, 84, 32.703, 12)
  for row in (12, 50, 80):
    freq_hz = cqt.frequencies(84, 32.703, 12)[row]
    sine = jnp.sin(2 * jnp.pi * freq_hz * jnp.arange(64_000) / 16_000)
    found = jnp.abs(cqt.cqt(sine, 16_000, 512, 32.703, 84, 12))[60]
    assert int(jnp.argmax(found)) == row
    assert float(found[row] / full[row]) == pytest.approx(1.0, abs=0.01)


def test_sines_keep_their_place_and_level_on_the_way_to_linear():
  for freq_hz in (110.0, 440.0, 1567.0):
    sine = jnp.sin(2 * jnp.pi * freq_hz * jnp.arange(64_000) / 16_000)
    magnitude = jnp.abs(cqt.cqt(sine, 16_000, 512, 27.5, 288, 36))
    linear = cqt.cqt_to_linear(magnitude, 16_000, 2048, 27.5, 36)[60]
    expected = jnp.abs(stft.stft(sine, 2048, 512))[60]
    assert abs(int(jnp.argmax(linear)) - int(jnp.argmax(expected))) <= 1
    energy = float(jnp.sum(linear**2) / jnp.sum(expected**2))
    assert 0.3 < energy < 1.5


@pytest.mark.parametrize(
  "fmin,n_bins,says", [(32.7, 120, "beyond half the sample rate"), (-1.0, 84, "positive fmin")]
)
def test_bins_that_do_not_fit_are_refused(fmin, n_bins, says):
  with pytest.raises(errors.UserError, match=says):
    cqt.cqt(jnp.zeros(16_000), 16_000, 512, fmin, n_bins, 12)
