"""The prior of sequences: its loss and its draws in closed form, and a process that it learns."""

import functools

from conftest import get_config
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cvae_jax import methods
from cvae_jax.core import errors
from cvae_jax.data import forms
from cvae_jax.data import vocabulary
from cvae_jax.methods import rave
from cvae_jax.methods.common import flow_prior
from cvae_jax.methods.common import sequence_prior
from cvae_jax.training import optimizers
from cvae_jax.training import state as state_lib


def make_settings(**fields):
  settings = sequence_prior.get_config()
  settings.update(hidden=32, dilations=(1, 2, 4), window=8, draw_steps=16, **fields)
  return settings


@pytest.fixture(scope="module")
def learned():
  """A prior of [24, 3] sequences that stay where they begin: 3 +- 2, -1 +- 0.01, 1 or -1 by c."""
  settings = make_settings(steps=500, batch_size=64)
  settings.optimizer.update(learning_rate=3e-3, warmup_steps=10)
  prior = sequence_prior.make_sequence_prior(settings, 3, 1)
  rng = np.random.default_rng(0)
  rows = rng.normal((3.0, -1.0, 0.0), (2.0, 0.01, 0.01), (512, 1, 3)) + np.zeros((1, 24, 1))
  kinds = rng.integers(0, 2, (512, 1))
  rows[..., 2] += 2 * kinds - 1
  optimizer = optimizers.make_optimizer(settings.optimizer, settings.steps)
  key = jax.random.key(0)
  state = state_lib.init_state({"params": {"w": jnp.zeros(1)}}, optimizer, key, 0.0)
  state = sequence_prior.attach(state, prior, settings, key)
  state = sequence_prior.begin(state, jnp.asarray(rows, jnp.float32))
  untrained = state.buffers[flow_prior.KEY]
  step = jax.jit(functools.partial(sequence_prior.train_step, prior, settings))
  for _ in range(settings.steps):
    chosen = rng.integers(0, 512, 64)
    state, metrics = step(state, *(jnp.asarray(x[chosen], jnp.float32) for x in (rows, kinds)))
  return prior, untrained, state.buffers[flow_prior.KEY], metrics


def test_an_untrained_flow_draws_noise_at_the_codes_place(learned):
  prior, variables, _, _ = learned
  assert np.allclose(variables["mean"], (3.0, -1.0, 0.0), atol=0.3)
  assert np.allclose(variables["std"], (2.0, 0.2, 1.0), atol=0.1)  # 0.2: a tenth of 2.
  noise = jax.random.normal(jax.random.key(1), (3, 8, 3))
  drawn = prior.draw(variables, jnp.zeros((3, 8, 3)), jnp.zeros((3, 8)), noise, jnp.ones((3, 1)))
  assert np.allclose(drawn, noise * variables["std"] + variables["mean"], atol=1e-5)


def test_the_loss_is_of_what_is_not_known(learned):
  prior, variables, _, _ = learned
  x, noise = jax.random.normal(jax.random.key(2), (2, 2, 8, 3))
  is_known = jnp.asarray(np.arange(8) < np.array([[0], [3]]), jnp.float32)
  times, given = jnp.array([0.2, 0.7]), (is_known, jnp.zeros((2, 1)))
  loss = prior.loss({"params": variables["params"]}, x, noise, times, given)
  errors_of = np.mean(np.square(np.asarray(x - noise)), axis=-1)
  expected = (errors_of[0].sum() + errors_of[1, 3:].sum()) / 13  # The untrained velocity is 0.
  assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_what_is_known_stays_and_is_gone_on_from(learned):
  prior, _, variables, metrics = learned
  starts = np.array([0.0, 3.0, 5.0])
  rest = np.full(3, -1.0), np.ones(3)
  known = jnp.asarray(np.stack([starts, *rest], -1)[:, None] + np.zeros((3, 4, 1)))
  window = np.asarray(
    prior.extend(variables, known, jnp.ones((3, 1)), jnp.ones(3), jax.random.key(3))
  )
  assert window.shape == (3, 8, 3) and np.array_equal(window[:, :4], known)
  assert np.abs(window[:, 4:, 0] - starts[:, None]).mean() < 0.5  # Of a deviation of 2.
  assert float(metrics["loss"]) < 0.5


def test_sequences_out_of_nothing_have_the_data_s_place_and_spread(learned):
  prior, _, variables, _ = learned
  kinds = jnp.arange(200) % 2
  draw = lambda n, temperature: np.asarray(
    prior.sequence(variables, n, kinds[:, None], jnp.full(200, temperature), jax.random.key(4))
  )
  drawn = draw(18, 1.0)
  assert drawn.shape == (200, 18, 3)
  assert np.allclose(drawn.mean((0, 1)), (3.0, -1.0, 0.0), atol=0.6)
  assert np.mean(np.sign(drawn[..., 2].mean(1)) == 2 * kinds - 1) > 0.95
  assert 1.4 < drawn[..., 0].std() < 2.6
  assert drawn[..., 0].std(1).mean() < 0.6  # They stay, from one window to the next.
  assert np.allclose(draw(6, 1.0), drawn[:, :6], atol=1e-5)
  assert draw(6, 0.0)[::2].std(0).max() < 1e-4


def test_a_window_longer_than_an_example_is_refused():
  config = get_config("rave", "tiny", **{"method.sequence_flow.window": 512})
  form = forms.Waveform(16_000, 2048, is_excerpt=True)
  with pytest.raises(errors.UserError, match=r"sequence_flow\.window must not be longer"):
    methods.make_method(config, form, vocabulary.Vocabulary(()))
  config.method.sequence_flow.window = 0
  with pytest.raises(errors.UserError, match="window"):
    rave.check(config)
