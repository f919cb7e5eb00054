import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cvae_jax.audio import partials
from cvae_jax.audio import synthesis

SR, T = 16_000, 16_000


def sines(frequencies_hz, amplitudes, phases):
  """The sum that a bank computes, in float64."""
  t = np.arange(T) / SR
  amplitudes, phases = np.asarray(amplitudes, np.float64), np.asarray(phases, np.float64)
  rows = zip(frequencies_hz, amplitudes, phases, strict=True)
  return sum(a * np.sin(2 * np.pi * (f * t + p)) for f, a, p in rows)


def exact(frequency_hz):
  """The frequency that a float32 share of the sample rate is, in float64."""
  share = jax.jit(lambda f: f / SR)(jnp.asarray(frequency_hz, jnp.float32))
  return np.asarray(share, np.float64) * SR


FREQUENCIES = jnp.asarray([27.5, 441.3, 3000.7, 7500.0], np.float32)
AMPLITUDES = jnp.asarray([1.0, 0.5, 0.3, 0.2], np.float32)
PHASES = jnp.asarray([0.0, 0.3, 0.9, 0.5], np.float32)


def test_a_bank_is_a_sum_of_sines():
  audio = partials.bank(
    FREQUENCIES[None],
    AMPLITUDES[None, None],
    PHASES[None],
    T,
    SR,
  )
  np.testing.assert_allclose(audio[0], sines(exact(FREQUENCIES), AMPLITUDES, PHASES), atol=2e-5)


def test_a_banks_amplitudes_move_in_straight_lines():
  points = np.linspace(0.0, 1.0, T // 64 + 1, dtype=np.float32)
  audio = partials.bank(
    jnp.asarray([[441.3]]), jnp.asarray(points[None, :, None]), jnp.zeros((1, 1)), T, SR
  )
  wanted = np.arange(T) / T * sines(exact([441.3]), [1.0], [0.0])
  np.testing.assert_allclose(audio[0], wanted, atol=2e-5)


def test_a_bank_is_silent_above_the_band_limit_and_refuses_half_a_block():
  audio = partials.bank(jnp.asarray([[7700.0]]), jnp.ones((1, 1, 1)), jnp.zeros((1, 1)), T, SR)
  assert np.abs(np.asarray(audio)).max() == 0.0
  with pytest.raises(ValueError, match="16001 must be a multiple of 64"):
    partials.bank(jnp.ones((1, 1)), jnp.ones((1, 1, 1)), jnp.zeros((1, 1)), 16_001, SR)


def test_grains_that_all_begin_in_place_are_the_tone_itself():
  offsets = jnp.zeros((1, T // 256 + 1))
  audio = partials.grains(FREQUENCIES[None, :3], AMPLITUDES[None, :3], offsets, 15_872, SR, 512)
  # A grain is centred on its place, half its length after where it begins.
  ahead = exact(FREQUENCIES[:3]) * 256 / SR
  wanted = sines(exact(FREQUENCIES[:3]), AMPLITUDES[:3], ahead)[:15_872]
  np.testing.assert_allclose(audio[0, 256:-256], wanted[256:-256], atol=2e-4)


def test_an_oscillator_is_a_sine():
  np.testing.assert_allclose(
    partials.oscillator(jnp.asarray([5.3]), T, SR)[0], sines(exact([5.3]), [1], [0]), atol=1e-5
  )


@pytest.mark.parametrize("frequency_hz", [100.0, 1000.0, 3200.0])
def test_a_delay_that_swings_is_a_vibrato(frequency_hz):
  t = np.arange(T) / SR
  swing = 20.0 * np.sin(2 * np.pi * 5.0 * t)
  audio = np.sin(2 * np.pi * exact(frequency_hz) * t)
  read = partials.delay(
    jnp.asarray(audio[None], jnp.float32), jnp.asarray(swing[None], jnp.float32)
  )
  wanted = np.sin(2 * np.pi * exact(frequency_hz) * (t - swing / SR))
  error = np.asarray(read)[0] - wanted
  assert np.sqrt(np.mean(error[64:-64] ** 2)) < 0.01


def test_two_operators_are_chownings_fm():
  f0 = jnp.asarray([220.0])
  phase = synthesis.phase_ramp(f0, T, SR)
  ours = synthesis.operators("pair", f0, jnp.asarray([2.0]), jnp.asarray([3.0]), T, SR)
  theirs = synthesis.frequency_modulation(phase, f0, jnp.asarray([2.0]), jnp.full((1, T), 3.0), SR)
  np.testing.assert_allclose(ours, theirs, atol=1e-4)


@pytest.mark.parametrize("algorithm", ["pair", "stack", "branch"])
def test_operators_stay_under_the_band_limit(algorithm):
  f0 = jnp.asarray([1000.0])
  audio = synthesis.operators(algorithm, f0, jnp.ones(1), jnp.full(1, 50.0), T, SR)
  spectrum = np.abs(np.fft.rfft(np.asarray(audio[0]) * np.blackman(T)))
  level = 20 * np.log10(spectrum / spectrum.max() + 1e-9)
  # 16 kHz is a multiple of f0: what is folded back would fall on partials, so tune beside it.
  between = np.abs((np.arange(level.size) + 500) % 1000 - 500) > 10
  assert level[between].max() < -60
  assert level[7_650:].max() < -20


def test_the_polynomial_is_a_sine():
  cycles = np.linspace(-3.0, 5.0, 100_001, dtype=np.float32)
  wanted = np.sin(2 * np.pi * cycles.astype(np.float64))
  np.testing.assert_allclose(synthesis.sine(jnp.asarray(cycles)), wanted, atol=1.5e-6)
