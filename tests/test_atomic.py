import os

import pytest

from cvae_jax import atomic


def test_a_file_is_there_when_it_is_whole(tmp_path):
  path = str(tmp_path / "a" / "b.txt")
  with atomic.open_file(path) as f:
    f.write("half")
    f.flush()
    assert not os.path.exists(path)
    f.write("whole")
  assert open(path).read() == "halfwhole"
  assert os.listdir(tmp_path / "a") == ["b.txt"]


def test_what_fails_leaves_what_was_there_before(tmp_path):
  path = str(tmp_path / "b.txt")
  with atomic.open_file(path) as f:
    f.write("before")
  with pytest.raises(KeyboardInterrupt), atomic.open_file(path) as f:
    f.write("after")
    raise KeyboardInterrupt
  assert open(path).read() == "before"
  assert os.listdir(tmp_path) == ["b.txt"]
