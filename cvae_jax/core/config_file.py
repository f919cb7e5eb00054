"""The config that a run was trained with: config.json in its workdir."""

from collections.abc import Mapping
import json
import os
from typing import Any

import ml_collections

from cvae_jax.core import atomic
from cvae_jax.core import config as config_lib
from cvae_jax.core import errors
from cvae_jax.core import json_file
from cvae_jax.version import __version__

FILENAME = "config.json"
_VERSION = "version"  # that has written the file


def save(config: ml_collections.ConfigDict, workdir: str) -> None:
  """Writes config.json into a workdir, whole or not at all."""
  with atomic.open_file(os.path.join(workdir, FILENAME)) as f:
    json.dump({_VERSION: __version__, **config.to_dict()}, f, indent=2)
    f.write("\n")


def load(workdir: str) -> ml_collections.ConfigDict:
  """Reads a workdir's config.json.

  Raises:
    UserError: a workdir without a run in it, one of another version, or a file that is no config.
  """
  path = os.path.join(workdir, FILENAME)
  try:
    stored = json_file.load(path)
  except FileNotFoundError:
    raise errors.UserError(f"{workdir} holds no run: {path} is missing") from None
  if not isinstance(stored, dict):
    raise errors.UserError(f"{path} must be an object of sections, got {_kind(stored)}")
  version = stored.pop(_VERSION, None)
  if version != __version__:
    written = "an earlier version" if version is None else f"version {version}"
    raise errors.UserError(
      f"{path} was written by {written}, and this is {__version__}: use that one, or train the run "
      "anew into another --workdir"
    )
  config = config_lib.get_base_config(**_part_names(path, stored)).to_dict()
  _check_kinds(path, stored, config)
  try:
    return ml_collections.ConfigDict(_merge(config, stored))
  except (TypeError, ValueError) as e:
    raise errors.UserError(f"{path} is no config: {errors.one_line(e)}") from None


def _part_names(path: str, stored: Mapping[str, Any]) -> dict[str, Any]:
  """The parts of a stored config by section; None for a section that it does not have."""
  names: dict[str, Any] = {}
  for section in config_lib.SECTIONS:
    values = stored.get(section)
    name = values.get("name") if isinstance(values, dict) else None
    if section in stored and not isinstance(values, dict):
      raise errors.UserError(
        f"{path}: '{section}' must be a section of fields, got {_kind(values)}"
      )
    if section in stored and not isinstance(name, str):
      raise errors.UserError(f"{path}: '{section}.name' must be a text, got {_kind(name)}")
    names[section] = name
  missing = [section for section in ("data", "method") if names[section] is None]
  if missing:
    raise errors.UserError(f"{path} is no config: it has no section '{missing[0]}'")
  return names


def _merge(config: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
  """A config with the values of a file; fields that are newer than the file keep their defaults."""
  merged = dict(config)
  for name, value in stored.items():
    is_section = isinstance(value, dict) and isinstance(config.get(name), dict)
    merged[name] = _merge(config[name], value) if is_section else value
  return merged


def _check_kinds(
  path: str, stored: Mapping[str, Any], base: Mapping[str, Any], prefix: str = ""
) -> None:
  """Raises UserError where a file's fields are of another kind than a config's."""
  for name, value in stored.items():
    default = base.get(name)
    is_section = isinstance(default, dict)
    if default is None or (value is None and not is_section):
      continue
    if _kind(value) != _kind(default):
      raise errors.UserError(
        f"{path}: '{prefix}{name}' must be {_kind(default)}, got {_kind(value)}"
      )
    if is_section:
      _check_kinds(path, value, default, f"{prefix}{name}.")


def _kind(value: Any) -> str:
  """What JSON makes of a value, in words."""
  if isinstance(value, dict):
    return "a section of fields"
  if isinstance(value, bool):
    return "true or false"
  if isinstance(value, (int, float)):
    return "a number"
  if isinstance(value, str):
    return "a text"
  return "nothing" if value is None else "a list"


# Fields that have no bearing on what is learnt.
WITHOUT_EFFECT = (
  "train.log_every_steps",
  "train.accumulate_steps",
  "eval.",
  "checkpoint.",
  "profile.",
  "data.num_threads",
  "data.prefetch",
  "data.cache_gb",
  "data.device_cache",
  "data.tfds_dir",
  "data.beam_options",
)
# What may differ between a run and its continuation: sounds may have moved.
_FREE = (*WITHOUT_EFFECT, "train.steps", "data.dir")


def check_same_run(config: ml_collections.ConfigDict, workdir: str) -> None:
  """Raises UserError, with the fields that differ, where a workdir holds another config's run."""
  if not os.path.exists(os.path.join(workdir, FILENAME)):
    return
  before, now = config_lib.flatten(load(workdir)), config_lib.flatten(config)
  differing = [
    f"{name} is {now.get(name)}, was {before.get(name)}"
    for name in sorted(before.keys() | now.keys())
    if before.get(name) != now.get(name) and not name.startswith(_FREE)
  ]
  if differing:
    raise errors.UserError(
      f"{workdir} holds a run of another config ({'; '.join(differing)}): give another --workdir"
    )
