import functools
import pkgutil

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import pytest

from cvae_jax.audio import level
from cvae_jax.audio import representations
from cvae_jax.core import config as config_lib
from cvae_jax.core import errors
from cvae_jax.evaluation.metrics import pitch


@functools.cache
def make(name, **fields):
  config = config_lib.get_base_config(representation=name).representation
  if "griffin_lim_iters" in config:
    config.griffin_lim_iters = 16
  config.update(fields)
  made = representations.make_representation(config, 64_000, 16_000)
  compiled = {field: jax.jit(getattr(made, field)) for field in ("encode", "decode", "level_db")}
  return made._replace(**compiled)


# Shape of a note's features; the error that a round trip may leave, in dB of their level_db.
ROUND_TRIPS = {
  "log_magnitude": ((126, 1024, 1), 1.5),
  "log_mel": ((126, 256, 1), 2.5),
  "cqt": ((126, 288, 1), 12.0),
  "log_magnitude_if": ((126, 1024, 2), 0.8),
  "log_mel_if": ((126, 256, 2), 8.0),
  "waveform": ((125, 512, 1), 0.0),
  "mdct": ((126, 512, 1), 0.1),
  "pqmf": ((503, 128, 1), 0.1),
}
LEVELS = ["log_magnitude", "log_mel", "cqt", "log_magnitude_if", "log_mel_if"]


def test_every_representation_is_tested():
  names = {m.name for m in pkgutil.iter_modules(representations.__path__)}
  assert names == set(ROUND_TRIPS)


@pytest.mark.parametrize("name", ROUND_TRIPS)
def test_a_real_note_goes_there_and_back(real_note, name):
  shape, most_db = ROUND_TRIPS[name]
  representation = make(name)
  audio = level.normalize(jnp.asarray(real_note[None]))
  features = representation.encode(audio)
  assert features.shape == (1, *representation.shape) == (1, *shape)
  assert len(representation.floored) == shape[-1]
  assert -1.0 <= features.min() < -0.3 and 0.3 < features.max() <= 1.0
  if name in LEVELS:
    assert features[..., 0].min() < -0.99
  back = representation.decode(features, jax.random.key(0))
  assert back.shape == (1, 64_000)
  before, after = (pitch.median_pitch(np.asarray(x[0]), 16_000) for x in (audio, back))
  assert abs(before - after) < 0.5
  again = representation.level_db(representation.encode(back))
  error_db = jnp.sqrt(jnp.mean((again - representation.level_db(features)) ** 2))
  assert float(error_db) <= most_db


@pytest.mark.parametrize("name,least_db", [("pqmf", 60.0), ("mdct", 100.0), ("waveform", 290.0)])
def test_invertible_features_give_the_waveform_back(real_note, name, least_db):
  representation = make(name)
  audio = level.normalize(jnp.asarray(real_note[None]))
  back = representation.decode(representation.encode(audio), jax.random.key(0))
  noise = float(jnp.sum((back - audio) ** 2) / jnp.sum(audio**2))
  assert 10 * np.log10(noise + 1e-30) < -least_db


def test_phase_is_lost_only_with_what_lies_under_the_floor(real_note):
  audio = level.normalize(jnp.asarray(real_note[None]))
  for floor_db, least_db in ((-80.0, 45.0), (-120.0, 75.0)):
    representation = make("log_magnitude_if", floor_db=floor_db)
    back = representation.decode(representation.encode(audio), jax.random.key(0))
    noise = float(jnp.sum((back - audio) ** 2) / jnp.sum(audio**2))
    assert 10 * np.log10(noise) < -least_db


@pytest.mark.parametrize("name", ROUND_TRIPS)
def test_silence_is_the_floor_and_comes_back_as_silence(name):
  representation = make(name)
  features = representation.encode(jnp.zeros((1, 64_000)))
  for channel, floored in enumerate(representation.floored):
    np.testing.assert_allclose(features[..., channel], -1.0 if floored else 0.0, atol=1e-5)
  np.testing.assert_array_equal(representation.decode(features, jax.random.key(0)), 0.0)


@pytest.mark.parametrize("name", ROUND_TRIPS)
def test_gradients_reach_the_waveform(name):
  representation = make(name)
  sine = 0.5 * jnp.sin(jnp.arange(64_000) * 0.2)[None]
  gradient = jax.jit(jax.grad(lambda x: jnp.sum(representation.encode(x) ** 2)))(sine)
  assert bool(jnp.isfinite(gradient).all()) and float(jnp.abs(gradient).max()) > 0.0


def test_a_full_scale_sine_is_at_0_db_and_a_tenth_20_db_below():
  representation = make("log_magnitude")
  # Bin 128 of 2048 at 16 kHz: 1 kHz, so that the sine sits on a bin.
  sine = jnp.sin(2 * jnp.pi * 1000 * jnp.arange(64_000) / 16_000)
  features = representation.encode(jnp.stack([sine, 0.1 * sine]))[:, 60, :, 0]
  np.testing.assert_allclose(features[:, 128], [1.0, 0.5], atol=1e-3)


def test_what_a_network_overshoots_is_held_at_full_scale():
  representation = make("log_magnitude", griffin_lim_iters=0)
  loud = jnp.full((1, 126, 1024, 1), 0.5)
  louder = representation.decode(loud.at[:, :, 50].set(9.0), jax.random.key(0))
  full = representation.decode(loud.at[:, :, 50].set(1.0), jax.random.key(0))
  np.testing.assert_array_equal(louder, full)


@pytest.mark.parametrize(
  "fields,says",
  [
    ({"name": "wavelets"}, "log_magnitude, log_magnitude_if, .*, got 'wavelets'"),
    ({"hop_length": 4096}, "hop_length must be 1 to win_length"),
    ({"floor_db": 80.0}, "floor_db must be negative, got 80.0"),
    ({"name": "log_mel", "n_mels": 2000}, "mel filters hold no bin"),
    ({"name": "log_mel_if", "fmin_hz": 9000.0}, "0 <= fmin < fmax <= 8000"),
    ({"name": "cqt", "n_bins": 400}, "use fewer bins"),
    ({"name": "pqmf", "num_bands": 1}, "at least 2 bands"),
    ({"name": "mdct", "hop_length": 511}, "must be even"),
    ({"window": "sinusoidal"}, "window 'sinusoidal' cannot be made"),
  ],
)
def test_settings_that_make_no_sense_are_refused(fields, says):
  with pytest.raises(errors.UserError, match=says):
    whole = config_lib.get_base_config(representation=fields.pop("name", "log_magnitude"))
    config = ml_collections.ConfigDict(whole.representation.to_dict())
    config.update(fields)
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
