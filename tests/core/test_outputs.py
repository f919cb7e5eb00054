"""What is written to, checked before the work."""

import os

from conftest import one_line
import pytest

from cvae_jax.core import errors
from cvae_jax.core import outputs

LONG = "x" * 300


def make(tmp_path):
  (tmp_path / "file").touch()
  (tmp_path / "folder").mkdir()
  (tmp_path / "loop").symlink_to("loop")
  (tmp_path / "dangling").symlink_to("none/at/all")
  (tmp_path / "through").symlink_to("file/below")
  os.mkfifo(tmp_path / "fifo")


@pytest.mark.parametrize("name", ["folder", "new", "new/below", "folder/new", "dangling", "new/"])
def test_directories_that_are_there_or_can_be_made(tmp_path, name):
  make(tmp_path)
  before = sorted(os.listdir(tmp_path))
  outputs.check_directory(f"{tmp_path}/{name}")
  assert sorted(os.listdir(tmp_path)) == before


@pytest.mark.parametrize("name", ["file", "new.wav", "new/a.wav", "fifo", "dangling", "x" * 255])
def test_files_that_can_be_written(tmp_path, name):
  make(tmp_path)
  outputs.check_file(f"{tmp_path}/{name}")


@pytest.mark.parametrize(
  "name,says",
  [
    ("file", "is a file: a directory is wanted"),
    ("fifo", "is a file: a directory is wanted"),
    ("file/below", "lies below .*file, which is no directory"),
    ("through", "lies below .*file, which is no directory"),
    ("file/below/and/below", "lies below .*file, which is no directory"),
    (LONG, "File name too long|a name of 300 bytes: 255 is the most"),
    (f"new/{LONG}", "a name of 300 bytes: 255 is the most"),
    ("é" * 200, "File name too long|a name of 400 bytes"),
    ("a/" * 3000, "File name too long|cannot"),
    ("loop", "symbolic links"),
    ("loop/below", "symbolic links"),
    ("a\0b", "cannot be used"),
  ],
)
def test_directories_that_cannot_be(tmp_path, name, says):
  make(tmp_path)
  with pytest.raises(errors.UserError, match=says) as error:
    outputs.check_directory(f"{tmp_path}/{name}", "--out")
  assert one_line(error).startswith("--out=") and len(one_line(error)) < 400


@pytest.mark.parametrize(
  "name,says",
  [
    ("folder", "is a directory: a file is wanted"),
    ("new/", "is a directory's name"),
    ("file/", "is a directory's name"),
    ("file/a.wav", "which is no directory"),
    ("loop", "symbolic links"),
    (f"{LONG}.wav", "File name too long|a name of 304 bytes"),
  ],
)
def test_files_that_cannot_be(tmp_path, name, says):
  make(tmp_path)
  with pytest.raises(errors.UserError, match=says) as error:
    outputs.check_file(f"{tmp_path}/{name}")
  one_line(error)


def test_an_empty_path_is_none():
  for check in (outputs.check_file, outputs.check_directory):
    with pytest.raises(errors.UserError, match="is empty"):
      check("")


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_locked_is_named(tmp_path):
  tmp_path.chmod(0o500)
  with pytest.raises(errors.UserError, match="cannot be written to"):
    outputs.check_directory(f"{tmp_path}/new")
