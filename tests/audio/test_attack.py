"""Attacks against closed forms: the gain of each note is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cvae_jax.audio import attack

RATE = 16_000
TIME_S = (np.arange(2 * RATE) + 0.5) / RATE
F0_HZ = np.array([110.0, 220.0, 392.0, 880.0])
TRUTH = attack.Attack(jnp.array([0.02, 0.03, 0.1, 0.3]), jnp.array([1.0, 2.0, 1.0, 0.5]))
_estimate = jax.jit(lambda audio: attack.estimate(audio, RATE))


def estimate(audio):
  return _estimate(jnp.asarray(audio, jnp.float32))


def gains():
  """a(t) of the module's docstring, in double precision."""
  return (
    np.minimum(TIME_S / np.asarray(TRUTH.time_s)[:, None], 1.0) ** np.asarray(TRUTH.curve)[:, None]
  )


def tones():
  """Eight partials of each f0, which speak at once."""
  cycles = F0_HZ[:, None] * TIME_S
  return 0.3 * sum(np.sin(2.0 * np.pi * k * cycles + k * k) / k for k in range(1, 9))


def test_adding_it_is_a_gain_and_removing_it_is_the_inverse():
  grown = attack.add(jnp.asarray(tones(), jnp.float32), TRUTH, RATE)
  least = 0.03 * np.minimum(TIME_S / 0.005, 1.0)
  np.testing.assert_allclose(grown, np.maximum(gains(), least) * tones(), atol=1e-5)
  back = attack.remove(grown, TRUTH, RATE)
  np.testing.assert_allclose(back[:, RATE // 200 :], tones()[:, RATE // 200 :], atol=1e-4)


def test_a_slow_attack_begins_without_a_click():
  slow = attack.Attack(jnp.full(4, 0.3), jnp.ones(4))
  grown = np.asarray(attack.add(jnp.ones((4, 2 * RATE)), slow, RATE))
  # It comes up to -30 dB in the 80 samples of 5 ms: no step at the beginning.
  assert np.abs(np.diff(grown, prepend=0.0, axis=1)).max() < 0.03 / 80 * 1.01


@pytest.mark.parametrize("decay_s", [np.inf, 0.5])
@pytest.mark.parametrize("noise_level", [0.0, 0.003])
def test_it_is_found(decay_s, noise_level):
  noise = np.random.default_rng(1).normal(size=(4, len(TIME_S)))
  decay = np.exp(-np.maximum(TIME_S - np.asarray(TRUTH.time_s)[:, None], 0.0) / decay_s)
  found = estimate(decay * gains() * tones() + noise_level * noise)
  # A tenth of the time, and what is heard of it: the gain.
  np.testing.assert_allclose(found.time_s, TRUTH.time_s, rtol=0.12)
  error_db = 20.0 * np.log10(attack.gain(found, jnp.asarray(TIME_S)) / gains())
  assert np.abs(error_db[:, TIME_S > 0.01]).max() < 3.0


def test_what_speaks_at_once_is_left_alone():
  plucked = np.exp(-6.0 * TIME_S) * tones()
  for audio in (tones(), plucked):
    found = estimate(audio)
    assert (np.asarray(found.time_s) < 0.004).all()
    np.testing.assert_array_equal(found.curve, 1.0)


def test_silence_and_a_late_onset_give_finite_notes():
  late = np.where(TIME_S < 0.1, 0.0, tones())
  for audio in (np.zeros_like(late), late, 1e-6 * tones(), np.zeros((4, 100)) + 0.1):
    audio = jnp.asarray(audio, jnp.float32)
    found = attack.estimate(audio, RATE)
    taken = attack.remove(audio, found, RATE)
    assert np.isfinite(np.asarray(taken)).all()
    back = attack.add(taken, found, RATE)
    np.testing.assert_allclose(back[:, 80:], audio[:, 80:], atol=1e-6)


def test_a_gradient_passes_it():
  audio = jnp.asarray(tones(), jnp.float32)
  slope = jax.grad(lambda a: jnp.sum(jnp.square(attack.add(audio, a, RATE))))(TRUTH)
  assert all(np.isfinite(np.asarray(x)).all() for x in slope)
