"""A representation of one's own, outside of the package, by its dotted path."""

import sys

from conftest import example_batch
from conftest import get_config
from conftest import make_method
import jax
import numpy as np

from cvae_jax.core import config_check

SOURCE = '''
"""The waveform in frames, as numbers between its peaks."""

import ml_collections

from cvae_jax.audio import representations
from cvae_jax.audio.representations import waveform


def get_config():
  config = ml_collections.ConfigDict()
  config.scale = 2.0  # factor of the samples
  return config


def make_representation(config, num_samples, sample_rate):
  plain = waveform.make_representation(config, num_samples, sample_rate)
  return plain._replace(
    encode=lambda audio: config.scale * plain.encode(audio),
    decode=lambda features, key: plain.decode(features / config.scale, key),
  )
'''


def test_a_representation_may_live_outside_the_package(tmp_path, monkeypatch, real_batch):
  (tmp_path / "own_features").mkdir()
  (tmp_path / "own_features" / "__init__.py").touch()
  (tmp_path / "own_features" / "scaled.py").write_text(SOURCE)
  monkeypatch.syspath_prepend(tmp_path)
  config = get_config("vae", "tiny", **{"representation.name": "own_features.scaled"})
  config.representation.scale = 3.0
  config_check.check(config)
  method = make_method(config)
  plain = make_method(get_config("vae", "tiny", **{"representation.name": "waveform"}))
  ours, theirs = (jax.jit(m.features)(real_batch) for m in (method, plain))
  np.testing.assert_allclose(ours, 3.0 * theirs, rtol=1e-6)
  params = jax.jit(method.init)(jax.random.key(0), example_batch()).params
  decoded = jax.jit(method.reconstruct)(params, real_batch, jax.random.key(1))
  assert decoded.shape == real_batch["audio"].shape and np.isfinite(decoded).all()
  del sys.modules["own_features.scaled"]
