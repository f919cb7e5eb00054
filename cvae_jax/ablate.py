"""Runs an ablation: every variant with the same data, budget and seeds, then a table and a figure.

python -m cvae_jax.ablate --config=configs/ablations/depth.py --seeds=3

It is kept in --workdir, runs/ablations/depth without one. Started again it goes on where it was,
and leaves alone what is done; a run that another ablation beside it has made with the very same
config is taken from there. As a job array, each job by itself and the table in the end:
--index=0 to --index=N-1 (--list says which), then --report.
"""

import logging
import os
import subprocess
import sys

from cvae_jax.core import cli
from cvae_jax.core import config as config_lib
from cvae_jax.core import config_check
from cvae_jax.core import errors
from cvae_jax.core import flag_types
from cvae_jax.core import outputs
from cvae_jax.evaluation import ablation as ablation_lib

_log = logging.getLogger("cvae_jax.ablate")  # Also as __main__.


def run_job(ablation: ablation_lib.Ablation, job: ablation_lib.Job, workdir: str) -> None:
  """Trains a run, or goes on with it; does nothing where it is finished."""
  config, where = ablation_lib.make_config(ablation, job), job.workdir(workdir)
  if ablation_lib.read_results(config, where) is not None:
    _log.info("%s, seed %d: done before", job.variant, job.seed)
    return
  twin = ablation_lib.find_twin(config, workdir)
  if twin is not None:
    ablation_lib.take_over(twin, where)
    _log.info("%s, seed %d: the same as %s, and taken from there", job.variant, job.seed, twin)
    return
  from cvae_jax.training import loop  # After `cli.set_up`, which JAX reads on import.

  loop.train_and_evaluate(config, where)


def run_all(command: list[str], jobs: list[ablation_lib.Job]) -> list[str]:
  """Runs every job in a process of its own, in turn; returns what failed.

  A process of its own, so that a run finds the same machine whatever ran before it.
  """
  failed = []
  for index, job in enumerate(jobs):
    _log.info("%d of %d: %s, seed %d", index + 1, len(jobs), job.variant, job.seed)
    done = subprocess.run([*command, f"--index={index}"], check=False)
    if done.returncode > 128 or done.returncode < 0:
      raise errors.Interrupted("stopped: the same command resumes it", None)
    if done.returncode:
      failed.append(f"{job.variant}, seed {job.seed}")
  return failed


def main(argv: list[str] | None = None) -> None:
  """Runs what the flags ask for."""
  parser = cli.Parser(prog="python -m cvae_jax.ablate", description=__doc__)
  parser.add_argument("--config", required=True, help="a file of configs/ablations")
  parser.add_argument("--workdir", help="gets runs/, table.md, table.csv and figure.png")
  parser.add_argument(
    "--seeds", type=flag_types.whole(most=10_000), default=1, help="runs of each variant"
  )
  parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE",
                      help="of all variants' config")  # fmt: skip
  which = parser.add_mutually_exclusive_group()
  which.add_argument("--index", type=flag_types.whole(), help="of the one job to run")
  which.add_argument("--list", action="store_true", help="say which jobs there are, and no more")
  which.add_argument("--report", action="store_true", help="make the table of what is finished")
  args = parser.parse_args(argv)
  if args.seeds < 1:
    raise errors.UserError(f"--seeds must be 1 or more, got {args.seeds}")
  ablation = ablation_lib.load(args.config)
  name = os.path.splitext(os.path.basename(args.config.partition(":")[0]))[0]
  workdir = args.workdir or os.path.join("runs", "ablations", name)
  outputs.check_directory(workdir, "--workdir")
  for setting in args.set:
    config_lib.override(ablation.base, setting)
  jobs = ablation_lib.make_jobs(ablation, args.seeds)
  for job in jobs[: len(ablation.variants)]:
    config_check.check(ablation_lib.make_config(ablation, job))
  if args.list:
    for index, job in enumerate(jobs):
      _log.info("%d: %s, seed %d", index, job.variant, job.seed)
    return
  if args.index is not None:
    if not 0 <= args.index < len(jobs):
      raise errors.UserError(f"--index must be 0 to {len(jobs) - 1}, got {args.index}")
    run_job(ablation, jobs[args.index], workdir)
    return
  failed = []
  if not args.report:
    command = [sys.executable, "-m", "cvae_jax.ablate", f"--config={args.config}"]
    command += [f"--workdir={workdir}", f"--seeds={args.seeds}"]
    failed = run_all([*command, *(f"--set={s}" for s in args.set)], jobs)
  _log.info("\n%s", ablation_lib.write_report(ablation, workdir, args.seeds))
  if failed:
    raise errors.TrainingError(f"not finished: {'; '.join(failed)}")


if __name__ == "__main__":
  cli.use_huge_pages()
  cli.run(main)
