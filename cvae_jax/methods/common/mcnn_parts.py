"""What MCNN computes with: its networks, and waveforms of features by them.

`decode` is all of what a trained run is used for, as the way back of another run's representation
too: see `methods.common.inversion`.
"""

import dataclasses
import functools
import math
from typing import Any
from typing import NamedTuple

from flax import linen as nn
import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from cvae_jax.audio import phase as phase_lib
from cvae_jax.audio import representations
from cvae_jax.audio import stft
from cvae_jax.core import errors
from cvae_jax.data import forms
from cvae_jax.models.common import mcnn as networks
from cvae_jax.training import compilation

SPECTRAL, TRANSPOSED = "spectral", "transposed"  # networks
_MOST_DB = 24.0  # that a refinement changes a level by
# Lengths that sounds are decoded in, in eighths of the whole one: each costs a compilation.
_EIGHTHS = (2, 3, 5, 8)


class Parts(NamedTuple):
  """What inverts the features of one representation.

  Attributes:
    config: a whole one.
    form: of the waveforms.
    representation: whose features are inverted.
    network: of the run.
  """

  config: ml_collections.ConfigDict
  form: forms.Waveform
  representation: representations.Representation
  network: nn.Module

  @property
  def hop_length(self) -> int:
    """Samples of a frame."""
    return self.config.representation.hop_length


class Inverted(NamedTuple):
  """Waveforms of features.

  Attributes:
    audio: [B, T]; of a network with a mask, without it.
    mask_logits: [B, T] of whether there is sound; None without a mask.
  """

  audio: jax.Array
  mask_logits: jax.Array | None


def make_parts(
  config: ml_collections.ConfigDict,
  form: forms.Waveform,
  representation: representations.Representation,
) -> Parts:
  """Makes the network that `config.method` asks for, of a representation's features.

  Raises:
    UserError: features that are more than levels, or frames that the network cannot have.
  """
  settings, stft_config = config.method, config.representation
  if representation.magnitude is None or representation.frequencies_hz is None:
    raise errors.UserError(
      "method.name=mcnn inverts levels, which representation.name="
      f"{stft_config.name} has none of, or phases beside them: use log_mel, log_magnitude or cqt"
    )
  network: nn.Module
  if settings.network == TRANSPOSED:
    hop_length = stft_config.hop_length
    if hop_length < 4 or hop_length & (hop_length - 1):
      raise errors.UserError(
        "method.network=transposed needs a representation.hop_length that is a power of two, 4 or "
        f"more, got {hop_length}"
      )
    network = networks.TransposedHeads(hop_length, settings.heads, settings.head_kernel)
  else:
    network = networks.SpectralHead(
      num_bins=stft_config.n_fft // 2 + 1,
      fine_bins=settings.fine_bins,
      points=2 * settings.points,
      hidden=settings.hidden,
      blocks=settings.blocks,
      expansion=settings.expansion,
      kernel_size=settings.kernel_size,
    )
  return Parts(config, form, representation, network)


def init(parts: Parts, rng: jax.Array) -> Any:
  """Parameters of a network that is not trained."""
  frames, bins, _ = parts.representation.shape
  return parts.network.init(rng, jnp.zeros((1, min(frames, 8), bins)))


def invert(parts: Parts, params: Any, features: jax.Array, rng: jax.Array) -> Inverted:
  """Waveforms of [B, N, F, 1] features; a random key, for noise."""
  return _invert(parts, params, features, _draw_noise(parts, rng, features.shape[:2]))


def decode(parts: Parts, params: Any, features: jax.Array, rng: jax.Array) -> jax.Array:
  """[B, T] waveforms of [B, N, F, 1] features, silent where their mask is under one half.

  On CPU sounds are inverted one by one, each as far as it sounds: a sound that ends is followed by
  frames at the floor, which would take as long.
  """
  noise = _draw_noise(parts, rng, features.shape[:2])
  whole = lambda features, noise: masked(_invert(parts, params, features, noise))
  if compilation.is_plain() or parts.config.method.network == TRANSPOSED:
    return whole(features, noise)
  by_length = jax.custom_jvp(functools.partial(_decode_by_length, parts, params))
  by_length.defjvp(functools.partial(jax.jvp, whole))  # Sounds taken one by one have none.
  return jax.lax.platform_dependent(features, noise, cpu=by_length, default=whole)


