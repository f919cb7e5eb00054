"""Reads the arrays of an NPZ file, which may have been damaged."""

import struct
import zipfile
import zlib

import numpy as np

from cvae_jax.core import errors

_DAMAGE = (
  OSError, EOFError, ValueError, KeyError, TypeError, RuntimeError, MemoryError, OverflowError,
  SyntaxError, struct.error, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


def load(path: str, *names: str) -> dict[str, np.ndarray]:
  """Arrays by name.

  Args:
    path: of the file.
    *names: of the arrays that must be there.

  Raises:
    FileNotFoundError: a file that is not there, for the caller to say what it is missing for.
    UserError: one that cannot be read, or lacks an array.
  """
  try:
    with np.load(path, allow_pickle=False) as stored:
      arrays = {name: stored[name] for name in stored.files}
  except FileNotFoundError:
    raise
  except _DAMAGE as e:
    raise errors.UserError(f"{path} cannot be read ({errors.one_line(e)})") from None
  missing = next((name for name in names if name not in arrays), None)
  if missing is not None:
    raise errors.UserError(f"{path} cannot be read (it has no array '{missing}')")
  return arrays
