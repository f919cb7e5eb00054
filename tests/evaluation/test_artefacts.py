"""Artefacts of notes whose releases, decays, attacks and noise are known."""

import numpy as np
import pytest

from cvae_jax.evaluation.measures import artefacts as measure
from cvae_jax.evaluation.metrics import artefacts

RATE = 16_000
T = np.arange(4 * RATE) / RATE
SINE = np.sin(2 * np.pi * 440.0 * T)


def notes(*envelopes):
  return np.stack([0.5 * envelope * SINE for envelope in envelopes]).astype(np.float32)


HELD = np.where(T < 3.0, 1.0, 0.0)
RELEASED = np.where(T < 3.0, 1.0, np.exp(-(T - 3.0) / 0.1))  # -87 dB a second
PLUCKED = np.exp(-T)  # -8.686 dB a second


def test_releases_and_decays_are_the_slopes_that_they_were_made_with():
  audio = notes(np.ones(T.size), RELEASED, PLUCKED)
  released = artefacts.release_db(audio, RATE)
  np.testing.assert_allclose(released[0], 0.0, atol=0.1)
  assert -45 < released[1] < -40  # The mean power of 3.4 to 3.9 s: -34.7 dB at its begin.
  np.testing.assert_allclose(artefacts.decay_db(audio, RATE)[[0, 2]], [0, -8.686 * 2.3], atol=0.1)
  tails = artefacts.tail_db(audio, RATE)
  np.testing.assert_allclose(tails[0], -3.0, atol=0.1)
  assert tails[1] < -80


def test_a_note_that_rises_after_its_release_is_a_burst():
  rising = RELEASED + np.where(T > 3.8, 0.1, 0.0)
  inaudible = RELEASED + np.where(T > 3.8, 1e-4, 0.0)
  found = artefacts.has_burst(notes(RELEASED, rising, HELD, inaudible), RATE)
  assert found.tolist() == [False, True, False, False]


def test_an_attack_is_the_time_from_10_to_70_percent():
  audio = notes(*(np.minimum(T / seconds, 1.0) for seconds in (0.1, 0.5, 1.0)))
  np.testing.assert_allclose(artefacts.attack_s(audio, RATE), [0.06, 0.3, 0.6], atol=0.002)


def test_noise_is_between_partials_and_partials_are_not():
  noise = 0.05 * np.random.default_rng(0).normal(size=T.size)
  partials = sum(np.sin(2 * np.pi * 440.0 * n * T) / n for n in range(1, 9))
  audio = np.stack([0.3 * partials, 0.3 * partials + noise])
  clean, noisy = artefacts.between_partials_db(audio, np.asarray([69, 69]), RATE)
  share = 10 ** (noisy / 10) * np.mean(audio[1] ** 2) / np.mean(noise**2)
  assert (
    clean < -80 and 0.5 < share < 0.65
  )  # Half of a white noise, and what is below the partials.
  off = artefacts.between_partials_db(audio[:1], np.asarray([70]), RATE)
  assert off[0] > -1.0


def test_the_error_of_a_set_is_the_mean_over_families():
  real = {"a_decay_db": -10.0, "a_attack_s": 0.1, "b_decay_db": 0.0, "b_attack_s": 0.0}
  made = {"a_decay_db": -4.0, "a_attack_s": 0.15, "b_decay_db": 2.0, "b_attack_s": 0.01}
  real |= {"a_attack_median_s": 0.1, "b_attack_median_s": 0.01}
  made |= {"a_attack_median_s": 0.1, "b_attack_median_s": 0.014}
  found = measure.compare(made, real)
  assert found["decay_error_db"] == pytest.approx(4.0)
  assert found["attack_error"] == pytest.approx((0.5 + 0.5) / 2)
  assert found["attack_median_error"] == pytest.approx((0.0 + 0.2) / 2)
