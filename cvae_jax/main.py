"""Trains a model.

python -m cvae_jax.main --config=configs/cvae.py [--workdir=runs/a] [--config.train.steps=5000]

On several hosts, run the same command in every process with --multihost; without a supported
cluster manager, with --coordinator=HOST:PORT --num_processes=N --process=I.
"""

import os
import re
import sys

from absl import app
from absl import flags
from ml_collections import config_flags

from cvae_jax.core import cli
from cvae_jax.core import config as config_lib
from cvae_jax.core import config_check
from cvae_jax.core import errors
from cvae_jax.core import outputs
from cvae_jax.training import distributed

FLAGS = flags.FLAGS
_CONFIG = config_flags.DEFINE_config_file("config", None, "Config file, or FILE:variant.")
_WORKDIR = flags.DEFINE_string(
  "workdir", None, "Directory of the run; runs/<config> by default. An existing run is resumed."
)

_MULTIHOST = flags.DEFINE_bool("multihost", False, "Join the processes of the cluster manager.")
_COORDINATOR = flags.DEFINE_string(
  "coordinator", None, "HOST:PORT of process 0, without a cluster manager."
)
_NUM_PROCESSES = flags.DEFINE_integer(
  "num_processes", None, "Number of processes, with --coordinator."
)
_PROCESS = flags.DEFINE_integer(
  "process", None, "Index of this process, from 0, with --coordinator."
)


# --config.SECTION.name=NAME selects another part, whose fields replace those of the section.
_PART = re.compile(rf"--?config\.({'|'.join(config_lib.SECTIONS)})\.name(?:=(.*))?", re.DOTALL)


def _with_parts(argv: list[str]) -> list[str]:
  """Moves the parts that flags select into --config, as FILE:SECTION=NAME.

  The parts' fields are then defined when the flags that set them are parsed.
  """
  selected_parts = []
  for argument, next_argument in zip(argv[1:], [*argv[2:], ""], strict=True):
    match = _PART.fullmatch(argument)
    if match:
      selected_parts.append(f"{match[1]}={next_argument if match[2] is None else match[2]}")
  path = _config_file(argv)
  file, _, variant = path.partition(":")
  full_path = (
    f"{file}:{','.join(filter(None, [variant, *selected_parts]))}" if selected_parts else path
  )
  flags_of_path = {path: full_path, f"--config={path}": f"--config={full_path}"}
  return [flags_of_path.get(argument, argument) for argument in argv]


def default_workdir(config_file: str) -> str:
  """Default workdir, from the config file's name and variants: runs/cvae-tiny-data-sounds."""
  path, _, variant = config_file.partition(":")
  variant = variant.replace("=", "-").replace("/", "_")
  stem = os.path.splitext(os.path.basename(path))[0]
  return os.path.join("runs", "-".join([stem, *filter(None, variant.split(","))]))


def _config_file(argv: list[str]) -> str:
  """The value of --config on a command line.

  Raises:
    UserError: if it is missing.
  """
  for argument, next_argument in zip(argv[1:], [*argv[2:], ""], strict=True):
    name, equals, value = argument.partition("=")
    if name in ("--config", "-config"):
      path = value if equals else next_argument
      if path:
        return path
  raise errors.UserError("--config is missing, such as --config=configs/cvae.py")


def _parse(argv: list[str]) -> list[str]:
  """Parses the flags; an invalid one is reported in one line, with exit status 2."""
  # ml_collections reads sys.argv itself, and would print a traceback for errors in a config.
  sys.argv = argv = [argv[0], *cli.expand_home(argv[1:])]
  try:
    if not {"--help", "-help", "--helpfull", "--helpshort", "-h"} & set(argv):
      cli.set_up()  # Before parts import JAX, which reads its settings.
      sys.argv = argv = _with_parts(FLAGS.read_flags_from_files(argv, force_gnu=False))
      config_lib.check_flags(argv, config_lib.load(_config_file(argv)))
    arguments = FLAGS(argv)
    config_check.check(_CONFIG.value)
    distributed.check_flags(_COORDINATOR.value, _NUM_PROCESSES.value, _PROCESS.value)
    if len(arguments) > 1:
      raise errors.UserError(f"'{arguments[1]}' is not a flag: flags begin with --")
    outputs.check_directory(_workdir(), "--workdir")
  except cli.OF_FLAGS as e:
    cli.fail(e)
  return arguments


def _workdir() -> str:
  """The value of --workdir, or the default."""
  return _WORKDIR.value or default_workdir(config_flags.get_config_filename(FLAGS["config"]))


def main(_: list[str]) -> None:
  """Trains the config."""

  def train() -> None:
    if _MULTIHOST.value or _COORDINATOR.value:
      distributed.join(_COORDINATOR.value, _NUM_PROCESSES.value, _PROCESS.value)
    from cvae_jax.training import loop  # After `cli.set_up`, whose settings JAX reads on import.

    loop.train_and_evaluate(_CONFIG.value, _workdir())

  cli.run(train)


if __name__ == "__main__":
  cli.use_huge_pages()
  app.run(main, flags_parser=_parse)
