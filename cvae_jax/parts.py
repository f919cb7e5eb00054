"""Parts of a run that a config names: a file of a package, found by its name."""

import importlib
import pkgutil

from cvae_jax import errors


def load(package: str, name: str, what: str):
  """Imports a module of a package by the name that a config gives it.

  Args:
    package: as 'cvae_jax.models'.
    name: a module of it; or any module's dotted path, for a part that lives outside.
    what: the config's field, for the message.

  Raises:
    UserError: a name that is no module, with those that are.
  """
  path = name if "." in name else f"{package}.{name}"
  try:
    return importlib.import_module(path)
  except ModuleNotFoundError as e:
    if e.name is None or not path.startswith(e.name):
      raise
    parent = importlib.import_module(package)
    known = ", ".join(sorted(m.name for m in pkgutil.iter_modules(parent.__path__)))
    raise errors.UserError(f"{what} must be one of {known}, got '{name}'") from None
