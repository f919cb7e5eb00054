"""Networks that turn levels of a spectrogram into a waveform.

    TransposedHeads  the original's: heads of transposed convolutions, and a mask of what sounds
    SpectralHead     corrections of a spectrum at the frames' rate, and of its waveform's envelope

Transposed convolutions, and every network that sees nothing but steady levels, make the same of
each frame: sound of the frames' rate and its multiples, the stripes that the Neural Drum Machine's
authors report. A `SpectralHead` corrects a spectrum that has its phases already.

Source: Arik, Jun & Diamos 2019, "Fast spectrogram inversion using multi-head convolutional neural
networks"; Aouameur, Esling & Hadjeres 2019, "Neural drum machine", for the mask.
"""

import functools
import math
from typing import NamedTuple

from flax import linen as nn
import jax
import jax.numpy as jnp

from cvae_jax.models.common import layers

_SHARE = 4  # bins that share a correction
_RISE = 0.05  # of levels from 0 to 1: of an onset, where noise fluctuates by 0.02


def scaled_softsign(x: jax.Array, a: jax.Array, b: jax.Array) -> jax.Array:
  """a x / (1 + |b x|): from -a / |b| to a / |b|. Source: Arik et al. 2019, section 3.1."""
  return a * x / (1.0 + jnp.abs(b * x))


class TransposedHeads(nn.Module):
  """Heads of transposed convolutions, each of twice the rate of the one before, without biases.

  Channels are halved from layer to layer, down to 2 of the last but one; the last has 2: a signal
  and the logit of a mask. Levels are from 0, the floor, so that silence becomes silence.

  Attributes:
    hop_length: samples of a frame, a power of two: one layer for each factor.
    heads: how many; their outputs are weighted and summed.
    kernel_size: taps.
  """

  hop_length: int
  heads: int
  kernel_size: int

  @nn.compact
  def __call__(self, levels: jax.Array) -> tuple[jax.Array, jax.Array]:
    """[B, N, F] levels, from 0 to 1, to [B, N * hop_length] signals and logits of masks."""
    count = int(math.log2(self.hop_length))
    weights = self.param("weights", nn.initializers.ones, (self.heads,))
    a, b = (self.param(name, nn.initializers.ones, ()) for name in ("a", "b"))
    total = jnp.zeros(())
    init = nn.initializers.lecun_normal()
    for head in range(self.heads):
      x = levels
      for i in range(count):
        features = 2 ** max(count - 1 - i, 1)
        shape = (self.kernel_size, x.shape[-1], features)
        x = layers.conv_transpose(x, self.param(f"head_{head}_{i}", init, shape), (2,))
        x = nn.elu(x) if i < count - 1 else x  # The ELU's -1 would bound the signal on one side.
      total = total + weights[head] * x
    return scaled_softsign(total[..., 0], a, b), total[..., 1]


class Corrections(NamedTuple):
  """What a `SpectralHead` makes of levels; K = n_fft / 2 + 1.

  Attributes:
    gain: [B, N, K] real part of a factor of the spectrum.
    turn: [B, N, K] imaginary part of it.
    noise: [B, N, K] amplitude of noise, relative to the spectrum's.
    impulse: [B, N, K] real part of what sounds in the middle of the frame alone, likewise.
    impulse_turn: [B, N, K] imaginary part of it.
    envelope: [B, N, P] gains of the waveform, at P points of a hop.
    strength: [F] how much of an error of each level a refinement corrects.
  """

  gain: jax.Array
  turn: jax.Array
  noise: jax.Array
  impulse: jax.Array
  impulse_turn: jax.Array
  envelope: jax.Array
  strength: jax.Array


