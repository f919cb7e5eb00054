import json
import os
import tarfile

from conftest import FIXTURES
from conftest import get_config
from conftest import one_line
import numpy as np
import pytest
import tensorflow_datasets as tfds

from cvae_jax.audio import files
from cvae_jax.data import data_sets
from cvae_jax.data import labels
from cvae_jax.data import pipeline
from cvae_jax.data.builders import nsynth

pytest.importorskip("apache_beam", reason="needs pip install -e '.[prepare]'")


def read_fixture(split):
  """A split's real notes: {name: (labels, [T] float32)}."""
  folder = FIXTURES / f"nsynth-{split}"
  content = json.loads((folder / "examples.json").read_text())
  return {
    name: (entry, files.read_note(str(folder / "audio" / f"{name}.flac"), 64_000, 16_000).audio)
    for name, entry in content.items()
  }


def to_record(name, entry, audio):
  """A note as NSynth's TFRecord distribution has it, serialised."""
  from tensorflow_datasets.proto import tf_example_pb2

  example = tf_example_pb2.Example()
  feature = example.features.feature
  for key in ("instrument_str", "instrument_family_str", "instrument_source_str"):
    feature[key].bytes_list.value.append(entry[key].encode())
  feature["note_str"].bytes_list.value.append(name.encode())
  feature["audio"].float_list.value.extend(audio.tolist())
  for key in ("pitch", "velocity"):
    feature[key].int64_list.value.append(entry[key])
  feature["qualities"].int64_list.value.extend(entry.get("qualities", [0] * 10))
  return example.SerializeToString()


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
  """A folder of what NSynth's site would give, made from the real notes; the train split packed."""
  import tensorflow as tf

  folder = tmp_path_factory.mktemp("archives")
  held, instruments, splits = {}, set(), []
  for split, source, rows in (("train", "train", 12), ("valid", "valid", 12), ("test", "train", 4)):
    found = list(read_fixture(source).items())
    held[split] = dict(found[:rows] if split == source else found[-rows:])
  for split, notes in held.items():
    inside = folder / f"nsynth-{split}.tfrecord"
    inside.mkdir()
    with tf.io.TFRecordWriter(str(inside / f"nsynth-{split}.tfrecord")) as writer:
      for name, (entry, audio) in notes.items():
        writer.write(to_record(name, entry, audio))
        instruments.add(entry["instrument_str"])
        splits.append((name, ("train", "valid", "test")[len(splits) % 3]))
  with tarfile.open(folder / "nsynth-train.tfrecord.tar", "w") as tar:
    tar.add(folder / "nsynth-train.tfrecord" / "nsynth-train.tfrecord", "nsynth-train.tfrecord")
  os.remove(folder / "nsynth-train.tfrecord" / "nsynth-train.tfrecord")
  os.rmdir(folder / "nsynth-train.tfrecord")
  names = sorted(instruments)
  names += [f"unheard_{i:04d}" for i in range(1006 - len(names))]  # NSynth has so many.
  (folder / "nsynth-instrument_labels.txt").write_text("\n".join(names) + "\n")
  rows = [f"{name},{split}" for name, split in splits]
  (folder / "nsynth-gansynth_splits.csv").write_text("\n".join(["id,split", *rows]) + "\n")
  return str(folder), held, dict(splits)


def get_data(name, data_dir, archives=None):
  return get_config(
    "cvae", **{"data.name": name, "data.tfds_dir": str(data_dir), "data.dir": archives}
  ).data


def check_notes(source, instruments, wanted):
  """Every note is there once, with the samples and labels that it was made of."""
  assert sorted(source.labels["id"]) == sorted(wanted)
  for i in range(len(source)):
    note = source[i]
    entry, audio = wanted[note["id"]]
    np.testing.assert_array_equal(note["audio"], audio)
    assert (note["pitch"], note["velocity"]) == (entry["pitch"], entry["velocity"])
    assert labels.FAMILIES[note["family"]] == entry["instrument_family_str"]
    assert labels.SOURCES[note["source"]] == entry["instrument_source_str"]
    assert instruments[note["instrument"]] == entry["instrument_str"]


@pytest.fixture(scope="module")
def prepared(archives, tmp_path_factory):
  """Where `nsynth/full` has been prepared by Beam."""
  data_dir = tmp_path_factory.mktemp("tfds")
  data_sets.load(get_data("nsynth/full", data_dir, archives[0]), on_request=True)
  return data_dir


def test_what_beam_prepares_is_what_the_archives_hold(archives, prepared):
  builder = data_sets.load(get_data("nsynth/full", prepared))
  instruments = list(builder.vocabulary.get("instrument").names)
  for split, wanted in archives[1].items():
    check_notes(pipeline.open_split(builder, split), instruments, wanted)


def test_gansynths_splits_are_drawn_from_all_archives(archives, tmp_path):
  folder, held, splits = archives
  builder = data_sets.load(get_data("nsynth/gansynth_subset", tmp_path, folder), on_request=True)
  everything = {**held["train"], **held["valid"], **held["test"]}
  source = pipeline.open_split(builder, "train")
  wanted = {name for name, split in splits.items() if split == "train"}
  assert set(source.labels["id"]) == wanted
  note = source[0]
  np.testing.assert_array_equal(note["audio"], everything[note["id"]][1])


def test_what_is_there_as_tfrecord_is_converted_and_not_made_again(archives, tmp_path):
  official = nsynth.Nsynth(archives[0], config="full", data_dir=str(tmp_path))
  official.info.set_file_format(tfds.core.FileFormat.TFRECORD, override=True)
  tfds.core.BeamBasedBuilder.download_and_prepare(official)
  assert any(path.suffix != ".json" for path in official.data_path.glob("*tfrecord*"))
  data = get_data("nsynth/full", tmp_path, "/nowhere")  # Nothing is read from there again.
  with pytest.raises(Exception) as error:
    data_sets.load(data)
  message = one_line(error)
  assert "prepare it with `python -m cvae_jax.prepare nsynth/full`" in message
  data_sets.load(data, on_request=True)
  builder = data_sets.load(data)
  instruments = list(builder.vocabulary.get("instrument").names)
  check_notes(pipeline.open_split(builder, "valid"), instruments, archives[1]["valid"])


def test_what_is_not_prepared_is_not_fetched_by_a_training(tmp_path):
  with pytest.raises(Exception) as error:
    data_sets.load(get_data("nsynth", tmp_path))
  assert "python -m cvae_jax.prepare nsynth" in one_line(error)
  assert not list(tmp_path.iterdir())


def test_an_archive_that_is_missing_is_named_and_nothing_is_left(tmp_path):
  with pytest.raises(Exception) as error:
    data_sets.load(get_data("nsynth/full", tmp_path / "tfds", str(tmp_path)), on_request=True)
  assert "nsynth-train.tfrecord.tar is missing" in one_line(error)
  data = get_data("nsynth/full", tmp_path / "tfds")
  with pytest.raises(Exception, match="is not prepared"):
    data_sets.load(data)


def test_a_variant_that_there_is_not_is_refused(tmp_path):
  with pytest.raises(Exception) as error:
    data_sets.load(get_data("nsynth/tiny", tmp_path))
  assert "the variant of nsynth must be one of full, gansynth_subset" in one_line(error)
