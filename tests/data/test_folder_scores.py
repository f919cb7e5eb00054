"""A folder of scores: what is used, what is left out and why, splits, and windows in training."""

import os
import zipfile

from conftest import SHORT
from conftest import one_line
import numpy as np
import pytest

from cvae_jax import evaluate
from cvae_jax import prepare
from cvae_jax.core import config as config_lib
from cvae_jax.core import config_check
from cvae_jax.data import data_sets
from cvae_jax.data import forms
from cvae_jax.data import pipeline
from cvae_jax.data import same_tunes
from cvae_jax.data import score_store
from cvae_jax.data import tunes
from cvae_jax.scores import drum_tokens
from cvae_jax.scores import melody
from cvae_jax.scores import piece as piece_lib
from cvae_jax.training import loop

Q = piece_lib.TICKS


def tune(seed, bars=6, shift=0, meter=(4, 4), tempos=()):
  """The MIDI file of a tune: eighths of a random walk over a scale, with drums."""
  rng = np.random.default_rng(seed)
  scale = [0, 2, 4, 5, 7, 9, 11]
  walk = np.clip(np.cumsum(rng.integers(-3, 4, 8 * bars)), -7, 7)
  pitches = [60 + shift + 12 * (d // 7) + scale[d % 7] for d in walk.tolist()]
  rows = [(i * Q // 2, (i + 1) * Q // 2, p, 90, 0, False, 16) for i, p in enumerate(pitches)]
  hits = rng.choice([36, 38, 42], 4 * bars).tolist()
  rows += [(i * Q, i * Q + 60, key, 90, 0, True, 41) for i, key in enumerate(hits)]
  rows += [(i * 4 * Q, (i + 1) * 4 * Q, 40, 90, 34, False, 32) for i in range(bars)]
  piece = piece_lib.make_piece(rows, meters=[(0, *meter)], tempos=tempos)
  return piece_lib.to_midi(piece)


ABC = (
  "X:1\nT:a\nM:4/4\nL:1/8\nK:D\n|:DFAd fdAF|GBdg bgdB|ceac' e'c'ac|dAFA D4:|\n\nX:2\nM:4/5\nK:C\n"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  """Nine tunes of a zip file, others beside it, and faulty files."""
  folder = tmp_path_factory.mktemp("scores")
  (folder / "folk").mkdir()
  with zipfile.ZipFile(folder / "set.zip", "w", zipfile.ZIP_DEFLATED) as archive:
    for seed in range(9):
      archive.writestr(f"inner/{seed}.mid", tune(seed))
    archive.writestr("inner/readme.txt", "no score")
    archive.writestr("inner/cut.mid", tune(20)[:300])
  (folder / "folk" / "tune0 up.mid").write_bytes(tune(0, shift=5))
  (folder / "folk" / "copy of 1.mid").write_bytes(tune(1))
  (folder / "folk" / "waltz.mid").write_bytes(tune(11, meter=(3, 4)))
  (folder / "folk" / "two tempos.mid").write_bytes(tune(12, tempos=[(0, 90.0), (8 * Q, 120.0)]))
  (folder / "folk" / "short.mid").write_bytes(tune(13, bars=1))
  (folder / "folk" / "tunes.abc").write_text(ABC)
  (folder / "folk" / "empty.mid").write_bytes(b"")
  (folder / "folk" / "song.musicxml").write_text("<xml/>")
  (folder / "folk" / "song.mei").write_text("<mei/>")
  (folder / "broken.zip").write_bytes(b"PK\x03\x04 no more")
  return str(folder)


def get_config(folder, tfds_dir, **settings):
  config = config_lib.get_base_config(data="folder_scores")
  config.data.dir, config.data.tfds_dir = folder, tfds_dir
  config.data.scores.update(settings)
  config_check.check(config)
  return config


def load(folder, tfds_dir, **settings):
  return data_sets.load(get_config(folder, tfds_dir, **settings).data)


def test_the_report_has_the_reason_for_each_tune(folder, tfds_dir):
  data_set = load(folder, tfds_dir, tracks=(1,))
  rows = {row.tune: row for row in score_store.read_report(data_set.folder)}
  assert {name: row.reason for name, row in rows.items() if row.used == "no"} == {
    "folk/copy of 1.mid": "it has the notes of set.zip/inner/1.mid",
    "folk/waltz.mid": "its metre is 3/4, not 4/4",
    "folk/short.mid": "none of its melodies or drum parts is as long as an example",
    "folk/tunes.abc#2": "M:4/5 is no metre",
    "folk/empty.mid": "it cannot be read as a MIDI file (it is empty)",
    "folk/song.musicxml": "it is no MusicXML score: it begins with <xml>",
    "folk/song.mei": ".mei files are not read: save the score as MusicXML or MIDI",
    "broken.zip": rows["broken.zip"].reason,
  }
  assert "it cannot be read as a zip file" in rows["broken.zip"].reason
  assert rows["set.zip/inner/cut.mid"].used == "yes"
  assert "damaged tracks" in rows["set.zip/inner/cut.mid"].reason
  assert rows["folk/tunes.abc#1"].windows == 4  # Four bars that come again.
  # A transposed tune is in the split of the first one.
  assert rows["set.zip/inner/0.mid"].group == rows["folk/tune0 up.mid"].group
  assert rows["set.zip/inner/0.mid"].split == rows["folk/tune0 up.mid"].split
  assert {row.split for row in rows.values()} == {"train", "valid", "test", ""}
  assert data_set.remark.startswith("13 of 21 tunes are used, 12 of them different")
  assert "left out: 5 unreadable, 1 copies, 1 too short, 1 in another" in data_set.remark
  assert data_set.vocabulary.get("kind").names == ("folk", "set")


def test_windows_are_the_bars_of_the_tune(folder, tfds_dir):
  data_set = load(folder, tfds_dir, tracks=(1,), max_windows=0, held_out=("*two tempos*",))
  source = pipeline.open_split(data_set, "valid")
  # Six bars split after two: one window of two bars, and three of the other four.
  assert len(source) == 4 and data_set.splits["test"] == 0
  notes = data_set.form.tokenizer.decode(source[1]["tokens"])
  assert len(notes) == 16 and notes[1].start_s == 0.25
  scale = [0, 2, 4, 5, 7, 9, 11]
  walk = np.clip(np.cumsum(np.random.default_rng(12).integers(-3, 4, 48)), -7, 7)
  expected = [60 + 12 * (d // 7) + scale[d % 7] for d in walk.tolist()]
  assert [n.pitch for n in notes] == expected[16:32]


def test_training_draws_windows_and_transpositions_by_the_seed(folder, tfds_dir):
  data_set = load(folder, tfds_dir, tracks=(1,), max_windows=2, transpose=5)
  source = pipeline.open_split(data_set, "train")
  assert source.is_random and max(np.unique([x.split(":")[0] for x in source.labels["id"]],
                                            return_counts=True)[1]) == 2  # fmt: skip
  seen = {source.stored(0, seed)["tokens"].tobytes() for seed in range(60)}
  assert len(seen) > 11 and source.stored(0, 3)["tokens"].tobytes() in seen
  fixed = source[0]["tokens"]
  np.testing.assert_array_equal(fixed, source[0]["tokens"])
  onsets = lambda tokens: tokens[tokens >= melody.FIRST]
  moved = {int(onsets(source.stored(0, s)["tokens"])[0] - onsets(fixed)[0]) for s in range(60)}
  assert len(moved) > 5
  again = pipeline.open_split(data_set, "train").stored(0, 7)["tokens"]
  np.testing.assert_array_equal(again, source.stored(0, 7)["tokens"])


@pytest.mark.parametrize("kind", ["melody", "drums", "trio"])
def test_all_windows_survive_their_midi_files(kind, folder, tfds_dir, tmp_path):
  data_set = load(folder, tfds_dir, kind=kind, max_windows=0, gap_bars=2)
  assert isinstance(data_set.form, forms.Score)
  count = 0
  for split in data_set.splits:
    source = pipeline.open_split(data_set, split)
    for row in range(len(source)):
      tokens = source[row]["tokens"]
      data_set.form.write(str(tmp_path / "x.mid"), data_set.form.check(tokens))
      np.testing.assert_array_equal(data_set.form.read(str(tmp_path / "x.mid"))[0], tokens)
      assert tunes.has_notes(tokens, data_set.form.tokenizer)
      count += 1
  assert count > 40
  if kind == "drums":
    assert set(np.unique(tokens)) <= {0, 1, 2, 4} and drum_tokens.SIZE == 512


def test_tunes_are_the_same_at_any_transposition_and_with_other_notes_around():
  rng = np.random.default_rng(0)
  a, b = rng.integers(50, 80, 60), rng.integers(50, 80, 60)
  with_part = np.concatenate([rng.integers(50, 80, 20), b[10:40] + 3, rng.integers(50, 80, 5)])
  short, same_short = a[:8], a[:8] + 2
  trill = np.resize([60, 62], 40)
  lines = [[same_tunes.intervals(x)] for x in (a, b, a + 7, with_part, short, same_short)]
  lines += [[same_tunes.intervals(np.concatenate([x, trill]))] for x in (a[:10], b[:10])]
  assert same_tunes.group(lines) == [0, 1, 0, 1, 4, 4, 6, 7]


@pytest.mark.parametrize(
  "settings,says",
  [
    ({"held_out": ("nothing*",)}, "data.scores.held_out names 'nothing*', and no usable tune"),
    ({"held_out": ("*",)}, "data.scores.held_out leaves no tune to train on"),
    ({"kind": "drums", "transpose": 5}, "data.scores.transpose must be 0 for drums"),
    ({"programs": (40, 8)}, "data.scores.programs must be the first and the last program"),
    ({"gap_bars": 0}, "data.scores.gap_bars must be 1 or more"),
    ({"programs": (90, 99)}, "no score can be used of 21: of"),
    ({"bars": 400}, "is as long as an example"),
  ],
)
def test_what_cannot_be_used_is_one_line(settings, says, folder, tfds_dir):
  with pytest.raises(Exception) as error:
    load(folder, tfds_dir, **settings)
  assert says in one_line(error)


def test_folders_that_cannot_be_used_are_one_line(tmp_path, tfds_dir):
  for name, says in ((None, "folder_scores needs --config.data.dir"), ("none", "is not a folder")):
    with pytest.raises(Exception) as error:
      load(name and str(tmp_path / name), tfds_dir)
    assert says in one_line(error)
  with pytest.raises(Exception) as error:
    load(str(tmp_path), tfds_dir)
  assert "holds no scores (.mid, .midi" in one_line(error)
  (tmp_path / "a.mid").write_bytes(tune(0))
  (tmp_path / "b.mid").write_bytes(tune(1))
  with pytest.raises(Exception) as error:
    load(str(tmp_path), tfds_dir, tracks=(1,))
  assert "2 different tunes are too few for 3 splits" in one_line(error)


def test_a_model_of_tokens_is_trained_on_them_and_resumed(folder, tfds_dir, tmp_path):
  config = config_lib.get_base_config("folder_scores", None, None, "architectures.tokens")
  config.update_from_flattened_dict(
    {k: v for k, v in SHORT.items() if not k.startswith("method.")}
    | {"train.batch_size": 4, "eval.batch_size": 4, "eval.sample_notes": 1}
    | {"data.dir": folder, "data.tfds_dir": tfds_dir, "data.scores.transpose": 3}
    | {"optimizer.warmup_steps": 1}
  )
  results = []
  for run, stop in (("whole", False), ("stopped", True)):
    workdir = str(tmp_path / run)
    if stop:
      with pytest.raises(Exception, match=r"step 2|resum|stopped"):
        loop.train_and_evaluate(config, workdir, should_stop=lambda step: step == 2)
    loop.train_and_evaluate(config, workdir)
    results.append(evaluate.load_results(workdir)["eval"])
  assert results[0] == results[1]


def test_they_are_prepared(folder, tfds_dir, caplog):
  caplog.set_level("INFO")
  config = get_config(folder, tfds_dir, tracks=(1,))
  where = prepare.prepare(config.data, 100)
  assert {"report.csv", "labels.png", "tokens.npy", "index.npz"} <= set(os.listdir(where))
  assert "tunes are used" in caplog.text
