import jax.numpy as jnp
import numpy as np

from cvae_jax.audio import instantaneous_frequency
from cvae_jax.audio import stft


def test_agrees_with_numpys_unwrap(real_note):
  phase = np.angle(np.asarray(stft.stft(jnp.asarray(real_note), 1024, 256)))
  ours = np.asarray(instantaneous_frequency.from_phase(jnp.asarray(phase)))
  theirs = np.diff(np.unwrap(phase.astype(np.float64), axis=0), axis=0) / np.pi
  # A half turn may be taken either way.
  apart = np.abs(ours[1:] - theirs)
  assert np.max(np.minimum(apart, np.abs(apart - 2.0))) < 1e-5
  np.testing.assert_allclose(ours[0], phase[0] / np.pi, atol=1e-6)
  assert np.abs(ours).max() <= 1.0


def test_the_phase_comes_back_up_to_whole_turns(real_note):
  spectrum = np.asarray(stft.stft(jnp.asarray(real_note), 512, 128))
  frequency = instantaneous_frequency.from_phase(jnp.angle(spectrum))
  again = np.asarray(instantaneous_frequency.to_phase(frequency))
  # 501 frames of rounding.
  np.testing.assert_allclose(np.exp(1j * again), np.exp(1j * np.angle(spectrum)), atol=2e-3)


def test_a_sine_has_one_frequency():
  sine = jnp.sin(2 * jnp.pi * 440 * jnp.arange(16_000) / 16_000)
  phase = jnp.angle(stft.stft(sine, 1024, 256))
  turns = 440 * 256 / 16_000  # a hop
  expected = 2 * (turns - np.round(turns))  # of pi
  np.testing.assert_allclose(
    instantaneous_frequency.from_phase(phase)[8:50, 28], expected, atol=1e-3
  )
