import os
import stat
import threading

import pytest

from cvae_jax.core import atomic


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


def test_what_is_no_regular_file_is_written_to_as_it_is(tmp_path):
  fifo = str(tmp_path / "fifo")
  os.mkfifo(fifo)
  heard = []
  reader = threading.Thread(target=lambda: heard.append(open(fifo, "rb").read()), daemon=True)
  reader.start()
  with atomic.open_file(fifo, "wb") as f:
    f.write(b"whole")
  reader.join(10)
  assert heard == [b"whole"] and stat.S_ISFIFO(os.stat(fifo).st_mode)
  link = str(tmp_path / "null")
  os.symlink("/dev/null", link)  # The device itself must not be at stake where this fails.
  with atomic.open_file(link) as f:
    f.write("gone")
  assert os.path.islink(link) and sorted(os.listdir(tmp_path)) == ["fifo", "null"]
  assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_an_open_pipe_is_written_to_by_its_number(tmp_path):
  out, into = os.pipe()
  with atomic.open_file(f"/dev/fd/{into}", "wb") as f:
    f.write(b"whole")
  os.close(into)
  with open(out, "rb") as f:
    assert f.read() == b"whole"


@pytest.mark.parametrize("there", [True, False])
def test_a_link_is_followed(tmp_path, there):
  target, link = tmp_path / "folder" / "target.txt", tmp_path / "link.txt"
  if there:
    target.parent.mkdir()
    target.write_text("before")
  link.symlink_to("folder/target.txt")
  with atomic.open_file(str(link)) as f:
    f.write("after")
  assert link.is_symlink() and target.read_text() == "after"
  assert os.listdir(target.parent) == ["target.txt"]


@pytest.mark.parametrize("bits", [0o600, 0o664, 0o755])
def test_permission_bits_are_kept(tmp_path, bits):
  path = tmp_path / "a.txt"
  path.write_text("before")
  path.chmod(bits)
  with atomic.open_file(str(path)) as f:
    f.write("after")
  assert path.read_text() == "after" and stat.S_IMODE(path.stat().st_mode) == bits


def test_a_name_may_be_as_long_as_a_name_can_be(tmp_path):
  path = tmp_path / ("x" * 255)
  with atomic.open_file(str(path)) as f:
    f.write("whole")
  assert path.read_text() == "whole"


@pytest.mark.parametrize("name", ["folder", "folder/", "none/", "loop", "file/below"])
def test_what_cannot_be_a_file_is_left_alone(tmp_path, name):
  (tmp_path / "folder").mkdir()
  (tmp_path / "file").touch()
  (tmp_path / "loop").symlink_to("loop")
  with pytest.raises(OSError), atomic.open_file(f"{tmp_path}/{name}") as f:
    f.write("x")
  assert sorted(os.listdir(tmp_path)) == ["file", "folder", "loop"]
  assert os.listdir(tmp_path / "folder") == []
