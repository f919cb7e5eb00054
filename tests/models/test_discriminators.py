import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cvae_jax.models.common import discriminators


@pytest.mark.parametrize(
  "make,millions,nets",
  [
    (discriminators.make_paper, 16.92, 3),
    (discriminators.make_v1, 7.75, 3),
    (discriminators.make_v2, 12.07, 8),
  ],
)
def test_they_have_the_originals_size_and_all_layers(make, millions, nets):
  net, audio = make(), jnp.zeros((2, 8192))
  shapes = jax.eval_shape(net.init, jax.random.key(0), audio)
  count = sum(math.prod(x.shape) for x in jax.tree.leaves(shapes))
  assert round(count / 1e6, 2) == millions
  features = jax.eval_shape(net.apply, shapes, audio)
  layers = 7 if make is discriminators.make_paper else 5
  assert [len(x) for x in features] == [layers] * nets
  for net_features in features:
    assert all(x.shape[0] == 2 for x in net_features)
    assert net_features[-1].shape[-1] == 1


def test_a_grouped_net_is_that_of_the_formula():
  net = discriminators.GroupedNet(capacity=4, layers=2, multiplier=2)
  x = jax.random.normal(jax.random.key(0), (1, 64, 1))
  variables = jax.jit(net.init)(jax.random.key(1), x)
  features = jax.jit(net.apply)(variables, x)
  channels = [4, 8, 16, 16, 1]
  lengths = [64, 32, 16, 16, 16]
  assert [f.shape for f in features] == [(1, n, c) for n, c in zip(lengths, channels, strict=True)]
  # The second layer by its definition: 2 groups, 41 taps, 20 zeros at each end.
  params = {k: np.asarray(v) for k, v in variables["params"]["Conv_1"].items()}
  before = np.asarray(features[0][0])
  before = np.pad(np.where(before > 0, before, 0.2 * before), [(20, 20), (0, 0)])
  for n in (0, 13, 31):
    frame = before[2 * n : 2 * n + 41]
    for o in (0, 7):
      group = 2 * (o // 4)
      expected = np.sum(frame[:, group : group + 2] * params["kernel"][:, :, o]) + params["bias"][o]
      assert features[1][0, n, o] == pytest.approx(expected, abs=1e-5)


def test_scales_are_means_and_periods_are_every_few_samples():
  # A net of one tap whose score is its input.
  identity = lambda: discriminators.StridedNet(layers=0)
  audio = jax.random.normal(jax.random.key(0), (2, 11))
  ones = lambda shapes: jax.tree.map(
    lambda x: jnp.ones(x.shape) if len(x.shape) > 1 else jnp.zeros(x.shape), shapes
  )
  scales = discriminators.MultiScale(identity, scales=2)
  variables = ones(jax.eval_shape(scales.init, jax.random.key(0), audio))
  first, second = scales.apply(variables, audio)
  np.testing.assert_allclose(first[0][..., 0], audio, atol=1e-6)
  means = np.asarray(audio)[:, :10].reshape(2, 5, 2).mean(-1)
  np.testing.assert_allclose(second[0][..., 0], means, atol=1e-6)
  periods = discriminators.MultiPeriod(identity, periods=(3,))
  variables = ones(jax.eval_shape(periods.init, jax.random.key(0), audio))
  ((scores,),) = periods.apply(variables, audio)
  assert scores.shape == (2, 3, 4, 1)
  np.testing.assert_allclose(scores[:, 1, :, 0], audio[:, 1::3], atol=1e-6)
  np.testing.assert_allclose(scores[:, 2, 3, 0], 0.0, atol=1e-6)