def _decode_by_length(parts, params, features, noise):
  """As `decode` of a network at the frames' rate, each by the shortest length that will do."""
  samples = parts.form.num_samples
  lengths = [
    min(-(-samples // 8 // parts.hop_length) * parts.hop_length * n, samples) for n in _EIGHTHS
  ]
  counts = [stft.num_frames(length, parts.hop_length) for length in lengths]
  sounds = jnp.any(features[..., 0] > -1.0, axis=-1)
  needed = _reach(parts) + jnp.max(
    jnp.where(sounds, jnp.arange(1, features.shape[1] + 1), 0), axis=1
  )

  def begin(length, count, features, noise):
    """[T] waveform of the first frames of a sound, and silence."""
    form = dataclasses.replace(parts.form, num_samples=length)
    beginning = jax.tree.map(lambda x: x[None, :count], (features, noise))
    audio = _invert(parts._replace(form=form), params, *beginning).audio[0]
    return jnp.pad(audio, (0, samples - length))

  branches = [
    functools.partial(begin, length, count) for length, count in zip(lengths, counts, strict=True)
  ]

  @jax.custom_batching.sequential_vmap  # A batch of branches would take all of them.
  def one(needed, features, noise):
    branch = jnp.sum(needed > np.asarray(counts[:-1]))
    return jax.lax.switch(branch, branches, features, noise)

  return jax.vmap(one)(needed, features, noise)


def _reach(parts):
  """Frames beyond a sound's last one by which what is after them does not sound in it."""
  settings, config = parts.config.method, parts.config.representation
  seen = 1 + settings.blocks * (settings.kernel_size // 2)
  return seen + -(-config.n_fft // config.hop_length)


def _draw_noise(parts, rng, shape):
  """Random signs of the noise of [B, N] frames; None where the network has none."""
  if parts.config.method.network == TRANSPOSED:
    return None
  return _draw_signs(rng, (*shape, parts.config.representation.n_fft // 2 + 1))


def _invert(parts, params, features, noise):
  """`Inverted` of [B, N, F, 1] features, with the signs of `_draw_noise`."""
  levels = (features[..., 0] + 1.0) / 2.0
  if parts.config.method.network == TRANSPOSED:
    heard: Any = parts.network.apply(params, levels)
    audio, mask_logits = (x[:, : parts.form.num_samples] for x in heard)
    return Inverted(audio, mask_logits)
  corrections: Any = parts.network.apply(params, levels)
  return Inverted(_synthesise(parts, corrections, features, noise), None)


def masked(inverted):
  """[B, T] waveforms, silent where their mask is under one half."""
  if inverted.mask_logits is None:
    return inverted.audio
  return jnp.where(inverted.mask_logits > 0.0, inverted.audio, 0.0)


def _transforms(parts):
  """STFT and inverse STFT of the representation's settings."""
  config = parts.config.representation
  inverse = functools.partial(
    stft.istft,
    hop_length=config.hop_length,
    win_length=config.win_length,
    window=config.window,
    length=parts.form.num_samples,
  )
  return representations.make_transform(config), inverse


def _synthesise(parts, corrections, features, noise):
  """[B, T] waveforms of a spectrum with integrated phases, once it is corrected."""
  config = parts.config.representation
  magnitude = parts.representation.magnitude(features)
  phase = phase_lib.integrate_phase(magnitude, config.hop_length, config.win_length, config.window)
  # A spectrum's phases are those at its frame's first sample, half a frame before its middle.
  middle = np.where(np.arange(magnitude.shape[-1]) % 2, -1.0, 1.0).astype(np.float32)
  cos, sin = jnp.cos(phase), jnp.sin(phase)
  gain, turn, noise_gain, impulse, impulse_turn, envelope, strength = corrections
  signs, others = noise
  real = gain * cos - turn * sin + noise_gain * signs + impulse * middle
  imaginary = gain * sin + turn * cos + noise_gain * others + impulse_turn * middle
  forward, inverse = _transforms(parts)
  audio = inverse(jax.lax.complex(magnitude * real, magnitude * imaginary))
  first, last = jnp.split(envelope, 2, axis=-1)
  audio *= _gains(parts, first)
  for _ in range(parts.config.method.refinements):
    audio = inverse(forward(audio) * _level_gains(parts, strength, features, audio))
  return audio * _gains(parts, last)


def _draw_signs(rng, shape):
  """Two arrays of random signs: parts of numbers of four phases, which noise needs no more of."""
  words = jax.random.bits(rng, (*shape[:-1], -(-shape[-1] // 16)), jnp.uint32)
  bits = (words[..., None] >> np.arange(32, dtype=np.uint32)) & 1
  signs = 1.0 - 2.0 * bits.reshape(*shape[:-1], 2, -1)[..., : shape[-1]].astype(jnp.float32)
  return signs[..., 0, :], signs[..., 1, :]


def _level_gains(parts, strength, features, audio):
  """[B, N, K] gains of a spectrum's bins that bring its levels to those of the features."""
  level_db = parts.representation.level_db
  error_db = level_db(features) - level_db(parts.representation.encode(audio))
  error_db = strength * jnp.clip(error_db, -_MOST_DB, _MOST_DB)
  return jnp.exp(_to_bins(parts, error_db) * (math.log(10.0) / 20.0))


def _to_bins(parts, levels):
  """[B, N, F] at the representation's frequencies to the bins of its STFT, by lines between."""
  config = parts.config.representation
  rate, num_bins = parts.form.sample_rate, config.n_fft // 2 + 1
  bins_hz = np.arange(num_bins) * rate / config.n_fft
  frequencies_hz = np.asarray(parts.representation.frequencies_hz)
  if np.array_equal(frequencies_hz, bins_hz[:-1]):
    return jnp.pad(levels, ((0, 0), (0, 0), (0, 1)), mode="edge")
  rows = np.eye(frequencies_hz.size)
  weights = np.stack([np.interp(bins_hz, frequencies_hz, row) for row in rows])
  return levels @ weights.astype(np.float32)


def _gains(parts, envelope):
  """[B, N, P] points, P a hop, to the gain of every sample [B, T]: a line between points."""
  points = envelope.reshape(envelope.shape[0], -1)
  step = parts.hop_length // parts.config.method.points
  following = jnp.concatenate([points[:, 1:], points[:, -1:]], axis=1)
  part = (np.arange(step) / step).astype(np.float32)
  lines = points[..., None] * (1.0 - part) + following[..., None] * part
  return lines.reshape(len(points), -1)[:, : parts.form.num_samples]
