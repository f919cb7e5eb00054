"""Labels measured of windows: those of the window that is drawn, and what cannot be measured."""

import json

from conftest import SHORT
from conftest import one_line
import numpy as np
import pytest

from cvae_jax import evaluate
from cvae_jax import generate
from cvae_jax import prepare
from cvae_jax.core import config as config_lib
from cvae_jax.core import config_check
from cvae_jax.data import data_sets
from cvae_jax.data import pipeline
from cvae_jax.data import score_labels
from cvae_jax.data import sources
from cvae_jax.data.synthetic import tune_grammar
from cvae_jax.scores import melody
from cvae_jax.scores import piece as piece_lib
from cvae_jax.training import loop

Q = piece_lib.TICKS
NAMES = tuple(score_labels.ATTRIBUTES)
DRUM_NAMES = tuple(name for name, x in score_labels.ATTRIBUTES.items() if x.of_drums)


def tune(seed, bars=8):
  """The MIDI file of a walk in uneven notes, a bass on every bar and drums on random sixteenths."""
  rng = np.random.default_rng(seed)
  steps = np.flatnonzero(rng.random(16 * bars) < 0.4)
  pitches = 60 + np.cumsum(rng.integers(-3, 4, len(steps))).clip(-14, 14)
  rows = [(s * Q // 4, s * Q // 4 + Q // 4, p, 90, 0, False, 16)
          for s, p in zip(steps.tolist(), pitches.tolist(), strict=True)]  # fmt: skip
  rows += [(i * 4 * Q, (i + 1) * 4 * Q, 40, 90, 34, False, 32) for i in range(bars)]
  hits = np.flatnonzero(rng.random(16 * bars) < 0.5).tolist()
  rows += [(s * Q // 4, s * Q // 4 + 60, int(rng.choice([36, 38, 42])), 90, 0, True, 41)
           for s in hits]  # fmt: skip
  return piece_lib.to_midi(piece_lib.make_piece(rows, meters=[(0, 4, 4)]))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  folder = tmp_path_factory.mktemp("tunes")
  for seed in range(12):
    (folder / f"{seed:02d}.mid").write_bytes(tune(seed))
  return str(folder)


def get_config(folder, tfds_dir, **settings):
  config = config_lib.get_base_config(data="folder_scores")
  config.data.dir, config.data.tfds_dir = folder, tfds_dir
  config.data.scores.update(settings)
  config_check.check(config)
  return config


def open_train(folder, tfds_dir, **settings):
  return pipeline.open_split(data_sets.load(get_config(folder, tfds_dir, **settings).data), "train")


def measure_plainly(notes, length=32):
  """The labels of a melody by loops over its notes: (step, pitch) of each."""
  steps, pitches = [s for s, _ in notes], [p for _, p in notes]
  percent = lambda count, of: int(np.floor(100 * count / of + 0.5)) if of else -1
  jumps = [abs(a - b) for a, b in zip(pitches[1:], pitches[:-1], strict=True)]
  scale = {0, 2, 4, 5, 7, 9, 11}
  beats = [[dict(notes).get(s) for s in range(4 * b, 4 * b + 4)] for b in range(length // 4)]
  pairs = [(beats[b % 4], beats[b]) for b in range(4, length // 4)]
  pairs = [(a, b) for a, b in pairs if set(a) | set(b) != {None}]
  return {
    "density": min(16, int(np.floor(16 * len(notes) / length + 0.5))),
    "range": max(pitches) - min(pitches),
    "syncopation": percent(sum(s % 2 for s in steps), len(steps)),
    "repetition": percent(sum(a == b for a, b in pairs), len(pairs)),
    "interval": int(np.floor(10 * sum(jumps) / len(jumps) + 0.5)) if jumps else -1,
    "c_diatonic": percent(sum(p % 12 in scale for p in pitches), len(pitches)),
    "diatonic": max(percent(sum((p - k) % 12 in scale for p in pitches), len(pitches))
                    for k in range(12)),
    "syncopation_16th": percent(sum(s % 2 and s - 1 not in steps for s in steps), len(steps)),
    "syncopation_8th": percent(
      sum(s % 4 == 2 and not {s - 1, s - 2} & set(steps) for s in steps), len(steps)
    ),
  }  # fmt: skip


def test_labels_are_those_of_the_window_and_transposition_that_is_drawn(folder, tfds_dir):
  settings = dict(tracks=(1,), transpose=6, max_windows=2)
  source = open_train(folder, tfds_dir, labels=NAMES, **settings)
  plain = open_train(folder, tfds_dir, **settings)
  assert source.vocabulary.names == NAMES and len(source) > 12
  rows = np.arange(len(source)).repeat(5)
  seeds = [None if i % 5 == 0 else i for i in range(len(rows))]
  examples = source.stored_many(rows.tolist(), seeds)
  drawn = set()
  for row, seed, example in zip(rows, seeds, examples, strict=True):
    # The labels change nothing of what is drawn.
    np.testing.assert_array_equal(example["tokens"], plain.stored(row, seed)["tokens"])
    notes = [(round(n.start_s / 0.125), n.pitch) for n in
             source.form.tokenizer.decode(example["tokens"])]  # fmt: skip
    expected = measure_plainly(notes)
    assert {name: example[name] for name in expected} == expected
    if seed is None:
      assert all(source.labels[name][row] == example[name] for name in NAMES)
    drawn.add((example["density"], example["c_diatonic"]))
    again = source.stored(row, seed)
    assert all(again[name] == example[name] for name in NAMES)
  assert len(drawn) > 15
  # Of a selection too, and as arrays that can be batched.
  half = source.select(np.arange(1, len(source), 2))
  example = half.stored_many([0, 1], [7, 8])[1]
  assert example["range"] == source.stored(3, 8)["range"]
  batch = sources.collate(source.form, examples[:4])
  assert batch["mode"].dtype == np.int32 and batch["mode"].shape == (4,)


@pytest.mark.parametrize("kind,names", [("drums", DRUM_NAMES), ("trio", NAMES)])
def test_drums_and_trios_have_their_own(kind, names, folder, tfds_dir):
  source = open_train(folder, tfds_dir, kind=kind, labels=names, gap_bars=2)
  for row in range(len(source)):
    example = source.stored(row, row)
    if kind == "drums":
      struck = np.flatnonzero(example["tokens"])
      assert example["density"] == np.floor(len(struck) / 2 + 0.5)
      assert example["syncopation"] == np.floor(100 * (struck % 2).mean() + 0.5)
    else:
      lead = source.form.tokenizer.split(example["tokens"])[:, 0]
      assert example["range"] == lead.max() - lead[lead >= melody.FIRST].min()
  assert {x.name for x in source.vocabulary.labels} == set(names)


def test_synthetic_scores_have_the_same_labels_where_they_have_them():
  ours = {label.name: label for label in score_labels.make_labels(NAMES)}
  for label in tune_grammar.VOCABULARY.labels:
    assert ours[label.name].kind == label.kind and ours[label.name].between == label.between
    assert ours[label.name].low <= label.low and ours[label.name].high >= label.high
    assert ours[label.name].names == label.names[:2] if label.names else True


def test_what_a_window_does_not_have_is_unknown_and_what_is_too_large_the_end(folder, tfds_dir):
  config = get_config(folder, tfds_dir, labels=NAMES)
  tokenizer = melody.Melody()
  tokens = np.zeros((2, 32), np.int32)
  tokens[0, 5], tokens[1] = 30, np.where(np.arange(32) % 2, 2, 89)
  found = score_labels.measure(tokens, tokenizer, config.data.scores, NAMES)
  assert found["interval"].tolist() == [-1, 120] and found["range"].tolist() == [0, 48]
  assert found["density"].tolist() == [1, 16] and found["repetition"].tolist() == [0, 100]


@pytest.mark.parametrize(
  "settings,says",
  [
    ({"labels": ("tempo",)}, "data.scores.labels must be of mode, density, range, syncopation, "),
    ({"labels": ("tempo",)}, "for melody, got 'tempo'"),
    ({"labels": ("mode",), "kind": "drums"}, "for drums, got 'mode'"),
    ({"labels": ("mode",), "kind": "performance"}, "data.scores.labels must be () for performance"),
    ({"labels": ("mode", "mode")}, "data.scores.labels names 'mode' twice"),
    ({"labels": ("repetition",), "bars": 1}, "needs data.scores.bars of 2 or more, got 1"),
    ({"labels": ("repetition",), "meter": "7/8"}, "needs bars of whole beats, got data.scores.met"),
    ({"labels": ("syncopation_16th",), "steps_per_quarter": 6}, "that is a multiple of 4, got 6"),
  ],
)
def test_labels_that_scores_cannot_have_are_one_line(settings, says, folder, tfds_dir):
  with pytest.raises(Exception) as error:
    get_config(folder, tfds_dir, **settings)
  assert says in one_line(error)


def test_a_run_is_conditioned_on_them_and_generates_by_them(folder, tfds_dir, tmp_path, caplog):
  config = config_lib.get_base_config("folder_scores", None, None, "architectures.tokens")
  config.update_from_flattened_dict(
    {k: v for k, v in SHORT.items() if not k.startswith("method.")}
    | {"train.batch_size": 8, "eval.batch_size": 4, "optimizer.warmup_steps": 1}
    | {"data.dir": folder, "data.tfds_dir": tfds_dir, "data.scores.transpose": 3}
    | {"data.scores.labels": ("mode", "density"), "condition.labels": ("mode", "density")}
  )
  run = str(tmp_path / "run")
  loop.train_and_evaluate(config, run)
  assert evaluate.load_results(run)["eval"]["nll"] > 0
  stored = json.loads((tmp_path / "run" / "config.json").read_text())
  assert stored["data"]["scores"]["labels"] == ["mode", "density"]
  out = str(tmp_path / "out")
  generate.main([f"--workdir={run}", "--mode=minor", "--density=5", "--num=1", f"--out={out}"])
  assert [x.name for x in (tmp_path / "out").glob("*.mid")]
  caplog.set_level("INFO")
  prepare.prepare(config.data, 100)
  assert "major" in caplog.text and "density" in caplog.text


def test_the_same_store_serves_any_labels(folder, tfds_dir):
  one = data_sets.load(get_config(folder, tfds_dir, labels=("mode",)).data)
  assert one.folder == data_sets.load(get_config(folder, tfds_dir).data).folder
