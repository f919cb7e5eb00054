"""What happens to data when something goes wrong: the table of docs/data.md, row by row."""

import functools
import glob
import os
import resource
import shutil
import signal
import subprocess
import sys
import time

from conftest import ROOT
from conftest import flip
from conftest import get_config
from conftest import one_line
from conftest import run_module
import pytest

from cvae_jax.data import data_sets
from cvae_jax.data import pipeline
from cvae_jax.training import loop


def halve(path):
  os.truncate(path, os.path.getsize(path) // 2)


@pytest.mark.parametrize(
  "damage,labels_are_kept",
  [(flip, False), (flip, True), (halve, False), (os.remove, True)],
)
def test_a_damaged_shard_is_named_and_what_to_do(tmp_path, tfds_dir, damage, labels_are_kept):
  config = get_config("cvae", "tiny", **{"data.tfds_dir": tfds_dir, "eval.baselines": False})
  source = pipeline.open_split(data_sets.load(config.data), "train")
  assert len(source.labels["id"]) == 108  # And they are kept from now on.
  copied = tmp_path / "tfds"
  shutil.copytree(
    os.path.join(tfds_dir, "synth_notes", "tiny"),
    copied / "synth_notes" / "tiny",
    ignore=shutil.ignore_patterns("*.tmp"),  # Another worker may be writing.
  )
  (shard,) = glob.glob(str(copied / "**" / "*train.array_record*"), recursive=True)
  damage(shard)
  if not labels_are_kept:
    os.remove(os.path.join(os.path.dirname(shard), "labels-train.npz"))
  config.data.tfds_dir = str(copied)
  with pytest.raises(Exception) as error:
    loop.train_and_evaluate(config, str(tmp_path / "run"))
  message = one_line(error)
  assert f"of {os.path.dirname(shard)} cannot be read (" in message
  assert "remove the folder to prepare it again" in message
  assert not os.path.exists(tmp_path / "run" / "results.json")


def test_a_full_disk_is_one_line_and_nothing_of_it_loads(tmp_path):
  # A limit on the size of files does what a full disk does, and needs no rights.
  limit = functools.partial(resource.setrlimit, resource.RLIMIT_FSIZE, (3_000_000, 3_000_000))
  command = ("cvae_jax.prepare", "synth_notes/tiny", f"--data_dir={tmp_path}")
  done = run_module(*command, before=limit)
  assert done.returncode == 2
  (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
  assert "synth_notes/tiny/1.1.0 cannot be written: " in line and "File too large" in line
  assert not glob.glob(str(tmp_path / "**" / "*.array_record*"), recursive=True)
  builder = data_sets.load(get_config("cvae", "tiny", **{"data.tfds_dir": str(tmp_path)}).data)
  assert builder.splits["train"] == 108  # There is room again.


def test_a_killed_preparation_loads_nothing_and_is_cleared_away_by_the_next(tmp_path, caplog):
  preparation = subprocess.Popen(
    [sys.executable, "-m", "cvae_jax.prepare", "synth_notes/tiny", f"--data_dir={tmp_path}"],
    cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
  )  # fmt: skip
  where = str(tmp_path / "synth_notes" / "tiny" / "incomplete.*")
  deadline = time.monotonic() + 120
  while not glob.glob(where) and time.monotonic() < deadline:
    time.sleep(0.02)
  preparation.send_signal(signal.SIGKILL)
  preparation.wait()
  (left,) = glob.glob(where)
  assert not (tmp_path / "synth_notes" / "tiny" / "1.1.0").exists()
  with caplog.at_level("INFO"):
    builder = data_sets.load(get_config("cvae", "tiny", **{"data.tfds_dir": str(tmp_path)}).data)
  assert f"removing the remains of an interrupted preparation: {left}" in caplog.text
  assert not glob.glob(where) and len(pipeline.open_split(builder, "train")) == 108


@pytest.mark.slow
def test_two_processes_prepare_a_data_set_once(tmp_path):
  command = [sys.executable, "-m", "cvae_jax.prepare", "synth_notes/tiny", f"--data_dir={tmp_path}"]
  both = [
    subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    for _ in range(2)
  ]
  said = [process.communicate(timeout=300)[0] for process in both]
  assert [process.returncode for process in both] == [0, 0], said
  assert sum("preparing synth_notes/tiny" in text for text in said) == 1
  assert all("train: 108 notes" in text for text in said)
