from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cvae_jax.models.common import layers

LOWERINGS = (
  (layers.conv_native, layers.conv_phases),
  (layers.conv_transpose_native, layers.conv_transpose_phases),
)
CASES = [
  (ndim, size, stride, extent)
  for ndim in (1, 2)
  for size in (1, 2, 3, 4, 5)
  for stride in (1, 2, 3)
  for extent in (7, 8)
]


def arrays(ndim, size, extent, channels=3, features=5):
  rng = np.random.default_rng(0)
  x = rng.normal(size=(2, *[extent] * ndim, channels)).astype(np.float32)
  kernel = rng.normal(size=(*[size] * ndim, channels, features)).astype(np.float32)
  return jnp.asarray(x), jnp.asarray(kernel)


@pytest.mark.parametrize("ndim,size,stride,extent", CASES)
def test_the_lowerings_are_one_function(ndim, size, stride, extent):
  x, kernel = arrays(ndim, size, extent)
  strides = (stride,) * ndim
  for native, ours in LOWERINGS:
    expected = native(x, kernel, strides)
    np.testing.assert_allclose(ours(x, kernel, strides), expected, atol=2e-5 * size**ndim)


def gradients(function, strides):
  loss = lambda x, k: jnp.sum(jnp.sin(function(x, k, strides)))
  return jax.jit(jax.grad(loss, (0, 1)))


@pytest.mark.parametrize(
  "ndim,size,stride,extent",
  [(1, 3, 2, 9), (1, 2, 3, 8), (2, 3, 2, 7), (2, 4, 2, 8), (2, 5, 3, 7), (2, 1, 2, 6)],
)
def test_their_gradients_are_one_too(ndim, size, stride, extent):
  x, kernel = arrays(ndim, size, extent)
  strides = (stride,) * ndim
  for native, ours in LOWERINGS:
    pair = (gradients(function, strides)(x, kernel) for function in (ours, native))
    for a, b in zip(*pair, strict=True):
      np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
  "ours,theirs", [(layers.Conv, nn.Conv), (layers.ConvTranspose, nn.ConvTranspose)]
)
@pytest.mark.parametrize("ndim", [1, 2])
def test_the_layers_are_flaxs_with_flaxs_parameters(ours, theirs, ndim):
  x, _ = arrays(ndim, 3, 9)
  sizes = dict(kernel_size=(3,) * ndim, strides=(2,) * ndim)
  params = theirs(4, **sizes).init(jax.random.key(0), x)
  mine = ours(4, **sizes).init(jax.random.key(0), x)
  assert jax.tree.map(jnp.shape, mine) == jax.tree.map(jnp.shape, params)
  expected = theirs(4, **sizes).apply(params, x)
  np.testing.assert_allclose(ours(4, **sizes).apply(params, x), expected, atol=1e-5)


def test_bfloat16_computes_in_bfloat16_from_float32_parameters():
  x, _ = arrays(1, 3, 9)
  layer = layers.Conv(4, (3,), (2,), jnp.bfloat16)
  params = layer.init(jax.random.key(0), x)
  assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {jnp.dtype("float32")}
  assert layer.apply(params, x).dtype == jnp.bfloat16


@pytest.mark.parametrize("shape", [(7, 5), (3, 9), (8, 8)])
def test_fit_crops_and_pads_at_the_end(shape):
  x = jnp.ones((2, 7, 6, 3))
  fitted = layers.fit(x, shape)
  assert fitted.shape == (2, *shape, 3)
  rows, columns = min(7, shape[0]), min(6, shape[1])
  assert fitted.sum() == 2 * 3 * rows * columns
  np.testing.assert_array_equal(fitted[:, :rows, :columns], 1.0)


@pytest.mark.parametrize("size,padding", [(3, (1, 1)), (2, (0, 0)), (1, (0, 2)), (7, (0, 6))])
def test_a_kernel_shorter_than_its_stride_has_the_gradients_that_it_should(size, padding):
  # Of a phase that no tap meets, and of one that begins beyond the cotangent's start.
  x, kernel = arrays(1, size, 256, 16, 16)
  run = lambda f: jax.grad(lambda x, k: jnp.sum(jnp.sin(f(x, k, (4,), [padding]))), (0, 1))
  native, phases = (jax.jit(run(f))(x, kernel) for f in LOWERINGS[0])
  for a, b in zip(native, phases, strict=True):
    np.testing.assert_allclose(a, b, atol=1e-4)


def test_dense_is_flaxs_with_its_parameters_and_gradients():
  x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 7, 3)), jnp.float32)
  params = nn.Dense(4).init(jax.random.key(0), x)
  mine = layers.Dense(4).init(jax.random.key(0), x)
  jax.tree.map(np.testing.assert_array_equal, mine, params)

  def gradients(layer):
    return jax.jit(jax.grad(lambda p, x: jnp.sum(jnp.sin(layer.apply(p, x))), (0, 1)))(params, x)

  close = lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5)
  jax.tree.map(close, gradients(layers.Dense(4)), gradients(nn.Dense(4)))


@pytest.mark.parametrize("shape", [(5, 6, 1), (5, 6, 2), (7, 3)])
def test_a_floor_has_the_gradient_of_its_formula(shape):
  x = jnp.asarray(np.random.default_rng(0).normal(-1.0, 0.3, shape), jnp.float32)
  floored = (True, False)[: shape[-1]] if shape[-1] < 3 else (True,) * 3
  bent = lambda x: -1.0 + jnp.logaddexp(40.0 * (x + 1.0), 0.0) / 40.0
  formula = lambda x: jnp.where(np.asarray(floored), bent(x), x)
  ours = lambda x: layers.above_silence(x, floored, 40.0)
  np.testing.assert_allclose(ours(x), formula(x), atol=1e-6)
  grad = lambda f: jax.jit(jax.grad(lambda x: jnp.sum(jnp.sin(f(x)))))
  np.testing.assert_allclose(grad(ours)(x), grad(formula)(x), atol=1e-5)
  each = jax.vmap(jax.grad(lambda x: jnp.sum(jnp.sin(ours(x)))))(x[None])
  np.testing.assert_allclose(each[0], grad(formula)(x), atol=1e-5)
