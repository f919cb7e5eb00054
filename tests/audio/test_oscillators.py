import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.signal
import scipy.special

from cvae_jax.audio import frame_controls
from cvae_jax.audio import oscillators

SR, HOP = 16_000, 64


def lines(frames):
  """[B, N] to [B, N HOP], float64: straight lines, the last frame held."""
  frames = np.asarray(frames, np.float64)
  at = np.arange(frames.shape[1] * HOP) / HOP
  return np.stack([np.interp(at, np.arange(frames.shape[1]), row) for row in frames])


def windows(frames):
  """[B, N] to [B, N HOP], float64: overlapping Hann windows, the last frame held."""
  frames = np.concatenate([frames, frames[:, -1:]], axis=1).astype(np.float64)
  window = scipy.signal.get_window("hann", 2 * HOP)
  total = np.zeros((len(frames), (frames.shape[1] + 1) * HOP))
  for n in range(frames.shape[1]):
    total[:, n * HOP : (n + 2) * HOP] += frames[:, n, None] * window
  return total[:, HOP:-HOP]


@pytest.fixture(scope="module")
def controls():
  rng = np.random.default_rng(0)
  f0_hz = np.stack([np.linspace(200, 900, 40), 440 + 20 * np.sin(np.arange(40) / 3)])
  return f0_hz.astype(np.float32), rng.uniform(0, 0.1, (2, 40, 12)).astype(np.float32)


def test_controls_go_from_frame_to_frame_in_lines_or_by_windows(controls):
  f0_hz, _ = controls
  linear = frame_controls.interpolate_linearly(jnp.asarray(f0_hz), HOP)
  np.testing.assert_allclose(linear, lines(f0_hz), rtol=1e-6)
  smooth = frame_controls.interpolate_by_windows(jnp.asarray(f0_hz), HOP)
  np.testing.assert_allclose(smooth, windows(f0_hz), rtol=1e-6)


def test_a_phase_does_not_drift_in_ten_minutes():
  count, hz = 10 * 60 * SR, 441.3
  phase = jax.jit(frame_controls.accumulate_phase, static_argnums=2)(
    jnp.full((1, count), hz), jnp.asarray([2**30], jnp.uint32), SR
  )
  # A float32 step is a frequency of its own, within 1e-4 cents; from there on it is exact.
  step = float(np.float32(hz) * np.float32(2.0**32 / SR)) / 2.0**32
  assert abs(1200 * np.log2(step * SR / hz)) < 2e-4
  assert abs(float(phase[0, -1]) - (0.25 + count * step) % 1.0) < 1e-6
  # Two parts, of which the second goes on where the first ends, are the whole.
  f0_hz, start = jnp.full((1, 2000), hz), jnp.asarray([12345], jnp.uint32)
  whole = frame_controls.accumulate_phase(f0_hz, start, SR)
  half = frame_controls.end_phase(f0_hz[:, :1000], start, SR)
  again = frame_controls.accumulate_phase(f0_hz[:, 1000:], half, SR)
  np.testing.assert_array_equal(again, whole[:, 1000:])


def test_harmonics_are_a_sum_of_sines(controls):
  f0_hz, amplitudes = controls
  audio = oscillators.harmonics(jnp.asarray(f0_hz), jnp.asarray(amplitudes), HOP, SR)
  f0 = lines(f0_hz)
  phase = np.cumsum(f0 / SR, axis=1)
  wanted = np.zeros_like(phase)
  for k in range(1, 13):
    envelope = windows(amplitudes[..., k - 1]) * (k * f0 < SR / 2)
    wanted += envelope * np.sin(2 * np.pi * k * phase)
  assert (12 * f0 > SR / 2).any()  # Some of them are over half the sample rate.
  np.testing.assert_allclose(audio, wanted, atol=2e-4)


