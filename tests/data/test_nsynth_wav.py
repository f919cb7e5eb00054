import json
import os
import shutil

from conftest import FIXTURES
from conftest import get_config
from conftest import one_line
import numpy as np
import pytest
import soundfile

from cvae_jax.core import errors
from cvae_jax.data import data_sets
from cvae_jax.data import labels
from cvae_jax.data import pipeline


@pytest.fixture
def folder(tmp_path):
  """A folder of four real notes, two for training and two for validation."""
  for split in ("train", "valid"):
    source = FIXTURES / f"nsynth-{split}"
    examples = json.loads((source / "examples.json").read_text())
    chosen = dict(list(sorted(examples.items()))[:2])
    audio = tmp_path / "notes" / f"nsynth-{split}" / "audio"
    audio.mkdir(parents=True)
    for name in chosen:
      shutil.copy(source / "audio" / f"{name}.flac", audio)
    (audio.parent / "examples.json").write_text(json.dumps(chosen))
  return tmp_path / "notes"


def data_config(folder, tmp_path):
  overrides = {"data.dir": str(folder), "data.tfds_dir": str(tmp_path / "tfds")}
  return get_config("cvae", "nsynth_wav", **overrides).data


def edit(folder, change, split="train"):
  """Changes a split's examples.json in place; returns the first note's name."""
  path = folder / f"nsynth-{split}" / "examples.json"
  examples = json.loads(path.read_text())
  change(examples)
  path.write_text(json.dumps(examples))
  return next(iter(examples))


def test_real_notes_read_back_sample_by_sample(tmp_path):
  builder = data_sets.load(data_config(FIXTURES, tmp_path))
  for split in ("train", "valid"):
    examples = json.loads((FIXTURES / f"nsynth-{split}" / "examples.json").read_text())
    source = pipeline.open_split(builder, split)
    assert len(source) == len(examples) == 30
    for i in range(len(source)):
      note = source[i]
      entry = examples[note["id"]]
      audio, rate = soundfile.read(FIXTURES / f"nsynth-{split}" / "audio" / f"{note['id']}.flac")
      assert rate == labels.SAMPLE_RATE
      np.testing.assert_array_equal(note["audio"], audio.astype(np.float32))
      assert (note["pitch"], note["velocity"]) == (entry["pitch"], entry["velocity"])
      assert labels.FAMILIES[note["family"]] == entry["instrument_family_str"]
      assert labels.SOURCES[note["source"]] == entry["instrument_source_str"]
      names = list(builder.vocabulary.get("instrument").names)
      assert names[note["instrument"]] == entry["instrument_str"]


def test_another_folder_is_another_data_set(folder, tmp_path):
  config = data_config(folder, tmp_path)
  first = data_sets.load(config)
  assert data_sets.load(config).folder == first.folder
  edit(folder, lambda examples: next(iter(examples.values())).update(pitch=1))
  assert data_sets.load(config).folder != first.folder


def test_wavs_of_other_kinds_are_converted_and_counted(folder, tmp_path, caplog):
  audio_dir = folder / "nsynth-train" / "audio"
  flac = next(iter(sorted(audio_dir.glob("*.flac"))))
  audio, _ = soundfile.read(flac)
  flac.unlink()
  soundfile.write(flac.with_suffix(".wav"), np.stack([audio, audio], axis=1)[:40_000], 16_000)
  import logging

  logging.getLogger("cvae_jax").propagate = True
  with caplog.at_level("INFO", logger="cvae_jax"):
    builder = data_sets.load(data_config(folder, tmp_path))
  assert "1 of 2 notes had several channels" in caplog.text
  assert "1 of 2 notes were shorter than 64000 samples" in caplog.text
  source = pipeline.open_split(builder, "train")
  note = next(source[i] for i in range(2) if source[i]["id"] == flac.stem)
  np.testing.assert_allclose(note["audio"][:40_000], audio[:40_000], atol=1e-4)
  np.testing.assert_array_equal(note["audio"][40_000:], 0)


