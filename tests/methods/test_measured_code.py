"""Attacks, alone and together with a vibrato, as numbers of a code."""

from conftest import get_config
from conftest import labels_of
from conftest import make_method
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cvae_jax.audio import attack
from cvae_jax.audio import vibrato
from cvae_jax.data import labels
from cvae_jax.methods.common import attack_code
from cvae_jax.methods.common import measured_code
from cvae_jax.methods.common import vibrato_code

RATE = labels.SAMPLE_RATE
KEY = jax.random.key(1)
GROWING = attack.Attack(jnp.array([0.08, 0.02]), jnp.array([1.0, 2.0]))
SWINGING = vibrato.Vibrato(*(jnp.full(2, x) for x in (0.01, 5.3, 0.4, 0.3)))


@pytest.fixture(scope="module")
def growing(real_batch):
  """Two notes of fixtures that are plucked and struck, made to grow and to swing."""
  audio = attack.add(jnp.asarray(real_batch["audio"][:2], jnp.float32), GROWING, RATE)
  return vibrato.add(audio, SWINGING, RATE)


@pytest.mark.parametrize("fields", [{"attack"}, {"attack", "vibrato"}, {"vibrato"}, set()])
def test_what_is_split_is_joined_again(growing, real_batch, fields):
  settings = get_config("cvae", "tiny").method
  settings.update({name: name in fields for name in ("attack", "vibrato")})
  batch = {"pitch": real_batch["pitch"][:2]}
  seen, numbers = measured_code.split(settings, growing, batch, RATE)
  sizes = {"attack": attack_code.SIZE, "vibrato": vibrato_code.SIZE}
  assert numbers.shape == (2, sum(sizes[x] for x in fields))
  assert len(measured_code.names(settings)) == numbers.shape[1]
  back = measured_code.join(settings, seen, numbers, RATE)
  error = jnp.mean(jnp.square(back - growing)) / jnp.mean(jnp.square(growing))
  assert 10 * np.log10(error + 1e-12) < -35.0
  if "attack" in fields:
    level = lambda x, a, b: jnp.mean(jnp.square(x[0, int(a * RATE) : int(b * RATE)]))
    rise = [10 * jnp.log10(level(x, 0.0, 0.02) / level(x, 0.08, 0.1)) for x in (growing, seen)]
    assert rise[1] - rise[0] > 25.0


@pytest.mark.parametrize("scale", [0.0, 1.0, 1e4, -1e4])
def test_any_numbers_can_be_joined(growing, scale):
  numbers = scale * jax.random.normal(jax.random.key(0), (2, attack_code.SIZE))
  audio = attack_code.join(growing, numbers, RATE)
  assert np.isfinite(np.asarray(audio)).all()
  assert np.abs(audio).max() <= np.abs(growing).max()


def test_a_code_holds_it_and_what_is_decoded_grows_by_it(real_batch):
  method = make_method(get_config("cvae", "tiny", **{"method.attack": True}))
  batch = {k: v[:2] for k, v in real_batch.items()}
  state = method.init(jax.random.key(0), batch)
  code, decode = jax.jit(method.encode)(state.best_params, batch), jax.jit(method.decode)
  assert code.shape == (2, *method.code_shape)
  at_once, slow = (
    np.asarray(
      decode(state.best_params, code.at[:, -attack_code.SIZE :].set(x), labels_of(batch), KEY)
    )
    for x in (0.0, jnp.array([np.log(100.0), 0.0]))  # 0.3 s, a hundred times the shortest
  )
  expected = at_once * np.asarray(
    attack.gain(
      attack.Attack(jnp.full(2, 0.3), jnp.ones(2)), (jnp.arange(at_once.shape[1]) + 0.5) / RATE
    )
  )
  # Finished notes have one level.
  cosine = np.sum(slow * expected, axis=1) / np.linalg.norm(slow, axis=1)
  np.testing.assert_allclose(cosine / np.linalg.norm(expected, axis=1), 1.0, atol=1e-3)
