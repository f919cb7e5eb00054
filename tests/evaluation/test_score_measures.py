"""Measures of generated scores: a generator of the data itself, of copies, and of one window."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cvae_jax import evaluate
from cvae_jax import methods
from cvae_jax.core import config as config_lib
from cvae_jax.data import data_sets
from cvae_jax.data import forms
from cvae_jax.data import notes
from cvae_jax.data import pipeline
from cvae_jax.data import tunes
from cvae_jax.evaluation import measures
from cvae_jax.evaluation import result_tables
from cvae_jax.evaluation.measures import scores
from cvae_jax.evaluation.metrics import score_statistics
from cvae_jax.scores import melody
from cvae_jax.scores import performance

NOTES = 48


def make_run(tokens, source="held_out", labels=(), **settings):
  """A run on synthetic scores that generates rows of tokens in order, or those of a split."""
  config = config_lib.get_base_config("synth_scores", None, None, "architectures.tokens")
  config.data.scores.update(examples=(200, NOTES, 16), **settings)
  config.eval.batch_size, config.eval.generation_notes = NOTES, NOTES
  config.condition.labels = labels
  data = pipeline.open_data(config.data)
  if tokens is None:
    split = getattr(data, source)
    rows = notes.spread_rows(len(split), NOTES)
    tokens = np.stack([split[int(row)]["tokens"] for row in rows])
  made = jnp.asarray(tokens)
  method = methods.Method(
    init=None, train_step=None, eval_step=None, code_shape=(0,),
    draw_code=lambda params, given, rng: jnp.zeros((methods.count(given), 0)),
    decode=lambda params, codes, given, rng: made,
  )  # fmt: skip
  return measures.Run(config, method, None, data)


KINDS = {"melody": [""], "drums": [""], "trio": ["melody_", "bass_", "drums_"]}


@pytest.mark.parametrize("kind", KINDS)
def test_held_out_scores_are_at_no_distance_and_training_scores_at_that_of_the_data(
  kind,
):
  found = scores.measure_scores(make_run(None, kind=kind))
  assert found["notes"] == NOTES and set(found["generated"]) == set(found["data"])
  generated, data = found["generated"], found["data"]
  for name, value in generated.items():
    if name.endswith(("_js", "_error")):
      assert value == pytest.approx(0.0, abs=1e-9), name
      assert data[name] > 0 or name.startswith("bass_"), name  # All basses have one rhythm.
    elif name.endswith("_overlap"):
      assert value == pytest.approx(1.0), name
    elif not name.endswith("_distances"):
      assert value == data[name], name
  assert all(any(n.startswith(f"{p}onset_js") for n in generated) for p in KINDS[kind])
  found = scores.measure_scores(make_run(None, "train", kind=kind))
  for name, value in found["generated"].items():
    if name.endswith(("_js", "_error", "_overlap", "_distances")):
      assert value == found["data"][name], name
  assert found["generated"]["copies"] == 1.0 and found["data"]["copies"] < 0.2


def test_one_window_over_and_over_is_seen(tmp_path):
  run = make_run(None)
  one = np.stack([run.data.held_out[0]["tokens"]] * NOTES)
  found = scores.measure_scores(make_run(one))
  generated, data = found["generated"], found["data"]
  assert generated["distinct"] == 1 / NOTES and data["distinct"] > 0.9
  for name in ("interval_js", "pitch_class_js", "onset_js"):
    assert generated[name] > 2 * data[name], name
  for name in ("density_overlap", "range_overlap"):
    assert generated[name] < 0.7 * data[name], name
  silent = scores.measure_scores(make_run(np.zeros_like(one)))
  evaluate.save_results({"scores": silent, "notes": 1, "split": "valid"}, str(tmp_path))
  stored = evaluate.load_results(str(tmp_path))
  assert stored["scores"]["generated"]["interval_js"] is None
  assert stored["scores"]["generated"]["density"] == 0.0
  text = result_tables.describe(stored)
  assert "Generated scores (48 examples)" in text
  assert "density: overlapping area" in text and "copies of training" in text


def test_labels_are_followed_or_not():
  labels = ("mode", "density", "range", "syncopation")
  found = scores.measure_scores(make_run(None, labels=labels))
  assert found["generated"]["density_correlation"] == found["data"]["density_correlation"] > 0.9
  assert found["generated"]["range_correlation"] > 0.95
  assert 0 < found["generated"]["mode_agreement"] < 1
  other = scores.measure_scores(make_run(None, "train", labels=labels))
  assert abs(other["generated"]["density_correlation"]) < 0.4
  assert "density_correlation" not in scores.measure_scores(make_run(None))["generated"]


def test_copies_are_looked_for_among_all_windows_that_training_draws():
  form = forms.Score(32, melody.Melody())
  rng = np.random.default_rng(0)
  tokens = np.where(rng.random(320) < 0.4, rng.integers(30, 60, 320), 0)
  starts = np.arange(0, 289, 16)
  source = tunes.Windows(form, tokens, starts, np.zeros(len(starts), int), ["tune"], max_windows=3)
  assert len(source) == 3
  every = scores.read_all(source)
  assert len(every) == len(starts) and len(scores.read_all(source.select(np.asarray([1])))) < 8
  windows = np.stack([tokens[s : s + 32] for s in starts])
  windows = tunes.clean(melody.Melody().transpose(windows, 9), melody.Melody())
  known = score_statistics.relative(every, melody.Melody())
  relative = score_statistics.relative(windows, melody.Melody())
  assert score_statistics.is_copy(relative, known).all()
  firsts = np.stack([source[row]["tokens"] for row in range(3)])
  only_firsts = score_statistics.relative(firsts, melody.Melody())
  assert score_statistics.is_copy(relative, only_firsts).sum() == 3


def test_runs_without_scores_that_can_be_compared_are_left_out(caplog):
  run = make_run(None)
  assert scores.measure_scores(run._replace(method=run.method._replace(draw_code=None))) is None
  config = run.config.copy_and_resolve_references()
  config.eval.generation_notes = 0
  assert scores.measure_scores(run._replace(config=config)) is None
  caplog.set_level("INFO")
  config.eval.generation_notes = 8
  assert scores.measure_scores(run._replace(config=config)) is None
  assert "8 held-out scores are few" in caplog.text
  events = forms.Score(32, performance.Performance())
  train = run.data.train
  train.form = events
  assert scores.measure_scores(run) is None
  train.form = forms.Waveform(16_000, 100)
  assert scores.measure_scores(run) is None


def test_the_grid_is_that_of_the_config_or_of_sixteenths():
  config = config_lib.get_base_config(data="synth_scores").data
  config.scores.update(meter="6/8", steps_per_quarter=6)
  assert scores.grid_of(data_sets.make_form(config), config) == (18, 6)
  other = config_lib.get_base_config(data="sounds").data
  assert scores.grid_of(forms.Score(32, melody.Melody()), other) == (16, 4)
  assert scores.grid_of(forms.Score(20, melody.Melody()), other) == (20, 4)
  assert jax.tree.leaves(
    score_statistics.of_melodies(np.zeros((1, 20), int), melody.Melody(), 20, 4)
  )
