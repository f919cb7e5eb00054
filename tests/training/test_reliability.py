"""What goes wrong while a run trains, done to real processes: the table of docs/reliability.md."""

import json
import os
import pathlib
import random
import resource
import shutil
import subprocess
import sys
import time
from unittest import mock

from conftest import ROOT
from conftest import SHORT
from conftest import SPAWN
from conftest import example_batch
from conftest import flip
from conftest import get_config
from conftest import make_method
from conftest import one_line
from conftest import redirect
import jax
import numpy as np
import pytest

from cvae_jax.core import errors
from cvae_jax.data import sources
from cvae_jax.synthesis import synthesizer
from cvae_jax.training import checkpoint
from cvae_jax.training import loop


def make_config(tfds_dir, **fields):
  return get_config(
    "cvae", "tiny", **{**SHORT, "train.steps": 6, "data.tfds_dir": tfds_dir, **fields}
  )


def _train(config, workdir, output, file_limit):
  """What such a process does: as `python -m cvae_jax.main`, its output to a file."""
  from cvae_jax.core import cli

  redirect(output, output)
  if file_limit:  # Does what a full disk does, and needs no rights.
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))
  cli.run(lambda: loop.train_and_evaluate(config, workdir))


class Process:
  """A run in a process of its own."""

  def __init__(self, config, workdir, file_limit=None):
    self._output = pathlib.Path(f"{workdir}-output-{time.monotonic_ns()}")
    self._process = SPAWN.Process(
      target=_train, args=(config, str(workdir), str(self._output), file_limit), daemon=True
    )
    self._process.start()

  def said(self):
    return self._output.read_text() if self._output.exists() else ""

  def wait_for(self, what, seconds=120):
    """Until it has said something, or `what()` is so."""
    deadline = time.monotonic() + seconds
    while not (what() if callable(what) else what in self.said()):
      assert self._process.is_alive() and time.monotonic() < deadline, self.said()
      time.sleep(0.005)

  def kill(self):
    self._process.kill()
    self._process.join()

  def finish(self, seconds=120):
    self._process.join(seconds)
    return self._process.exitcode, self.said()


def saved_steps(workdir):
  folder = pathlib.Path(workdir) / checkpoint.DIRECTORY
  return (
    sorted(int(p.name) for p in folder.iterdir() if p.name.isdigit()) if folder.exists() else []
  )


def restore(workdir, config):
  """The state that a run would go on with, as a list of arrays, and where its notes go on."""
  instruments = len(synthesizer.label_table.load(str(workdir)).vocabulary.get("instrument").names)
  method = make_method(config, instruments)
  abstract = checkpoint.abstract(
    lambda: method.init(jax.random.key(0), example_batch()),
    jax.sharding.SingleDeviceSharding(jax.devices()[0]),
  )
  iterator = mock.Mock()
  with checkpoint.Checkpoints(str(workdir), config.checkpoint) as checkpoints:
    state = checkpoints.restore(abstract, iterator)
  state = state.replace(rng=jax.random.key_data(state.rng))
  (place,), _ = iterator.set_state.call_args
  return [np.asarray(x) for x in jax.tree.leaves(state)], place


def assert_equal(a, b):
  for x, y in zip(a, b, strict=True):
    np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("kills", [2, pytest.param(30, marks=pytest.mark.slow)])
