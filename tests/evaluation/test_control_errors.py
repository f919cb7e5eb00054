import numpy as np
import pytest

from cvae_jax.evaluation.metrics import controls

SR = 16_000


def tone(hz, gain=0.3):
  t = np.arange(SR) / SR
  return gain * sum(np.sin(2 * np.pi * k * hz * t) / k for k in range(1, 6))


def test_errors_of_loudness_and_f0_are_those_that_were_made():
  audio = np.stack([tone(220.0), tone(220.0), tone(220.0)])
  made = np.stack([tone(220.0, 0.15), tone(220.0 * 2 ** (0.5 / 12)), tone(220.0 * 3)])
  found = controls.control_errors(audio, made, SR)
  mean = lambda name, count: found[name] / np.maximum(found[count], 1)
  np.testing.assert_allclose(mean("loudness_db", "frames")[:2], [6.02, 0.3], atol=0.35)
  np.testing.assert_allclose(mean("f0_semitones", "f0_frames")[:2], [0.0, 0.5], atol=0.02)
  assert mean("outliers", "tracked_frames") == pytest.approx([0.0, 0.0, 1.0], abs=0.05)


def test_noise_in_the_place_of_a_tone_is_an_outlier_and_silence_has_no_f0():
  noise = 0.2 * np.random.default_rng(0).normal(size=SR)
  found = controls.control_errors(np.stack([tone(330.0), 0 * noise]), np.stack([noise] * 2), SR)
  assert found["outliers"][0] > 0.9 * found["tracked_frames"][0] > 50
  assert found["tracked_frames"][1] == 0
