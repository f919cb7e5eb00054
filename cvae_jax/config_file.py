"""The config that a run was trained with: config.json in its workdir."""

import json
import os

import ml_collections

from cvae_jax import atomic
from cvae_jax import config as config_lib
from cvae_jax import errors

FILENAME = "config.json"


def save(config: ml_collections.ConfigDict, workdir: str) -> None:
  """Writes config.json into a workdir, whole or not at all."""
  with atomic.open_file(os.path.join(workdir, FILENAME)) as f:
    json.dump(config.to_dict(), f, indent=2)
    f.write("\n")


def load(workdir: str) -> ml_collections.ConfigDict:
  """Reads a workdir's config.json; fields that are newer than the run get the base's value.

  Raises:
    UserError: a workdir without a run in it.
  """
  path = os.path.join(workdir, FILENAME)
  try:
    with open(path) as f:
      stored = json.load(f)
  except FileNotFoundError:
    raise errors.UserError(f"{workdir} holds no run: {path} is missing") from None
  except OSError as e:
    raise errors.UserError(f"{workdir} holds no run: {path}: {e.strerror}") from None
  except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as e:
    raise errors.UserError(f"{path} is not JSON: {e}") from None
  if not isinstance(stored, dict):
    raise errors.UserError(f"{path} holds no config")
  config = config_lib.get_base_config().to_dict()
  for section, values in stored.items():
    if isinstance(values, dict):
      config.setdefault(section, {}).update(values)
    else:
      config[section] = values
  return ml_collections.ConfigDict(config)


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
