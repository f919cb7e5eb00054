"""Objectives: one formula each, per example.

Everything here sums over features or latent dimensions and keeps the batch axis: these are
log-likelihoods and divergences in nats, so that a negative ELBO is their plain sum. The mean over
the batch is taken once, in the train step, where the sum is also divided by the number of features
("nats per feature"): that leaves the optimum alone and makes one learning rate serve all sizes.
"""

from collections.abc import Sequence
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array
from jaxtyping import Float
from jaxtyping import Int

from cvae_jax.audio import stft


def gaussian_nll(
  features: Float[Array, "B *shape"],
  mean: Float[Array, "B *shape"],
  sigma: float | Float[Array, "..."],
) -> Float[Array, " B"]:
  """-log N(features; mean, sigma^2 I), summed over all axes but the first.

  Args:
    features: [B, ...] observed.
    mean: [B, ...] predicted.
    sigma: standard deviation of the observation, in the features' units; one for all, or an array
      that broadcasts against the features.

  Returns:
    [B] nats. Its gradient is that of the squared error over 2 sigma^2.
  """
  scaled = jnp.square((features - mean) / sigma)
  return _sum(0.5 * scaled + jnp.log(sigma) + 0.5 * math.log(2.0 * math.pi))


def laplace_nll(
  features: Float[Array, "B *shape"],
  median: Float[Array, "B *shape"],
  sigma: float | Float[Array, "..."],
) -> Float[Array, " B"]:
  """-log of a Laplace density, summed over all axes but the first.

  Args:
    features: [B, ...] observed.
    median: [B, ...] predicted.
    sigma: standard deviation, as in `gaussian_nll`; the density's scale is sigma / sqrt(2).

  Returns:
    [B] nats. Its gradient is that of the absolute error over the scale.
  """
  scale = sigma / math.sqrt(2.0)
  return _sum(jnp.abs(features - median) / scale + jnp.log(2.0 * scale))


def _sum(terms):
  return jnp.sum(terms, axis=tuple(range(1, terms.ndim)))


def _norm(x: jax.Array) -> jax.Array:
  """[B] root of the sum of squares of [B, ...]; where it is 0 its gradient is 0, and not NaN."""
  square = _sum(jnp.square(x))
  return jnp.where(square > 0.0, jnp.sqrt(jnp.where(square > 0.0, square, 1.0)), 0.0)


