from conftest import get_config
import numpy as np
import pytest

from cvae_jax.core import errors
from cvae_jax.data import data_sets
from cvae_jax.data import forms
from cvae_jax.data import label_index
from cvae_jax.data import labels
from cvae_jax.data import notes
from cvae_jax.data import pipeline
from cvae_jax.data import sources
from cvae_jax.data import vocabulary as vocabulary_lib


@pytest.fixture(scope="module")
def config(tfds_dir):
  return get_config("cvae", "tiny", **{"data.tfds_dir": tfds_dir}).data


@pytest.fixture(scope="module")
def builder(config):
  return data_sets.load(config)


def test_every_epoch_has_every_note_once_in_its_own_order(builder, config):
  source = pipeline.open_split(builder, "train")
  iterator = pipeline.make_train_iterator(source, config, 12, seed=3)
  epochs = [np.concatenate([next(iterator)["id"] for _ in range(9)]) for _ in range(2)]
  everything = sorted(source[i]["id"] for i in range(len(source)))
  assert len(source) == 108
  assert sorted(epochs[0]) == sorted(epochs[1]) == everything
  assert list(epochs[0]) != list(epochs[1])


def test_an_iterator_goes_on_where_its_state_says(builder, config):
  source = pipeline.open_split(builder, "train")
  make = lambda: pipeline.make_train_iterator(source, config, 8, seed=0)
  iterator, unbroken = make(), make()
  for _ in range(17):  # Past the end of the first epoch.
    next(iterator)
  resumed = make()
  resumed.set_state(iterator.get_state())
  for _ in range(17):
    next(unbroken)
  for _ in range(3):
    a, b = next(resumed), next(unbroken)
    assert list(a["id"]) == list(b["id"])
    np.testing.assert_array_equal(a["audio"], b["audio"])


def test_balanced_batches_have_every_value_equally_often_and_go_on(builder, config):
  train = pipeline.open_split(builder, "train")
  column = np.where(np.arange(len(train)) < 5, 0, np.arange(len(train)) % 3 + 1)
  column[-2:] = -1  # Unknown ones are left out.
  label = vocabulary_lib.Label("drum", vocabulary_lib.NAMES, ("a", "b", "c", "d"))
  audio = np.zeros((len(train), 4), np.float32)
  source = sources.Arrays(
    forms.Waveform(100, 4), audio, vocabulary_lib.Vocabulary((label,)), {"drum": column}
  )
  settings = config.copy_and_resolve_references()
  settings.balance = "drum"
  make = lambda: pipeline.make_train_iterator(source, settings, 8, seed=0)
  iterator = make()
  rows = []
  for _ in range(9):
    batch = next(iterator)
    np.testing.assert_array_equal(np.bincount(batch["drum"]), [2, 2, 2, 2])
    rows.append(batch["row"])
  of_rare = np.concatenate(rows)[np.concatenate([column[r] for r in rows]) == 0]
  assert sorted(of_rare[:5]) == sorted(of_rare[5:10]) == [0, 1, 2, 3, 4]  # Epochs of its own.
  resumed = make()
  resumed.set_state(iterator.get_state())
  np.testing.assert_array_equal(next(resumed)["row"], next(iterator)["row"])


@pytest.mark.parametrize(
  "fields, batch_size, message",
  [
    ({"balance": "colour"}, 8, "must be a label of names of these examples .family, source"),
    ({"balance": "pitch"}, 8, "must be a label of names"),
    ({"balance": "family"}, 7, "must be a multiple of the [0-9]+ values of 'family'"),
  ],
)
def test_what_cannot_be_balanced_is_refused(builder, config, fields, batch_size, message):
  settings = config.copy_and_resolve_references()
  settings.update(fields)
  with pytest.raises(errors.UserError, match=message):
    pipeline.make_train_iterator(pipeline.open_split(builder, "train"), settings, batch_size, 0)


def test_the_cache_changes_nothing(builder):
  plain, cached = (pipeline.open_split(builder, "valid", gb) for gb in (0.0, 1.0))
  for _ in range(2):
    for i in (0, 5):
      np.testing.assert_array_equal(plain[i]["audio"], cached[i]["audio"])
      assert cached[i]["audio"].dtype == np.float32 and plain[i]["id"] == cached[i]["id"]


