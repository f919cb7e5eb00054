"""Data sets by name: `config.data.name` to examples that are prepared and can be opened.

A file of `sets/` is a data set, or a module elsewhere by its dotted path. It has two functions:

    make_form(config) -> forms.Form            of the `data` section alone: nothing is read
    open_set(config, variant, on_request) -> DataSet

and the fields of its `get_config`, see `core.config`. It opens what there is,
and prepares what is not there yet, whole or not at all.
"""

from collections.abc import Callable
import os
from typing import NamedTuple

import ml_collections

from cvae_jax.core import errors
from cvae_jax.core import parts
from cvae_jax.data import forms
from cvae_jax.data import sources
from cvae_jax.data import vocabulary as vocabulary_lib

_PACKAGE = "cvae_jax.data.sets"


class DataSet(NamedTuple):
  """A prepared data set.

  Attributes:
    name: for messages.
    form: of its examples.
    vocabulary: of their labels.
    splits: how many examples each split has, by name.
    open_split: (split, cache_gb, num_threads) to the source of a split that is not empty.
    folder: where it is kept; None for nowhere.
    num_bytes: of what is kept.
    figure: what a person may want to see of it beside the usual, as a PNG; None for nothing.
    remark: what was used of it and what not, in a line; empty for nothing.
  """

  name: str
  form: forms.Form
  vocabulary: vocabulary_lib.Vocabulary
  splits: dict[str, int]
  open_split: Callable[[str, float, int], sources.Source]
  folder: str | None = None
  num_bytes: int = 0
  figure: Callable[[], bytes] | None = None
  remark: str = ""


def _module(config):
  name, _, variant = config.name.partition("/")
  return parts.load(_PACKAGE, name, "open_set", "data.name"), variant


def make_form(config: ml_collections.ConfigDict) -> forms.Form:
  """The form of the examples that a `data` section asks for.

  Raises:
    UserError: an unknown name.
  """
  return _module(config)[0].make_form(config)


def load(config: ml_collections.ConfigDict, on_request: bool = False) -> DataSet:
  """Opens a data set; what can be made here is prepared on first use.

  Args:
    config: the `data` section of a config.
    on_request: whether somebody asked for it to be prepared, rather than for a training.

  Raises:
    UserError: an unknown name, examples that cannot be read, or a disk that cannot be written to.
      Nothing half prepared is opened.
  """
  module, variant = _module(config)
  return module.open_set(_expand_home(config), variant, on_request)


def _expand_home(config):
  """The `data` section with ~ as the home directory, which a config file or Python may say too."""
  config = config.copy_and_resolve_references()
  sections = {None: ("dir", "tfds_dir"), "soundfont": ("path",), "folder": ("labels",)}
  sections["sounds"] = ("labels",)
  for section, names in sections.items():
    fields = config if section is None else config.get(section, {})
    for name in names:
      if fields.get(name):
        fields[name] = os.path.expanduser(fields[name])
  return config


def no_variants(name: str, variant: str) -> None:
  """Raises UserError where a data set without variants is given one."""
  if variant:
    raise errors.UserError(f"{name} has no variants, got '{variant}'")


def need_folder(config: ml_collections.ConfigDict, name: str, what: str) -> str:
  """`data.dir`, of a data set that is a folder.

  Args:
    config: the `data` section.
    name: of the data set.
    what: the folder is, for the message.

  Raises:
    UserError: where it is not given.
  """
  if not config.dir:
    raise errors.UserError(f"{name} needs --config.data.dir, {what}")
  return config.dir


def choose(name: str, variant: str, known: tuple[str, ...]) -> str:
  """A variant's name, the first of those that there are where none is given.

  Raises:
    UserError: one that there is not.
  """
  if variant and variant not in known:
    raise errors.UserError(f"{name} comes as {', '.join(known)}, got '{variant}'")
  return variant or known[0]