class SpectralHead(nn.Module):
  """Residual blocks at the frames' rate, as in ConvNeXt, and linear layers to `Corrections`.

  Before training the spectrum stays as it is. Impulses and envelopes are alike in each of a steady
  sound's frames, and would be heard as stripes: they are left to frames in which levels rise.

  Attributes:
    num_bins: K.
    fine_bins: of these have corrections of their own; those above share them by fours.
    points: P.
    hidden: features of a block.
    blocks: how many.
    expansion: of the hidden features within a block.
    kernel_size: frames that a block sees; odd.

  Source: Siuzdak 2023, "Vocos", for blocks at the frames' rate.
  """

  num_bins: int
  fine_bins: int
  points: int
  hidden: int
  blocks: int
  expansion: int
  kernel_size: int

  @nn.compact
  def __call__(self, levels: jax.Array) -> Corrections:
    """[B, N, F] levels, from 0 to 1, to corrections."""
    frames = levels.shape[:2]
    # Rows of all examples together: gradients of their products take half the time.
    rows = _neighbours(levels).reshape(-1, 3 * levels.shape[-1])
    x = nn.LayerNorm(name="input_norm")(nn.Dense(self.hidden, name="input")(rows))
    for i in range(self.blocks):
      shape = (self.kernel_size, self.hidden)
      init = nn.initializers.normal(1.0 / math.sqrt(self.kernel_size))
      kernel = self.param(f"kernel_{i}", init, shape)
      y = shift_and_sum(x.reshape(*frames, -1), kernel).reshape(x.shape)
      y = nn.LayerNorm(name=f"norm_{i}")(y)
      y = nn.gelu(nn.Dense(self.expansion * self.hidden, name=f"expand_{i}")(y))
      x = x + nn.Dense(self.hidden, name=f"contract_{i}")(y)
    x = nn.LayerNorm(name="output_norm")(x)
    zeros = nn.initializers.zeros
    fine = min(self.fine_bins, self.num_bins)
    coarse = -(-(self.num_bins - fine) // _SHARE)
    spectra = nn.Dense(5 * (fine + coarse), kernel_init=zeros, name="spectra")(x)
    spectra = spectra.reshape(*frames, 5, fine + coarse)
    shared = jnp.repeat(spectra[..., fine:], _SHARE, axis=-1)
    spectra = jnp.concatenate([spectra[..., :fine], shared], axis=-1)[..., : self.num_bins]
    gain, turn, noise, impulse, impulse_turn = (spectra[:, :, i] for i in range(5))
    rises = rising(levels)[..., None]
    envelope = nn.Dense(self.points, kernel_init=zeros, name="envelope")(x).reshape(*frames, -1)
    strength = self.param("strength", nn.initializers.ones, levels.shape[-1:])
    return Corrections(
      1.0 + gain,
      turn,
      noise,
      rises * impulse,
      rises * impulse_turn,
      2.0 * nn.sigmoid(rises * envelope),
      strength,
    )


def rising(levels: jax.Array) -> jax.Array:
  """How much of an onset each frame of [B, N, F] levels, from 0 to 1, is near to: [B, N], 0 to 1.

  The mean rise over two frames, as the fluctuations of noise are not, in or beside the frame.
  """
  padded = jnp.pad(levels, ((0, 0), (2, 0), (0, 0)))  # Before the first frame there is silence.
  rise = jnp.mean(jnp.maximum(padded[:, 2:] - padded[:, :-2], 0.0), axis=-1)
  rise = jnp.pad(rise, ((0, 0), (2, 2)))
  rise = functools.reduce(jnp.maximum, [rise[:, i : i + levels.shape[1]] for i in range(5)])
  return jnp.square(rise) / (jnp.square(rise) + _RISE**2)


def _neighbours(x):
  """[B, N, F] to [B, N, 3 F]: each frame with the one before and the one after it."""
  padded = jnp.pad(x, ((0, 0), (1, 1), (0, 0)), mode="edge")
  return jnp.concatenate([padded[:, i : i + x.shape[1]] for i in range(3)], axis=-1)


def shift_and_sum(x: jax.Array, kernel: jax.Array) -> jax.Array:
  """A convolution of each channel by itself: x [B, N, C], kernel [taps, C]; SAME padding.

  On CPU it takes a tenth of the time of XLA's, and so do its gradients.
  """
  taps = kernel.shape[0]
  padded = jnp.pad(x, ((0, 0), (taps // 2, taps - 1 - taps // 2), (0, 0)))
  shifted = (padded[:, i : i + x.shape[1]] * kernel[i] for i in range(taps))
  return functools.reduce(jnp.add, shifted)
