"""Several data sets of notes as one, and synthetic instruments without number."""

from conftest import get_config
import numpy as np
import pytest

from cvae_jax.core import errors
from cvae_jax.data import data_sets
from cvae_jax.data import pipeline
from cvae_jax.data.sets import synth_notes
from cvae_jax.data.synthetic import endless


def open_mixed(tfds_dir, **settings):
  fields = {"data.name": "mixed", "data.tfds_dir": tfds_dir, **settings}
  fields.setdefault("data.mixed.names", ("synth_notes/tiny", "synth_notes/tiny"))
  return pipeline.open_data(get_config("cvae", **fields).data)


def test_splits_lie_side_by_side_and_instruments_one_after_another(tfds_dir):
  data = open_mixed(tfds_dir, **{"data.mixed.repeats": (2, 1)})
  one = pipeline.open_data(
    get_config("cvae", "tiny", **{"data.tfds_dir": tfds_dir}).data
  )  # fmt: skip
  size, instruments = len(one.train), one.vocabulary.get("instrument").num_values
  assert len(data.train) == 3 * size and len(data.held_out) == 2 * len(one.held_out)
  assert data.vocabulary.get("instrument").num_values == 2 * instruments
  for row, shift in ((3, 0), (size + 3, 0), (2 * size + 3, instruments)):
    np.testing.assert_array_equal(data.train[row]["audio"], one.train[3]["audio"])
    assert data.train[row]["instrument"] == one.train[3]["instrument"] + shift
    assert data.train.labels["instrument"][row] == data.train[row]["instrument"]
  batch = next(pipeline.make_train_iterator(data.train, get_config("cvae").data, 16, 0))
  assert batch["audio"].shape == (16, 64_000) and batch["qualities"].shape == (16, 10)


@pytest.mark.parametrize(
  "settings, message",
  [
    ({"data.mixed.names": ("synth_notes",)}, "must be two data sets of notes or more"),
    ({"data.mixed.names": ("mixed", "synth_notes")}, "must be two data sets of notes or more"),
    ({"data.mixed.repeats": (1,)}, "must be a positive number for each of synth_notes/tiny"),
    ({"data.mixed.names": ("synth_notes", "kazoos")}, "data.name must be one of"),
    (
      {"data.mixed.names": ("synth_notes/tiny", "sounds"), "data.dir": "/nowhere"},
      "sounds does not hold notes of 4 s at 16 kHz",
    ),
  ],
)
def test_what_cannot_be_mixed_is_refused(tfds_dir, settings, message):
  with pytest.raises(errors.UserError, match=message):
    open_mixed(tfds_dir, **settings)


@pytest.fixture(scope="module")
def source(tfds_dir):
  config = get_config("cvae", "tiny", **{"data.tfds_dir": tfds_dir}).data
  return endless.Endless(pipeline.open_data(config).train)


def test_a_note_is_a_function_of_its_row_and_seed(source):
  one = source.stored(5, 77)
  many = source.stored_many([9, 5, 5], [1, 77, 78])
  np.testing.assert_array_equal(one["audio"], many[1]["audio"])
  assert {k: one[k] for k in ("pitch", "velocity")} == {
    k: many[1][k] for k in ("pitch", "velocity")
  }
  assert np.any(many[2]["audio"] != one["audio"])
  assert one["family"] == source.labels["family"][5] and one["instrument"] == -1
  assert one["audio"].dtype == np.int16 and np.abs(one["audio"]).max() > 300
  np.testing.assert_array_equal(source[5]["audio"], source._source[5]["audio"])


def test_pitches_are_those_of_the_labels(source):
  from cvae_jax.evaluation.metrics import pitch as pitch_metric

  notes = source.stored_many([0] * 16, list(range(16)))
  audio = np.stack([n["audio"] for n in notes]).astype(np.float32) / 32_768
  pitch = np.asarray([n["pitch"] for n in notes])
  assert len(set(pitch.tolist())) > 8
  assert np.mean(pitch_metric.pitch_agreement(audio, pitch, 16_000)) > 0.85


def test_batches_are_drawn_anew_and_resumed_at_the_exact_position(source):
  settings = get_config("cvae").data
  iterator = pipeline.make_train_iterator(source, settings, 8, 0)
  first, state = next(iterator), iterator.get_state()
  second = next(iterator)
  again = pipeline.make_train_iterator(source, settings, 8, 0)
  again.set_state(state)
  np.testing.assert_array_equal(next(again)["audio"], second["audio"])
  assert not set(first["id"]) & set(second["id"])


def test_it_is_a_variant_of_synth_notes_with_the_same_held_out_notes(tfds_dir, monkeypatch):
  names = {}

  def open_own(config, builder, variant):
    names[variant] = builder
    return data_sets.DataSet("synth_notes/default/1", None, None, {}, lambda *_: "source")

  monkeypatch.setattr(synth_notes.prepared, "open_own", open_own)
  monkeypatch.setattr(endless, "Endless", lambda source: ("endless", source))
  opened = synth_notes.open_set(get_config("cvae").data, "endless", False)
  assert list(names) == ["default"] and opened.name == "synth_notes/endless/1"
  assert opened.open_split("train", 0, 1) == ("endless", "source")
  assert opened.open_split("valid", 0, 1) == "source"
