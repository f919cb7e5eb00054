"""Networks. A file here is a `model.name` of a config; `make_model` is what it must have.

    make_model(config, representation, condition, gaussian) -> nn.Module

of the `model` section of a config, with the methods `encode(features, condition, train) -> Latent`
and `decode(z, condition, train) -> features`, and a `__call__` that runs both, for `init`. Its
fields are those of its `get_config`, see `core.config`.
"""

import ml_collections

from cvae_jax.audio import representations
from cvae_jax.core import config_check
from cvae_jax.core import errors

DTYPES = ("float32", "bfloat16")


def check(config: ml_collections.ConfigDict) -> None:
  """Raises UserError for values of the fields that all networks have; `config` is a whole one."""
  config_check.need_positive(config, "model.latent_dim", "model.kernel_size")
  config_check.need_choices(config, {"model.dtype": DTYPES})
  ranks = config.model.linear_ranks
  if len(ranks) not in (0, 2) or (ranks and min(ranks) < 1):
    raise errors.UserError(
      f"model.linear_ranks must be two positive numbers, as (32, 320), or () for none, got {ranks}"
    )
  channels = config.model.channels
  if not channels or min(channels) < 1:
    raise errors.UserError(f"model.channels must be positive, got {channels}")


def choose_linear_ranks(
  config: ml_collections.ConfigDict, representation: representations.Representation
) -> tuple[int, ...]:
  """`model.linear_ranks`, where the features have levels: what a PCA is good at."""
  return tuple(config.linear_ranks) if any(representation.floored) else ()


def make_tiny(config: ml_collections.ConfigDict) -> None:
  """Two narrow layers, and four latent dimensions."""
  if config.model.linear_ranks:
    config.model.linear_ranks = (8, 40)
  config.model.channels = (8, 8)
  config.model.latent_dim = 4
