from conftest import get_config
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cvae_jax.audio import representations
from cvae_jax.core import config as config_lib
from cvae_jax.data import labels
from cvae_jax.methods.common import condition
from cvae_jax.models import conv1d
from cvae_jax.models.common import harmonics

LINEAR = tuple(k * 16_000 / 2048 for k in range(1024))


def test_partials_lie_at_multiples_of_the_pitch():
  template = harmonics.make_templates(LINEAR)[69].astype(np.float32)  # A4, 440 Hz
  assert template.shape == (harmonics.num_templates(), 1024)
  assert 0.0 <= template.min() and template.max() <= 1.0
  by_number, by_frequency = template[:13].sum(axis=0), template[13:].sum(axis=0)
  np.testing.assert_allclose(by_number, by_frequency, atol=2e-3)  # Bands of either kind add up.
  tops = np.flatnonzero((by_number[1:-1] > by_number[:-2]) & (by_number[1:-1] > by_number[2:])) + 1
  np.testing.assert_allclose(tops, np.arange(1, 19) * 440 / 7.8125, atol=0.5)
  fundamental = template[0].argmax()
  assert fundamental == 56 and template[1:13, fundamental].max() == 0.0


@pytest.mark.parametrize("name", ["log_magnitude", "log_mel", "cqt", "log_mel_if"])
@pytest.mark.parametrize("pitch", [45, 60, 81])
def test_they_lie_where_a_representation_has_them(name, pitch):
  config = config_lib.get_base_config(representation=name).representation
  representation = representations.make_representation(config, 64_000, 16_000)
  f0_hz = 440 * 2 ** ((pitch - 69) / 12)
  time = jnp.arange(64_000) / 16_000
  tone = sum(0.1 * jnp.sin(2 * jnp.pi * f0_hz * n * time + n**2) for n in range(1, 8))
  features = np.asarray(representation.encode(tone[None]))[0, 60, :, 0]
  template = harmonics.make_templates(representation.frequencies_hz)[pitch][:8].sum(axis=0)
  for n in range(1, 7):
    near = np.abs(np.asarray(representation.frequencies_hz) / (n * f0_hz) - 1) < 0.4 / n
    assert abs(int(np.argmax(features * near)) - int(np.argmax(template * near))) <= 1


def test_a_pitch_between_two_keys_has_the_partials_of_both():
  config = get_config("cvae", "tiny")
  representation = representations.make_representation(config.representation, 64_000, 16_000)
  given = condition.make_condition(("family", "pitch"), labels.make_vocabulary(["a", "b", "c"]))
  model = conv1d.make_model(config.model, representation, given, True)
  first, last = given.pitch
  c = jnp.zeros((3, given.dim))
  scale = np.sqrt(last - first)
  c = c.at[0, first + 60].set(scale).at[1, first + 61].set(scale)
  c = c.at[2, first + 60].set(scale / 2).at[2, first + 61].set(scale / 2)
  spectra = model.bind({})._partials(c)
  np.testing.assert_allclose(spectra[2], (spectra[0] + spectra[1]) / 2, atol=1e-3)
  expected = harmonics.make_templates(representation.frequencies_hz)[60]
  np.testing.assert_allclose(spectra[0], expected, atol=1e-3)


def test_no_template_without_a_pitch_or_without_frequencies():
  for name, names in (("log_magnitude", ("family",)), ("waveform", ("pitch",))):
    config = get_config("cvae", "tiny", **{"representation.name": name})
    representation = representations.make_representation(config.representation, 64_000, 16_000)
    given = condition.make_condition(names, labels.make_vocabulary(["a", "b", "c"]))
    model = conv1d.make_model(config.model, representation, given, True)
    shapes = jax.eval_shape(
      model.init,
      jax.random.key(0),
      jnp.zeros((1, *representation.shape)),
      jnp.zeros((1, given.dim)),
    )
    assert "harmonic_mix" not in shapes["params"]
