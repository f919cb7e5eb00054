import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cvae_jax.models.common import guidance

HZ = tuple((110.0 * 2.0 ** (np.arange(60) / 12)).tolist())  # a bin a semitone


def test_each_transformation_of_a_light_decoder_has_a_dimension_and_a_gradient():
  light = guidance.LightDecoder(20, HZ, 40.0)
  z = jax.random.normal(jax.random.key(0), (2, 7))
  params = light.init(jax.random.key(1), z)
  params["params"]["mean"] = jnp.asarray(np.random.default_rng(0).uniform(-0.2, 0.5, 1200))

  decode = lambda z: light.apply(params, z)[0]
  gradient = jax.jacobian(lambda z: decode(z[None])[0].ravel())(z[0])
  assert (np.abs(gradient).sum(axis=0) > 0.1).all()
  # The transformations alone: what is added to the first dimension is a tilt of the same basis.
  z = z.at[:, :3].set(0.0)
  steeper = 40.0 * (decode(z.at[:, 0].add(1.0)) - decode(z))
  low, high = (np.asarray(steeper)[:, :, i].mean() for i in (5, 55))
  assert high - low == pytest.approx(3.0 * 50 / 12, rel=0.05)


@pytest.mark.parametrize("from_others", [False, True])
def test_a_label_is_read_from_its_dimension_or_from_the_others(from_others):
  readers = guidance.LabelReaders((2, 3), from_others)
  z = jax.random.normal(jax.random.key(0), (4, 5))
  params = readers.init(jax.random.key(1), z)
  logits = readers.apply(params, z)
  assert [x.shape for x in logits] == [(4, 2), (4, 3)]
  for k in range(2):
    gradient = jax.grad(lambda z, k=k: jnp.sum(jnp.square(readers.apply(params, z)[k])))(z)
    is_read = np.abs(np.asarray(gradient)).sum(axis=0) > 0
    own = np.arange(5) == k
    np.testing.assert_array_equal(is_read, ~own if from_others else own)
