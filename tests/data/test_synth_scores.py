"""Synthetic scores: their factors are in their notes, and a model of tokens is trained on them."""

import json
import os

from conftest import SHORT
from conftest import one_line
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from cvae_jax import evaluate
from cvae_jax import generate
from cvae_jax import methods
from cvae_jax import prepare
from cvae_jax.core import config as config_lib
from cvae_jax.core import config_check
from cvae_jax.data import data_sets
from cvae_jax.data import pipeline
from cvae_jax.data.synthetic import tune_grammar
from cvae_jax.evaluation import measures
from cvae_jax.evaluation.measures import latent
from cvae_jax.scores import drum_tokens
from cvae_jax.scores import melody
from cvae_jax.training import loop


def open_split(split="train", name="synth_scores/tiny", **settings):
  config = config_lib.get_base_config(data=name)
  config.data.scores.update(settings)
  config_check.check(config)
  return pipeline.open_split(data_sets.load(config.data), split)


def tokens_of(source):
  return np.stack([source[i]["tokens"] for i in range(len(source))])


@pytest.fixture(scope="module")
def melodies():
  return open_split(name="synth_scores", examples=(600, 1, 1))


def test_factors_are_in_the_notes(melodies):
  tokens, labels = tokens_of(melodies), melodies.labels
  onsets = tokens >= melody.FIRST
  pitches = np.where(onsets, tokens, 0).max(1) - np.where(onsets, tokens, 99).min(1)
  bars = tokens.reshape(-1, 2, 4, 4)
  copied = (bars[:, 0] == bars[:, 1]).all(-1).sum(-1)
  odd = onsets[:, 1::2].sum(1) / onsets.sum(1)
  for name, found, least in (
    ("density", onsets.sum(1), 0.95), ("range", pitches, 0.9), ("syncopation", odd, 0.9),
    ("repetition", copied, 0.6),
  ):  # fmt: skip
    others = {x: scipy.stats.spearmanr(found, labels[x])[0] for x in labels if x[:2] in "dersy"}
    assert scipy.stats.spearmanr(found, labels[name])[0] > least, (name, others)
  factors = labels["factors"]
  assert factors.shape == (600, 5) and factors[:, 2].tolist() == labels["range"].tolist()
  # Drawn independently of each other.
  assert np.abs(np.corrcoef(factors.T) - np.eye(5)).max() < 0.15


def test_a_melody_is_in_its_mode(melodies):
  modes = melodies.vocabulary.get("mode").names
  for row in range(100):
    example = melodies[row]
    pitches = example["tokens"][example["tokens"] >= melody.FIRST] - melody.FIRST + 21
    scale = np.asarray(tune_grammar.MODES[modes[example["mode"]]])
    fits = [np.isin((pitches - tonic) % 12, scale).all() for tonic in range(12)]
    assert any(fits)


def test_drums_have_their_style_and_density():
  source = open_split(name="synth_scores", kind="drums", examples=(300, 1, 1), bars=1)
  roll = drum_tokens.to_roll(tokens_of(source))
  labels, styles = source.labels, source.vocabulary.get("style").names
  beats = roll[:, ::4, :2]
  of = lambda name: beats[labels["style"] == styles.index(name)]
  assert (of("backbeat") == np.asarray([[1, 0], [0, 1], [1, 0], [0, 1]])).all()
  assert (of("four_on_the_floor")[..., 0] == 1).all()
  pulse = roll[:, :, 2].sum(1) + roll[:, :, 8].sum(1)
  assert (pulse == labels["density"]).all()


@pytest.mark.parametrize("kind", ["melody", "drums", "trio"])
@pytest.mark.parametrize("meter,steps_per_quarter", [("4/4", 4), ("6/8", 4), ("3/4", 6)])
def test_all_scores_survive_their_midi_files(kind, meter, steps_per_quarter, tmp_path):
  source = open_split("valid", kind=kind, meter=meter, steps_per_quarter=steps_per_quarter)
  tokens = tokens_of(source)
  assert tokens.shape[1] == 2 * {"4/4": 16, "6/8": 12, "3/4": 18}[meter] * (
    3 if kind == "trio" else 1
  )
  assert len(np.unique(tokens, axis=0)) > 25
  for row in tokens:
    source.form.write(str(tmp_path / "x.mid"), row)
    np.testing.assert_array_equal(source.form.read(str(tmp_path / "x.mid"))[0], row)


