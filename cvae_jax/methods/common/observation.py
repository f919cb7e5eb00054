"""p(x | z, c): how likely features are, given what a decoder says of them.

A reconstruction error is a likelihood here, so that an ELBO is an ELBO: the squared error is that
of a Gaussian, the absolute error that of a Laplace density, a perceptual weight is a deviation that
differs by bin, and a deviation may be learnt along with everything else.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from cvae_jax.audio import loudness
from cvae_jax.audio import representations
from cvae_jax.core import errors
from cvae_jax.methods.common import losses

LIKELIHOODS = {"gaussian": losses.gaussian_nll, "laplace": losses.laplace_nll}
_LEAST_DB = -20.0  # of a bin's perceptual weight


class Observation(NamedTuple):
  """A likelihood.

  Attributes:
    init: () to its parameters, {} where it has none.
    nll: (parameters, features [B, N, F, C], predicted) to [B] nats.
  """

  init: Callable[[], dict[str, jax.Array]]
  nll: Callable[[dict[str, jax.Array], jax.Array, jax.Array], jax.Array]


def perceptual_deviation(frequencies_hz: tuple[float, ...]) -> np.ndarray:
  """[F] deviations whose mean log is 0: small where the ear hears well, by the A-weighting's root.

  At full weight the bins under 100 Hz would count for nothing; the root, and a floor of 20 dB under
  the best bin, keep them in.
  """
  weight_db = loudness.a_weighting(np.asarray(frequencies_hz)) / 2.0
  weight_db = np.maximum(weight_db - weight_db.max(), _LEAST_DB)
  log_deviation = -weight_db / 20.0 * np.log(10.0)
  return np.exp(log_deviation - log_deviation.mean()).astype(np.float32)


def make_observation(
  config: ml_collections.ConfigDict, representation: representations.Representation
) -> Observation:
  """Builds the likelihood that the `method` section of a config asks for.

  Raises:
    UserError: a perceptual weight for features that have no frequencies.
  """
  density = LIKELIHOODS[config.likelihood]
  deviation: float | np.ndarray = 1.0
  if config.perceptual:
    if representation.frequencies_hz is None:
      raise errors.UserError(
        "method.perceptual needs features whose bins have frequencies, as log_magnitude's"
      )
    deviation = perceptual_deviation(representation.frequencies_hz)[None, None, :, None]

  def init():
    return {"log_sigma": jnp.log(jnp.float32(config.sigma))} if config.learn_sigma else {}

  def nll(params, features, predicted):
    sigma = jnp.exp(params["log_sigma"]) if config.learn_sigma else config.sigma
    return density(features, predicted, jnp.asarray(sigma * deviation, jnp.float32))

  return Observation(init, nll)
