"""A measure of one's own, outside of the package, by its dotted path."""

import sys

from conftest import SHORT
from conftest import get_config
import pytest

from cvae_jax import evaluate
from cvae_jax.core import config_check
from cvae_jax.core import errors
from cvae_jax.training import loop

SOURCE = '''
"""How bright reconstructions are beside their originals."""

import jax
import numpy as np

from cvae_jax.data import pipeline


def centroid_hz(audio, sample_rate):
  power = np.abs(np.fft.rfft(audio)) ** 2
  frequencies = np.fft.rfftfreq(audio.shape[-1], 1.0 / sample_rate)
  return np.sum(frequencies * power, axis=-1) / np.maximum(np.sum(power, axis=-1), 1e-9)


def measure(run):
  if run.waveform is None or run.method.reconstruct is None:
    return None
  batch = next(iter(pipeline.eval_batches(run.data.held_out, 4)))
  made = jax.jit(run.method.reconstruct)(run.params, run.inputs_of(batch), jax.random.key(0))
  hz = [np.mean(centroid_hz(x, run.waveform.sample_rate)) for x in (batch["audio"], made)]
  return {"original_hz": hz[0], "reconstructed_hz": hz[1]}
'''


@pytest.fixture
def own_module(tmp_path, monkeypatch):
  (tmp_path / "own_measures").mkdir()
  (tmp_path / "own_measures" / "__init__.py").touch()
  (tmp_path / "own_measures" / "brightness.py").write_text(SOURCE)
  monkeypatch.syspath_prepend(tmp_path)
  yield "own_measures.brightness"
  sys.modules.pop("own_measures.brightness", None)


def test_a_measure_may_live_outside_the_package(own_module, tmp_path, tfds_dir, caplog):
  config = get_config("cvae", "tiny", **{**SHORT, "train.steps": 2, "data.tfds_dir": tfds_dir})
  workdir = str(tmp_path / "run")
  loop.train_and_evaluate(config, workdir)
  assert "own" not in evaluate.load_results(workdir)
  with caplog.at_level("INFO"):
    evaluate.main([f"--workdir={workdir}", f"--set=eval.measures=('{own_module}',)"])
  own = evaluate.load_results(workdir)["own"]
  assert set(own) == {"brightness_original_hz", "brightness_reconstructed_hz"}
  assert 100 < own["brightness_original_hz"] < 8000
  assert "brightness original hz" in caplog.text


@pytest.mark.parametrize(
  "path, message",
  [
    ("brightness", "eval.measures must be dotted paths of modules, got 'brightness'"),
    ("no.such", "eval.measures: there is no module no.such with a function measure"),
    ("cvae_jax.evaluate", "there is no module cvae_jax.evaluate with a function measure"),
  ],
)
def test_a_path_without_a_measure_is_refused(path, message):
  config = get_config("cvae", "tiny", **{"eval.measures": (path,)})
  with pytest.raises(errors.UserError, match=message):
    config_check.check(config)
