"""Runs of several real processes over loopback: the same as one, and nothing hangs."""

import os
import pathlib
import signal
import subprocess
import sys
import time

from conftest import ROOT
from conftest import get_config
from conftest import run_module
import jax
import numpy as np
import pytest
import yaml

from cvae_jax import evaluate
from cvae_jax.core import config as config_lib
from cvae_jax.core import errors
from cvae_jax.training import checkpoint
from cvae_jax.training import distributed
from cvae_jax.training import loop

OVERRIDES = {
  "train.steps": 20,
  "optimizer.warmup_steps": 1,
  "eval.every_steps": 10,
  "checkpoint.every_steps": 10,
  "eval.baselines": False,
  "eval.pitch_notes": 0,
  "eval.sample_notes": 0,
}


def arguments(workdir, tfds_dir, **more):
  fields = {**OVERRIDES, "data.tfds_dir": tfds_dir, **more}
  flags = [f"--config.{name}={value}" for name, value in fields.items()]
  return ["--config=configs/cvae.py:tiny", f"--workdir={workdir}", *flags]


def start(count, *flags):
  """A run of so many processes."""
  # A process has one device: the tests' own flags, and no others.
  command = [sys.executable, str(ROOT / "launch" / "local.py"), str(count), *flags]
  return subprocess.Popen(
    command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
  )


def finish(process, seconds=600):
  output, _ = process.communicate(timeout=seconds)
  return process.returncode, output


def params_of(workdir):
  step, params = checkpoint.restore_params(str(workdir))
  return step, [np.asarray(x) for x in jax.tree.leaves(params)]


def assert_same(a, b):
  (step_a, one), (step_b, other) = a, b
  assert step_a == step_b
  # Adam divides by the root of the squared gradient: where that is near 0, rounding decides.
  difference = np.concatenate([np.abs(x - y).ravel() for x, y in zip(one, other, strict=True)])
  assert np.quantile(difference, 0.99) < 5e-5 and difference.max() < 2e-2


@pytest.fixture(scope="module")
def alone(tmp_path_factory, tfds_dir):
  """The workdir of the run by one process."""
  workdir = tmp_path_factory.mktemp("alone")
  config = get_config("cvae", "tiny", **{**OVERRIDES, "data.tfds_dir": tfds_dir})
  loop.train_and_evaluate(config, str(workdir))
  return workdir


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 4])
def test_several_processes_do_what_one_does(alone, tmp_path, tfds_dir, count):
  status, output = finish(start(count, *arguments(tmp_path, tfds_dir)))
  assert status == 0, output
  assert f"{count} processes with {count} devices" in output
  assert_same(params_of(alone), params_of(tmp_path))
  a, b = (evaluate.load_results(str(w))["eval"] for w in (alone, tmp_path))
  assert a["loss"] == pytest.approx(b["loss"], rel=1e-3)
  # One of them speaks and writes.
  assert output.count("step 20/20") == 1 and len(list((tmp_path / "events").iterdir())) == 1


@pytest.mark.slow
@pytest.mark.parametrize("first,then", [(4, 1), (1, 2)])
def test_a_run_goes_on_with_another_number_of_processes(alone, tmp_path, tfds_dir, first, then):
  for count, steps in ((first, 10), (then, 20)):
    # The schedule is that of the whole run.
    flags = arguments(tmp_path, tfds_dir, **{"train.steps": steps, "optimizer.decay_steps": 20})
    status, output = finish(start(count, *flags))
    assert status == 0, output
  assert "resuming at step 10" in output
  assert_same(params_of(alone), params_of(tmp_path))


@pytest.mark.slow
def test_a_signal_to_all_saves_and_ends_all(tmp_path, tfds_dir):
  process = start(2, *arguments(tmp_path, tfds_dir, **{"train.steps": 100_000}))
  for line in process.stdout:
    if "step  5/" in line or "first step done" in line:
      break
  process.send_signal(signal.SIGTERM)
  sent = time.monotonic()
  status, output = finish(process, 60)
  assert time.monotonic() - sent < 20
  assert status == 128 + signal.SIGTERM and "saved" in output
  assert params_of(tmp_path)[0] > 0


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_where_a_process_dies_the_others_end_with_a_message(tmp_path, tfds_dir, victim):
  process = start(2, *arguments(tmp_path, tfds_dir, **{"train.steps": 100_000}))
  for line in process.stdout:
    if "first step done" in line:
      break
  children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
  found = [
    c for c in children if f"--process={victim}" in pathlib.Path(f"/proc/{c}/cmdline").read_text()
  ]
  os.kill(int(found[0]), signal.SIGKILL)
  died = time.monotonic()
  status, output = finish(process, 120)
  assert status != 0 and time.monotonic() - died < 60
  assert any(word in output for word in ("heartbeat", "disconnected", "unhealthy", "closed")), (
    output
  )


