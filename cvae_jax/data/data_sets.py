"""Loads data sets by name: from `config.data.name` to prepared examples.

A data set is a file of `sets/`, or another module by its dotted path. It has two functions:

    make_form(config) -> forms.Form            from the `data` section only, without reading data
    open_set(config, variant, on_request) -> DataSet

and the fields of its `get_config`, see `core.config`. `open_set` opens prepared examples, or
prepares them atomically.
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
    form: of the examples.
    vocabulary: of the labels.
    splits: number of examples by split.
    open_split: (split, cache_gb, num_threads) to the source of a split that is not empty.
    folder: where the prepared data are stored; None if they are not.
    num_bytes: size of the prepared data.
    figure: draws an additional figure for `prepare`, as a PNG; None for none.
    remark: one line for `prepare` on what was used and left out; empty for none.
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
  """Makes the form of the examples that a `data` section describes.

  Raises:
    UserError: if the name is unknown.
  """
  return _module(config)[0].make_form(config)


def load(config: ml_collections.ConfigDict, on_request: bool = False) -> DataSet:
  """Opens a data set, and prepares it on first use.

  Args:
    config: the `data` section of a config.
    on_request: whether the user requested preparation; training prepares only what is cheap.

  Raises:
    UserError: if the name is unknown, examples cannot be read, or the disk cannot be written to. A
      partly prepared data set is never opened.
  """
  module, variant = _module(config)
  return module.open_set(_expand_home(config), variant, on_request)


def _expand_home(config):
  """The `data` section with ~ expanded, which may also come from a config file or from Python."""
  config = config.copy_and_resolve_references()
  sections = {None: ("dir", "tfds_dir"), "soundfont": ("path",), "folder": ("labels",)}
  sections["sounds"] = sections["drums"] = ("labels",)
  for section, names in sections.items():
    fields = config if section is None else config.get(section, {})
    for name in names:
      if fields.get(name):
        fields[name] = os.path.expanduser(fields[name])
  return config


def no_variants(name: str, variant: str) -> None:
  """Raises UserError if a variant of a data set without variants is requested."""
  if variant:
    raise errors.UserError(f"{name} has no variants, got '{variant}'")


def need_folder(config: ml_collections.ConfigDict, name: str, description: str) -> str:
  """Returns `data.dir`.

  Args:
    config: the `data` section.
    name: of the data set.
    description: of the folder, for the message.

  Raises:
    UserError: if `data.dir` is not set.
  """
  if not config.dir:
    raise errors.UserError(f"{name} needs --config.data.dir, {description}")
  return config.dir


def choose(name: str, variant: str, variants: tuple[str, ...]) -> str:
  """Checks a variant's name; the default is the first one.

  Raises:
    UserError: if there is no such variant.
  """
  if variant and variant not in variants:
    raise errors.UserError(
      f"the variant of {name} must be one of {', '.join(variants)}, got '{variant}'"
    )
  return variant or variants[0]
