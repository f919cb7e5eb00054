"""Files that are there whole or not at all."""

from collections.abc import Iterator
import contextlib
import os
from typing import Any
import uuid


@contextlib.contextmanager
def path_for(path: str) -> Iterator[str]:
  """A path to write to, which becomes `path` if all goes well, and is gone if not.

  Folders on the way are made. Whoever reads `path` meanwhile finds what was there before.

  Raises:
    OSError: where it cannot be written.
  """
  os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
  temporary = f"{path}.{uuid.uuid4().hex}.tmp"
  try:
    yield temporary
    os.replace(temporary, path)
  except BaseException:
    with contextlib.suppress(OSError):
      os.remove(temporary)
    raise


@contextlib.contextmanager
def open_file(path: str, mode: str = "w", **kwargs) -> Iterator[Any]:
  """`open(path, mode, **kwargs)` for writing, by `path_for`."""
  with path_for(path) as temporary, open(temporary, mode, **kwargs) as f:
    yield f
