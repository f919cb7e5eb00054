"""Many modes at once are the sum of the modes."""

import jax.numpy as jnp
import numpy as np

from cvae_jax.audio import modal
from cvae_jax.audio import synthesis


def test_modes_are_those_of_one_sine_after_the_other():
  rng = np.random.default_rng(0)
  frequencies = jnp.asarray(rng.uniform(30.0, 7000.0, (3, 20)), jnp.float32)
  amplitudes = jnp.asarray(rng.normal(size=(3, 20)), jnp.float32)
  decay_s = jnp.asarray(rng.uniform(0.01, 1.0, (3, 20)), jnp.float32)
  made = modal.modes(frequencies, amplitudes, decay_s, jnp.zeros((3, 20)), 15_001, 16_000)
  wanted = synthesis.modes(frequencies, amplitudes, decay_s, 15_001, 16_000)
  np.testing.assert_allclose(made, wanted, atol=2e-4)


def test_phases_are_in_cycles_and_what_would_alias_is_left_out():
  frequencies = jnp.asarray([[100.0, 7900.0]])
  made = modal.modes(
    frequencies, jnp.ones((1, 2)), jnp.full((1, 2), 1e6), jnp.asarray([[0.25, 0.0]]), 1000, 16_000
  )
  t = np.arange(1000) / 16_000
  np.testing.assert_allclose(made[0], np.cos(2 * np.pi * 100 * t), atol=1e-4)
