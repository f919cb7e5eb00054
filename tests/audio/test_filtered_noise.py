import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.signal
import scipy.stats

from cvae_jax.audio import filters


def test_a_filter_has_the_response_that_it_is_designed_for():
  f = np.linspace(0.0, 1.0, 65)
  wanted = np.exp(-((f - 0.4) ** 2) / 0.05)
  taps = np.asarray(filters.design(jnp.asarray(wanted, jnp.float32)), np.float64)
  ideal = np.roll(np.fft.irfft(wanted), 64) * scipy.signal.get_window("hann", 128)
  np.testing.assert_allclose(taps, ideal, atol=1e-6)
  _, response = scipy.signal.freqz(taps, worN=np.pi * f[:-1])
  np.testing.assert_allclose(np.abs(response), wanted[:-1], atol=0.02)
  np.testing.assert_allclose(taps[1:], taps[1:][::-1], atol=1e-7)  # Of linear phase.


def test_each_part_is_filtered_by_its_own_filter_without_a_delay():
  rng = np.random.default_rng(0)
  audio = rng.normal(size=(2, 5 * 64)).astype(np.float32)
  responses = rng.normal(size=(2, 5, 32)).astype(np.float32)
  wanted = np.zeros((2, 5 * 64 + 31))
  for b in range(2):
    for n in range(5):
      part = np.convolve(audio[b, n * 64 : (n + 1) * 64].astype(np.float64), responses[b, n])
      wanted[b, n * 64 : n * 64 + len(part)] += part
  found = filters.filter_frames(jnp.asarray(audio), jnp.asarray(responses))
  np.testing.assert_allclose(found, np.pad(wanted, [(0, 0), (0, 1)])[:, 16 : 16 + 320], atol=1e-4)
  with pytest.raises(ValueError, match="3 filters do not divide 320 samples"):
    filters.filter_frames(jnp.asarray(audio), jnp.asarray(responses[:, :3]))


def test_flat_magnitudes_leave_noise_as_it_is_and_bands_its_share():
  key = jax.random.key(0)
  noise = filters.frame_noise(key, 1, 250, 64)
  flat = filters.filtered_noise(jnp.ones((1, 250, 65)), 64, key)
  np.testing.assert_allclose(flat, noise, atol=1e-5)
  low = np.zeros((1, 250, 65), np.float32)
  low[..., :16] = 1.0
  f, power = scipy.signal.welch(
    np.asarray(filters.filtered_noise(jnp.asarray(low), 64, key))[0], 2.0
  )
  passed, stopped = power[(f > 0.05) & (f < 0.2)].mean(), power[f > 0.3].mean()
  assert 10 * np.log10(passed / stopped) > 35
  assert passed == pytest.approx(1 / 3, rel=0.1)  # The power density of uniform noise at rate 2.


def test_a_room_adds_its_echoes_to_what_is_dry():
  rng = np.random.default_rng(0)
  audio = rng.normal(size=(2, 1000)).astype(np.float32)
  response = rng.normal(size=300).astype(np.float32)
  echoes = np.concatenate([[0.0], response[1:]])
  wanted = audio + np.stack([np.convolve(x, echoes)[:1000] for x in audio])
  found = filters.reverberate(jnp.asarray(audio), jnp.asarray(response))
  np.testing.assert_allclose(found, wanted, atol=1e-3)
  gradient = jax.grad(lambda r: jnp.sum(jnp.square(filters.reverberate(jnp.asarray(audio), r))))(
    jnp.asarray(response)
  )
  assert float(gradient[0]) == 0.0 and np.abs(np.asarray(gradient[1:])).min() > 0.0


def test_noise_is_that_of_its_frame_and_uniform():
  key = jax.random.key(1)
  noise = np.asarray(filters.frame_noise(key, 2, 300, 64))
  np.testing.assert_array_equal(filters.frame_noise(key, 2, 100, 64, 200), noise[:, 200 * 64 :])
  assert scipy.stats.kstest(noise.ravel(), scipy.stats.uniform(-1, 2).cdf).pvalue > 0.01
  assert abs(np.corrcoef(noise[0], noise[1])[0, 1]) < 0.03
  spectrum = np.abs(np.fft.rfft(noise[0])) ** 2
  assert spectrum[1:].max() < 15 * spectrum.mean()  # No frame is like another.


def test_blocks_are_filtered_and_echo_as_the_whole():
  rng = np.random.default_rng(0)
  audio = jnp.asarray(rng.normal(size=(2, 40 * 64)), jnp.float32)
  responses = jnp.asarray(rng.normal(size=(2, 40, 128)), jnp.float32)
  room = jnp.asarray(rng.normal(size=1000), jnp.float32)
  ringing, echoes = jnp.zeros((2, 127)), filters.begin_echoes(room, 2, 256)
  filtered, wet = [], []
  for n in range(0, 40, 4):
    block = audio[:, n * 64 : (n + 4) * 64]
    out, ringing = filters.filter_block(block, responses[:, n : n + 4], ringing)
    filtered.append(out)
    out, echoes = filters.reverberate_block(block, echoes)
    wet.append(out)
  whole = filters.filter_frames(audio, responses)
  np.testing.assert_allclose(
    np.concatenate(filtered, 1)[:, 64:], whole[:, : 36 * 64 + 192], atol=1e-4
  )
  np.testing.assert_allclose(np.concatenate(wet, 1), filters.reverberate(audio, room), atol=2e-4)
