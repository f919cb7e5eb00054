"""The scripts of launch/: they say the very commands that they would run, and refuse the rest."""

import os
import shutil
import subprocess

from conftest import ROOT
import pytest

SCRIPTS = sorted([*(ROOT / "launch").glob("*.sh"), *(ROOT / "launch").glob("*.sbatch")])


def run(*arguments, **env):
  return subprocess.run(
    ["bash", str(ROOT / "launch" / arguments[0]), *arguments[1:]],
    env={"PATH": os.environ["PATH"], **env},
    capture_output=True, text=True, timeout=60, check=False,
  )  # fmt: skip


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_sound(script):
  assert os.access(script, os.X_OK) or script.suffix == ".sbatch"
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


def test_slurm_runs_main_on_all_nodes():
  done = run("slurm.sbatch", "--config=configs/cvae.py", "--workdir=/shared/a", DRY_RUN="1")
  assert done.returncode == 0, done.stderr
  assert done.stdout.strip() == (
    "srun --kill-on-bad-exit=1 python -m cvae_jax.main --multihost --config=configs/cvae.py"
    " --workdir=/shared/a"
  )


def test_slurm_queues_a_run_again_that_was_preempted(tmp_path):
  for name, body in (("srun", "exit 143"), ("scontrol", 'echo "$@" >"$0.said"')):
    (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
    (tmp_path / name).chmod(0o755)
  path = f"{tmp_path}:{os.environ['PATH']}"
  done = run("slurm.sbatch", "--config=configs/cvae.py", PATH=path, SLURM_JOB_ID="7")
  assert done.returncode == 143
  assert (tmp_path / "scontrol.said").read_text() == "requeue 7\n"
  (tmp_path / "scontrol.said").unlink()
  (tmp_path / "srun").write_text("#!/bin/sh\nexit 2\n")
  assert run("slurm.sbatch", PATH=path, SLURM_JOB_ID="7").returncode == 2
  assert not (tmp_path / "scontrol.said").exists()


def test_an_array_has_an_index_for_every_run():
  env = {"CONFIG": "configs/ablations/depth.py", "OUT": "/o", "SEEDS": "3", "DRY_RUN": "1"}
  one = run("ablation_array.sbatch", SLURM_ARRAY_TASK_ID="4", **env)
  assert one.stdout.split()[-1] == "--index=4" and "--seeds=3" in one.stdout
  assert run("ablation_array.sbatch", "--report", **env).stdout.split()[-1] == "--report"
  assert "its workdir" in run("ablation_array.sbatch", CONFIG="a").stderr


def test_a_tpu_is_made_used_by_all_workers_and_deleted():
  env = {"PROJECT": "p", "ZONE": "z", "TYPE": "v4-16", "REPOSITORY": "https://h/r", "DRY_RUN": "1"}
  lines = run("tpu_vm.sh", "--config=configs/cvae.py", **env).stdout.splitlines()
  assert [line.split()[4] for line in lines] == ["create", "ssh", "ssh", "delete"]
  assert all("--worker=all" in line for line in lines[1:3])
  assert "cvae_jax.main" in lines[2] and "--multihost" in lines[2]
  kept = run("tpu_vm.sh", **env, KEEP="1").stdout
  assert "delete" not in kept


def test_local_gives_every_process_its_number():
  done = subprocess.run(
    [str(ROOT / "launch" / "local.py"), "--dry-run", "3", "--config=configs/cvae.py"],
    capture_output=True, text=True, check=True,
  )  # fmt: skip
  lines = done.stdout.splitlines()
  assert [line.split()[-1] for line in lines] == [f"--process={i}" for i in range(3)]
  assert len({line.split("--coordinator=")[1].split()[0] for line in lines}) == 1


def test_all_results_are_made_again_by_one_script():
  done = run("reproduce.sh", DRY_RUN="1", NSYNTH="/data/nsynth", STEPS="10")
  assert done.returncode == 0, done.stderr
  commands = done.stdout.replace("\\", "").splitlines()
  trained = [c.split() for c in commands if "cvae_jax.main" in c]
  assert len(trained) == 15 and len(commands) == 18
  names = {c[3].removeprefix("--config=configs/").partition(".py")[0] for c in trained}
  assert names == {"ae", "vae", "cvae", "cvae_best"}
  real = [c for c in trained if "--config.data.dir=/data/nsynth" in c]
  assert len(real) == 5 and all("nsynth_wav" in c[3] for c in real)
  assert sum(c[3].endswith("cvae.py:thesis,narrow,nsynth_wav") for c in trained) == 1
  assert "runs/results/nsynth_wav/cvae_best" in commands[-1]
