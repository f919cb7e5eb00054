"""Networks of DDSP: controls of every frame to the parameters of synthesizers, and back.

Source: Engel et al. 2020, "DDSP: Differentiable Digital Signal Processing", appendix B.
"""

from collections.abc import Sequence

from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from cvae_jax.audio import harmonic_noise
from cvae_jax.models.common import latent as latent_lib
from cvae_jax.models.common import recurrent

_EPSILON = 1e-3  # of layer norms, as Keras has it
_SLOPE = 0.2  # of leaky ReLUs, as TensorFlow has it
_NOISE_BIAS = -5.0  # what noise begins with: silence
_MIN_GAIN = 1e-7
_MAX_GAIN_DB = 12.0  # of what is played over what is asked for, either way


def exp_sigmoid(x: jax.Array) -> jax.Array:
  """2 sigmoid(x)^ln 10 + 1e-7: from 1e-7 to 2, and not steep where a gain is small."""
  return 2.0 * jax.nn.sigmoid(x) ** np.log(10.0).astype(np.float32) + _MIN_GAIN


class Stack(nn.Module):
  """Layers of a dense layer, a layer norm and a leaky ReLU each.

  Attributes:
    features: of each layer.
    layers: how many.
  """

  features: int
  layers: int

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    for _ in range(self.layers):
      x = nn.LayerNorm(epsilon=_EPSILON)(nn.Dense(self.features)(x))
      x = nn.leaky_relu(x, _SLOPE)
    return x


class FrameDecoder(nn.Module):
  """Inputs of every frame to parameters of synthesizers: stacks, a GRU, a stack.

  Attributes:
    hidden: features of the stacks.
    layers: of a stack.
    recurrent: features of the GRU.
    harmonics: K.
    bands: F.
    has_gain: whether there is a gain beside the parameters.
  """

  hidden: int
  layers: int
  recurrent: int
  harmonics: int
  bands: int
  has_gain: bool = False

  @nn.compact
  def __call__(
    self, inputs: Sequence[jax.Array], carry: jax.Array | None = None
  ) -> tuple[jax.Array, harmonic_noise.Parameters, jax.Array | None]:
    """[B, N, C] of each input to parameters of N frames; `carry` [B, H] is the GRU's state.

    Returns:
      The state after the last frame, the parameters, and the gain [B, N] in dB.
    """
    stacked = [Stack(self.hidden, self.layers)(x) for x in inputs]
    carry, states = recurrent.GRU(self.recurrent)(jnp.concatenate(stacked, axis=-1), carry)
    features = Stack(self.hidden, self.layers)(jnp.concatenate([*stacked, states], axis=-1))
    outputs = nn.Dense(1 + self.harmonics + self.bands)(features)
    ends = (1, 1 + self.harmonics)
    amplitude, distribution, noise = jnp.split(outputs, ends, axis=-1)
    gain = None
    if self.has_gain:
      gain = _MAX_GAIN_DB * jnp.tanh(nn.Dense(1, kernel_init=nn.initializers.zeros)(features))
    parameters = harmonic_noise.Parameters(
      exp_sigmoid(amplitude[..., 0]), exp_sigmoid(distribution), exp_sigmoid(noise + _NOISE_BIAS)
    )
    return carry, parameters, None if gain is None else gain[..., 0]


class InstanceNorm(nn.Module):
  """Each channel of an example with mean 0 and deviation 1 over time; then a gain and an offset."""

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    mean, variance = (f(x, axis=1, keepdims=True) for f in (jnp.mean, jnp.var))
    gain = self.param("scale", nn.initializers.ones, x.shape[-1:])
    offset = self.param("bias", nn.initializers.zeros, x.shape[-1:])
    return (x - mean) / jnp.sqrt(variance + 1e-5) * gain + offset


class SequenceEncoder(nn.Module):
  """MFCCs to a latent that varies in time.

  Attributes:
    recurrent: features of the GRU.
    latent_dim: D.
  """

  recurrent: int
  latent_dim: int

  @nn.compact
  def __call__(self, mfcc: jax.Array) -> jax.Array:
    """[B, M, C] cepstra to [B, M, D]."""
    _, states = recurrent.GRU(self.recurrent)(InstanceNorm()(mfcc))
    return nn.Dense(self.latent_dim)(states)


class NoteEncoder(nn.Module):
  """Cepstra and curves of a note to the posterior of its latent.

  Attributes:
    hidden: features of its layers.
    latent_dim: D.
  """

  hidden: int
  latent_dim: int

  @nn.compact
  def __call__(self, frames: jax.Array, c: jax.Array) -> latent_lib.Latent:
    """[B, M, C] frames and [B, K] conditions to a Gaussian of [B, D]."""
    x = Stack(self.hidden, 2)(frames)
    _, states = recurrent.GRU(self.hidden)(x)
    summary = jnp.concatenate([jnp.mean(x, 1), jnp.mean(states, 1), states[:, -1], c], axis=-1)
    outputs = nn.Dense(2 * self.latent_dim)(Stack(self.hidden, 1)(summary))
    mean, logvar = jnp.split(outputs, 2, axis=-1)
    return latent_lib.Latent(mean, jnp.clip(logvar, -12.0, 4.0))


class CurveDecoder(nn.Module):
  """A note's latent and condition to its curves: loudness, and deviation from its pitch.

  Curves are straight between knots: every frame of the attack, and then every few.

  Attributes:
    hidden: features of its layers.
    num_frames: N.
    attack_frames: frames that are knots each.
    knot_frames: frames from knot to knot after them.
  """

  hidden: int
  num_frames: int
  attack_frames: int
  knot_frames: int

  @property
  def knots(self) -> np.ndarray:
    """Frames that are knots."""
    attack = np.arange(min(self.attack_frames, self.num_frames))
    rest = np.arange(self.attack_frames, self.num_frames - 1, self.knot_frames)
    last = [self.num_frames - 1] if self.num_frames > self.attack_frames else []
    return np.concatenate([attack, rest, last]).astype(np.int32)

  @nn.compact
  def __call__(self, z: jax.Array, c: jax.Array) -> jax.Array:
    """[B, D] latents and [B, K] conditions to [B, N, 2] scaled loudness, and semitones."""
    x = Stack(self.hidden, 3)(jnp.concatenate([z, c], axis=-1))
    values = nn.Dense(2 * len(self.knots))(x).reshape(len(x), len(self.knots), 2)
    frames = np.arange(self.num_frames)
    upper = np.clip(np.searchsorted(self.knots, frames, side="right"), 1, len(self.knots) - 1)
    low, high = self.knots[upper - 1], self.knots[upper]
    weight = ((frames - low) / (high - low)).astype(np.float32)[:, None]
    return values[:, upper - 1] * (1.0 - weight) + values[:, upper] * weight
