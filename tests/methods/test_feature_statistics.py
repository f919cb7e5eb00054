import json
import os

from conftest import SHORT
from conftest import get_config
from conftest import one_line
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cvae_jax import methods
from cvae_jax.audio import level
from cvae_jax.data import data_sets
from cvae_jax.data import labels
from cvae_jax.data import pipeline
from cvae_jax.methods.common import feature_statistics
from cvae_jax.synthesis import synthesizer
from cvae_jax.training import loop


@pytest.fixture(scope="module")
def config(tfds_dir):
  fields = {"representation.standardize": True, "eval.baselines": True, "eval.sample_notes": 1}
  return get_config("cvae", "tiny", **{**SHORT, **fields, "data.tfds_dir": tfds_dir})


@pytest.fixture(scope="module")
def run(config, tmp_path_factory):
  """The workdir of a finished run with standardised features."""
  workdir = str(tmp_path_factory.mktemp("standardized"))
  loop.train_and_evaluate(config, workdir)
  return workdir


def test_every_bin_has_mean_0_and_deviation_1_and_stands_for_the_same(config):
  source = pipeline.open_split(data_sets.load(config.data), "train")
  audio = level.normalize(jnp.stack([source[i]["audio"] for i in range(len(source))]))
  plain = methods.make_representation(config, labels.FORM)
  # Batches that do not divide the notes: what fills the last one up does not count.
  statistics = feature_statistics.measure(plain, pipeline.eval_batches(source, 25))
  ours = feature_statistics.standardize(plain, statistics)
  features, before = ours.encode(audio), plain.encode(audio)
  np.testing.assert_allclose(np.mean(features, axis=(0, 1)), 0.0, atol=1e-3)
  moving = np.std(before, axis=(0, 1)) > 0.02
  np.testing.assert_allclose(np.std(features, axis=(0, 1))[moving], 1.0, atol=1e-3)
  assert moving.mean() > 0.9
  np.testing.assert_allclose(ours.level_db(features), plain.level_db(before), atol=1e-3)
  key = jax.random.key(0)
  wanted = plain.decode(before[:2], key)  # Phases that are searched for show every rounding.
  np.testing.assert_allclose(
    ours.decode(features[:2], key), wanted, atol=1e-3 * float(jnp.abs(wanted).max())
  )
  assert ours.shape == plain.shape and ours.floored == (False,) and ours.frequencies_hz is None


@pytest.mark.slow
def test_a_run_keeps_them_and_is_loaded_with_them(run):
  assert "features.npz" in os.listdir(run)
  results = json.loads(open(os.path.join(run, "results.json")).read())
  # The bounds are measured in dB, which are what they are for any run of these notes.
  assert 5 < results["baselines"]["mean"]["lsd_db"] < 20
  note = synthesizer.load(run).generate(pitch=60, seed=0)
  assert np.isfinite(note).all() and np.abs(note).max() > 0.01


@pytest.mark.slow
def test_a_longer_run_goes_on_with_those_that_it_began_with(run, config):
  path = os.path.join(run, "features.npz")
  before = open(path, "rb").read()
  longer = config.copy_and_resolve_references()
  longer.train.steps = 6
  loop.train_and_evaluate(longer, run)
  assert open(path, "rb").read() == before


def test_a_run_without_them_says_so(run, tmp_path):
  for name in os.listdir(run):
    if name != "features.npz":
      os.symlink(os.path.join(run, name), tmp_path / name)
  with pytest.raises(Exception) as error:
    synthesizer.load(str(tmp_path))
  assert "features.npz is missing" in one_line(error)
