"""One run at a time in a workdir."""

from collections.abc import Iterator
import contextlib
import os

import filelock
import jax

from cvae_jax.core import errors
from cvae_jax.training import distributed

FILENAME = ".lock"


@contextlib.contextmanager
def hold(workdir: str) -> Iterator[None]:
  """Holds a workdir for this run, by its first process; the system lets go of it if that is killed.

  Raises:
    UserError: in every process, where another run holds it.
  """
  os.makedirs(workdir, exist_ok=True)
  lock = filelock.FileLock(os.path.join(workdir, FILENAME))
  taken = False
  if jax.process_index() == 0:
    try:
      lock.acquire(timeout=0)
    except filelock.Timeout:
      taken = True
  if distributed.any_of(taken):
    raise errors.UserError(
      f"{workdir} is being trained in by another process: wait for it, or give another --workdir"
    )
  try:
    yield
  finally:
    lock.release()