def test_a_run_that_is_killed_goes_on_from_a_whole_checkpoint(tmp_path, tfds_dir, kills):
  endless = make_config(tfds_dir, **{"train.steps": 1_000_000, "checkpoint.every_steps": 1})
  workdir = tmp_path / "killed"
  moments, during = random.Random(0), 0
  for _ in range(kills):
    before = saved_steps(workdir)
    process = Process(endless, workdir)
    process.wait_for(lambda b=before: saved_steps(workdir)[-1:] > b[-1:])
    time.sleep(moments.uniform(0.0, 0.2))
    process.kill()
    during += any("tmp" in p.name for p in (workdir / checkpoint.DIRECTORY).iterdir())
  assert during >= kills // 5, "hardly one of them died while it saved"
  total = saved_steps(workdir)[-1] + 2
  config = make_config(tfds_dir, **{"train.steps": total})
  loop.train_and_evaluate(config, str(workdir))
  loop.train_and_evaluate(config, str(tmp_path / "unbroken"))
  assert saved_steps(workdir)[-1] == saved_steps(tmp_path / "unbroken")[-1] == total
  assert_equal(restore(workdir, config)[0], restore(tmp_path / "unbroken", config)[0])
  assert not list((workdir / checkpoint.DIRECTORY).glob("*tmp*"))


@pytest.fixture(scope="module")
def finished(tmp_path_factory, tfds_dir):
  """The workdir of a run of 6 steps with checkpoints of 4 and 6, which tests copy."""
  workdir = tmp_path_factory.mktemp("reliability") / "finished"
  loop.train_and_evaluate(make_config(tfds_dir), str(workdir))
  assert saved_steps(workdir) == [4, 6]
  return workdir


@pytest.mark.parametrize(
  "damage",
  [pytest.param(flip, id="flipped"), pytest.param(os.remove, id="missing", marks=pytest.mark.slow)],
)
def test_no_damage_to_any_file_of_a_checkpoint_goes_unnoticed(tmp_path, finished, tfds_dir, damage):
  config = make_config(tfds_dir)
  newest = restore(finished, config)
  shutil.copytree(finished, tmp_path / "before")
  shutil.rmtree(tmp_path / "before" / checkpoint.DIRECTORY / "6")
  older = restore(tmp_path / "before", config)
  folder = finished / checkpoint.DIRECTORY / "6"
  files = [p.relative_to(finished) for p in folder.rglob("*") if p.is_file() and p.stat().st_size]
  refused = []
  for i, path in enumerate(files):
    workdir = tmp_path / str(i)
    shutil.copytree(finished, workdir)
    damage(workdir / path)
    state, place = restore(workdir, config)
    if saved_steps(workdir) == [4]:  # Refused, and the one before it is used.
      assert (workdir / checkpoint.DIRECTORY / "damaged-6").exists()
      refused.append(path)
      assert_equal(state, older[0])
      assert place == older[1]
    else:  # A byte that nobody reads: then all is as it was.
      assert_equal(state, newest[0])
      assert place == newest[1]
    shutil.rmtree(workdir)
  size = lambda paths: sum((finished / path).stat().st_size for path in paths)
  assert size(refused) > 0.9 * size(files)


def test_a_damaged_checkpoint_is_said_and_the_run_ends_where_it_would_have(
  tmp_path, finished, tfds_dir, caplog
):
  workdir = tmp_path / "run"
  shutil.copytree(finished, workdir)
  for path in (workdir / checkpoint.DIRECTORY / "6" / "state").rglob("d/*"):
    flip(path)
  with caplog.at_level("INFO"):
    step, _ = checkpoint.restore_params(str(workdir))  # As generate does.
    assert step == 4 and "the checkpoint of step 6: " in caplog.text
    loop.train_and_evaluate(make_config(tfds_dir), str(workdir))
  assert "set aside, for the one before it" in caplog.text and "resuming at step 4" in caplog.text
  config = make_config(tfds_dir)
  assert_equal(restore(workdir, config)[0], restore(finished, config)[0])


def test_where_no_checkpoint_is_whole_it_is_one_line(tmp_path, finished, tfds_dir):
  workdir = tmp_path / "run"
  shutil.copytree(finished, workdir)
  for path in (workdir / checkpoint.DIRECTORY).rglob("d/*"):
    flip(path)
  with pytest.raises(errors.UserError) as error:
    synthesizer.load(str(workdir))
  assert "can be read: step 6: " in one_line(error) and "; step 4: " in one_line(error)
  with pytest.raises(errors.UserError, match="can be read: step 6: "):
    loop.train_and_evaluate(make_config(tfds_dir), str(workdir))


