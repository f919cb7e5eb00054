import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.signal

from cvae_jax.models.common import resampling


@pytest.mark.parametrize("kind", resampling.DOWN)
@pytest.mark.parametrize("shape", [(8, 8), (7, 5), (1, 3)])
def test_halving_gives_half_rounded_up(kind, shape):
  layer = resampling.make_down(kind, 6, (3, 3), jnp.float32)
  x = jnp.ones((2, *shape, 3))
  y, _ = layer.init_with_output(jax.random.key(0), x)
  assert y.shape == (2, -(-shape[0] // 2), -(-shape[1] // 2), 6)


@pytest.mark.parametrize("kind", resampling.UP)
def test_doubling_gives_twice(kind):
  layer = resampling.make_up(kind, 6, (3, 3), jnp.float32)
  y, _ = layer.init_with_output(jax.random.key(0), jnp.ones((2, 4, 5, 3)))
  assert y.shape == (2, 8, 10, 6)


@pytest.mark.parametrize("kind", resampling.UP)
def test_an_output_starts_at_silence_whichever_way_it_is_doubled(kind):
  layer = resampling.make_up(kind, 2, (3, 3), jnp.float32, (True, False))
  x = jax.random.normal(jax.random.key(1), (2, 4, 5, 3))
  y, _ = layer.init_with_output(jax.random.key(0), x)
  assert (np.asarray(y[..., 0]) == -1.25).all() and (np.asarray(y[..., 1]) == 0.0).all()


def test_the_blur_is_scipys_convolution_and_leaves_a_constant_alone():
  x = np.random.default_rng(0).normal(size=(1, 9, 10, 2)).astype(np.float32)
  kernel = np.outer([1, 2, 1], [1, 2, 1]) / 16
  wanted = np.stack(
    [scipy.signal.convolve2d(np.pad(x[0, ..., c], 1, "edge"), kernel, "valid")[::2, ::2]
     for c in range(2)], axis=-1,
  )  # fmt: skip
  np.testing.assert_allclose(resampling.blur_pool(jnp.asarray(x))[0], wanted, atol=1e-6)
  np.testing.assert_allclose(resampling.blur_pool(jnp.ones((1, 7, 7, 3))), 1.0, rtol=1e-6)


def test_pixels_are_shuffled_as_the_paper_has_it():
  x = jnp.arange(2 * 3 * 8).reshape(1, 2, 3, 8)
  y = np.asarray(resampling.pixel_shuffle(x))
  assert y.shape == (1, 4, 6, 2)
  for row in range(4):
    for column in range(6):
      place = (row % 2) * 2 + column % 2
      np.testing.assert_array_equal(
        y[0, row, column], np.asarray(x[0, row // 2, column // 2, 2 * place : 2 * place + 2])
      )