def test_qualities_are_read_where_they_are(folder, tmp_path):
  qualities = [1, 0, 0, 0, 0, 0, 0, 0, 0, 1]
  name = edit(folder, lambda e: next(iter(e.values())).update(qualities=qualities))
  source = pipeline.open_split(data_sets.load(data_config(folder, tmp_path)), "train")
  found = {source[i]["id"]: source[i]["qualities"].tolist() for i in range(2)}
  assert found.pop(name) == qualities
  assert list(found.values()) == [[0] * 10]


def _first(examples):
  return next(iter(examples.values()))


def _nest(depth):
  return [_nest(depth - 1)] if depth else []


EDITS = {
  "pitch must be 0-127, got 200": lambda e: _first(e).update(pitch=200),
  "velocity must be 0-127, got -1": lambda e: _first(e).update(velocity=-1),
  "pitch must be int, got '60'": lambda e: _first(e).update(pitch="60"),
  "velocity must be int, it is missing": lambda e: _first(e).pop("velocity"),
  "instrument_family_str must be one of bass, .* got 'kazoo'": lambda e: _first(e).update(
    instrument_family_str="kazoo"
  ),
  "instrument_source_str must be one of": lambda e: _first(e).update(instrument_source_str="?"),
  "qualities must be 10 numbers of 0 or 1": lambda e: _first(e).update(qualities=[1, 2]),
  "must be a JSON object of labels": lambda e: e.update({next(iter(e)): 5}),
  "note 'nobody' has no audio file: .*nobody.wav": lambda e: e.update(nobody=_first(e)),
  "pitch must be int, got nan": lambda e: _first(e).update(pitch=float("nan")),
  "pitch must be int, got 60.5": lambda e: _first(e).update(pitch=60.5),
  "pitch must be int, got inf": lambda e: _first(e).update(pitch=float("inf")),
  "pitch must be 0-127, got 1000": lambda e: _first(e).update(pitch=10**4000),
  r"velocity must be int, got \[\[\[\[": lambda e: _first(e).update(velocity=_nest(300)),
  "must be a JSON object of labels, got \\[": lambda e: e.update({next(iter(e)): _nest(300)}),
  "instrument_str must be a printable name, got": lambda e: _first(e).update(instrument_str="a\nb"),
  "instrument_str must be a printable name": lambda e: _first(e).update(instrument_str=" "),
  r"note 'new\\nline' must be named": lambda e: e.update({"new\nline": _first(e)}),
  "note '../../etc' must be named with letters": lambda e: e.update({"../../etc": _first(e)}),
}


@pytest.mark.parametrize("says", EDITS)
def test_wrong_labels_are_named_with_file_note_and_field(folder, tmp_path, says):
  edit(folder, EDITS[says])
  with pytest.raises(errors.UserError, match=says) as error:
    data_sets.load(data_config(folder, tmp_path))
  message = one_line(error)
  assert "nsynth-train" in message and "examples.json" in message and "note '" in message
  assert not (tmp_path / "tfds").exists()


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32-le"])
def test_labels_are_read_in_any_encoding_and_as_real_numbers(folder, tmp_path, encoding):
  def as_libraries_do(examples):
    for entry in examples.values():
      entry.update(pitch=float(entry["pitch"]), instrument_str="Flügel", nan=float("nan"))

  edit(folder, as_libraries_do)
  path = folder / "nsynth-train" / "examples.json"
  path.write_bytes(path.read_text().encode(encoding))
  builder = data_sets.load(data_config(folder, tmp_path))
  source = pipeline.open_split(builder, "train")
  pitches = {name: int(e["pitch"]) for name, e in json.loads(path.read_bytes()).items()}
  assert {source[i]["id"]: source[i]["pitch"] for i in range(len(source))} == pitches
  assert "Flügel" in builder.vocabulary.get("instrument").names