@pytest.mark.parametrize("kind", ["int16", "float32", "list"])
def test_a_record_is_parsed_as_tfds_parses_it(builder, kind):
  # A list of numbers is how the official builder stores audio.
  names = list(builder.vocabulary.get("instrument").names)
  features = tfds_nsynth_features() if kind == "list" else notes.make_features(names, kind)
  audio = np.linspace(-1, 1, labels.NUM_SAMPLES, dtype=np.float32)
  note = {
    "id": "organ_acoustic_003-060-100",
    "audio": audio if kind == "list" else notes.encode_audio(audio, kind),
    "pitch": 60,
    "velocity": 100,
    "instrument": {"label": 7, "family": "organ", "source": "synthetic"},
    "qualities": {q: q in ("bright", "reverb") for q in labels.QUALITIES},
  }
  record = features.serialize_example(features.encode_example(note))
  parsed, reference = notes.parse(record), features.deserialize_example_np(record)
  np.testing.assert_array_equal(parsed["audio"], reference["audio"])
  assert parsed["audio"].dtype == reference["audio"].dtype
  assert parsed["id"] == reference["id"].decode()
  for name in ("pitch", "velocity"):
    assert parsed[name] == reference[name]
  for name in ("family", "source"):
    assert parsed[name] == reference["instrument"][name]
  assert parsed["instrument"] == reference["instrument"]["label"] == 7
  assert [bool(q) for q in parsed["qualities"]] == list(reference["qualities"].values())
  # The ramp is not of 16 bits: it is rounded where it is stored so, and else cached as it is.
  source = sources.Records([record], labels.FORM, labels.make_vocabulary(["a"]), 1.0, "")
  for _ in range(2):
    assert source[0]["audio"].dtype == np.float32
    np.testing.assert_allclose(source[0]["audio"], audio, atol=kind == "int16" and 2.0**-15, rtol=0)


def tfds_nsynth_features():
  from tensorflow_datasets.datasets.nsynth import nsynth_dataset_builder

  return nsynth_dataset_builder.Builder(config="full").info.features


def test_labels_are_read_once_and_kept(builder, tmp_path):
  source = pipeline.open_split(builder, "valid")
  path = str(tmp_path / "labels.npz")
  read = []

  def read_note(index):
    read.append(index)
    return source[index]

  first = label_index.read_labels(path, len(source), read_note, 2)
  assert sorted(read) == list(range(54))
  for i in (0, 53):
    for name, column in first.items():
      np.testing.assert_array_equal(column[i], source[i][name])
  again = label_index.read_labels(path, len(source), read_note, 2)
  assert len(read) == 54
  for name, column in first.items():
    np.testing.assert_array_equal(again[name], column)
  for damage in (b"", b"PK broken"):  # What cannot be read is made anew.
    (tmp_path / "labels.npz").write_bytes(damage)
    read.clear()
    label_index.read_labels(path, len(source), read_note, 2)
    assert len(read) == 54
  label_index.read_labels(path, 53, read_note, 2)  # Of another number of notes.
  assert len(read) == 54 + 53
  missing = str(tmp_path / "missing" / "labels.npz")
  np.testing.assert_array_equal(
    label_index.read_labels(missing, 54, read_note, 2)["id"], first["id"]
  )


def test_batches_of_mixed_storage_are_the_same_audio():
  rng = np.random.default_rng(0)
  samples = rng.integers(-32768, 32768, (3, labels.NUM_SAMPLES)).astype(np.int16)
  kept = [{"id": str(i), "audio": a} for i, a in enumerate(samples)]
  kept[1]["audio"] = samples[1] / np.float32(32768.0)
  for chosen in (kept, kept[::2]):
    batch = sources.collate(labels.FORM, chosen)
    assert batch["audio"].dtype == np.float32
    rows = [int(name) for name in batch["id"]]
    np.testing.assert_array_equal(batch["audio"], samples[rows] / np.float32(32768.0))


@pytest.mark.parametrize("batch_size", [7, 18, 54, 100])
def test_evaluation_sees_every_note_once_whatever_the_batch(builder, batch_size):
  source = pipeline.open_split(builder, "valid")
  seen = []
  for batch in pipeline.eval_batches(source, batch_size):
    assert batch["audio"].shape == (batch_size, 64_000)
    seen += batch["id"][batch["mask"] > 0].tolist()
  assert seen == [source[i]["id"] for i in range(54)]


def test_a_split_that_is_not_there_is_named_with_those_that_are(builder):
  with pytest.raises(errors.UserError, match=r"no examples in split 'dev'.*train \(108\)"):
    pipeline.open_split(builder, "dev")


def test_a_batch_larger_than_the_split_is_refused(builder, config):
  source = pipeline.open_split(builder, "valid")
  with pytest.raises(errors.UserError, match="train.batch_size must be at most the 54 examples"):
    pipeline.make_train_iterator(source, config, 64, seed=0)
