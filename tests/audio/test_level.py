"""Level: what a note's edges and silence become."""

import jax.numpy as jnp
import numpy as np
import pytest

from cvae_jax.audio import level


def test_ends_are_faded_and_the_middle_is_left_alone():
  audio = np.ones((2, 1600), np.float32)
  faded = np.asarray(level.fade_ends(jnp.asarray(audio), 16_000))
  assert np.all(faded[:, 16:1440] == 1.0)
  assert np.all(faded[:, [0, -1]] == 0.0)
  assert np.all(np.diff(faded[0, :17]) > 0) and np.all(np.diff(faded[0, -160:]) < 0)
  assert faded[0, 8] == pytest.approx(0.5) and faded[0, -81] == pytest.approx(0.5)


def test_a_step_at_the_end_is_no_click_any_more():
  """What is over 4 kHz of a note that is cut while it sounds, faded and not."""
  t = np.arange(16_000) / 16_000
  tone = np.sin(2 * np.pi * 220 * t + 1.0).astype(np.float32)

  def high(x):
    spectrum = np.abs(np.fft.rfft(np.pad(x, (1000, 1000))))
    return np.sqrt(np.sum(spectrum[len(spectrum) // 2 :] ** 2))

  assert high(np.asarray(level.fade_ends(jnp.asarray(tone), 16_000))) < 0.1 * high(tone)


def test_silence_is_not_brought_to_full_level():
  noise = 1e-5 * np.random.default_rng(0).normal(size=(1, 100)).astype(np.float32)
  assert np.array_equal(np.asarray(level.peak_normalize(jnp.asarray(noise))), noise)
