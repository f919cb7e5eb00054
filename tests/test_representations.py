import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import pytest

from cvae_jax import config as config_lib
from cvae_jax import errors
from cvae_jax.audio import level
from cvae_jax.audio import representations
from cvae_jax.metrics import pitch


def make(name, **fields):
  config = config_lib.get_base_config().representation
  config.update({"name": name, "griffin_lim_iters": 16, **fields})
  return representations.make_representation(config, 64_000, 16_000)


@pytest.mark.parametrize("name,bins", [("log_magnitude", 1024), ("log_mel", 256)])
def test_shape_range_and_pitch_of_a_real_note(real_note, name, bins):
  representation = make(name)
  audio = level.normalize(jnp.asarray(real_note[None]))
  features = representation.encode(audio)
  assert features.shape == (1, *representation.shape) == (1, 126, bins)
  assert -1.0 <= features.min() < -0.9 and 0.3 < features.max() <= 1.0
  back = np.asarray(representation.decode(features, jax.random.key(0)))
  assert back.shape == (1, 64_000)
  before, after = (pitch.median_pitch(np.asarray(x), 16_000) for x in (audio[0], back[0]))
  assert abs(before - after) < 0.5
  again = representation.encode(jnp.asarray(back))
  error_db = representation.db_per_unit * float(jnp.sqrt(jnp.mean((again - features) ** 2)))
  assert error_db < 12.0


@pytest.mark.parametrize("name", ["log_magnitude", "log_mel"])
def test_silence_is_the_floor_and_comes_back_as_silence(name):
  representation = make(name)
  features = representation.encode(jnp.zeros((1, 64_000)))
  np.testing.assert_allclose(features, -1.0, atol=1e-5)
  np.testing.assert_array_equal(representation.decode(features, jax.random.key(0)), 0.0)


def test_a_full_scale_sine_is_at_0_db_and_a_tenth_20_db_below():
  representation = make("log_magnitude")
  # Bin 128 of 2048 at 16 kHz: 1 kHz, so that the sine sits on a bin.
  sine = jnp.sin(2 * jnp.pi * 1000 * jnp.arange(64_000) / 16_000)
  features = representation.encode(jnp.stack([sine, 0.1 * sine]))[:, 60]
  np.testing.assert_allclose(features[:, 128], [1.0, 0.5], atol=1e-3)


def test_what_a_network_overshoots_is_held_at_full_scale():
  representation = make("log_magnitude", griffin_lim_iters=0)
  loud = jnp.full((1, 126, 1024), 0.5)
  louder = representation.decode(loud.at[:, :, 50].set(9.0), jax.random.key(0))
  full = representation.decode(loud.at[:, :, 50].set(1.0), jax.random.key(0))
  np.testing.assert_array_equal(louder, full)


@pytest.mark.parametrize(
  "fields,says",
  [
    ({"name": "wavelets"}, "log_magnitude, log_mel, got 'wavelets'"),
    ({"hop_length": 4096}, "hop_length must be 1 to win_length"),
    ({"floor_db": 80.0}, "floor_db must be negative, got 80.0"),
    ({"name": "log_mel", "n_mels": 2000}, "mel filters hold no bin"),
  ],
)
def test_settings_that_make_no_sense_are_refused(fields, says):
  config = ml_collections.ConfigDict(config_lib.get_base_config().representation.to_dict())
  config.update(fields)
  with pytest.raises(errors.UserError, match=says):
    representations.make_representation(config, 64_000, 16_000)


def test_dc_and_level_are_put_in_order(real_note):
  shifted = jnp.asarray(np.stack([0.1 * real_note + 0.36, real_note, np.zeros_like(real_note)]))
  normal = level.normalize(shifted)
  np.testing.assert_allclose(jnp.mean(normal, axis=1), 0.0, atol=1e-4)
  np.testing.assert_allclose(jnp.max(jnp.abs(normal), axis=1), [0.89, 0.89, 0.0], atol=1e-4)
  np.testing.assert_allclose(normal[0], normal[1], atol=1e-4)


def test_velocity_is_a_gain_of_40_log10():
  gain_db = 20 * np.log10(level.velocity_to_gain(np.asarray([127, 64, 25])))
  np.testing.assert_allclose(gain_db, 40 * np.log10(np.asarray([127, 64, 25]) / 127), atol=1e-4)
