from conftest import get_config
from conftest import one_line
import jax
import numpy as np
import pytest

from cvae_jax.data import data_sets
from cvae_jax.data import notes
from cvae_jax.data import pipeline
from cvae_jax.data import sources
from cvae_jax.training import resident
from cvae_jax.training import sharding


@pytest.fixture(scope="module")
def data(tfds_dir):
  return get_config("cvae", "tiny", **{"data.tfds_dir": tfds_dir}).data


@pytest.fixture(scope="module")
def source(data):
  return pipeline.open_split(data_sets.load(data), "train")


@pytest.fixture(scope="module")
def everywhere():
  return sharding.replicated(sharding.make_mesh())


def test_rows_are_the_batches_that_would_have_come_in_the_same_order(data, source, everywhere):
  kept = resident.load(source, everywhere, 1.0, 2)
  assert kept["audio"].dtype == np.int16 and kept["audio"].shape == (108, 64_000)
  plain = pipeline.make_train_iterator(source, data, 8, seed=1)
  with data.unlocked():
    data = data.copy_and_resolve_references()
  data.device_cache = True
  rows = pipeline.make_train_iterator(source, data, 8, seed=1)
  gather = jax.jit(resident.gather)
  for _ in range(20):  # Past the end of the first epoch.
    wanted, drawn = next(plain), next(rows)
    assert list(wanted["id"]) == list(drawn["id"]) and "audio" not in drawn
    batch = gather(kept, drawn["row"])
    for name in sources.batch_keys(source):
      np.testing.assert_array_equal(batch[name], wanted[name])
      assert batch[name].dtype == wanted[name].dtype
  resumed = pipeline.make_train_iterator(source, data, 8, seed=1)
  resumed.set_state(plain.get_state())  # Whichever way it began.
  assert list(next(resumed)["id"]) == list(next(plain)["id"])


def test_notes_that_are_not_of_16_bits_stay_as_they_are(source, everywhere):
  class Quiet(sources.Records):
    def stored(self, index, seed=None):
      note = super().stored(index)
      return {**note, "audio": notes.to_float(note["audio"]) / 3}

  few = source.select(np.arange(4))
  quiet = Quiet(*few._arguments, few._rows)
  quiet.labels = few.labels
  kept = resident.load(quiet, everywhere, 1.0, 2)
  assert kept["audio"].dtype == np.float32
  batch = resident.gather(kept, np.asarray([2]))
  np.testing.assert_array_equal(batch["audio"][0], quiet[2]["audio"])


def test_more_notes_than_may_be_kept_are_refused(source, everywhere):
  with pytest.raises(Exception) as error:
    resident.load(source, everywhere, 0.01, 2)
  assert "needs 0.0 GB for 108 notes, and data.cache_gb is 0.01" in one_line(error)
