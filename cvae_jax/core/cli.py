"""What the commands have in common: logging, the compilation cache, one line for bad input."""

import argparse
from collections.abc import Callable
from collections.abc import Sequence
import ctypes
import errno
import logging
import os
import re
import sys
from typing import NoReturn

from absl import flags

from cvae_jax.core import errors
from cvae_jax.core import platforms

# What is wrong with a file, its disk or its reader, rather than with this program.
_NOT_OURS = (
  errno.ENOSPC,
  errno.EDQUOT,
  errno.EFBIG,
  errno.EROFS,
  errno.EACCES,
  errno.EPERM,
  errno.EEXIST,
  errno.ENOTDIR,
  errno.EISDIR,
  errno.ENAMETOOLONG,
  errno.ELOOP,
  errno.EBUSY,
  errno.EIO,
  errno.ENXIO,
  errno.ENODEV,
  errno.EPIPE,
  errno.ESTALE,
  errno.ETXTBSY,
)
# ~ or ~user where a path begins: at the start, and after --flag=, FIELD= or --set=FIELD=.
_HOME = re.compile(r"((?:-[^=]*=)?(?:[\w.]+=)?)(~[\w.-]*)(/.*)?", re.DOTALL)


def set_up() -> None:
  """Log lines to the terminal, compiled functions to a cache, TensorFlow kept quiet.

  The cache is in ~/.cache/cvae_jax, or where JAX_COMPILATION_CACHE_DIR says.
  """
  os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
  os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
  cache = os.path.join(os.path.expanduser("~"), ".cache", "cvae_jax", "compiled")
  os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", cache)
  os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.5")
  platforms.avoid_deadlock()
  from absl import logging as absl_logging

  # Orbax tells of every file that it touches, and at length of what it raises as well.
  absl_logging.set_verbosity(absl_logging.FATAL)
  log = logging.getLogger("cvae_jax")
  if not log.handlers:
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False


def expand_home(arguments: Sequence[str]) -> list[str]:
  """A command line with ~ and ~user as a home directory, after = as well, where shells leave it."""

  def expand(argument: str) -> str:
    match = _HOME.fullmatch(argument)
    if match is None:
      return argument
    before, home, rest = match.groups()
    return before + os.path.expanduser(home) + (rest or "")

  return [expand(argument) for argument in arguments]


class Parser(argparse.ArgumentParser):
  """argparse's, with ~ expanded everywhere, and what cannot be parsed in one line."""

  def parse_known_args(self, args=None, namespace=None):  # `parse_args` comes here too.
    given = sys.argv[1:] if args is None else args
    return super().parse_known_args(expand_home(given), namespace)

  def error(self, message: str) -> NoReturn:
    raise errors.UserError(f"{' '.join(message.split())} (see --help)")


def keep_stdout_free(path: str) -> None:
  """Sends log lines to stderr where a command's output is stdout itself, by /dev/stdout."""
  if path in ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"):
    for handler in logging.getLogger("cvae_jax").handlers:
      if isinstance(handler, logging.StreamHandler):
        handler.setStream(sys.stderr)


def use_huge_pages() -> None:
  """Starts the process anew with memory in huge pages, where glibc can and nobody has said how.

  Every train step allocates its hundreds of megabytes afresh, and on two cores a quarter of its
  time went into mapping them page by page. And memory comes from one place, not from one for every
  thread: what the compiler's threads have freed would otherwise stay with them. glibc reads these
  settings only as a process starts.
  """
  tunables = os.environ.get("GLIBC_TUNABLES", "")
  if sys.platform != "linux" or "glibc.malloc" in tunables:
    return
  setting = ":".join(filter(None, [tunables, "glibc.malloc.hugetlb=1", "glibc.malloc.arena_max=1"]))
  arguments = [sys.executable, *sys.orig_argv[1:]]
  try:
    os.execve(sys.executable, arguments, {**os.environ, "GLIBC_TUNABLES": setting})
  except OSError:  # Then it runs without them.
    pass


def release_memory() -> None:
  """Gives back to the system what has been freed but is kept, where glibc is there to be asked."""
  if sys.platform == "linux":
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
      trim(0)


def _hush_unraisable(unraisable) -> None:
  """Of a write that has failed, each other one of Orbax' would tell that nobody waits any more."""
  if str(unraisable.exc_value) != "Event loop is closed":
    sys.__unraisablehook__(unraisable)


# What parsing absl's flags and those of a config raises.
OF_FLAGS = (
  errors.UserError, flags.Error, AttributeError, KeyError, TypeError, ValueError, OverflowError,
  RecursionError, SyntaxError, OSError,
)  # fmt: skip


def fail(what: object, status: int = 2) -> NoReturn:
  """Says in one line what went wrong, and ends the process."""
  print(f"error: {' '.join(str(what).split())}", file=sys.stderr)
  sys.exit(status)


def run(main: Callable[[], None]) -> None:
  """Runs a command and ends the process.

  Exit status: 0; 1 where a run cannot go on; 2 for bad input; 128 + the signal after one.
  """
  set_up()
  sys.unraisablehook = _hush_unraisable
  try:
    main()
  except errors.UserError as e:
    fail(e)
  except errors.TrainingError as e:
    fail(e, 1)
  except OSError as e:
    if e.errno not in _NOT_OURS:
      raise
    fail(f"{e.filename or 'a file'} cannot be used: {e.strerror}")
  except errors.Interrupted as e:
    print(e, file=sys.stderr)
    sys.exit(128 + (e.signum or 0))
  except KeyboardInterrupt:
    print("interrupted", file=sys.stderr)
    sys.exit(130)
  except Exception:
    problem = platforms.problem()
    if problem is None:
      raise
    fail(problem)
  sys.exit(0)
