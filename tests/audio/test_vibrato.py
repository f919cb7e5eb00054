"""Vibrato against closed forms: a tone's phase is known, and so is that of the one without."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cvae_jax.audio import vibrato

RATE = 16_000
TIME_S = np.arange(2 * RATE) / RATE
F0_HZ = np.array([110.0, 220.0, 392.0, 880.0])
TRUTH = vibrato.Vibrato(
  jnp.array([0.003, 0.012, 0.02, 0.006]),
  jnp.array([4.6, 5.5, 6.2, 7.1]),
  jnp.array([0.3, -1.2, 2.0, 3.0]),
  jnp.array([0.2, 0.4, 0.05, 0.4]),
)
_estimate = jax.jit(lambda audio, f0_hz: vibrato.estimate(audio, f0_hz, RATE))


def estimate(audio):
  return _estimate(jnp.asarray(audio, jnp.float32), jnp.asarray(F0_HZ))


def tones(warp_s, f0_hz=F0_HZ):
  """Ten partials of each f0 as they are at times that are shifted by [B, T] seconds."""
  cycles = f0_hz[:, None] * (TIME_S + warp_s)
  parts = [np.sin(2.0 * np.pi * k * cycles + k) / k for k in range(1, 11) if k * f0_hz.max() < 7e3]
  return jnp.asarray(0.3 * np.minimum(1.0, TIME_S / 0.05) * sum(parts), jnp.float32)


def swing_s(truth=TRUTH):
  """e(t) of the module's docstring, in double precision."""
  depth, rate, phase, fade = (np.asarray(x)[:, None] for x in truth)
  sine = np.sin(2.0 * np.pi * rate * TIME_S + phase)
  return depth / (2.0 * np.pi * rate) * (1.0 - np.exp(-TIME_S / fade)) * sine


def snr_db(x, reference):
  inside = slice(RATE // 10, -RATE // 10)
  error = np.mean(np.square(x - reference)[:, inside], axis=-1)
  return 10.0 * np.log10(np.mean(np.square(reference)[:, inside], axis=-1) / error)


def test_adding_and_removing_it_is_a_warp_of_time():
  steady, swinging = tones(np.zeros((4, 1))), tones(swing_s())
  assert snr_db(steady, swinging).max() < 25.0
  assert snr_db(vibrato.add(steady, TRUTH, RATE), swinging).min() > 45.0
  assert snr_db(vibrato.remove(swinging, TRUTH, RATE), steady).min() > 45.0


def test_a_note_without_it_stays_as_it_is():
  noise = jnp.asarray(np.random.default_rng(0).normal(size=(4, 2 * RATE)), jnp.float32)
  none = TRUTH._replace(depth=jnp.zeros(4))
  np.testing.assert_allclose(vibrato.add(noise, none, RATE), noise, atol=1e-4)
  np.testing.assert_allclose(vibrato.remove(noise, none, RATE), noise, atol=1e-4)


@pytest.mark.parametrize("noise_level", [0.0, 0.01])
def test_it_is_found(noise_level):
  noise = np.random.default_rng(1).normal(size=(4, len(TIME_S)))
  found = estimate(tones(swing_s()) + noise_level * noise)
  np.testing.assert_allclose(found.rate_hz, TRUTH.rate_hz, atol=0.1)
  np.testing.assert_allclose(found.depth, TRUTH.depth, rtol=0.1)
  # What is heard of it: how far the warp is from the true one, where it is full.
  error = np.asarray(vibrato.warp_s(found, jnp.asarray(TIME_S))) - swing_s()
  full = slice(RATE // 2, None)
  assert (error[:, full].std(axis=-1) < 0.15 * swing_s()[:, full].std(axis=-1)).all()


def test_what_is_no_vibrato_is_left_alone():
  zeros = np.zeros((4, 1))
  glide = tones(1e-3 * np.square(TIME_S)[None] + zeros)
  rng = np.random.default_rng(2)
  dying = tones(zeros) * np.exp(-6.0 * TIME_S)
  silence = np.zeros_like(glide)
  noise = 0.1 * rng.normal(size=glide.shape)
  for audio in (tones(zeros), glide, dying, silence, noise):
    found = estimate(audio)
    assert (np.asarray(found.depth) == 0.0).all()
    assert all(np.isfinite(np.asarray(x)).all() for x in found)


def test_a_gradient_passes_it():
  audio = jnp.asarray(tones(np.zeros((4, 1))))
  loss = lambda x: jnp.sum(jnp.square(vibrato.add(x, TRUTH, RATE)))
  assert np.isfinite(np.asarray(jax.grad(loss)(audio))).all()
