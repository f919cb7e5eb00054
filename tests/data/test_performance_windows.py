"""Windows of performances: events in seconds, with velocities and the pedal, and their hop."""

from conftest import one_line
import midi_writer as mw
import numpy as np
import pytest

from cvae_jax.core import config as config_lib
from cvae_jax.core import config_check
from cvae_jax.core import errors
from cvae_jax.data import data_sets
from cvae_jax.data import pipeline
from cvae_jax.data import score_store
from cvae_jax.scores import midi_reader
from cvae_jax.scores import performance
from cvae_jax.scores import piece as piece_lib

EVENTS, HOP = 32, 8


def song(seed, shift=0, drift=0):
  """A performance: its own times and velocities, and a pedal that prolongs every note."""
  walk = 60 + shift + np.cumsum(np.random.default_rng(seed).integers(-3, 4, 40)).clip(-20, 20)
  rng = np.random.default_rng([seed, drift])
  events = [mw.control(0, 64, 127)]
  for pitch in walk.tolist():
    loudness = int(rng.integers(30, 110))
    events += [mw.on(int(rng.integers(20, 60)), pitch, loudness), mw.off(30, pitch)]
  return mw.song(mw.track(*events, mw.control(2000, 64, 0)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  folder = tmp_path_factory.mktemp("performances")
  for seed in range(6):
    (folder / f"{seed}.mid").write_bytes(song(seed))
  (folder / "0 again, higher.mid").write_bytes(song(0, shift=3, drift=1))
  (folder / "drums.mid").write_bytes(mw.song(mw.track(mw.on(0, 38, channel=9))))
  return folder


def get_config(folder, tfds_dir, **settings):
  config = config_lib.get_base_config(data="folder_scores")
  config.data.dir, config.data.tfds_dir = str(folder), str(tfds_dir)
  config.data.scores.update({"kind": "performance", "events": EVENTS, "hop": HOP} | settings)
  config_check.check(config)
  return config.data


def test_windows_are_events_of_the_performance(folder, tfds_dir):
  data_set = data_sets.load(get_config(folder, tfds_dir, max_windows=0, held_out=("3.mid",)))
  assert data_set.form.num_tokens == EVENTS and data_set.form.tokenizer.size == 388
  reading = midi_reader.parse("it", song(3), pedal=True)
  tokens = performance.Performance().encode(piece_lib.to_notes(reading.piece))
  source = pipeline.open_split(data_set, "valid")
  assert len(source) == (len(tokens) - EVENTS) // HOP + 1
  for row in range(len(source)):
    np.testing.assert_array_equal(source[row]["tokens"], tokens[HOP * row : HOP * row + EVENTS])
  # Without the pedal they would be others.
  dry = midi_reader.parse("it", song(3)).piece
  assert len(performance.Performance().encode(piece_lib.to_notes(dry))) != len(tokens)


def test_performances_of_a_piece_are_in_one_split(folder, tfds_dir):
  data_set = data_sets.load(get_config(folder, tfds_dir))
  rows = {row.tune: row for row in score_store.read_report(data_set.folder)}
  assert rows["0 again, higher.mid"].group == rows["0.mid"].group
  assert rows["0 again, higher.mid"].split == rows["0.mid"].split
  assert len({row.group for row in rows.values() if row.used == "yes"}) == 6
  assert rows["drums.mid"].reason == "it has no notes that a performance is made of"


def test_training_transposes_them(folder, tfds_dir):
  data_set = data_sets.load(get_config(folder, tfds_dir, transpose=4, held_out=("3.mid",)))
  source = pipeline.open_split(data_set, "train")
  struck = lambda x: x[(x >= performance.NOTE_ON) & (x < performance.SHIFT)]
  first = {int(struck(source.stored(0, seed)["tokens"])[0]) for seed in range(60)}
  assert len(first) > 4


@pytest.mark.parametrize("settings", [{"events": 0}, {"hop": 0}, {"events": 200_000}])
def test_windows_that_cannot_be_made_are_one_line(settings, folder, tfds_dir):
  with pytest.raises(errors.UserError) as error:
    get_config(folder, tfds_dir, **settings)
  assert "data.scores.events must be 1-100000 and hop 1 or more" in one_line(error)


def test_synthetic_scores_have_none():
  config = config_lib.get_base_config(data="synth_scores")
  config.data.scores.kind = "performance"
  with pytest.raises(errors.UserError) as error:
    config_check.check(config)
  assert "must be one of melody, drums, trio, got 'performance'" in one_line(error)
