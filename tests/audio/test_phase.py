from conftest import FIXTURES
import jax
import jax.numpy as jnp
import librosa
import numpy as np
import pytest

from cvae_jax.audio import files
from cvae_jax.audio import phase
from cvae_jax.audio import stft
from cvae_jax.core import errors


def convergence(audio, magnitude):
  rebuilt = np.abs(stft.stft(jnp.asarray(audio), 1024, 256))
  return np.linalg.norm(rebuilt - magnitude) / np.linalg.norm(magnitude)


def test_griffin_lim_comes_as_near_as_librosas(real_note):
  audio = real_note[:32_000]
  magnitude = np.abs(np.asarray(stft.stft(jnp.asarray(audio), 1024, 256)))
  ours, theirs = [], []
  for seed in range(8):  # Where it ends depends on the phases it starts from.
    rebuilt = phase.griffin_lim(
      jnp.asarray(magnitude), jax.random.key(seed), 32, 256, length=32_000
    )
    ours.append(convergence(np.asarray(rebuilt), magnitude))
    rebuilt = librosa.griffinlim(
      magnitude.T, n_iter=32, hop_length=256, random_state=seed, length=32_000, pad_mode="constant"
    )
    theirs.append(convergence(rebuilt, magnitude))
  assert np.mean(ours) < np.mean(theirs) + np.std(theirs)


def test_more_iterations_come_nearer_and_none_is_far(real_note):
  magnitude = jnp.abs(stft.stft(jnp.asarray(real_note[:16_000]), 1024, 256))
  key = jax.random.key(0)
  none, some, many = (
    convergence(phase.griffin_lim(magnitude, key, n, 256, length=16_000), np.asarray(magnitude))
    for n in (0, 8, 64)
  )
  assert none > 1.5 * some > 1.5 * many


@pytest.mark.parametrize("start", phase.STARTS)
def test_silence_gives_silence(start):
  audio = phase.griffin_lim(jnp.zeros((2, 20, 129)), jax.random.key(0), 4, 64, start=start)
  np.testing.assert_array_equal(audio, 0.0)


@pytest.mark.parametrize("n_fft,hop_length,window", [(2048, 512, "hann"), (1024, 256, "blackman")])
def test_the_phase_of_steady_partials_is_found_without_iterations(n_fft, hop_length, window):
  time = jnp.arange(32_000) / 16_000
  partials = [(220.3, 0.5, 0.3), (447.1, 0.25, 1.0), (1033.0, 0.1, 2.0), (3001.7, 0.05, 0.1)]
  audio = sum(a * jnp.sin(2 * jnp.pi * f * time + p) for f, a, p in partials)
  magnitude = jnp.abs(stft.stft(audio, n_fft, hop_length, window=window))
  angles = phase.integrate_phase(magnitude, hop_length, window=window)
  spectrum = magnitude * jnp.exp(1j * angles)
  again = jnp.abs(
    stft.stft(stft.istft(spectrum, hop_length, window=window), n_fft, hop_length, window=window)
  )
  inner = slice(8, -8)  # The waveform begins and ends with a click, which is no partial.
  error = jnp.linalg.norm((again - magnitude)[inner]) / jnp.linalg.norm(magnitude[inner])
  assert 20 * np.log10(error) < -35.0


def test_a_window_without_a_wide_lobe_still_gives_phases():
  audio = jnp.sin(jnp.arange(8000) * 0.3)
  magnitude = jnp.abs(stft.stft(audio, 512, 128, window="boxcar"))
  angles = phase.integrate_phase(magnitude, 128, window="boxcar")
  assert bool(jnp.isfinite(angles).all()) and float(jnp.abs(angles).max()) <= np.pi + 1e-5


def test_sixteen_iterations_from_integrated_phases_beat_a_hundred_of_librosas():
  paths = sorted((FIXTURES / "nsynth-valid" / "audio").glob("*.flac"))[::4]
  notes = np.stack([files.read_note(str(p), 64_000, 16_000).audio for p in paths])
  notes /= np.abs(notes).max(axis=1, keepdims=True)
  magnitude = np.abs(np.asarray(stft.stft(jnp.asarray(notes))))
  ours = phase.griffin_lim(jnp.asarray(magnitude), num_iters=16, start="integrated", length=64_000)
  theirs = np.stack(
    [librosa.griffinlim(m.T, n_iter=100, length=64_000, random_state=0) for m in magnitude]
  )

  def error_db(audio):
    again = np.abs(np.asarray(stft.stft(jnp.asarray(audio))))
    return 20 * np.log10(np.linalg.norm(again - magnitude) / np.linalg.norm(magnitude))

  assert error_db(ours) < error_db(theirs) - 1.0


def test_phases_may_be_given(real_note):
  spectrum = stft.stft(jnp.asarray(real_note))
  audio = phase.griffin_lim(
    jnp.abs(spectrum), num_iters=2, start=jnp.angle(spectrum), length=64_000
  )
  np.testing.assert_allclose(audio, real_note, atol=1e-4)


def test_a_start_that_there_is_none_of_is_refused():
  with pytest.raises(errors.UserError, match="integrated or random, got 'zero'"):
    phase.griffin_lim(jnp.ones((4, 129)), start="zero")
  with pytest.raises(ValueError, match="need a key"):
    phase.griffin_lim(jnp.ones((4, 129)))
