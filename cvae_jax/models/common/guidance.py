"""What guides the latent of a Guided-VAE: a light second decoder, or readers of single dimensions.

Source: Ding et al. 2020, "Guided Variational Autoencoder for Disentanglement Learning". There the
light decoder rotates and scales images; a note is tilted, transposed and stretched instead.
"""

from flax import linen as nn
import jax
import jax.numpy as jnp

from cvae_jax.audio import warps
from cvae_jax.models.common import layers

TRANSFORMATIONS = ("tilt", "transposition", "stretch")  # z[0], z[1], z[2] of a light decoder
# What one unit of z means at the start: dB per octave, semitones, log of the factor.
_UNITS = (3.0, 2.0, 0.3)
_READER_UNITS = 32


class LightDecoder(nn.Module):
  """z to levels by one linear layer and three transformations, which are given a dimension each.

  z[3:] are weights of a learned basis, as those of a PCA where it is orthogonal. The tilt, the
  transposition and the stretch of their sum are linear in z[0], z[1] and z[2].

  Attributes:
    num_frames: N.
    frequencies_hz: centres of the F bins.
    unit_db: dB of one unit of the features.
  """

  num_frames: int
  frequencies_hz: tuple[float, ...]
  unit_db: float

  @nn.compact
  def __call__(self, z: jax.Array) -> tuple[jax.Array, jax.Array]:
    """[B, D] to levels [B, N, F], and the basis [D - 3, N F]."""
    count, num_bins = len(TRANSFORMATIONS), len(self.frequencies_hz)
    size = self.num_frames * num_bins
    # Rows of about unit norm, whose products are then of one size for every number of features.
    init = nn.initializers.normal(size**-0.5)
    basis = self.param("basis", init, (z.shape[1] - count, size))
    mean = self.param("mean", nn.initializers.constant(layers.SILENCE), (size,))
    scale = self.param("scale", nn.initializers.constant(jnp.asarray(_UNITS)), (count,))
    offset = self.param("offset", nn.initializers.zeros, (count,))
    x = (z[:, count:] @ basis + mean).reshape(-1, self.num_frames, num_bins)
    slope, semitones, log_factor = jnp.split(scale * z[:, :count] + offset, count, axis=1)
    x = warps.transpose(x, semitones[:, 0], self.frequencies_hz)
    x = warps.stretch(x, jnp.exp(log_factor[:, 0]))
    x = warps.tilt(x, slope[:, 0], self.frequencies_hz, self.unit_db)
    return layers.above_silence(x[..., None], (True,))[..., 0], basis


class LabelReaders(nn.Module):
  """Classifiers of K labels from parts of z: two hidden layers of 32 each.

  Attributes:
    sizes: number of classes of each label.
    from_others: whether label k is read from all dimensions but k, or from z[k] alone.
  """

  sizes: tuple[int, ...]
  from_others: bool

  @nn.compact
  def __call__(self, z: jax.Array) -> tuple[jax.Array, ...]:
    """[B, D] to the logits [B, n] of each label."""
    logits = []
    for k, size in enumerate(self.sizes):
      x = jnp.delete(z, k, axis=1) if self.from_others else z[:, k : k + 1]
      for i in range(2):
        x = nn.leaky_relu(nn.Dense(_READER_UNITS, name=f"hidden_{k}_{i}")(x), 0.2)
      logits.append(nn.Dense(size, name=f"label_{k}")(x))
    return tuple(logits)
