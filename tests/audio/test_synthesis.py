import jax.numpy as jnp
import numpy as np
import pytest
import scipy.signal

from cvae_jax.audio import synthesis

SR, T = 16_000, 64_000


def spectrum_db(audio):
  """Levels of the bins in dB below the loudest ([T / 2 + 1])."""
  window = scipy.signal.get_window("blackmanharris", audio.size)
  magnitude = np.abs(np.fft.rfft(np.asarray(audio, np.float64) * window))
  return 20 * np.log10(magnitude / magnitude.max() + 1e-12)


def test_phase_stays_exact_to_the_last_sample():
  f0 = np.asarray([27.5, 440.0, 4186.0], np.float32)
  phase = np.asarray(synthesis.phase_ramp(jnp.asarray(f0), T, SR))
  # The frequency that it runs at, off by the rounding of float32, from all of its cycles.
  wanted = f0.astype(np.float64) / SR * (T - 1)
  increment = (np.round(wanted - phase[:, -1]) + phase[:, -1]) / (T - 1)
  np.testing.assert_allclose(increment * SR, f0, rtol=1e-6)
  exact = (np.arange(T) * increment[:, None]) % 1.0
  difference = np.abs(phase - exact)
  assert np.minimum(difference, 1 - difference).max() < 1e-6


@pytest.mark.parametrize("midi", [33, 69, 100, 108])
def test_a_sawtooth_has_its_harmonics_and_nothing_between_them(midi):
  f0 = 440.0 * 2 ** ((midi - 69) / 12)
  f0 = np.round(f0 / SR * T) / T * SR  # On a bin, so that leakage hides nothing.
  frequency = jnp.asarray([f0], jnp.float32)
  amplitudes = 1.0 / synthesis.harmonic_numbers(280)[None]
  phase = synthesis.phase_ramp(frequency, T, SR)
  level = spectrum_db(synthesis.harmonics(phase, amplitudes, frequency, SR)[0])
  step = round(f0 / SR * T)
  partials = np.arange(1, int(synthesis.BAND_LIMIT * SR / f0) + 1)
  np.testing.assert_allclose(level[partials * step], -20 * np.log10(partials), atol=0.05)
  between = np.ones(level.size, bool)
  for offset in range(-6, 7):
    between[np.clip(partials * step + offset, 0, level.size - 1)] = False
  assert level[between].max() < -75  # A naive sawtooth of 4 kHz has aliases at -12 dB.


def test_frequency_modulation_stays_under_the_band_limit():
  f0 = jnp.asarray([2000.0])
  phase = synthesis.phase_ramp(f0, T, SR)
  audio = synthesis.frequency_modulation(phase, f0, jnp.ones(1), jnp.full((1, T), 50.0), SR)
  level = spectrum_db(audio[0])
  harmonics = np.arange(T // 2 + 1) * SR / T
  wrong = np.abs((harmonics + 1000) % 2000 - 1000) > 10
  assert level[wrong].max() < -60


def test_the_filter_is_the_bilinear_transform_of_the_analog_one():
  rng = np.random.default_rng(0)
  x = rng.normal(size=2000).astype(np.float32)
  cutoff, q = 1000.0, 2.0
  ours = synthesis.lowpass(jnp.asarray(x[None]), jnp.full((1, 2000), cutoff), jnp.asarray([q]), SR)[
    0
  ]
  warped = 2 * SR * np.tan(np.pi * cutoff / SR)
  b, a = scipy.signal.bilinear([warped**2], [1, warped / q, warped**2], SR)
  np.testing.assert_allclose(ours, scipy.signal.lfilter(b, a, x), atol=1e-4)


def test_modes_are_decaying_sines():
  audio = synthesis.modes(
    jnp.asarray([[440.0, 9000.0]]), jnp.asarray([[0.5, 1.0]]), jnp.asarray([[0.3, 0.3]]), 8000, SR
  )
  t = np.arange(8000) / SR  # The mode over the band limit is left out.
  np.testing.assert_allclose(
    audio[0], 0.5 * np.exp(-t / 0.3) * np.sin(2 * np.pi * 440 * t), atol=2e-4
  )


def test_the_envelope_rises_falls_holds_and_ends():
  times = [jnp.asarray([x]) for x in (0.1, 0.2, 0.5, 0.05)]
  envelope = np.asarray(synthesis.adsr(*times, 3.0, T, SR))[0]
  assert envelope[0] == 0 and envelope[800] == pytest.approx(0.5, abs=1e-3)
  assert envelope[1600] == pytest.approx(1.0, abs=1e-3)
  assert envelope[32_000] == pytest.approx(0.5, abs=1e-3)
  assert envelope[48_000 + 800] == pytest.approx(0.5 / np.e, abs=1e-3)
