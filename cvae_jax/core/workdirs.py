"""Workdirs by name: a directory, or `pretrained:NAME` for a run that comes with the package."""

import os

from cvae_jax.core import errors

PREFIX = "pretrained:"
DEFAULT = f"{PREFIX}notes"
_FOLDER = os.path.join(os.path.dirname(os.path.dirname(__file__)), "pretrained")


def find_pretrained() -> list[str]:
  """Names of the runs that come with the package."""
  if not os.path.isdir(_FOLDER):
    return []
  return sorted(
    name
    for name in os.listdir(_FOLDER)
    if os.path.exists(os.path.join(_FOLDER, name, "config.json"))
  )


def resolve(workdir: str) -> str:
  """The path of a workdir, with ~ as the home directory.

  Raises:
    UserError: a pretrained run that there is not.
  """
  if not workdir.startswith(PREFIX):
    return os.path.expanduser(workdir)
  name, known = workdir.removeprefix(PREFIX), find_pretrained()
  if not known:
    raise errors.UserError(
      f"{workdir}: this installation has no pretrained runs ({_FOLDER} is missing or empty): "
      "install the package anew, or give --workdir a run of your own"
    )
  if name not in known:
    raise errors.UserError(
      f"{workdir}: there is no such run; there are {', '.join(PREFIX + x for x in known)}"
    )
  return os.path.join(_FOLDER, name)
