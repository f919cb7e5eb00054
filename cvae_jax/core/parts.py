"""Files found by their name: the parts of a run that a config names, and configs themselves."""

import glob
import importlib
import importlib.machinery
import importlib.util
import os
import re
import tokenize
import traceback
import types
from typing import Any

from cvae_jax.core import errors


def load(package: str, name: str, function: str, what: str) -> types.ModuleType:
  """Imports a part by the name that a config gives it.

  Args:
    package: as 'cvae_jax.models'.
    name: a module of it; or any module's dotted path, for a part that lives outside.
    function: that makes such a part; a module without it is none.
    what: the config's field, for the message.

  Raises:
    UserError: a name that is no such part, with those that are.
  """
  path = name if "." in name else f"{package}.{name}"
  try:
    module = importlib.import_module(path)
    if hasattr(module, function):
      return module
  except ModuleNotFoundError as e:
    if e.name is None or not path.startswith(e.name):
      raise
  if "." in name:
    raise errors.UserError(f"{what}: there is no module {name} with a function {function}")
  known = ", ".join(find(package, function))
  raise errors.UserError(f"{what} must be one of {known}, got '{name}'")


def find(package: str, function: str) -> list[str]:
  """The modules of a package that have a function, without importing them."""
  found = []
  for path in importlib.import_module(package).__path__:
    for file in glob.glob(os.path.join(glob.escape(path), "*.py")):
      with tokenize.open(file) as f:
        if re.search(rf"^def {function}\(", f.read(), re.MULTILINE):
          found.append(os.path.splitext(os.path.basename(file))[0])
  return sorted(set(found) - {"__init__"})


def load_file(path: str | os.PathLike[str]) -> types.ModuleType:
  """The module that a Python file is, which lies in no package."""
  name = os.path.splitext(os.path.basename(path))[0]
  loader = importlib.machinery.SourceFileLoader(name, os.fspath(path))  # Whatever its ending.
  spec = importlib.util.spec_from_file_location(name, path, loader=loader)
  assert spec is not None and spec.loader is not None
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  return module


def call_file(path: str, function: str, kind: str) -> Any:
  """What a function of a Python file returns for a variant.

  Args:
    path: FILE, or FILE:variant; the function gets '' without one.
    function: its name.
    kind: what such a file is, for the message.

  Raises:
    UserError: a file that is not there, is no Python or raises something, or that has no such
      function.
  """
  path, _, variant = path.partition(":")
  if not os.path.exists(path):
    raise errors.UserError(f"--config={path} does not exist")
  if not os.path.isfile(path):
    raise errors.UserError(f"--config={path} is no file: a Python file with {function} is wanted")
  try:
    module = load_file(path)
    if not hasattr(module, function):
      raise errors.UserError(f"--config={path} is no {kind}: it has no {function}")
    return getattr(module, function)(variant)
  except errors.UserError:
    raise
  except (Exception, SystemExit) as e:
    raise errors.UserError(f"--config={path}: {_what_went_wrong(e, path)}") from e


def _what_went_wrong(error: BaseException, path: str) -> str:
  """An exception of a file's in one line, with the last line of that file that it came by."""
  what = f"{type(error).__name__}: {errors.one_line(error)}"
  if isinstance(error, SyntaxError):
    return f"is no Python ({what})"
  of_file = [
    frame.lineno
    for frame in traceback.extract_tb(error.__traceback__)
    if os.path.abspath(frame.filename) == os.path.abspath(path)
  ]
  return f"line {of_file[-1]}: {what}" if of_file else f"is no Python ({what})"
