"""What RAVE is made of: its networks, what is measured between waveforms, and its latent space."""

from collections.abc import Mapping
import math
from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import optax

from cvae_jax import methods
from cvae_jax.audio import pqmf
from cvae_jax.core import errors
from cvae_jax.data import forms
from cvae_jax.methods.common import condition as condition_lib
from cvae_jax.methods.common import losses
from cvae_jax.methods.common import networks as networks_lib
from cvae_jax.methods.common import sequence_prior
from cvae_jax.models.common import discriminators
from cvae_jax.models.common import latent as latent_lib
from cvae_jax.models.common import rave as rave_lib
from cvae_jax.training import optimizers

PAPER, V1, V2 = "paper", "v1", "v2"
ENCODER, DECODER, STATISTICS = "encoder", "decoder", "batch_stats"
_LOG_FLOOR = 1e-7  # of the distances that are reported of held-out examples, and of the original
ANALYSIS = "analysis"  # of the latent space, among the parameters that a run is used with

_CRITICS = {
  PAPER: discriminators.make_paper,
  V1: discriminators.make_v1,
  V2: discriminators.make_v2,
}


class Parts(NamedTuple):
  """Bound by the functions of `methods.rave`.

  Attributes:
    config: a whole one.
    form: of the examples.
    encoder: bands to numbers of a posterior.
    decoder: latents to bands.
    critic: waveforms to features of discriminators.
    optimizer: of encoder and decoder.
    critic_optimizer: of the discriminators.
    prior: of sequences of latents; None for none.
    condition: of the prior, by labels; of no length without any.
  """

  config: ml_collections.ConfigDict
  form: forms.Waveform
  encoder: Any
  decoder: Any
  critic: Any
  optimizer: optax.GradientTransformation
  critic_optimizer: optax.GradientTransformation
  prior: sequence_prior.SequencePrior | None
  condition: condition_lib.Condition

  @property
  def hop_length(self) -> int:
    """Samples of a latent frame."""
    return rave_lib.hop_length(self.encoder)

  @property
  def num_frames(self) -> int:
    """N: latent frames of an example, the last of which may be filled up with silence."""
    return -(-self.form.num_samples // self.hop_length)

  @property
  def latent_dim(self) -> int:
    """D."""
    return self.config.method.latent_dim


def make_networks(settings: ml_collections.ConfigDict) -> tuple[Any, Any, Any]:
  """Encoder, decoder and discriminators of `method`."""
  is_v2, ratios = settings.version == V2, tuple(settings.ratios)
  common: dict[str, Any] = {
    "num_bands": settings.num_bands,
    "capacity": settings.capacity,
    "ratios": ratios,
    "causal": settings.causal,
    "use_bias": settings.version == PAPER,
  }
  noise: dict[str, Any] = {
    "noise_ratios": tuple(settings.noise_ratios),
    "noise_amplitudes": settings.noise_amplitudes,
  }
  if is_v2:
    common["dilations"] = ((1, 3, 9),) * (len(ratios) - 1) + ((1, 3),)
    common["activation"] = settings.activation
    encoder: Any = rave_lib.EncoderV2(latent_dim=settings.latent_dim, **common)
    decoder: Any = rave_lib.DecoderV2(**common, **noise)
  else:
    dilations = (1, 3, 9) if settings.version == PAPER else (1, 3, 5)
    encoder = rave_lib.EncoderV1(latent_dim=settings.latent_dim, **common)
    noise["activation"] = settings.activation
    decoder = rave_lib.DecoderV1(dilations=dilations, **common, **noise)
  critic = _CRITICS[settings.version](settings.critic_capacity, settings.critic_layers)
  return encoder, decoder, critic


def make_parts(config: ml_collections.ConfigDict, task: methods.Task) -> Parts:
  """Builds the networks and optimizers that a whole config asks for.

  Raises:
    UserError: examples that are no waveforms, labels without a prior, or sizes that do not fit
      together.
  """
  form, settings = forms.need_waveform(task.form, "RAVE"), config.method
  encoder, decoder, critic = make_networks(settings)
  hop_length = rave_lib.hop_length(encoder)
  if settings.crop % hop_length:
    raise errors.UserError(
      f"method.crop must be a multiple of the {hop_length} samples of a latent frame, "
      f"got {settings.crop}"
    )
  if settings.crop > form.num_samples:
    raise errors.UserError(
      f"method.crop must not be longer than an example of {form.num_samples} samples, "
      f"got {settings.crop}"
    )
  frames = settings.crop // hop_length or -(-form.num_samples // hop_length)
  if min(settings.margins) < 0 or sum(settings.margins) >= frames:
    raise errors.UserError(
      f"method.margins must leave some of the {frames} latent frames of an excerpt, "
      f"got {tuple(settings.margins)}"
    )
  per_latent = math.prod(settings.ratios)
  if settings.noise_ratios and per_latent % math.prod(settings.noise_ratios):
    raise errors.UserError(
      f"the product of method.noise_ratios must divide that of method.ratios, {per_latent}, "
      f"got {settings.noise_ratios}"
    )
  flow = settings.sequence_flow
  if config.condition.labels and not flow.steps:
    raise errors.UserError(
      "labels are conditions of RAVE's prior, and method.sequence_flow.steps=0 leaves it out: set "
      "--config.condition.labels=()"
    )
  prior = None
  if flow.steps:
    prior = sequence_prior.make_sequence_prior(flow, settings.latent_dim, task.condition.dim)
  parts = Parts(
    config,
    form,
    encoder,
    decoder,
    critic,
    optimizers.make_optimizer(config.optimizer, task.total_steps),
    optimizers.make_optimizer(settings.critic, task.total_steps),
    prior,
    task.condition,
  )
  if flow.steps and flow.window > parts.num_frames:
    raise errors.UserError(
      "method.sequence_flow.window must not be longer than an example of "
      f"{parts.num_frames} latent frames, got {flow.window}"
    )
  return parts


def take(parts: Parts, batch: methods.Batch) -> tuple[jax.Array, jax.Array]:
  """Whole examples [B, T], filled up to a latent frame, and their bands [B, N, M]."""
  audio = fill_up(parts, jnp.asarray(batch["audio"]))
  return audio, pqmf.to_bands(audio, parts.config.method.num_bands)


def fill_up(parts: Parts, audio: jax.Array) -> jax.Array:
  """[B, T] with silence up to a whole latent frame."""
  return jnp.pad(audio, [(0, 0), (0, -audio.shape[-1] % parts.hop_length)])


def encode(
  parts: Parts, params: Mapping[str, Any], bands: jax.Array, train: bool = False
) -> tuple[latent_lib.Latent, Any]:
  """Posteriors [B, N, D] of bands, and the statistics of the batch norm after them.

  A latent is read `method.lookahead` latent frames late, so that it has seen what is after it.
  """
  ahead = parts.config.method.lookahead * math.prod(parts.config.method.ratios)
  if ahead:
    bands = jnp.pad(bands[:, ahead:], [(0, 0), (0, ahead), (0, 0)])
  variables = {"params": params["params"][ENCODER], STATISTICS: params.get(STATISTICS, {})}
  if not train:
    return rave_lib.posterior(parts.encoder.apply(variables, bands)), variables[STATISTICS]
  outputs, changed = parts.encoder.apply(variables, bands, train=True, mutable=[STATISTICS])
  return rave_lib.posterior(outputs), changed.get(STATISTICS, {})


def decode(
  parts: Parts, params: Mapping[str, Any], z: jax.Array, noise_rng: jax.Array | None
) -> jax.Array:
  """[B, N, D] latents to bands; without a key there is no noise."""
  return parts.decoder.apply({"params": params["params"][DECODER]}, z, noise_rng)


def distance(
  parts: Parts,
  bands: jax.Array,
  audio: jax.Array,
  made: jax.Array,
  made_audio: jax.Array,
  is_training: bool,
) -> tuple[jax.Array, jax.Array]:
  """[B] distances of bands, and of the waveforms that they are; see `losses.relative_spectral`.

  Sizes that a waveform is too short for are left out.

  Args:
    parts: of the method.
    bands: [B, N, M] of the recordings.
    audio: [B, T] the recordings.
    made: [B, N, M] bands of the decoder.
    made_audio: [B, T] waveforms that they are.
    is_training: whether the batch is measured as one, as in the original, and with
      `method.log_floor`.
  """
  settings = parts.config.method
  is_paper = settings.version == PAPER

  def fit(x):
    return [size for size in settings.fft_sizes if size // 2 < x.shape[-1]]

  def measure(a, b):
    floor = settings.log_floor if is_training else _LOG_FLOOR
    return losses.relative_spectral(a, b, fit(a), not is_paper, is_paper, is_training, floor)

  of_bands = measure(bands.swapaxes(1, 2), made.swapaxes(1, 2))
  of_audio = measure(audio, made_audio)
  if is_paper:
    size = max(fit(audio))
    of_audio += losses.log_level(audio, made_audio, size, size // 4)
  return of_bands, of_audio


def kl(posterior: latent_lib.Latent) -> jax.Array:
  """[B] in nats, summed over D, the mean over frames; without the original's missing 1/2."""
  assert posterior.logvar is not None
  by_dimension = losses.kl_to_standard_normal(posterior.mean, posterior.logvar)
  return jnp.mean(jnp.sum(by_dimension, axis=-1), axis=-1)


# ---- the latent space, after training


def unknown(latent_dim: int) -> dict[str, jax.Array]:
  """The analysis before it is made: dimensions as they are, all of which are needed."""
  return {
    "mean": jnp.zeros(latent_dim),
    "basis": jnp.eye(latent_dim),
    "share": jnp.zeros(latent_dim).at[-1].set(1.0),
  }


def is_analysed(params: Mapping[str, Any]) -> jax.Array:
  """Whether the analysis has been made: a bool."""
  return params[ANALYSIS]["share"][0] > 0.0


def analyse(means: jax.Array) -> dict[str, jax.Array]:
  """Principal components of posterior means [M, D].

  Returns:
    mean: [D].
    basis: [D, D], a component in each column, the first of the largest variance.
    share: [D] of the variance that the first 1, 2, ... components have.

  Source: Caillon & Esling 2021, section 3.3.
  """
  mean = jnp.mean(means, axis=0)
  centred = means - mean
  variances, basis = jnp.linalg.eigh(centred.T @ centred / len(means))
  variances, basis = jnp.maximum(variances[::-1], 0.0), basis[:, ::-1]
  share = jnp.cumsum(variances) / jnp.maximum(jnp.sum(variances), 1e-12)
  return {"mean": mean, "basis": basis, "share": share}


def count_dimensions(analysis: Mapping[str, Any], fidelity: float) -> int:
  """How many components have at least this share of the variance."""
  share = np.asarray(analysis["share"])
  return min(int(np.sum(share < fidelity - 1e-6)) + 1, len(share))


def to_code(params: Mapping[str, Any], z: jax.Array) -> jax.Array:
  """Latents to coordinates of the principal components."""
  return (z - params[ANALYSIS]["mean"]) @ params[ANALYSIS]["basis"]


def from_code(
  params: Mapping[str, Any], code: jax.Array, fidelity: float, rng: jax.Array
) -> jax.Array:
  """Coordinates to latents; those beyond a fidelity are draws of the prior N(0, I)."""
  analysis = params[ANALYSIS]
  if fidelity < 1.0:
    before = jnp.concatenate([jnp.zeros(1), analysis["share"][:-1]])
    is_kept = before < fidelity - 1e-6
    drawn = jax.random.normal(rng, code.shape) - analysis["mean"] @ analysis["basis"]
    code = jnp.where(is_kept, code, drawn)
  return code @ analysis["basis"].T + analysis["mean"]


def heard(
  parts: Parts, params: Mapping[str, Any], posterior: latent_lib.Latent, rng: jax.Array
) -> jax.Array:
  """Latents that the decoder is given of a recording.

  Once analysed: components of the mean, with draws for those beyond the fidelity. Before that: a
  draw, which the decoder is trained with. A dimension that says nothing has a mean of 0 and a draw
  of deviation 1, and a decoder is some dB softer with the first.
  """
  fidelity = parts.config.method.fidelity
  z = from_code(params, to_code(params, posterior.mean), fidelity, rng)
  return jnp.where(is_analysed(params), z, networks_lib.draw(posterior, rng))
