"""p(x | z, c): how likely features are, given what a decoder says of them.

A reconstruction error is a likelihood here, so that an ELBO is an ELBO: the squared error is that
of a Gaussian, the absolute error that of a Laplace density, a perceptual weight is a deviation that
differs by bin, and a deviation may be learnt along with everything else.
"""

from typing import Any

from flax import linen as nn
import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from cvae_jax.audio import loudness
from cvae_jax.audio import representations
from cvae_jax.core import errors
from cvae_jax.data import forms
from cvae_jax.methods.common import losses

LIKELIHOODS = {"gaussian": losses.gaussian_nll, "laplace": losses.laplace_nll}
_LEAST_DB = -20.0  # of a bin's perceptual weight


class Observation(nn.Module):
  """p(x|z, c) around a decoder's output.

  Attributes:
    likelihood: of `LIKELIHOODS`.
    sigma: standard deviation, or scale; where it is learned, the one to begin with.
    is_learned: whether sigma is a parameter.
    deviation: [F] factors of sigma by bin; None for 1.
    weights_over_time: [N] weights of the squared errors of frames; None for 1.
  """

  likelihood: str
  sigma: float
  is_learned: bool = False
  deviation: tuple[float, ...] | None = None
  weights_over_time: tuple[float, ...] | None = None

  @nn.compact
  def __call__(self, features: jax.Array, predicted: jax.Array) -> jax.Array:
    """[B] -log p(x|z, c) in nats of [B, N, F, C] features and of what a decoder predicts."""
    sigma: Any = self.sigma
    if self.is_learned:
      sigma = jnp.exp(self.param("log_sigma", lambda _: jnp.log(jnp.float32(self.sigma))))
    if self.deviation is not None:
      sigma = sigma * np.asarray(self.deviation, np.float32)[None, None, :, None]
    if self.weights_over_time is not None:
      weights = np.asarray(self.weights_over_time, np.float32)
      sigma = sigma / np.sqrt(weights)[None, :, None, None]
    density = LIKELIHOODS[self.likelihood]
    return density(features, predicted, jnp.asarray(sigma, jnp.float32))


def perceptual_deviation(frequencies_hz: tuple[float, ...]) -> np.ndarray:
  """[F] deviations whose mean log is 0: small where the ear hears well, by the A-weighting's root.

  At full weight the bins under 100 Hz would count for nothing; the root, and a floor of 20 dB under
  the best bin, keep them in.
  """
  weight_db = loudness.a_weighting(np.asarray(frequencies_hz)) / 2.0
  weight_db = np.maximum(weight_db - weight_db.max(), _LEAST_DB)
  log_deviation = -weight_db / 20.0 * np.log(10.0)
  return np.exp(log_deviation - log_deviation.mean()).astype(np.float32)


def onset_weights(weight: float, onset_s: float, num_frames: int, frame_s: float) -> np.ndarray:
  """[N] weights of frames: `weight` at the start of an example, and 1 some `onset_s` later."""
  time_s = np.arange(num_frames) * frame_s
  return (1.0 + (weight - 1.0) * np.exp(-time_s / onset_s)).astype(np.float32)


def make_observation(
  config: ml_collections.ConfigDict,
  representation: representations.Representation,
  form: forms.Waveform,
) -> Observation:
  """Builds the likelihood that the `method` section of a config asks for.

  Args:
    config: the section.
    representation: of the features.
    form: of the waveforms.

  Raises:
    UserError: a perceptual weight for features that have no frequencies.
  """
  deviation = None
  if config.perceptual:
    if representation.frequencies_hz is None:
      raise errors.UserError(
        "method.perceptual needs features whose bins have frequencies, as log_magnitude's"
      )
    deviation = tuple(perceptual_deviation(representation.frequencies_hz).tolist())
  weights = None
  if config.onset_weight != 1.0:
    num_frames = representation.shape[0]
    frame_s = form.num_samples / form.sample_rate / num_frames
    found = onset_weights(config.onset_weight, config.onset_s, num_frames, frame_s)
    weights = tuple(found.tolist())
  return Observation(config.likelihood, config.sigma, config.learn_sigma, deviation, weights)
