"""Filters whose response varies from frame to frame, filtered noise, and convolution with a room.

Source: Engel et al. 2020, "DDSP: Differentiable Digital Signal Processing", appendix B.4 and B.5.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array
from jaxtyping import Float
from jaxtyping import Key
import numpy as np
import scipy.fft

from cvae_jax.audio import stft


def design(magnitudes: Float[Array, "*batch F"]) -> Float[Array, "*batch L"]:
  """FIR filters of magnitude responses, by frequency sampling; L = 2 (F - 1).

  They are of linear phase, with a delay of L / 2 samples, and Hann-windowed.

  Args:
    magnitudes: at F frequencies from 0 to half the sample rate.
  """
  length = 2 * (magnitudes.shape[-1] - 1)
  zero_phase = jnp.fft.irfft(magnitudes.astype(jnp.complex64), length)
  window = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(length) / length)
  return jnp.roll(zero_phase, length // 2, axis=-1) * window.astype(np.float32)


def filter_frames(
  audio: Float[Array, "B T"], responses: Float[Array, "B N L"]
) -> Float[Array, "B T"]:
  """Filters each of N equal parts of a waveform with a filter of its own, and adds what overlaps.

  Args:
    audio: T a multiple of N.
    responses: impulse responses, with a delay of L // 2 samples that is taken away again.

  Raises:
    ValueError: if N does not divide T.
  """
  num_frames, length = responses.shape[1:]
  if audio.shape[-1] % num_frames:
    raise ValueError(f"{num_frames} filters do not divide {audio.shape[-1]} samples")
  hop_length = audio.shape[-1] // num_frames
  frames = audio.reshape(audio.shape[0], num_frames, hop_length)
  size = scipy.fft.next_fast_len(hop_length + length - 1, real=True)
  spectrum = jnp.fft.rfft(frames, size) * jnp.fft.rfft(responses, size)
  total = stft.overlap_add(jnp.fft.irfft(spectrum, size), hop_length)
  delay = length // 2
  return jnp.pad(total, [(0, 0), (0, delay)])[:, delay : delay + audio.shape[-1]]


def filtered_noise(
  magnitudes: Float[Array, "B N F"], hop_length: int, rng: Key[Array, ""]
) -> Float[Array, "B T"]:
  """Noise with a spectrum for every frame; T = N * hop_length.

  Args:
    magnitudes: gains at F frequencies from 0 to half the sample rate.
    hop_length: samples of a frame.
    rng: of the noise, which is uniform between -1 and 1 before.
  """
  shape = (magnitudes.shape[0], magnitudes.shape[1] * hop_length)
  noise = jax.random.uniform(rng, shape, minval=-1.0, maxval=1.0)
  return filter_frames(noise, design(magnitudes))


def reverberate(audio: Float[Array, "B T"], response: Float[Array, " L"]) -> Float[Array, "B T"]:
  """Adds the echoes of a room to a waveform.

  Args:
    audio: dry waveform.
    response: of the room; its first sample, which is the dry sound itself, is not used.

  Returns:
    As long as the waveform: echoes after its end are cut off.
  """
  size = scipy.fft.next_fast_len(audio.shape[-1] + response.shape[-1] - 1, real=True)
  echoes = response.at[0].set(0.0)
  wet = jnp.fft.irfft(jnp.fft.rfft(audio, size) * jnp.fft.rfft(echoes, size), size)
  return audio + wet[:, : audio.shape[-1]]
