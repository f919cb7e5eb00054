from conftest import get_config
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cvae_jax import methods
from cvae_jax.core import errors
from cvae_jax.data import labels
from cvae_jax.methods import vae
from cvae_jax.methods.common import losses
from cvae_jax.methods.common import observation


def make(**fields):
  fields = {"onset_weight": 1.0, **fields}
  config = get_config("cvae", "tiny", **{f"method.{k}": v for k, v in fields.items()})
  representation = methods.make_representation(config, labels.FORM)
  return observation.make_observation(config.method, representation, labels.FORM)


def features(seed=0):
  shape = methods.make_representation(get_config("cvae", "tiny"), labels.FORM).shape
  rng = np.random.default_rng(seed)
  return jnp.asarray(rng.uniform(-1, 1, (2, *shape)), jnp.float32)


def test_the_default_is_the_gaussian_of_the_thesis():
  plain = make(sigma=0.3)
  x, y = features(0), features(1)
  assert plain.init(jax.random.key(0), x, y) == {}
  np.testing.assert_allclose(plain.apply({}, x, y), losses.gaussian_nll(x, y, 0.3), rtol=1e-6)
  laplace = make(sigma=0.3, likelihood="laplace")
  np.testing.assert_allclose(laplace.apply({}, x, y), losses.laplace_nll(x, y, 0.3), rtol=1e-6)


@pytest.mark.parametrize("likelihood", ["gaussian", "laplace"])
def test_a_deviation_that_is_learnt_ends_at_the_errors_own(likelihood):
  ours = make(likelihood=likelihood, learn_sigma=True, sigma=0.5)
  x, y = features(0), features(1)
  params = ours.init(jax.random.key(0), x, y)
  assert float(jnp.exp(params["params"]["log_sigma"])) == pytest.approx(0.5)
  for _ in range(200):
    gradient = jax.grad(lambda p: ours.apply(p, x, y).mean() / x[0].size)(params)
    params = jax.tree.map(lambda p, g: p - 0.3 * g, params, gradient)
  # Of a Gaussian the root of the mean square, of a Laplace density sqrt(2) of the mean error.
  error = np.asarray(x - y)
  wanted = {"gaussian": np.sqrt(np.mean(error**2)), "laplace": np.sqrt(2) * np.abs(error).mean()}
  assert float(jnp.exp(params["params"]["log_sigma"])) == pytest.approx(
    wanted[likelihood], rel=1e-3
  )


def test_perceptual_deviations_are_small_where_the_ear_hears_well():
  frequencies_hz = (0.0, 50.0, 200.0, 1000.0, 3000.0, 7500.0)
  deviation = observation.perceptual_deviation(frequencies_hz)
  assert deviation.argmin() == 4 and deviation[0] == deviation.max() > deviation[1]
  assert deviation.max() / deviation.min() == pytest.approx(10.0, rel=1e-4)  # 20 dB.
  assert np.log(deviation).mean() == pytest.approx(0.0, abs=1e-6)  # As many nats as before.
  x, y = features(0), features(1)
  bins = np.arange(x.shape[2])
  low, high = (jnp.where((bins == b)[:, None], y, x) for b in (1, 48))  # 62 and 3,000 Hz
  ours = make(perceptual=True)
  assert (ours.apply({}, x, high) > ours.apply({}, x, low)).all()


def test_a_perceptual_weight_needs_frequencies():
  config = get_config("cvae", "tiny", **{"representation.name": "waveform"})
  config.method.perceptual = True
  with pytest.raises(errors.UserError, match="method.perceptual needs features whose bins"):
    representation = methods.make_representation(config, labels.FORM)
    observation.make_observation(config.method, representation, labels.FORM)


def test_errors_at_the_onset_weigh_more_by_what_is_asked_for():
  x = features()
  plain, ours = make(sigma=1.0), make(sigma=1.0, onset_weight=9.0, onset_s=0.05)
  error = lambda model, frame: model.apply({}, x, x.at[:, frame].add(0.1)) - model.apply({}, x, x)
  np.testing.assert_allclose(error(ours, 0) / error(plain, 0), 9.0, rtol=0.02)
  np.testing.assert_allclose(error(ours, -1) / error(plain, -1), 1.0, rtol=0.02)
  frame_s = 4.0 / x.shape[1]
  between = 1.0 + 8.0 * np.exp(-2 * frame_s / 0.05)
  np.testing.assert_allclose(error(ours, 2) / error(plain, 2), between, rtol=0.02)


@pytest.mark.parametrize("field", ["onset_weight", "onset_s"])
def test_a_weight_of_onsets_is_positive(field):
  config = get_config("cvae", "tiny", **{f"method.{field}": 0.0})
  with pytest.raises(errors.UserError, match=f"method.{field} must be positive"):
    vae.check(config)
