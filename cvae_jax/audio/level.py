"""Normalisation of DC offset and level.

NSynth's notes have DC offsets of up to 0.36 of full scale and levels that differ tenfold between
families, and their velocity is often only a gain. Networks therefore get notes without offset and
at one peak level (`normalize`), and the level is restored at the output: a generated note gets the
gain of its velocity (`velocity_to_gain`), a reconstructed one the gain of its original.
"""

import jax.numpy as jnp
from jaxtyping import Array
from jaxtyping import Float

# 1 dB below full scale, so that errors of inverse transforms do not clip.
PEAK = 0.89


def remove_dc(audio: Float[Array, "*batch T"]) -> Float[Array, "*batch T"]:
  """Subtracts each waveform's mean.

  Args:
    audio: [..., T] waveform in full scale -1 to 1.

  Returns:
    [..., T] waveform of mean 0.
  """
  return audio - jnp.mean(audio, axis=-1, keepdims=True)


def peak_normalize(
  audio: Float[Array, "*batch T"], peak: float = PEAK, threshold: float = 1e-4
) -> Float[Array, "*batch T"]:
  """Scales each waveform to the given peak, unless its peak is below `threshold`.

  Args:
    audio: [..., T] waveform.
    peak: the largest absolute sample afterwards, in full scale.
    threshold: in full scale (-80 dB by default); waveforms with a lower peak count as silence,
      whose noise floor should not be amplified.

  Returns:
    [..., T] waveform.
  """
  level = jnp.max(jnp.abs(audio), axis=-1, keepdims=True)
  gain = jnp.where(level > threshold, peak / jnp.maximum(level, threshold), 1.0)
  return audio * gain


def normalize(audio: Float[Array, "*batch T"], peak: float = PEAK) -> Float[Array, "*batch T"]:
  """Removes the DC offset, then scales to the given peak: the input of all networks.

  Args:
    audio: [..., T] waveform in full scale -1 to 1.
    peak: the largest absolute sample afterwards.

  Returns:
    [..., T] waveform.
  """
  return peak_normalize(remove_dc(audio), peak)


def fade_ends(
  audio: Float[Array, "*batch T"], sample_rate: int, in_s: float = 0.001, out_s: float = 0.01
) -> Float[Array, "*batch T"]:
  """Fades each waveform in and out with halves of a raised cosine.

  Otherwise a waveform that does not start and end at 0 clicks.

  Args:
    audio: [..., T] waveform.
    sample_rate: in Hz.
    in_s: duration of the fade-in, in seconds; short, to preserve attacks.
    out_s: duration of the fade-out, in seconds.

  Returns:
    [..., T] waveform.
  """

  def rise(duration_s):
    position = jnp.arange(audio.shape[-1]) / max(duration_s * sample_rate, 1.0)
    return 0.5 - 0.5 * jnp.cos(jnp.pi * jnp.clip(position, 0.0, 1.0))

  return audio * rise(in_s) * rise(out_s)[::-1]


def velocity_to_gain(velocity):
  """Gain of a MIDI velocity: 40 log10(velocity / 127) dB.

  Args:
    velocity: MIDI velocity, 0 to 127, of any shape; negative is unknown, which has gain 1.

  Returns:
    Linear gain, 0 to 1, of the same shape.

  Source: General MIDI 2 and DLS Level 1, the concave transform of velocity to attenuation.
  """
  velocity = jnp.asarray(velocity, jnp.float32)
  return jnp.where(velocity < 0.0, 1.0, jnp.square(velocity / 127.0))