def multi_resolution_stft(
  audio: Float[Array, "B T"],
  predicted: Float[Array, "B T"],
  sizes: Sequence[int] = (512, 1024, 2048),
) -> Float[Array, " B"]:
  """Distance of two waveforms' spectra, seen through windows of several sizes, in samples.

  Of each, the spectral convergence |S - S'| / |S| and the mean absolute difference of log S, in
  nepers; their sum over the windows, divided by their number.

  Source: Yamamoto, Song & Kim 2020, "Parallel WaveGAN", equations 4 to 6.
  """
  total = jnp.zeros(audio.shape[0])
  for size in sizes:
    # The square root has no gradient at 0, where silence is.
    a, b = (
      jnp.sqrt(jnp.square(jnp.abs(stft.stft(x, size, size // 4, size, "hann"))) + 1e-7)
      for x in (audio, predicted)
    )
    total += _norm(a - b) / _norm(a) + jnp.mean(jnp.abs(jnp.log(a) - jnp.log(b)), axis=(1, 2))
  return total / len(sizes)


def multi_scale_spectral(
  audio: Float[Array, "B T"],
  predicted: Float[Array, "B T"],
  sizes: Sequence[int],
  log_weight: float = 1.0,
  floor: float = 1e-5,
) -> Float[Array, " B"]:
  """Distance of two waveforms' magnitudes S: mean |S - S'| + log_weight |log S - log S'|, summed.

  Args:
    audio: waveforms.
    predicted: those to compare.
    sizes: windows in samples; each overlaps the next by three quarters.
    log_weight: of the logarithm, in nepers.
    floor: magnitudes are not less in the logarithm: silence is not worth a match.

  Source: Engel et al. 2020 (DDSP), equation 4; `ddsp.losses.SpectralLoss` has no floor.
  """
  total = jnp.zeros(audio.shape[0])
  for size in sizes:
    # The square root has no gradient at 0, where silence is.
    a, b = (
      jnp.sqrt(jnp.square(jnp.abs(stft.stft(x, size, size // 4))) + 1e-14)
      for x in (audio, predicted)
    )
    log_a, log_b = (jnp.log(jnp.maximum(x, floor)) for x in (a, b))
    total += jnp.mean(jnp.abs(a - b), axis=(1, 2))
    total += log_weight * jnp.mean(jnp.abs(log_a - log_b), axis=(1, 2))
  return total


def relative_spectral(
  audio: Float[Array, "B *channels T"],
  predicted: Float[Array, "B *channels T"],
  sizes: Sequence[int] = (2048, 1024, 512, 256, 128),
  is_squared: bool = True,
  is_normalized: bool = False,
  over_batch: bool = False,
  floor: float = 1e-7,
) -> Float[Array, " B"]:
  """Distance of two waveforms' magnitudes S, relative to the first's: RAVE's.

  The sum over sizes of R + mean |log(S + floor) - log(S' + floor)|, in nepers. Spectra overlap by
  three quarters, and waveforms are mirrored at their ends. Channels, such as bands, are summed
  within R, so that a soft one weighs little.

  Args:
    audio: waveforms, longer than half of the largest size.
    predicted: those to compare.
    sizes: windows in samples.
    is_squared: whether R is sum (S - S')^2 / sum S^2, as in the `acids-rave` package; or its root,
      as in the paper's code, its tag v1.
    is_normalized: whether spectra are divided by the root of their size, as in tag v1.
    over_batch: whether R's sums are over the whole batch, as in both. The mean of the result is
      then theirs, and one silent example does no harm; without it, examples are independent.
    floor: added to magnitudes before their logarithm. The gradient of a bin is as large as it is
      soft, down to here: with the original's 1e-7 noise floors have most of it.

  Raises:
    ValueError: if a waveform is too short for the largest size.

  Source: Caillon & Esling 2021, "RAVE", its multiscale spectral distance.
  """
  axes = tuple(range(1, audio.ndim + 1))
  total = jnp.zeros(audio.shape[0])
  for size in sizes:
    gain = 1.0 / math.sqrt(size) if is_normalized else 1.0
    a, b = (gain * _mirrored_magnitudes(x, size, size // 4) for x in (audio, predicted))
    error, power = (jnp.mean(jnp.square(x), axis=axes) for x in (a - b, a))
    if over_batch and not is_squared:
      total += error / jnp.sqrt(jnp.mean(error) * jnp.mean(power) + 1e-30)
    elif is_squared:
      total += error / (jnp.mean(power) if over_batch else power)
    else:
      total += jnp.sqrt(error / power + 1e-30)
    log_a, log_b = (jnp.log(x + floor) for x in (a, b))
    total += jnp.mean(jnp.abs(log_a - log_b), axis=axes)
  return total


def log_level(
  audio: Float[Array, "B T"],
  predicted: Float[Array, "B T"],
  size: int = 2048,
  hop_length: int = 512,
) -> Float[Array, " B"]:
  """Mean squared difference of two waveforms' levels over time, in square nepers.

  A frame's level is the mean over its frequencies of the log of its magnitudes. Of an A-weighted
  level the weights would cancel: this is the loudness distance of RAVE's tag v1.

  Args:
    audio: waveforms, longer than half a window.
    predicted: those to compare.
    size: window in samples.
    hop_length: in samples.
  """
  a, b = (
    jnp.mean(jnp.log(_mirrored_magnitudes(x, size, hop_length) + 1e-7), axis=-1)
    for x in (audio, predicted)
  )
  return jnp.mean(jnp.square(a - b), axis=-1)


def _mirrored_magnitudes(audio, size, hop_length):
  """Magnitudes of spectra centred at multiples of the hop, the waveform mirrored at its ends."""
  if audio.shape[-1] <= size // 2:
    raise ValueError(
      f"{audio.shape[-1]} samples cannot be mirrored beyond their ends by {size // 2}, which a "
      f"spectrum of {size} needs"
    )
  padding = [(0, 0)] * (audio.ndim - 1) + [(size // 2, size // 2)]
  spectrum = stft.stft(jnp.pad(audio, padding, "reflect"), size, hop_length, center=False)
  # The square root has no gradient at 0, where silence is.
  return jnp.sqrt(jnp.square(spectrum.real) + jnp.square(spectrum.imag) + 1e-24)


def kl_to_standard_normal(
  mean: Float[Array, "*batch D"], logvar: Float[Array, "*batch D"]
) -> Float[Array, "*batch D"]:
  """KL(N(mean, exp(logvar)) || N(0, 1)) of each latent dimension.

  Args:
    mean: [B, D].
    logvar: [B, D] log of the variance.

  Returns:
    [B, D] nats; the sum over D is the divergence of the whole.

  Source: Kingma & Welling 2014, appendix B.
  """
  return 0.5 * (jnp.square(mean) + jnp.exp(logvar) - 1.0 - logvar)


def kl_between_normals(
  mean: Float[Array, "B D"],
  logvar: Float[Array, "B D"],
  prior_mean: Float[Array, "B D"],
  prior_logvar: Float[Array, "B D"],
) -> Float[Array, "B D"]:
  """KL(N(mean, exp(logvar)) || N(prior_mean, exp(prior_logvar))) of each latent dimension, in nats.

  Source: Sohn, Lee & Yan 2015, for a prior p(z|c) that is learnt.
  """
  scaled = jnp.square(mean - prior_mean) * jnp.exp(-prior_logvar)
  return 0.5 * (scaled + jnp.exp(logvar - prior_logvar) - 1.0 + prior_logvar - logvar)


def normal_log_density(
  z: Float[Array, "*#batch D"], mean: Float[Array, "*#batch D"], logvar: Float[Array, "*#batch D"]
) -> Float[Array, "... D"]:
  """log N(z; mean, exp(logvar)) of each dimension, in nats."""
  return -0.5 * (jnp.square(z - mean) * jnp.exp(-logvar) + logvar + math.log(2.0 * math.pi))


class Decomposition(NamedTuple):
  """The three parts that KL(q(z|x) || p(z)) is the sum of, on average over the data.

  Attributes:
    mutual_information: [B] of z and the example's index.
    total_correlation: [B] KL(q(z) || prod_d q(z_d)): how far the dimensions are from independent.
    dimension_kl: [B] sum over d of KL(q(z_d) || p(z_d)).
  """

  mutual_information: Float[Array, " B"]
  total_correlation: Float[Array, " B"]
  dimension_kl: Float[Array, " B"]


def decompose_kl(
  z: Float[Array, "B D"], mean: Float[Array, "B D"], logvar: Float[Array, "B D"], num_examples: int
) -> Decomposition:
  """Estimates the parts of the KL to N(0, I) from a batch, by minibatch-weighted sampling.

  Args:
    z: [B, D] a sample of each example's posterior.
    mean: [B, D] of the posteriors.
    logvar: [B, D].
    num_examples: in the data set, of which the batch is a draw.

  Returns:
    In nats. The estimate is off by a constant, log of the batch's size for every log q; gradients
    are not.

  Source: Chen et al. 2018, "Isolating Sources of Disentanglement in VAEs", equations 2 and S6.
  """
  # [i, j, d]: the density of sample i under example j's posterior.
  pairs = normal_log_density(z[:, None], mean[None], logvar[None])
  log_count = math.log(z.shape[0] * num_examples)
  log_q = jax.nn.logsumexp(jnp.sum(pairs, axis=-1), axis=1) - log_count
  log_q_product = jnp.sum(jax.nn.logsumexp(pairs, axis=1) - log_count, axis=-1)
  log_q_given_x = jnp.sum(normal_log_density(z, mean, logvar), axis=-1)
  zeros = jnp.zeros_like(z)
  log_p = jnp.sum(normal_log_density(z, zeros, zeros), axis=-1)
  return Decomposition(log_q_given_x - log_q, log_q - log_q_product, log_q_product - log_p)


def _multiquadratic(a: jax.Array, b: jax.Array) -> jax.Array:
  """[M, N] inverse multiquadratic kernels of [M, D] and [N, D] points, summed over seven scales."""
  square = jnp.sum(jnp.square(a[:, None] - b[None]), axis=-1)
  scales = 2.0 * a.shape[1] * jnp.asarray([0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0])
  return jnp.sum(scales / (scales + square[..., None]), axis=-1)


def maximum_mean_discrepancy(a: Float[Array, "M D"], b: Float[Array, "N D"]) -> Float[Array, ""]:
  """Squared MMD of two samples by inverse multiquadratic kernels; its mean is 0 if they are alike.

  Source: Gretton et al. 2012, equation 3; the kernels and their seven scales are those of
  Tolstikhin et al. 2018, "Wasserstein Auto-Encoders", section 4. InfoVAE (Zhao et al. 2017) adds it
  to the ELBO.
  """

  def others(x):
    """Mean of the kernel over pairs of different points."""
    count = x.shape[0]
    return (jnp.sum(_multiquadratic(x, x)) - 7.0 * count) / (count * (count - 1))

  return others(a) + others(b) - 2.0 * jnp.mean(_multiquadratic(a, b))


def class_mean_discrepancy(
  a: Float[Array, "M D"], b: Float[Array, "M D"], classes: Int[Array, " M"]
) -> Float[Array, ""]:
  """The mean over classes of the squared MMD of their points in two samples.

  Args:
    a: a sample.
    b: another one.
    classes: of both samples' points, 0 or more; a point of a negative class does not count, nor
      does a class of one point.

  Source: Aouameur, Esling & Hadjeres 2019, "Neural Drum Machine", section 3.1.
  """
  size = a.shape[0]
  is_same = ((classes[:, None] == classes[None]) & (classes >= 0)[:, None]).astype(a.dtype)
  count = jnp.sum(is_same, axis=1)  # of each point's class
  kernels = _multiquadratic(a, a) + _multiquadratic(b, b)
  within = jnp.sum(is_same * (1.0 - jnp.eye(size)) * kernels, axis=1)
  within = within / jnp.maximum(count * (count - 1.0), 1.0)
  between = jnp.sum(is_same * _multiquadratic(a, b), axis=1) / jnp.maximum(jnp.square(count), 1.0)
  is_counted = count >= 2.0
  num_classes = jnp.sum(jnp.where(is_counted, 1.0 / jnp.maximum(count, 1.0), 0.0))
  total = jnp.sum(jnp.where(is_counted, within - 2.0 * between, 0.0))
  return total / jnp.maximum(num_classes, 1.0)


def sparsity_kl(code: Float[Array, "B D"], target: float) -> Float[Array, ""]:
  """Sum over dimensions of KL(target || mean activation), the activation being sigmoid(code).

  Args:
    code: [B, D].
    target: mean activation that is wanted, as 0.05.

  Source: Ng 2011, "Sparse autoencoder", CS294A lecture notes.
  """
  mean = jnp.clip(jnp.mean(jax.nn.sigmoid(code), axis=0), 1e-6, 1.0 - 1e-6)
  return jnp.sum(
    target * jnp.log(target / mean) + (1.0 - target) * jnp.log((1.0 - target) / (1.0 - mean))
  )


def beta_schedule(
  step: Int[Array, ""], beta: float, warmup_steps: int, cycle_steps: int = 0
) -> Float[Array, ""]:
  """Weight of the KL at a step: from 0 up to `beta` in a straight line, then held.

  Args:
    step: from 0.
    beta: the weight in the end.
    warmup_steps: until it is reached.
    cycle_steps: after which it begins again from 0; 0 for never.

  Source: Bowman et al. 2016 (KL annealing); Fu et al. 2019 (cyclical); Higgins et al. 2017 for
  beta.
  """
  if cycle_steps:
    step = step % cycle_steps
  return beta * jnp.clip(step / max(warmup_steps, 1), 0.0, 1.0)


def level_weighted_error(
  features: Float[Array, "B N F C"], predicted: Float[Array, "B N F C"]
) -> Float[Array, " B"]:
  """Sum of squared errors, each weighted by its feature's level: 0 at the floor, 1 at full scale.

  A tenth of a spectrogram's cells hold all that is heard of a note. An error that weighs every cell
  alike leaves them to the rest.

  Args:
    features: levels between -1 (the floor) and 1 (full scale).
    predicted: of the same shape.
  """
  weight = jnp.clip(0.5 * (features + 1.0), 0.0, 1.0)
  return jnp.sum(weight * jnp.square(features - predicted), axis=(1, 2, 3))


def orthogonality(basis: Float[Array, "K M"]) -> Float[Array, ""]:
  """Sum of the absolute products of different rows of a basis: 0 for an orthogonal one.

  Source: Ding et al. 2020, "Guided Variational Autoencoder for Disentanglement Learning".
  """
  products = basis @ basis.T
  return jnp.sum(jnp.abs(products)) - jnp.sum(jnp.abs(jnp.diagonal(products)))
