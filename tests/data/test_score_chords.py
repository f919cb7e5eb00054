"""Chords of windows as labels: symbols, or what sounds in other tracks; moved with the melody."""

import json

from conftest import get_config as get_file
from conftest import one_line
import numpy as np
import pytest

from cvae_jax import generate
from cvae_jax.core import config_check
from cvae_jax.data import data_sets
from cvae_jax.data import pipeline
from cvae_jax.data import score_store
from cvae_jax.scores import chords
from cvae_jax.scores import melody
from cvae_jax.scores import piece as piece_lib
from cvae_jax.training import loop

Q = piece_lib.TICKS
TRIADS = ((48, 52, 55), (45, 48, 52), (41, 45, 48), (43, 47, 50))  # C Am F G, half a bar each


def tune(seed, accompanied=True):
  """Eight bars of melody whose notes are roots of the chords, an octave or more above."""
  rng = np.random.default_rng(seed)
  rows = []
  for half in range(16):
    triad = TRIADS[(half + seed) % 4]
    start = 2 * Q * half
    rows += [(start + i * Q, start + (i + 1) * Q, triad[0] + 24 + int(rng.integers(0, 2)) * 12, 90,
              0, False, 16) for i in range(2)]  # fmt: skip
    if accompanied:
      rows += [(start, start + 2 * Q, pitch, 70, 0, False, 32) for pitch in triad]
  return piece_lib.to_midi(piece_lib.make_piece(rows, meters=[(0, 4, 4)]))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  folder = tmp_path_factory.mktemp("songs")
  for seed in range(40):
    (folder / f"{seed:02d}.mid").write_bytes(tune(seed))
  (folder / "alone.mid").write_bytes(tune(50, accompanied=False))
  return str(folder)


def get_config(folder, tfds_dir, **settings):
  fields = {"data.dir": folder, "data.tfds_dir": tfds_dir}
  config = get_file("musicvae", "folder,chords,tiny", **fields)
  config.data.scores.update(settings)
  config_check.check(config)
  return config


def test_the_chords_of_a_window_are_those_under_its_notes(folder, tfds_dir):
  data = data_sets.load(get_config(folder, tfds_dir).data)
  source = pipeline.open_split(data, "train")
  names = [f"chord_{i}" for i in (1, 2, 3, 4)]
  assert source.vocabulary.names == tuple(names)
  tokenizer = source.form.tokenizer
  kinds = {0: "C", 9: "Am", 5: "F", 7: "G"}
  keys = set()
  for index in range(8):
    plain = source.stored(index)
    for seed in (None, *range(3 * index, 3 * index + 3)):
      row = source.stored(index, seed)
      for part, name in enumerate(names):
        note = row["tokens"][8 * part]  # The root, at the beginning of every half bar.
        root = (note - melody.FIRST + tokenizer.min_pitch) % 12
        chord = chords.NAMES[row[name]]
        if seed is None:
          assert chord == kinds[root]
        assert row[name] != chords.NO_CHORD and (row[name] - 1) // 4 == root
      keys.add((row["tokens"].max() - plain["tokens"].max()) % 12)
    np.testing.assert_array_equal([source.labels[n][index] for n in names],
                                  [plain[n] for n in names])  # fmt: skip
  assert len(keys) > 3  # Windows were transposed, and their chords with them.
  assert "1 without chords" in data.remark


def test_a_run_is_asked_for_chords(folder, tfds_dir, tmp_path):
  config = get_config(folder, tfds_dir)
  config.train.steps, config.method.prior = 2, "standard"
  config.eval.update(sample_notes=0, baselines=False, generation_notes=64)
  results = loop.train_and_evaluate(config, str(tmp_path / "run"))["scores"]
  agreement = "notes_of_the_chord_agreement"
  assert results["data"][agreement] == 1.0  # All notes are roots.
  assert 0.1 < results["generated"][agreement] < 0.5  # It has learnt nothing: a triad has 3 of 12.
  arguments = [f"--workdir={tmp_path / 'run'}", "--no_audio", f"--out={tmp_path}"]
  generate.main([*arguments, "--chord_1=Am", "--chord_2=Am", "--chord_3=F", "--chord_4=G"])
  assert (tmp_path / "Am_Am_F_G-seed0-0.mid").exists()
  with pytest.raises(Exception) as error:
    generate.main([*arguments, "--chord_1=H"])
  assert "chord_1" in one_line(error) and "'H'" in one_line(error)


def lead_sheet(seed, symbols=("C", "A-7", "Fmaj9/C", "Gsus4")):
  """Eight bars of melody, as `tune`, with symbols for half a bar each."""
  rng = np.random.default_rng(seed)
  halves = [(half, TRIADS[half % 4][0] + 24 + int(rng.integers(0, 2)) * 12) for half in range(16)]
  melody = [[2 * half + i, 1, pitch] for half, pitch in halves for i in range(2)]
  chords = [[2 * half, symbols[half % 4]] for half in range(16)] if symbols else []
  # With a flat that is a b, dashes are minor.
  return json.dumps({"melody": melody, "chords": [*chords, [64, "Bb"]] if symbols else []})


@pytest.mark.parametrize("tracks", [(1,), ()])
def test_symbols_are_read_where_there_are_some(tracks, tmp_path, tfds_dir):
  lines = [lead_sheet(seed) for seed in range(30)]
  lines.append(lead_sheet(30, symbols=None))
  lines.append(lead_sheet(31, symbols=("N.C.", "N.C.", "N.C.", "Fine")))
  (tmp_path / "sheets.jsonl").write_text("\n".join(lines))
  (tmp_path / "played.mid").write_bytes(tune(40))
  data = data_sets.load(get_config(str(tmp_path), tfds_dir, tracks=tracks).data)
  rows = {row.tune: row for row in score_store.read_report(data.folder)}
  assert rows["played.mid"].used == ("yes" if tracks else "no")
  assert rows["sheets.jsonl#31"].used == rows["sheets.jsonl#32"].used == "no"
  says = "it has no chord symbols, and "
  says += "no chord sounds" if tracks else "chords of other tracks need data.scores.tracks"
  assert rows["sheets.jsonl#31"].reason.startswith(says)
  assert rows["sheets.jsonl#32"].reason == "no chord symbol holds for its melody"
  source = pipeline.open_split(data, "train")
  kinds = {0: "C", 9: "Am", 5: "F", 7: "G"}
  for index in range(len(source)):
    row = source.stored(index)
    roots = (row["tokens"][::8] - melody.FIRST + source.form.tokenizer.min_pitch) % 12
    found = [chords.NAMES[row[f"chord_{part}"]] for part in (1, 2, 3, 4)]
    assert found == [kinds[root] for root in roots.tolist()]
    moved = source.stored(index, 3)
    roots = (moved["tokens"][::8] - melody.FIRST + source.form.tokenizer.min_pitch) % 12
    assert [(moved[f"chord_{part}"] - 1) // 4 for part in (1, 2, 3, 4)] == roots.tolist()


@pytest.mark.parametrize(
  "settings,says",
  [
    ({"kind": "drums", "transpose": 0}, "needs data.scores.kind=melody, got drums"),
    ({"chords": 3}, "must divide the 16 steps of a bar, got 3"),
    ({"chords": -1}, "must divide the 16 steps of a bar, got -1"),
  ],
)
def test_chords_that_scores_cannot_have_are_one_line(settings, says, folder, tfds_dir):
  with pytest.raises(Exception) as error:
    get_config(folder, tfds_dir, **settings)
  assert says in one_line(error)
