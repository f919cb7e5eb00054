"""Packages a run: one small directory with all that it takes to generate, play and go on from.

python -m cvae_jax.package --workdir=runs/cvae --out=packaged/cvae
"""

import logging
import os
import pathlib
import shutil

from cvae_jax import evaluate
from cvae_jax.core import cli
from cvae_jax.core import config_file
from cvae_jax.core import errors
from cvae_jax.core import outputs
from cvae_jax.core import run_flags

_log = logging.getLogger("cvae_jax.package")  # Also as __main__.


def main(argv: list[str] | None = None) -> None:
  """Writes the packaged run."""
  parser = cli.Parser(
    prog="python -m cvae_jax.package",
    description="Writes a run's config, labels, results, map and parameters into a directory that "
    "every command takes as --workdir. Its checkpoints and optimizer are left out.",
  )
  run_flags.add_run(parser, is_required=True)
  parser.add_argument("--out", required=True, help="directory of the packaged run")
  parser.add_argument(
    "--bits", type=int, choices=(8, 16, 32), default=8, help="of a number (default 8)"
  )
  args = parser.parse_args(argv)
  outputs.check_directory(args.out)
  if os.path.exists(os.path.join(args.out, config_file.FILENAME)):
    raise errors.UserError(f"--out={args.out} holds a run already: give another directory")
  run = run_flags.load_run(args)

  from cvae_jax.audio import representations
  from cvae_jax.methods.common import feature_statistics
  from cvae_jax.methods.common import inversion
  from cvae_jax.play import palette
  from cvae_jax.training import packaged

  os.makedirs(args.out, exist_ok=True)
  palette.get_palette(run, args.workdir)
  run.table.save(args.out)
  if run.statistics is not None:
    run.statistics.save(args.out)
  for name in (evaluate.RESULTS, palette.FILENAME, feature_statistics.FILENAME):
    path = os.path.join(args.workdir, name)
    if os.path.exists(path):
      shutil.copyfile(path, os.path.join(args.out, name))
  if run.inversion is not None:
    run.inversion.save(args.out, args.bits)
  packaged.save(run.params, run.step, args.out, args.bits)
  config = run.config.copy_and_resolve_references()
  config.data.tfds_dir = config.data.dir = config.train.init_from = ""
  if run.inversion is not None:
    config.representation.inversion = f"{representations.LEARNED}{inversion.FOLDER}"
  config_file.save(config, args.out)
  size = sum(os.path.getsize(path) for path in pathlib.Path(args.out).rglob("*"))
  _log.info("%s: %.1f MB", args.out, size / 1e6)


if __name__ == "__main__":
  cli.run(main)
