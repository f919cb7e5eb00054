import jax.numpy as jnp
import numpy as np
import pytest

from cvae_jax.core import errors
from cvae_jax.data import label_table
from cvae_jax.data import labels
from cvae_jax.methods.common import condition

VOCABULARY = labels.make_vocabulary(["a", "b"])
BATCH = {
  "pitch": np.asarray([60, 127]),
  "family": np.asarray([3, 10]),
  "source": np.asarray([0, 2]),
  "velocity": np.asarray([127, 0]),
  "instrument": np.asarray([1, 0]),
  "qualities": np.eye(10, dtype=np.float32)[:2],
}


def test_every_label_has_its_place():
  made = condition.make_condition(
    ("pitch", "family", "source", "velocity", "instrument", "qualities"), VOCABULARY
  )
  c = made.encode(BATCH)
  assert c.shape == (2, made.dim) == (2, 128 + 11 + 3 + 1 + 2 + 10)
  hot = np.flatnonzero(c[0])
  np.testing.assert_array_equal(hot, [60, 128 + 3, 139, 142, 144, 145])
  np.testing.assert_allclose(c[0, hot], np.sqrt([128, 11, 3, 1, 2, 1]), rtol=1e-6)
  assert c[1, 142] == 0.0  # Velocity 0 is a number, not a class.


def test_no_labels_is_no_condition():
  made = condition.make_condition((), VOCABULARY)
  assert made.dim == 0 and made.encode(BATCH).shape == (2, 0)
  assert made.encode({}, 3).shape == (3, 0)


def test_a_held_out_instrument_is_no_instrument():
  made = condition.make_condition(("instrument",), labels.make_vocabulary(["a"]))
  np.testing.assert_array_equal(made.encode(BATCH), jnp.asarray([[0.0], [1.0]]))


@pytest.mark.parametrize(
  "names,says",
  [
    (("pich",), "names 'pich', which these examples do not have"),
    (("pitch", "pitch"), "names 'pitch' twice"),
  ],
)
def test_labels_that_are_none_are_refused(names, says):
  with pytest.raises(errors.UserError, match=says):
    condition.make_condition(names, VOCABULARY)


@pytest.fixture
def table():
  columns = {
    "pitch": np.asarray([40, 50, 60, 60]),
    "velocity": np.asarray([100, 100, 100, 25]),
    "family": np.asarray([0, 0, 3, 3]),
    "source": np.asarray([1, 2, 0, 0]),
    "instrument": np.asarray([0, 1, 2, 2]),
    "qualities": np.zeros((4, 10), np.float32),
  }
  return label_table.LabelTable(columns, labels.make_vocabulary(["a", "b", "c"]), 4)


def test_labels_that_nobody_asked_for_go_with_those_that_somebody_did(table):
  rng = np.random.default_rng(0)
  drawn = table.draw(rng, {"family": 3}, 20)
  assert set(drawn["source"]) == {0} and set(drawn["pitch"]) == {60}
  assert set(drawn["velocity"]) == {25, 100}
  drawn = table.draw(rng, {"family": 0, "pitch": 61}, 20)  # No bass at 61: a bass all the same.
  assert set(drawn["pitch"]) == {61} and set(drawn["source"]) == {1, 2}


def test_the_table_survives_its_file(table, tmp_path):
  table.save(str(tmp_path))
  loaded = label_table.load(str(tmp_path))
  assert loaded.vocabulary == table.vocabulary and loaded.num_examples == 4
  for name, column in table.columns.items():
    np.testing.assert_array_equal(loaded.columns[name], column)
  assert labels.FAMILIES[loaded.known("family")[1]] == "guitar"


@pytest.mark.parametrize("content", [None, b"nothing of the kind"])
def test_a_table_that_is_not_there_is_named(tmp_path, content):
  if content is not None:
    (tmp_path / "labels.npz").write_bytes(content)
  with pytest.raises(errors.UserError, match=r"labels\.npz"):
    label_table.load(str(tmp_path))
