"""A new run that begins with the parameters of another one: `train.init_from`."""

import logging
from typing import Any

import jax
import ml_collections
import numpy as np

from cvae_jax import methods
from cvae_jax.core import config as config_lib
from cvae_jax.core import config_file
from cvae_jax.core import errors
from cvae_jax.core import workdirs
from cvae_jax.data import label_table
from cvae_jax.data import vocabulary as vocabulary_lib
from cvae_jax.training import checkpoint

_log = logging.getLogger(__name__)

# Fields by which parameters have the shape and the meaning that they have.
_SAME = ("representation.", "model.", "method.name", "method.posterior", "condition.labels")
_FREE = ("representation.inversion",)  # which no parameter depends on


def check(config: ml_collections.ConfigDict, vocabulary: vocabulary_lib.Vocabulary) -> None:
  """Raises UserError where `train.init_from` is no run that this config can begin with.

  Both need the same representation, model and kind of method, and conditions of the same layout.
  """
  workdir = config.train.init_from
  if not workdir:
    return
  before = config_lib.flatten(config_file.load(workdirs.resolve(workdir)))
  now = config_lib.flatten(config)
  differing = [
    f"{name} is {now.get(name)}, and {before.get(name)} there"
    for name in sorted(before.keys() | now.keys())
    if name.startswith(_SAME) and name not in _FREE and before.get(name) != now.get(name)
  ]
  if differing:
    raise errors.UserError(
      f"train.init_from={workdir} is a run of another architecture: {'; '.join(differing)}"
    )
  table = label_table.load(workdirs.resolve(workdir))
  for name in config.condition.labels:
    if vocabulary.get(name) != table.vocabulary.get(name):
      raise errors.UserError(
        f"train.init_from={workdir}: its label '{name}' has other values than this data set's, and "
        "both are conditioned on it"
      )


def start(config: ml_collections.ConfigDict, method: methods.Method, state: Any) -> Any:
  """A new state with the parameters of `train.init_from`.

  Raises:
    UserError: a method that cannot, or parameters of other shapes.
  """
  workdir = workdirs.resolve(config.train.init_from)
  if method.warm_start is None:
    raise errors.UserError(
      f"train.init_from: runs of method.name={config.method.name} cannot begin with another's "
      "parameters"
    )
  step, params = checkpoint.restore_params(workdir, config.train.init_step or None)
  started = method.warm_start(state, params)
  shapes, others = (_shapes(x) for x in (state, started))
  for path in shapes.keys() | others.keys():
    if shapes.get(path) != others.get(path):
      raise errors.UserError(
        f"train.init_from={workdir}: {path} has the shape {others.get(path)}, and this run needs "
        f"{shapes.get(path)}"
      )
  _log.info("beginning with the parameters of step %d of %s", step, workdir)
  return started


def _shapes(tree: Any) -> dict[str, tuple[int, ...]]:
  flat, _ = jax.tree_util.tree_flatten_with_path(tree)
  return {jax.tree_util.keystr(path): np.shape(x) for path, x in flat}
