"""Data sets of drums as one, and how their vocabularies are joined."""

import csv
import os

from conftest import get_config
import numpy as np
import pytest
import soundfile

from cvae_jax.core import errors
from cvae_jax.data import concatenated
from cvae_jax.data import data_sets
from cvae_jax.data import drums
from cvae_jax.data import pipeline
from cvae_jax.data import vocabulary as vocabulary_lib

Label = vocabulary_lib.Label


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  """Four kits of a kick and a snare, decaying sines, with a table."""
  path = tmp_path_factory.mktemp("kits")
  t = np.arange(4000) / 16_000
  with open(path / "labels.csv", "w", newline="") as f:
    rows = csv.writer(f)
    rows.writerow(["file", "kind", "kit", "source"])
    for kit in range(4):
      for kind, hz in (("kick", 60), ("snare", 200)):
        name = f"{kit}_{kind}.wav"
        soundfile.write(path / name, np.sin(2 * np.pi * (hz + kit) * t) * np.exp(-20 * t), 16_000)
        rows.writerow([name, kind, f"kit {kit}", "acoustic" if kit else "unsure"])
  return str(path)


def open_mixed(tfds_dir, folder, **settings):
  fields = {
    "data.tfds_dir": tfds_dir,
    "data.mixed.names": ("synth_drums", "drums"),
    "data.dir": folder,
    "data.drums.labels": "labels.csv",
  }
  return data_sets.load(get_config("drums", "mixed,tiny", **{**fields, **settings}).data)


def test_kinds_are_shared_kits_are_not_and_origins_tell_them_apart(tfds_dir, folder):
  data_set = open_mixed(tfds_dir, folder, **{"data.mixed.repeats": (1, 2)})
  train = pipeline.open_split(data_set, "train")
  vocabulary = data_set.vocabulary
  assert vocabulary.names == ("kind", "source", "kit", "origin")
  assert vocabulary.get("kind").names == drums.KINDS
  assert vocabulary.get("source").names == ("acoustic", "electronic", "unknown")
  assert vocabulary.get("origin").names == ("synthetic", "recorded")
  recorded = np.flatnonzero(train.labels["origin"] == 1)
  _, counts = np.unique(train.labels["id"][recorded], return_counts=True)
  assert set(counts) == {2} and data_set.splits["train"] == len(train)
  kits = vocabulary.get("kit").names
  assert len(set(kits)) == len(kits) and "kit 1" in kits
  for row in recorded:
    example = train[int(row)]
    number = int(example["id"][0])
    assert (
      kits[example["kit"]] == f"kit {number}"
      and f"_{drums.KINDS[example['kind']]}.wav" in (example["id"])
    )
    assert vocabulary.get("source").names[example["source"]] == (
      "acoustic" if number else "unknown"
    )
    assert all(example[name] == train.labels[name][row] for name in vocabulary.names)
  assert train.form.sample_rate == 22_050 and train[0]["audio"].shape == (train.form.num_samples,)
  assert os.path.isdir(train.folder)


@pytest.mark.parametrize(
  "settings, message",
  [
    (
      {"data.mixed.names": ("drums",)},
      "must be two or more of synth_drums, soundfont_drums, drums",
    ),
    ({"data.mixed.names": ("drums", "synth_notes")}, "must be two or more of synth_drums"),
    ({"data.mixed.names": ("synth_drums/tiny", "synth_drums")}, "must be two or more"),
    ({"data.mixed.repeats": (1, 0)}, "must be a positive number for each of synth_drums, drums"),
    ({"data.dir": "/nowhere"}, "/nowhere"),
  ],
)
def test_what_cannot_be_mixed_is_refused(tfds_dir, folder, settings, message):
  with pytest.raises(errors.UserError, match=message):
    open_mixed(tfds_dir, folder, **settings)


def vocabulary(*labels):
  return vocabulary_lib.Vocabulary(labels)


def test_vocabularies_are_joined():
  names, number = vocabulary_lib.NAMES, vocabulary_lib.NUMBER
  a = vocabulary(Label("kind", names, ("x", "y")), Label("file", names, ("1", "2"), open_set=True))
  b = vocabulary(
    Label("file", names, ("1",), open_set=True),
    Label("kind", names, ("z", "y")),
    Label("pitch", number, low=3, high=9),
  )
  joined, translations = concatenated.join([a, b])
  assert joined.names == ("kind", "file", "pitch")
  assert joined.get("kind").names == ("x", "y", "z")
  assert joined.get("file").names == ("1", "2", "1") and joined.get("pitch").high == 9
  assert [t["kind"].tolist() for t in translations] == [[0, 1], [2, 1]]
  assert [t["file"].tolist() for t in translations] == [[0, 1], [2]]
  other = vocabulary(Label("pitch", number, low=3, high=10))
  with pytest.raises(errors.UserError, match="labels 'pitch' differ"):
    concatenated.join([b, other])