def test_splits_differ_and_come_again():
  train, valid = (tokens_of(open_split(split)) for split in ("train", "valid"))
  assert not (train[:32] == valid).all(1).any()
  np.testing.assert_array_equal(train, tokens_of(open_split("train")))
  assert not (train == tokens_of(open_split("train", seed=1))).all()


@pytest.mark.parametrize(
  "settings,says",
  [
    ({"kind": "choir"}, "data.scores.kind must be one of melody, drums, trio, got 'choir'"),
    ({"meter": "4"}, "data.scores.meter must be a metre such as 4/4 or 6/8, got '4'"),
    ({"meter": "7/32"}, "a bar of 7/32 is no whole number of steps"),
    ({"meter": "7/8"}, "synth_scores needs bars of whole beats"),
    ({"bars": 0}, "data.scores.bars must give 1-100000 tokens, got 0"),
    ({"min_pitch": 60}, "synth_scores has pitches from 50 to 82"),
    ({"max_pitch": 10}, "must be 0-127 in this order, got 21 and 10"),
    ({"examples": (1, 1, 0)}, "data.scores.examples must be three positive numbers"),
  ],
)
def test_what_the_tokens_cannot_say_is_one_line(settings, says):
  with pytest.raises(Exception) as error:
    open_split(**settings)
  assert says in one_line(error)


@pytest.mark.parametrize("kind", ["melody", "trio"])
def test_a_model_of_tokens_is_trained_on_them(kind, tmp_path):
  config = config_lib.get_base_config("synth_scores/tiny", None, None, "architectures.tokens")
  config.update_from_flattened_dict(
    {k: v for k, v in SHORT.items() if not k.startswith("method.")}
    | {"train.batch_size": 16, "eval.batch_size": 16, "eval.sample_notes": 2}
    | {"data.scores.kind": kind, "optimizer.warmup_steps": 1}
  )
  run = str(tmp_path / "run")
  loop.train_and_evaluate(config, run)
  assert evaluate.load_results(run)["eval"]["nll"] > 0
  assert any(name.endswith(".mid") for name in os.listdir(tmp_path / "run" / "samples"))
  generate.main([f"--workdir={run}", "--num=2", f"--out={tmp_path / 'out'}"])
  assert len([n for n in os.listdir(tmp_path / "out") if n.endswith(".mid")]) == 2
  assert json.loads((tmp_path / "run" / "config.json").read_text())["data"]["scores"]["bars"] == 2


def test_disentanglement_is_measured_on_their_factors():
  def encode(params, batch):
    """Density, and twice nothing."""
    del params
    count = jnp.sum(batch["tokens"] >= melody.FIRST, axis=1, dtype=jnp.float32)
    noise = jnp.sin(1e3 * jnp.sum(batch["tokens"] * jnp.arange(1.0, 33.0), axis=1))
    return jnp.stack([count, noise, jnp.zeros_like(count)], axis=1)

  config = config_lib.get_base_config("synth_scores", None, None, "architectures.tokens")
  config.data.scores.examples = (300, 300, 1)
  config.eval.factor_notes = 300
  method = methods.Method(None, None, None, code_shape=(3,), encode=encode)
  run = measures.Run(config, method, None, pipeline.open_data(config.data))
  found = latent.measure_disentanglement(run)
  # One of five factors is in one dimension; notes are rendered for none of them.
  assert "factor_vae" not in found and found["notes"] == 300
  assert 0.1 < found["mig"] < 0.25 and found["sap"] > 0.1


def test_they_are_prepared(caplog):
  caplog.set_level("INFO")
  config = config_lib.get_base_config(data="synth_scores/tiny")
  assert prepare.prepare(config.data, 100) == ""
  assert "mixolydian" in caplog.text and "synth_scores/tiny" in caplog.text
