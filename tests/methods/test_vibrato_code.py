from conftest import get_config
from conftest import labels_of
from conftest import make_method
from conftest import one_line
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cvae_jax import methods
from cvae_jax.audio import vibrato
from cvae_jax.core import errors
from cvae_jax.data import forms
from cvae_jax.data import labels
from cvae_jax.data import vocabulary
from cvae_jax.methods.common import vibrato_code

RATE = labels.SAMPLE_RATE
KEY = jax.random.key(1)
SWINGING = vibrato.Vibrato(*(jnp.full(2, x) for x in (0.01, 5.3, 0.4, 0.3)))


@pytest.fixture(scope="module")
def swinging(real_batch):
  """Two steady notes of fixtures, a guitar's and a mallet's, made to swing."""
  audio = jnp.asarray(real_batch["audio"][:2], jnp.float32)
  return vibrato.add(audio, SWINGING, RATE)


@pytest.fixture(scope="module")
def method():
  return make_method(get_config("cvae", "tiny", **{"method.vibrato": True}))


def test_what_is_split_is_joined_again(swinging, real_batch):
  steady, numbers = vibrato_code.split(swinging, real_batch["pitch"][:2], RATE)
  assert numbers.shape == (2, vibrato_code.SIZE)
  back = vibrato_code.join(steady, numbers, RATE)
  error = jnp.mean(jnp.square(back - swinging)) / jnp.mean(jnp.square(swinging))
  assert 10 * np.log10(error) < -35.0


def test_without_a_pitch_none_is_looked_for(swinging):
  steady, numbers = vibrato_code.split(swinging, np.array([-1, -1]), RATE)
  np.testing.assert_array_equal(numbers, 0.0)
  np.testing.assert_allclose(steady, swinging, atol=1e-4)


@pytest.mark.parametrize("scale", [0.0, 1.0, 1e4, -1e4])
def test_any_numbers_can_be_joined(swinging, scale):
  numbers = scale * jax.random.normal(jax.random.key(0), (2, vibrato_code.SIZE))
  audio = vibrato_code.join(swinging, numbers, RATE)
  assert np.isfinite(np.asarray(audio)).all()
  assert np.abs(audio).max() < 2.0 * np.abs(swinging).max()


def test_a_code_holds_it_and_what_is_decoded_swings_by_it(method, real_batch):
  batch = {k: v[:2] for k, v in real_batch.items()}
  state = method.init(jax.random.key(0), batch)
  code, decode = jax.jit(method.encode)(state.best_params, batch), jax.jit(method.decode)
  assert code.shape == (2, *method.code_shape)
  still, by_hand = (
    decode(state.best_params, code.at[:, -vibrato_code.SIZE :].set(x), labels_of(batch), KEY)
    for x in (0.0, jnp.array([1.5, 0.0, 0.0, 1.0, 0.0]))
  )
  moved = vibrato.Vibrato(*(jnp.full(2, x) for x in (1.5 * 0.006, 5.5, 0.0, 0.5)))
  expected = vibrato.add(still, moved, RATE)
  inside = slice(RATE // 10, -RATE // 10)
  a, b, c = (np.asarray(x)[:, inside] for x in (by_hand, expected, still))
  a, b, c = (x / np.linalg.norm(x, axis=-1, keepdims=True) for x in (a, b, c))
  assert (np.sum(a * b, axis=-1) > 0.99).all()
  assert (np.sum(a * c, axis=-1) < 0.9).all()


def test_without_a_flow_draws_have_none_and_the_bounds_do_not_count_it(real_batch):
  fields = {"method.prior": "standard", "model.linear_ranks": ()}
  batch = {k: v[:2] for k, v in real_batch.items()} | {"mask": np.ones(2, np.float32)}
  method = make_method(get_config("cvae", "tiny", **{"method.vibrato": True, **fields}))
  plain = make_method(get_config("cvae", "tiny", **fields))
  state = jax.jit(plain.init)(jax.random.key(0), batch)
  code = method.draw_code(state.best_params, labels_of(batch), KEY)
  assert code.shape == (2, *method.code_shape)
  np.testing.assert_array_equal(code[:, -vibrato_code.SIZE :], 0.0)
  np.testing.assert_array_equal(
    code[:, : -vibrato_code.SIZE], plain.draw_code(state.best_params, labels_of(batch), KEY)
  )
  sums = [jax.jit(m.eval_step)(state.best_params, batch, KEY) for m in (method, plain)]
  np.testing.assert_allclose(sums[0]["kl"][0], sums[1]["kl"][0], rtol=0.1)  # Of a steady note.
  weights = [jax.jit(m.log_weight)(state.best_params, batch, KEY) for m in (method, plain)]
  np.testing.assert_allclose(*weights, rtol=0.1)


def test_it_needs_a_pitch():
  config = get_config("cvae", "tiny", **{"method.vibrato": True})
  config.condition.labels = ()
  nothing = vocabulary.Vocabulary(())
  with pytest.raises(errors.UserError) as error:
    methods.make_method(config, forms.Waveform(RATE, 64_000), nothing)
  assert "pitch" in one_line(error)