def test_a_full_disk_keeps_the_last_checkpoint_and_is_one_line(tmp_path, finished, tfds_dir):
  workdir = tmp_path / "run"
  first = make_config(tfds_dir, **{"train.steps": 2})
  loop.train_and_evaluate(first, str(workdir))
  state = restore(workdir, first)[0]
  config = make_config(tfds_dir)
  status, said = Process(config, workdir, file_limit=100_000).finish()
  assert status == 1, said
  (line,) = [line for line in said.splitlines() if line.startswith("error: ")]
  assert "a checkpoint cannot be written to " in line and "that of step 2 is kept" in line
  assert "Traceback" not in said and saved_steps(workdir) == [2]
  assert_equal(restore(workdir, first)[0], state)
  loop.train_and_evaluate(config, str(workdir))  # There is room again.
  assert_equal(restore(workdir, config)[0], restore(finished, config)[0])


def test_a_second_process_in_a_workdir_is_refused(tmp_path, tfds_dir):
  config = make_config(tfds_dir, **{"train.steps": 1_000_000})
  workdir = tmp_path / "run"
  process = Process(config, workdir)
  process.wait_for("step       3/")
  with pytest.raises(errors.UserError) as error:
    loop.train_and_evaluate(config, str(workdir))
  assert one_line(error).startswith(f"{workdir} is being trained in by another process")
  process.wait_for("step      12/")  # It has not been disturbed.
  process.kill()
  with pytest.raises(errors.Interrupted):  # And holds nothing any more.
    loop.train_and_evaluate(config, str(workdir), should_stop=lambda step: True)


def test_a_reader_of_notes_that_dies_ends_the_run_with_a_line(tmp_path, tfds_dir, monkeypatch):
  config = make_config(tfds_dir, **{"train.steps": 100})
  original, count = sources.Records.stored, []

  def stored(self, index, seed=None):
    count.append(index)
    if len(count) == 300:
      raise MemoryError("no more")
    return original(self, index)

  monkeypatch.setattr(sources.Records, "stored", stored)
  with pytest.raises(errors.TrainingError) as error:
    loop.train_and_evaluate(config, str(tmp_path))
  kept = saved_steps(tmp_path)[-1]
  assert str(error.value) == (
    "the next examples cannot be read (MemoryError: no more): the run ends here, and of its "
    f"checkpoints the one of step {kept} is kept"
  )


def test_the_best_checkpoint_is_kept_beside_the_last(tmp_path, tfds_dir, monkeypatch):
  losses = iter([3.0, 1.0, 2.0, 4.0, 5.0])
  average = loop.evaluate.average

  def fake(*args):
    return {**average(*args), "lsd_db": next(losses)}

  monkeypatch.setattr(loop.evaluate, "average", fake)
  fields = {
    "eval.every_steps": 2,
    "train.steps": 8,
    "checkpoint.keep": 1,
    "checkpoint.keep_best": 1,
  }
  config = make_config(tfds_dir, **fields)
  measured = {"eval": {}, "notes": 0, "split": "valid"}
  monkeypatch.setattr(loop.evaluate, "evaluate_run", lambda *unused: measured)
  loop.train_and_evaluate(config, str(tmp_path))
  assert saved_steps(tmp_path) == [4, 8]
  assert synthesizer.load(str(tmp_path), "best").step == 4
  assert synthesizer.load(str(tmp_path)).step == 8
  with pytest.raises(errors.UserError, match="no checkpoint of step 6: it has 4, 8"):
    synthesizer.load(str(tmp_path), 6)
  config.train.steps = 10  # A process that goes on knows which was the best.
  loop.train_and_evaluate(config, str(tmp_path))
  assert saved_steps(tmp_path) == [4, 10]