def test_the_gradients_of_harmonics_are_those_of_the_sines_one_by_one(controls):
  f0_hz, amplitudes = (jnp.asarray(x[:, :6]) for x in controls)
  wanted = jnp.asarray(np.random.default_rng(1).normal(size=(2, 6 * HOP)), jnp.float32)

  def plain(f0_hz, amplitudes):
    f0 = frame_controls.interpolate_linearly(f0_hz, HOP)
    phase = frame_controls.accumulate_phase(f0, frame_controls.zero_phase(2), SR)
    numbers = jnp.arange(1, 13)
    envelope = frame_controls.interpolate_by_windows(jnp.moveaxis(amplitudes, 2, 1), HOP)
    envelope = jnp.where(numbers[:, None] * f0[:, None] < SR / 2, envelope, 0.0)
    return jnp.sum(envelope * jnp.sin(2 * jnp.pi * numbers[:, None] * phase[:, None]), axis=1)

  def gradients(synthesize):
    loss = lambda f0_hz, amplitudes: jnp.sum(synthesize(f0_hz, amplitudes) * wanted)
    return jax.grad(loss, argnums=(0, 1))(f0_hz, amplitudes)

  found = gradients(lambda f0_hz, amplitudes: oscillators.harmonics(f0_hz, amplitudes, HOP, SR))
  for a, b in zip(found, gradients(plain), strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3 * float(np.abs(b).max()))


def test_an_amplitude_is_divided_among_the_harmonics_that_can_be_heard():
  f0_hz = jnp.asarray([[3000.0, 500.0]])
  found = oscillators.distribute(jnp.asarray([[0.5, 0.8]]), jnp.ones((1, 2, 4)), f0_hz, SR)
  np.testing.assert_allclose(found[0], [[0.25, 0.25, 0.0, 0.0], [0.2] * 4], rtol=1e-6)
  silent = oscillators.distribute(jnp.asarray([[0.5]]), jnp.zeros((1, 1, 4)), jnp.ones((1, 1)), SR)
  assert (np.asarray(silent) == 0.0).all()


def test_a_modulated_sine_has_bessels_partials():
  frames, index = 250, 1.5
  ones = jnp.ones((1, frames))
  audio = oscillators.modulated(
    1000.0 * ones, 0.7 * ones, jnp.asarray([2.0]), index * ones, HOP, SR
  )
  level = 2 * np.abs(np.fft.rfft(np.asarray(audio[0]))) / (frames * HOP)
  bessel = scipy.special.jv(np.arange(-3, 4), index)
  # Partials at 1000 + 2000 n; those under 0 are mirrored with the other sign.
  wanted = {}
  for n, amplitude in zip(range(-3, 4), bessel, strict=True):
    hz = 1000 + 2000 * n
    wanted[abs(hz)] = wanted.get(abs(hz), 0.0) + np.sign(hz) * 0.7 * amplitude
  for hz, amplitude in wanted.items():
    if hz < 5000:
      assert level[round(hz * frames * HOP / SR)] == pytest.approx(abs(amplitude), abs=2e-3)


def test_a_table_with_one_sine_is_that_sine_and_tables_are_mixed():
  frames = 50
  sine = np.sin(2 * np.pi * np.arange(512) / 512).astype(np.float32)
  tables = np.repeat(sine[None, None], frames, axis=1)
  ones = jnp.ones((1, frames))
  audio = oscillators.wavetable(300.0 * ones, 0.5 * ones, jnp.asarray(tables), HOP, SR)
  phase = np.arange(1, frames * HOP + 1) * 300 / SR
  np.testing.assert_allclose(audio[0], 0.5 * np.sin(2 * np.pi * phase), atol=5e-5)
  fading = tables * np.linspace(0, 1, frames, dtype=np.float32)[None, :, None]
  audio = oscillators.wavetable(300.0 * ones, ones, jnp.asarray(fading), HOP, SR)
  wanted = lines(np.linspace(0, 1, frames)[None])[0] * np.sin(2 * np.pi * phase)
  np.testing.assert_allclose(audio[0], wanted, atol=1e-4)
