import numpy as np
import pytest

from cvae_jax.metrics import probes
from cvae_jax.metrics import spectral


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
