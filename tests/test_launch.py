"""The scripts of launch/: they say the very commands that they would run, and refuse the rest."""

import os
import shutil
import subprocess

from conftest import ROOT
import pytest

SCRIPTS = sorted((ROOT / "launch").glob("*.sh"))


def run(*arguments, **env):
  return subprocess.run(
    [str(ROOT / "launch" / arguments[0]), *arguments[1:]],
    env={"PATH": os.environ["PATH"], **env},
    capture_output=True, text=True, timeout=60, check=False,
  )  # fmt: skip


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_sound(script):
  assert os.access(script, os.X_OK)
  subprocess.run(["bash", "-n", str(script)], check=True)
  if shutil.which("shellcheck"):
    subprocess.run(["shellcheck", str(script)], check=True)


@pytest.mark.parametrize(
  "runner,env,options",
  [
    ("local", {}, "runner=DirectRunner,direct_num_workers=0"),
    (
      "dataflow",
      {"PROJECT": "p", "REGION": "r", "BUCKET": "b", "REPOSITORY": "https://host/repo"},
      "runner=DataflowRunner,project=p,region=r,job_name=nsynth-gansynth-subset",
    ),
    ("spark", {"JOB_ENDPOINT": "h:8099"}, "runner=PortableRunner,job_endpoint=h:8099"),
    ("flink", {"FLINK_MASTER": "h:8081"}, "runner=FlinkRunner,flink_master=h:8081"),
  ],
)
def test_preparation_says_what_it_would_run(runner, env, options):
  arguments = ("prepare_nsynth.sh", runner, "/data", "gansynth_subset")
  done = run(*arguments, DRY_RUN="1", **env)
  assert done.returncode == 0, done.stderr
  said = done.stdout.replace("\\", "")
  start = "python -m cvae_jax.prepare nsynth/gansynth_subset --data_dir=/data "
  assert said.startswith(start + "--config.data.beam_options=" + options)
  if env:
    missing = run(*arguments, DRY_RUN="1")
    assert missing.returncode != 0 and next(iter(env)) in missing.stderr


def test_preparation_refuses_a_runner_that_there_is_not():
  done = run("prepare_nsynth.sh", "cloud", "/data")
  assert done.returncode == 2 and "prepare_nsynth.sh dataflow gs://BUCKET/tfds" in done.stderr
