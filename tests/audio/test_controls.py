import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cvae_jax.audio import controls
from cvae_jax.audio import harmonic_noise
from cvae_jax.audio import loudness
from cvae_jax.audio import oscillators

SR, HOP = 16_000, 128
TRACKING = controls.Tracking(HOP, 40.0, 2000.0, 1024)


def test_the_weights_of_power_are_those_of_the_curve():
  hz = np.asarray([30.0, 440.0, 1000.0, 7000.0], np.float32)
  found = 10.0 * np.log10(loudness.a_weighting_power(jnp.asarray(hz)))
  np.testing.assert_allclose(found, loudness.a_weighting(hz), atol=1e-4)


@pytest.mark.parametrize("f0_hz,noise", [(100.0, 0.0), (440.0, 0.1), (1500.0, 1.0)])
def test_the_loudness_of_harmonics_and_noise_has_a_closed_form(f0_hz, noise):
  rng = np.random.default_rng(0)
  row = lambda size: jnp.asarray(np.tile(rng.uniform(size=size), (1, 200, 1)), jnp.float32)
  bands = jnp.asarray(np.tile(noise * np.linspace(1.0, 0.2, 65), (1, 200, 1)), jnp.float32)
  parameters = harmonic_noise.Parameters(jnp.full((1, 200), 0.3), row(40), bands)
  f0 = jnp.full((1, 200), f0_hz)
  audio = harmonic_noise.synthesize(f0, parameters, HOP, SR, jax.random.key(0))
  amplitudes = oscillators.distribute(parameters.amplitude, parameters.distribution, f0, SR)
  predicted = controls.predict_loudness(amplitudes, parameters.noise, f0, SR)[0, 100]
  measured = np.asarray(controls.measure_loudness(audio, SR, HOP))[0, 10:-10]
  mean_db = 10.0 * np.log10(np.mean(10.0 ** (measured / 10.0)))
  assert float(predicted) == pytest.approx(mean_db, abs=0.3)


def test_controls_are_scaled_and_back_and_silence_is_the_floor():
  f0 = jnp.asarray([[27.5, 440.0, 4186.0]])
  level_db = jnp.asarray([[-80.0, -20.0, 5.0]])
  again, again_db = controls.unscale(controls.scale(f0, level_db))
  np.testing.assert_allclose(again, f0, rtol=1e-5)
  np.testing.assert_allclose(again_db, level_db, atol=1e-4)
  found = controls.measure(jnp.zeros((1, 10 * HOP)), SR, TRACKING)
  assert found.f0_hz.shape == (1, 10)
  np.testing.assert_array_equal(found.loudness_db, -80.0)
  assert not controls.clear_frames(found).any()


def test_a_tone_in_silence_is_clear_where_it_sounds():
  t = np.arange(SR) / SR
  tone = 0.3 * np.sin(2 * np.pi * 330.0 * t) * (t > 0.5)
  found = controls.measure(jnp.asarray(tone[None], jnp.float32), SR, TRACKING)
  clear = controls.clear_frames(found)[0]
  assert not clear[:55].any() and clear[70:120].all()
  assert np.asarray(controls.hz_to_pitch(found.f0_hz))[0, 90] == pytest.approx(64.02, abs=0.05)
