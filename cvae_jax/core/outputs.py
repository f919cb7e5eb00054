"""Where a command writes, checked before the work: nobody waits for what cannot be kept."""

import os
import stat

from cvae_jax.core import cli
from cvae_jax.core import errors


def _nearest(path: str) -> tuple[str, list[str]]:
  """The last part of a path that is there, and the names below it that are not yet."""
  missing: list[str] = []
  while not os.path.lexists(path):
    path, name = os.path.split(path)
    missing.append(name)
  return path, missing


def _problem_of_new(path: str) -> str | None:
  """Why nothing can be made at a path where nothing is; None where it can."""
  there, missing = _nearest(os.path.realpath(path))
  if not os.path.isdir(there):
    return f"lies below {there}, which is no directory"
  longest = os.pathconf(there, "PC_NAME_MAX")
  for name in missing:
    size = len(os.fsencode(name))
    if size > longest:
      return f"has a name of {size} bytes: {longest} is the most"
  if not os.access(there, os.W_OK | os.X_OK):
    return f"cannot be made: {there} cannot be written to"
  return None


def _problem(path: str, is_directory: bool) -> str | None:
  """Why nothing can be written to a path; None where it can."""
  if not path:
    return "is empty: a path is wanted"
  try:
    mode = os.stat(path).st_mode
  except (FileNotFoundError, NotADirectoryError):
    if not is_directory and path.endswith(os.sep):
      return "is a directory's name: a file is wanted"
    return _problem_of_new(path)
  except (OSError, ValueError) as e:  # Too long, a loop of links, a NUL, a folder that is locked.
    return f"cannot be used: {getattr(e, 'strerror', None) or e}"
  if stat.S_ISDIR(mode) != is_directory:
    return (
      "is a file: a directory is wanted" if is_directory else "is a directory: a file is wanted"
    )
  if is_directory or not stat.S_ISREG(mode):
    writable = os.access(path, os.W_OK | (os.X_OK if is_directory else 0))
  else:  # It is replaced by a new one.
    writable = os.access(os.path.dirname(os.path.realpath(path)), os.W_OK | os.X_OK)
  return None if writable else "cannot be written to"


def _check(path: str, name: str, is_directory: bool) -> None:
  if "://" in path:  # Of a bucket: whoever writes there knows more of it.
    return
  problem = _problem(path, is_directory)
  if problem:
    shown = path if len(path) <= 100 else f"{path[:50]}...{path[-20:]}"
    raise errors.UserError(f"{name}{'=' if name.startswith('-') else ' '}{shown} {problem}")


def check_file(path: str, name: str = "the output") -> None:
  """Raises UserError where a file cannot be written; nothing is written to find out.

  Where the file is /dev/stdout, log lines go to stderr from then on.

  Args:
    path: of the file.
    name: of what says the path, as '--out', for the message.
  """
  _check(path, name, is_directory=False)
  cli.keep_stdout_free(path)


def check_directory(path: str, name: str = "--out") -> None:
  """Raises UserError where there is no directory and none can be made, or it cannot be written to.

  Args:
    path: of the directory.
    name: of what says the path, for the message.
  """
  _check(path, name, is_directory=True)
