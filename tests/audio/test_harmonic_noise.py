import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cvae_jax.audio import harmonic_noise

SR = 16_000


def make_controls(hop, frames=96):
  rng = np.random.default_rng(0)
  smooth = lambda x: np.stack([np.convolve(row, np.hanning(9) / 4, "same") for row in x])
  f0_hz = 300.0 + 200.0 * smooth(rng.normal(size=(2, frames)))
  parameters = harmonic_noise.Parameters(
    np.abs(smooth(rng.normal(size=(2, frames)))).astype(np.float32),
    rng.uniform(size=(2, frames, 20)).astype(np.float32),
    0.1 * rng.uniform(size=(2, frames, 65)).astype(np.float32),
  )
  return jax.tree.map(jnp.asarray, (f0_hz.astype(np.float32), parameters))


@pytest.mark.parametrize("hop", [32, 64, 160])
@pytest.mark.parametrize("with_room", [False, True])
def test_blocks_are_the_whole_a_little_later(hop, with_room):
  f0_hz, parameters = make_controls(hop)
  key, block = jax.random.key(0), 8
  room = 0.1 * jax.random.normal(jax.random.key(1), (1000,)) if with_room else None
  whole = harmonic_noise.synthesize(f0_hz, parameters, hop, SR, key, room)
  state = harmonic_noise.begin(2, 20, 65, hop, block, key, room)
  advance = jax.jit(functools.partial(harmonic_noise.advance, hop_length=hop, sample_rate=SR))
  blocks = []
  for n in range(0, f0_hz.shape[1], block):
    f0_part, part = jax.tree.map(lambda x, n=n: x[:, n : n + block], (f0_hz, parameters))
    audio, state = advance(state, f0_part, part)
    blocks.append(audio)
  late = harmonic_noise.latency(65, hop)
  found = np.concatenate(blocks, 1)
  scale, count = np.abs(whole).max(), whole.shape[1] - late
  np.testing.assert_allclose(found[:, late:] / scale, whole[:, :count] / scale, atol=1e-5)
