import jax
import jax.numpy as jnp
import librosa
import numpy as np
import pytest

from cvae_jax.audio import stft
from cvae_jax.core import errors

# n_fft, hop_length, win_length: hops that divide the window and hops that do not.
GRID = [(1024, 256, 1024), (1024, 512, 1024), (2048, 512, 2048), (512, 100, 400), (256, 77, 256)]


@pytest.mark.parametrize("n_fft,hop_length,win_length", GRID)
@pytest.mark.parametrize("center", [True, False])
def test_stft_agrees_with_librosa(real_note, n_fft, hop_length, win_length, center):
  audio = real_note[:16_001]
  ours = stft.stft(jnp.asarray(audio), n_fft, hop_length, win_length, center=center)
  theirs = librosa.stft(
    audio,
    n_fft=n_fft,
    hop_length=hop_length,
    win_length=win_length,
    center=center,
    pad_mode="constant",
  ).T
  assert ours.shape == theirs.shape
  np.testing.assert_allclose(ours, theirs, atol=2e-6 * np.abs(theirs).max())


@pytest.mark.parametrize("window", ["hamming", "blackman", "boxcar", "cosine"])
def test_other_windows_agree_with_librosa(real_note, window):
  ours = stft.stft(jnp.asarray(real_note[:8000]), 512, 128, window=window)
  theirs = librosa.stft(
    real_note[:8000], n_fft=512, hop_length=128, window=window, pad_mode="constant"
  ).T
  np.testing.assert_allclose(ours, theirs, atol=2e-6 * np.abs(theirs).max())
  back = stft.istft(ours, 128, window=window, length=8000)
  np.testing.assert_allclose(back[:7900], real_note[:7900], atol=2e-6)


@pytest.mark.parametrize("n_fft,hop_length,win_length", GRID)
def test_istft_agrees_with_librosa_on_a_spectrum_of_no_waveform(n_fft, hop_length, win_length):
  rng = np.random.default_rng(0)
  shape = (40, n_fft // 2 + 1)
  spectrum = (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(np.complex64)
  ours = stft.istft(jnp.asarray(spectrum), hop_length, win_length)
  theirs = librosa.istft(spectrum.T, hop_length=hop_length, win_length=win_length)
  # librosa leaves the last samples out where a hop does not divide n_fft; what both have agrees.
  inner = slice(0, min(ours.size, theirs.size) - n_fft)
  np.testing.assert_allclose(ours[inner], theirs[inner], atol=1e-5 * np.abs(theirs[inner]).max())


@pytest.mark.parametrize("n_fft,hop_length,win_length", GRID)
def test_round_trip_gives_the_waveform_back(real_note, n_fft, hop_length, win_length):
  audio = jnp.asarray(np.stack([real_note, real_note[::-1].copy()]))
  spectrum = stft.stft(audio, n_fft, hop_length, win_length)
  assert spectrum.shape[1] == stft.num_frames(64_000, hop_length)
  back = stft.istft(spectrum, hop_length, win_length, length=64_000)
  # The last frames of a hop that does not divide the length reach past half a window only.
  covered = (spectrum.shape[1] - 1) * hop_length
  np.testing.assert_allclose(back[:, :covered], audio[:, :covered], atol=2e-6)


@pytest.mark.parametrize(
  "frame_length,hop_length,size", [(8, 4, 32), (8, 3, 29), (5, 5, 23), (7, 2, 7)]
)
def test_overlap_add_is_the_transpose_of_frame(frame_length, hop_length, size):
  rng = np.random.default_rng(1)
  x = jnp.asarray(rng.normal(size=(3, size)), jnp.float32)
  frames = stft.frame(x, frame_length, hop_length)
  expected = librosa.util.frame(np.asarray(x), frame_length=frame_length, hop_length=hop_length)
  np.testing.assert_array_equal(frames, expected.swapaxes(1, 2))
  y = jnp.asarray(rng.normal(size=frames.shape), jnp.float32)
  _, pull = jax.vjp(lambda x: stft.frame(x, frame_length, hop_length), x)
  added = stft.overlap_add(y, hop_length)
  np.testing.assert_allclose(added, pull(y)[0][:, : added.shape[1]], atol=1e-5)


@pytest.mark.parametrize(
  "n_fft,hop_length,win_length,says",
  [
    (1023, 256, 1023, "n_fft must be even"),
    (1024, 0, 1024, "hop_length"),
    (512, 128, 1024, "1024"),
  ],
)
def test_parameters_that_do_not_fit_are_refused(n_fft, hop_length, win_length, says):
  with pytest.raises(errors.UserError, match=says):
    stft.stft(jnp.zeros(4096), n_fft, hop_length, win_length)


def test_a_waveform_shorter_than_a_frame_is_refused():
  with pytest.raises(ValueError, match="100 samples is too short for a frame of 1024"):
    stft.stft(jnp.zeros(100), 1024, 256, center=False)


def test_a_window_that_scipy_does_not_know_is_named():
  with pytest.raises(errors.UserError, match="window 'hanning-ish' cannot be made"):
    stft.stft(jnp.zeros(4096), window="hanning-ish")
