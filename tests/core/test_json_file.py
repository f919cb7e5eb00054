"""JSON and NPZ files that the program reads back, as people and disks have left them."""

import json
import shutil

from conftest import one_line
import numpy as np
import pytest

from cvae_jax import evaluate
from cvae_jax.core import config as config_lib
from cvae_jax.core import config_file
from cvae_jax.core import errors
from cvae_jax.core import json_file
from cvae_jax.core import npz_file
from cvae_jax.data import label_index
from cvae_jax.data import label_table
from cvae_jax.evaluation.metrics import classifier
from cvae_jax.methods.common import feature_statistics
from cvae_jax.version import __version__

CONTENT = {"name": "Flügel", "numbers": [1, 2.5]}


@pytest.mark.parametrize(
  "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"]
)
def test_any_encoding_of_json_is_read(tmp_path, encoding):
  path = tmp_path / "any.json"
  path.write_bytes(json.dumps(CONTENT, ensure_ascii=False).encode(encoding))
  assert json_file.load(str(path)) == CONTENT


NO_JSON = {
  b"": "is not JSON",
  b"{": "is not JSON",
  '{"a": "ü"}'.encode("latin-1"): "is not JSON: 'utf-8' codec can't decode",
  b"\xff\xfe{": "is not JSON",
  b"[" * 200_000: "is nested too deep",
  b'{"a":' * 200_000: "is nested too deep",
  b"9" * 5000: "is not JSON: Exceeds the limit",
  b"\0\1\2\3" * 100: "is not JSON",
}


@pytest.mark.parametrize("content", NO_JSON, ids=[str(i) for i in range(len(NO_JSON))])
def test_what_is_not_json_is_one_line(tmp_path, content):
  path = tmp_path / "config.json"
  path.write_bytes(content)
  with pytest.raises(errors.UserError, match=NO_JSON[content]) as error:
    config_file.load(str(tmp_path))
  assert str(path) in one_line(error) and len(one_line(error)) < 600
  path.rename(tmp_path / evaluate.RESULTS)
  assert evaluate.load_results(str(tmp_path)) is None


@pytest.mark.parametrize(
  "content,says",
  [
    ("[]", "must be an object of sections, got a list"),
    ("5", "got a number"),
    ("NaN", "got a number"),
    ("null", "got nothing"),
    ('"model"', "got a text"),
    ('{"model": 5}', "'model' must be a section of fields, got a number"),
    ('{"model": null}', "'model' must be a section of fields, got nothing"),
    ('{"seed": {"a": 1}}', "'seed' must be a number, got a section of fields"),
    ('{"model": {"latent_dim": "8"}}', "'model.latent_dim' must be a number, got a text"),
    ('{"model": {"channels": 8}}', "'model.channels' must be a list, got a number"),
    ('{"model": {"name": ["conv2d"]}}', "'model.name' must be a text, got a list"),
    ('{"model": {"name": {"a": 1}}}', "'model.name' must be a text, got a section of fields"),
    ('{"model": {"a.b": 1}}', "is no config"),
  ],
)
def test_json_that_is_no_config_and_no_results(tmp_path, content, says):
  stored = json.loads(content)
  if isinstance(stored, dict):  # The rest of it is as it should be.
    whole = {"version": __version__, **config_lib.get_base_config().to_dict()}
    for section, values in stored.items():
      named = isinstance(values, dict) and isinstance(whole[section], dict)
      whole[section] = {**whole[section], **values} if named else values
    content = json.dumps(whole)
  (tmp_path / "config.json").write_text(content)
  with pytest.raises(errors.UserError, match=says) as error:
    config_file.load(str(tmp_path))
  assert str(tmp_path / "config.json") in one_line(error)
  (tmp_path / evaluate.RESULTS).write_text(content)
  found = evaluate.load_results(str(tmp_path))
  assert found is None or found == json.loads(content)


def test_a_folder_in_place_of_a_file_is_one_line(tmp_path):
  (tmp_path / "config.json").mkdir()
  (tmp_path / evaluate.RESULTS).mkdir()
  with pytest.raises(errors.UserError, match="config.json cannot be read: it is no file"):
    config_file.load(str(tmp_path))
  assert evaluate.load_results(str(tmp_path)) is None


def write_labels(path, damage=lambda data: data):
  columns = {name: np.arange(50) for name in (*label_index.COLUMNS, "mean", "std")}
  with open(path, "wb") as f:
    np.savez_compressed(f, instruments=np.asarray(["a", "b"]), **columns)
  data = bytearray(path.read_bytes())
  damage(data)
  path.write_bytes(data)


def _set(at, value):
  def damage(data):
    data[at] = value

  return damage


def _turn_all_compressed(data):
  for at in range(80, 200, 7):
    data[at] ^= 0xFF


def _clear(data):
  data.clear()


@pytest.mark.parametrize(
  "damage",
  [
    _clear,
    _turn_all_compressed,  # zlib.error
    lambda data: data.__delitem__(slice(len(data) // 2, None)),
    lambda data: data.__setitem__(slice(data.find(b"PK\1\2") + 10, data.find(b"PK\1\2") + 12),
                                  b"\x63\0"),  # a method that there is not: NotImplementedError
    lambda data: data.__setitem__(data.find(b"PK\1\2") + 8, 1),  # encrypted: RuntimeError
    lambda data: data.__setitem__(data.find(b"PK\1\2") + 6, 0xFF),  # of a version to come
  ],
)  # fmt: skip
def test_arrays_that_are_damaged_are_one_line_or_made_again(tmp_path, damage):
  for name in (label_table.FILENAME, feature_statistics.FILENAME, "index.npz"):
    write_labels(tmp_path / name, damage)
  for load, args in (
    (npz_file.load, (str(tmp_path / "index.npz"),)),
    (label_table.load, (str(tmp_path),)),
    (feature_statistics.load, (str(tmp_path),)),
  ):
    with pytest.raises(errors.UserError, match=r"\.npz cannot be read") as error:
      load(*args)
    one_line(error)
  assert classifier.load(str(tmp_path / "index.npz"), {"pitch": 128}, 16_000) is None
  notes = [{name: np.int32(i) for name in label_index.COLUMNS} for i in range(50)]
  found = label_index.read_labels(str(tmp_path / "index.npz"), 50, notes.__getitem__, 1)
  np.testing.assert_array_equal(found["pitch"], np.arange(50))


def test_another_kind_of_numpys_files_is_one_line(tmp_path):
  np.save(tmp_path / "one.npy", np.arange(4))
  shutil.move(tmp_path / "one.npy", tmp_path / feature_statistics.FILENAME)
  with pytest.raises(errors.UserError, match="cannot be read"):
    feature_statistics.load(str(tmp_path))
  np.savez(tmp_path / "features.npz", mean=np.zeros(3))
  with pytest.raises(errors.UserError, match="it has no array 'std'"):
    feature_statistics.load(str(tmp_path))