def _rewrite(text):
  return lambda folder: (folder / "nsynth-train" / "examples.json").write_text(text)


def _damage_audio(folder):
  path = next(iter((folder / "nsynth-valid" / "audio").glob("*.flac")))
  path.write_bytes(path.read_bytes()[:2000])


def _make_it_a_folder(folder):
  os.remove(folder / "nsynth-train" / "examples.json")
  os.mkdir(folder / "nsynth-train" / "examples.json")


def _same_name_twice(folder):
  path = folder / "nsynth-train" / "examples.json"
  entry = json.dumps(_first(json.loads(path.read_text())))
  name = next(iter(json.loads(path.read_text())))
  path.write_text(f'{{"{name}": {entry}, "{name}": {entry}}}')


def _same_name_in_both_splits(folder):
  train = json.loads((folder / "nsynth-train" / "examples.json").read_text())
  name, entry = next(iter(train.items()))
  shutil.copy(folder / "nsynth-train" / "audio" / f"{name}.flac", folder / "nsynth-valid" / "audio")
  edit(folder, lambda e: e.update({name: entry}), "valid")


@pytest.mark.parametrize(
  "damage,says",
  [
    (_rewrite("{"), "examples.json is not JSON"),
    (_rewrite("[]"), "must be a JSON object of at least one note by name"),
    (_rewrite("{}"), "must be a JSON object of at least one"),
    (_rewrite("[" * 100_000), "examples.json is not JSON: it is nested too deep"),
    (_rewrite('{"a": ' + "9" * 5000 + "}"), "examples.json is not JSON: Exceeds the limit"),
    (_rewrite('{"a\\nb": 1, "a\\nb": 2}'), r"'a\\nb' is listed twice"),
    (_make_it_a_folder, "examples.json cannot be read: it is no file"),
    (lambda f: os.remove(f / "nsynth-train" / "examples.json"), "examples.json is missing"),
    (lambda f: shutil.rmtree(f / "nsynth-valid"), "nsynth-valid is missing"),
    (lambda f: shutil.rmtree(f), "is not a folder"),
    (_same_name_twice, "is listed twice"),
    (_same_name_in_both_splits, "is also in nsynth-train"),
    (_damage_audio, r"\.flac (is truncated|cannot be read)"),
  ],
)
def test_a_damaged_folder_is_one_line_and_leaves_nothing_that_loads(folder, tmp_path, damage, says):
  damage(folder)
  config = data_config(folder, tmp_path)
  with pytest.raises(errors.UserError, match=says) as error:
    data_sets.load(config)
  one_line(error)
  left = [str(p) for p in (tmp_path / "tfds").rglob("*") if p.name == "dataset_info.json"]
  assert not left
  with pytest.raises(errors.UserError):  # And it is no better the second time.
    data_sets.load(config)


@pytest.mark.parametrize(
  "name,says",
  [
    (
      "mnist",
      "data.name must be one of drums, folder_notes, folder_scores, mixed, mixed_drums, "
      "music21_corpus, nsynth, nsynth_wav, recordings, soundfont_drums, soundfont_notes, sounds, "
      "synth_drums, synth_notes, synth_scores, got 'mnist'",
    ),
    ("synth_notes/huge", "grid, full, factors_tiny, endless, got 'huge'"),
    ("nsynth/full", r"nsynth/full is not prepared .* in .*nsynth/full/2\.3\.3: "),
    ("nsynth/half", "variant of nsynth must be one of full, gansynth_subset, .*, got 'half'"),
  ],
)
def test_data_sets_that_are_not_there_are_named(tmp_path, name, says):
  config = data_config(FIXTURES, tmp_path)
  config.name = name
  with pytest.raises(errors.UserError, match=says) as error:
    data_sets.load(config)
  one_line(error)


def test_a_folder_must_be_given():
  with pytest.raises(errors.UserError, match="needs --config.data.dir"):
    data_sets.load(get_config("cvae", "nsynth_wav").data)
