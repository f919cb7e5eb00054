"""Runs an ablation: every variant with the same data, budget and seeds, then a table and a figure.

python -m cvae_jax.ablate --config=configs/ablations/depth.py --seeds=3

Results are written to --workdir, by default runs/ablations/depth. An interrupted ablation is
resumed; finished runs are skipped, and a run of a sibling ablation with an identical config is
reused. For a job array, run each job with --index=0 to --index=N-1 (--list shows them), then
--report.
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

_log = logging.getLogger("cvae_jax.ablate")  # Also when run as __main__.


def run_job(ablation: ablation_lib.Ablation, job: ablation_lib.Job, workdir: str) -> None:
  """Trains or resumes a run; does nothing if it is finished."""
  config, job_workdir = ablation_lib.make_config(ablation, job), job.workdir(workdir)
  if ablation_lib.read_results(config, job_workdir) is not None:
    _log.info("%s, seed %d: already finished", job.variant, job.seed)
    return
  twin = ablation_lib.find_twin(config, workdir)
  if twin is not None:
    ablation_lib.take_over(twin, job_workdir)
    _log.info("%s, seed %d: reused from %s", job.variant, job.seed, twin)
    return
  from cvae_jax.training import loop  # After `cli.set_up`, whose settings JAX reads on import.

  loop.train_and_evaluate(config, job_workdir)


def run_all(command: list[str], jobs: list[ablation_lib.Job]) -> list[str]:
  """Runs every job in its own process, one after the other; returns the failed jobs.

  Separate processes keep runs independent of each other.
  """
  failed = []
  for index, job in enumerate(jobs):
    _log.info("%d of %d: %s, seed %d", index + 1, len(jobs), job.variant, job.seed)
    process = subprocess.run([*command, f"--index={index}"], check=False)
    if process.returncode > 128 or process.returncode < 0:
      raise errors.Interrupted("stopped: the same command resumes it", None)
    if process.returncode:
      failed.append(f"{job.variant}, seed {job.seed}")
  return failed


def main(argv: list[str] | None = None) -> None:
  """Runs the ablation, or the part of it that the flags select."""
  parser = cli.Parser(prog="python -m cvae_jax.ablate", description=__doc__)
  parser.add_argument("--config", required=True, help="file of configs/ablations")
  parser.add_argument("--workdir", help="directory of runs/, table.md, table.csv and figure.png")
  parser.add_argument(
    "--seeds",
    type=flag_types.whole(most=10_000),
    default=1,
    help="runs of each variant (default 1)",
  )
  parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE",
                      help="sets a config field of all variants")  # fmt: skip
  mode = parser.add_mutually_exclusive_group()
  mode.add_argument("--index", type=flag_types.whole(), help="runs a single job")
  mode.add_argument("--list", action="store_true", help="lists the jobs and exits")
  mode.add_argument(
    "--report", action="store_true", help="writes the table of the finished runs and exits"
  )
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