def test_a_measure_that_there_is_not_cannot_choose_the_best(tmp_path, tfds_dir):
  fields = {"eval.every_steps": 2, "checkpoint.keep_best": 1, "checkpoint.best_by": "beauty"}
  with pytest.raises(errors.UserError, match="checkpoint.best_by must be one of .*, got 'beauty'"):
    loop.train_and_evaluate(make_config(tfds_dir, **fields), str(tmp_path))


def test_without_a_best_it_is_said(tiny_run):
  with pytest.raises(errors.UserError, match="kept no best checkpoint"):
    synthesizer.load(tiny_run, "best")


_WITHOUT_PICKLE = """
import runpy, sys
def hook(event, args):
  if event == "pickle.find_class":
    raise SystemExit(f"unpickled {args}")
from cvae_jax.synthesis import synthesizer
from cvae_jax.training import loop  # What libraries keep of themselves is their affair.
sys.addaudithook(hook)
sys.argv[0] = "main"
runpy.run_module(sys.argv.pop(1), run_name="__main__")
"""


@pytest.mark.slow
def test_nothing_that_is_read_is_unpickled(tmp_path, finished, tfds_dir):
  workdir = tmp_path / "run"
  shutil.copytree(finished, workdir)
  fields = {**SHORT, "data.tfds_dir": tfds_dir, "train.steps": 8}
  flags = [f"--config.{name}={value}" for name, value in fields.items()]
  for arguments in (
    ["cvae_jax.main", "--config=configs/cvae.py:tiny", *flags],
    ["cvae_jax.generate", f"--out={tmp_path / 'out'}"],
  ):
    done = subprocess.run(
      [sys.executable, "-c", _WITHOUT_PICKLE, *arguments, f"--workdir={workdir}"],
      cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
      env={**os.environ, "GLIBC_TUNABLES": "glibc.malloc.arena_max=1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
  assert saved_steps(workdir)[-1] == 8 and list((tmp_path / "out").glob("*.wav"))


# In a process of its own, with its memory from one place, as `main` has it.
_WATCH = """
import ctypes, json, sys, time
sys.path.insert(0, "tests")
from conftest import get_config
from cvae_jax.training import progress, loop
seen = []
def watch(step):
  if step % 100 == 0:
    ctypes.CDLL(None).malloc_trim(0)
    seen.append((step, progress.host_memory()["host_memory_gb"] * 1e3, time.process_time()))
  return False
loop.train_and_evaluate(get_config("cvae", "tiny", **json.loads(sys.argv[1])), sys.argv[2], watch)
print(json.dumps(seen))
"""


@pytest.mark.slow
def test_two_thousand_steps_leak_nothing_and_do_not_slow_down(tmp_path, tfds_dir):
  fields = {**SHORT, "data.tfds_dir": tfds_dir, "train.steps": 2000, "train.log_every_steps": 100}
  fields |= {"checkpoint.every_steps": 200, "eval.every_steps": 200}
  done = subprocess.run(
    [sys.executable, "-c", _WATCH, json.dumps(fields), str(tmp_path)],
    cwd=ROOT, capture_output=True, text=True, timeout=900, check=False,
    env={**os.environ, "GLIBC_TUNABLES": "glibc.malloc.arena_max=1"},
  )  # fmt: skip
  assert done.returncode == 0, done.stderr
  seen = json.loads(done.stdout.splitlines()[-1])
  memory = {step: megabytes for step, megabytes, _ in seen}
  times = {step: seconds for step, _, seconds in seen}
  assert memory[2000] - memory[500] < 15, memory
  # Processor time of 100 steps between pauses, the least of either half.
  spans = {step: times[step + 100] - times[step] for step in range(100, 2000, 200)}
  first, second = (
    min(s for n, s in spans.items() if (n >= 1000) == late) for late in (False, True)
  )
  assert second < 1.25 * first, spans
  events = sum(p.stat().st_size for p in (tmp_path / "events").iterdir())
  assert events < 5e6
