"""DC offset and level: the one place where a note's waveform is put in order.

NSynth's notes carry offsets of up to 0.36 of full scale and levels that differ tenfold between
families, and their velocity is often a gain and nothing else. So a network sees every note without
its offset and at one peak level (`normalize`), and level comes back at the output: a generated
note gets the gain of its velocity (`velocity_to_gain`), a reconstructed one that of its original.
"""

import jax.numpy as jnp
from jaxtyping import Array
from jaxtyping import Float

# 1 dB below full scale, so that what an inverse transform adds does not clip.
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
  """Scales each waveform to the given peak; one whose peak is under `threshold` is left as it is.

  Args:
    audio: [..., T] waveform.
    peak: the largest absolute sample afterwards, in full scale.
    threshold: in full scale; below it (-80 dB) a waveform counts as silence, whose noise floor
      nobody wants to hear at full level.

  Returns:
    [..., T] waveform.
  """
  level = jnp.max(jnp.abs(audio), axis=-1, keepdims=True)
  gain = jnp.where(level > threshold, peak / jnp.maximum(level, threshold), 1.0)
  return audio * gain


def normalize(audio: Float[Array, "*batch T"], peak: float = PEAK) -> Float[Array, "*batch T"]:
  """Removes the DC offset, then scales to the given peak: what every network is fed.

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
  """Lets each waveform begin and end at 0, along halves of a raised cosine.

  What still sounds at the last sample is a click otherwise, and so is what is there at the first.

  Args:
    audio: [..., T] waveform.
    sample_rate: in Hz.
    in_s: length of the fade at the beginning, in seconds; short, so that attacks stay.
    out_s: length of the fade at the end, in seconds.

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
    velocity: MIDI velocity, 0 to 127, of any shape; a negative one is not known, and full level.

  Returns:
    Linear gain, 0 to 1, of the same shape.

  Source: General MIDI 2 and DLS Level 1, the concave transform of velocity to attenuation.
  """
  velocity = jnp.asarray(velocity, jnp.float32)
  return jnp.where(velocity < 0.0, 1.0, jnp.square(velocity / 127.0))
