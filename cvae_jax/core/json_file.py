"""Reads JSON that anybody may have written or changed."""

from collections.abc import Callable
import json
import os
from typing import Any

from cvae_jax.core import errors


def load(path: str, object_pairs_hook: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Any:
  """The content of a JSON file: UTF-8, UTF-16 or UTF-32, with a mark or without.

  Args:
    path: of the file.
    object_pairs_hook: as `json.load` takes it.

  Raises:
    FileNotFoundError: a file that is not there, for the caller to say what it is missing for.
    UserError: one that cannot be read, or is not JSON.
  """
  try:
    if os.path.exists(path) and not os.path.isfile(path):  # A pipe would wait for its writer.
      raise errors.UserError(f"{path} cannot be read: it is no file")
    with open(path, "rb") as f:
      return json.loads(f.read(), object_pairs_hook=object_pairs_hook)
  except (FileNotFoundError, errors.UserError):
    raise
  except NotADirectoryError:  # Its folder is a file: there is nothing of this name either.
    raise FileNotFoundError(path) from None
  except OSError as e:
    raise errors.UserError(f"{path} cannot be read: {e.strerror}") from None
  except RecursionError:
    raise errors.UserError(f"{path} is not JSON: it is nested too deep") from None
  except ValueError as e:  # UnicodeDecodeError, JSONDecodeError, numbers of thousands of digits.
    raise errors.UserError(f"{path} is not JSON: {errors.one_line(e)}") from None