def test_a_share_is_a_part_of_the_very_batch(monkeypatch, tfds_dir):
  from cvae_jax.data import pipeline

  config = get_config("cvae", "tiny", **{"data.tfds_dir": tfds_dir}).data
  source = pipeline.open_data(config).train
  whole = [
    next(i)["id"] for i in [pipeline.make_train_iterator(source, config, 8, 3)] for _ in range(20)
  ]
  monkeypatch.setattr(jax, "process_count", lambda: 4)
  parts = []
  for index in range(4):
    monkeypatch.setattr(jax, "process_index", lambda index=index: index)
    iterator = pipeline.make_train_iterator(source, config, 8, 3)
    parts.append([next(iterator)["id"] for _ in range(20)])
  for step in range(20):
    np.testing.assert_array_equal(np.concatenate([p[step] for p in parts]), whole[step])


@pytest.mark.parametrize(
  "flags,says",
  [
    (("host:1", None, None), "go together"),
    (("host", 2, 0), "--coordinator must be HOST:PORT, got host"),
    (("host:1", 2, 2), "--process must be 0-1, got 2"),
  ],
)
def test_flags_that_do_not_go_together(flags, says):
  with pytest.raises(errors.UserError, match=says):
    distributed.check_flags(*flags)


def test_without_a_cluster_multihost_is_one_line(tmp_path):
  done = run_module(
    "cvae_jax.main", "--config=configs/cvae.py:tiny", "--multihost", f"--workdir={tmp_path}"
  )
  assert done.returncode == 2
  assert (
    done.stderr.strip()
    .splitlines()[-1]
    .startswith("error: the processes of this run cannot be joined")
  )
  assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_slurms_own_environment_is_enough(alone, tmp_path, tfds_dir):
  command = [sys.executable, "-m", "cvae_jax.main", "--multihost", *arguments(tmp_path, tfds_dir)]
  job = {
    "SLURM_JOB_ID": str(os.getpid()), "SLURM_STEP_NODELIST": "127.0.0.1", "SLURM_NTASKS": "2",
    "SLURM_STEP_NUM_TASKS": "2", "SLURM_STEP_NUM_NODES": "1", "SLURM_JOB_NUM_NODES": "1",
  }  # fmt: skip
  processes = [
    subprocess.Popen(
      command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
      env={**os.environ, **job, "SLURM_PROCID": str(i), "SLURM_LOCALID": str(i)},
    ) for i in range(2)
  ]  # fmt: skip
  outputs = [finish(process) for process in processes]
  assert [status for status, _ in outputs] == [0, 0], outputs
  assert_same(params_of(alone), params_of(tmp_path))


def test_the_jobset_starts_as_many_processes_as_it_has_pods():
  job = yaml.safe_load((ROOT / "launch" / "kubernetes" / "jobset.yaml").read_text())
  assert job["kind"] == "JobSet" and job["apiVersion"].startswith("jobset.x-k8s.io/")
  (train_job,) = job["spec"]["replicatedJobs"]
  spec = train_job["template"]["spec"]
  container = spec["template"]["spec"]["containers"][0]
  command = container["command"][-1]
  assert spec["completionMode"] == "Indexed" and spec["parallelism"] == spec["completions"]
  assert f"--num_processes={spec['parallelism']}" in command
  name = f"{job['metadata']['name']}-{train_job['name']}-0-0.{job['metadata']['name']}"
  assert f"--coordinator={name}:{container['ports'][0]['containerPort']}" in command
  fields = config_lib.flatten(get_config("cvae"))
  asked = [flag.split("=")[0] for flag in command.split() if flag.startswith("--config.")]
  assert asked and all(flag.removeprefix("--config.") in fields for flag in asked)
