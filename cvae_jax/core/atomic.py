"""Files that are there whole or not at all."""

from collections.abc import Iterator
import contextlib
import errno
import os
import shutil
import stat
from typing import Any
import uuid


def _status(path: str) -> os.stat_result | None:
  """What a path leads to, links followed; None where nothing is there yet."""
  try:
    return os.stat(path)
  except FileNotFoundError:
    return None


def is_special(path: str) -> bool:
  """Whether a path is a device, a FIFO or a socket: what is written to as it is."""
  status = _status(path)
  return (
    status is not None and not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode)
  )


def _target(path: str) -> str:
  """The file that a path leads to, by which it can be replaced: symbolic links are followed.

  Raises:
    OSError: a directory.
  """
  if os.path.isdir(path) or path.endswith(os.sep) or not path:
    raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
  return os.path.realpath(path)


def _is_in_place(path: str, target: str) -> bool:
  """Whether a file must be written to as it is: a rename would replace it by something else.

  That is so of devices and FIFOs, and of what /dev/stdout and /proc/self/fd lead to and has no name
  any more.
  """
  status = _status(path)
  if status is None:
    return False
  if is_special(path):
    return True
  there = _status(target)
  return there is None or not os.path.samestat(status, there)


def _replace(temporary: str, target: str) -> None:
  """Renames a file over another one, which keeps its permission bits and, by root, its owner."""
  status = _status(target)
  if status is not None:
    with contextlib.suppress(OSError):
      os.chown(temporary, status.st_uid, status.st_gid)
    os.chmod(temporary, stat.S_IMODE(status.st_mode))
  try:
    os.replace(temporary, target)
  except OSError as e:
    if e.errno != errno.EBUSY:
      raise
    # A file that is a mount point, as containers have them, can be written to alone.
    shutil.copyfile(temporary, target)
    os.remove(temporary)


@contextlib.contextmanager
def path_for(path: str) -> Iterator[str]:
  """A path to write to, which becomes `path` if all goes well, and is gone if not.

  Folders on the way are made. Whoever reads `path` meanwhile finds what was there before. A
  symbolic link is followed, a file that is there keeps its permission bits, and what is no regular
  file (a device, a FIFO) is written to as it is.

  Raises:
    OSError: where it cannot be written.
  """
  target = _target(path)
  if _is_in_place(path, target):
    yield path
    return
  directory = os.path.dirname(target)
  os.makedirs(directory, exist_ok=True)
  # A name of its own: that of the file may be as long as a name can be.
  temporary = os.path.join(directory, f".{uuid.uuid4().hex}.tmp")
  try:
    yield temporary
    _replace(temporary, target)
  except BaseException as e:
    with contextlib.suppress(OSError):
      os.remove(temporary)
    if isinstance(e, OSError) and e.filename == temporary:
      e.filename = path
    raise


@contextlib.contextmanager
def open_file(path: str, mode: str = "w", **kwargs) -> Iterator[Any]:
  """`open(path, mode, **kwargs)` for writing, by `path_for`."""
  with path_for(path) as temporary, open(temporary, mode, **kwargs) as f:
    yield f
