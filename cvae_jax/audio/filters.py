"""Filters whose response varies from frame to frame, filtered noise, and convolution with a room.

Source: Engel et al. 2020, "DDSP: Differentiable Digital Signal Processing", appendix B.4 and B.5.
"""

import functools
from typing import NamedTuple

import jax
from jax import lax
import jax.numpy as jnp
from jaxtyping import Array
from jaxtyping import Float
from jaxtyping import Key
import numpy as np
import scipy.fft

from cvae_jax.audio import stft


@functools.lru_cache(maxsize=8)
def _unit_responses(count):
  """Filters of magnitudes that are 1 at one frequency and 0 at the others ([F, L] float32)."""
  length = 2 * (count - 1)
  zero_phase = np.fft.irfft(np.eye(count), length)
  window = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(length) / length)
  return (np.roll(zero_phase, length // 2, axis=-1) * window).astype(np.float32)


def design(magnitudes: Float[Array, "*batch F"]) -> Float[Array, "*batch L"]:
  """FIR filters of magnitude responses, by frequency sampling; L = 2 (F - 1).

  They are of linear phase, with a delay of L / 2 samples, and Hann-windowed.

  Args:
    magnitudes: at F frequencies from 0 to half the sample rate.
  """
  return jnp.matmul(
    magnitudes, _unit_responses(magnitudes.shape[-1]), precision=lax.Precision.HIGHEST
  )


def _filter_frames(audio, responses):
  """[B, T + L - 1] frames filtered and added up, with the filters' delay and what rings on."""
  num_frames, length = responses.shape[1:]
  if audio.shape[-1] % num_frames:
    raise ValueError(f"{num_frames} filters do not divide {audio.shape[-1]} samples")
  hop_length = audio.shape[-1] // num_frames
  frames = audio.reshape(audio.shape[0], num_frames, hop_length)
  size = scipy.fft.next_fast_len(hop_length + length - 1, real=True)
  spectrum = jnp.fft.rfft(frames, size) * jnp.fft.rfft(responses, size)
  total = stft.overlap_add(jnp.fft.irfft(spectrum, size), hop_length)
  return total[:, : audio.shape[-1] + length - 1]


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
  delay = responses.shape[-1] // 2
  return _filter_frames(audio, responses)[:, delay : delay + audio.shape[-1]]


def filter_block(
  audio: Float[Array, "B T"], responses: Float[Array, "B N L"], ringing: Float[Array, "B R"]
) -> tuple[Float[Array, "B T"], Float[Array, "B R"]]:
  """`filter_frames` of a waveform that comes block by block; the delay of L // 2 samples stays.

  Args:
    audio: the next block.
    responses: of its frames.
    ringing: of what was before, R = L - 1; zeros at first.

  Returns:
    The filtered block, and what rings on after it.
  """
  total = _filter_frames(audio, responses)
  total = total.at[:, : ringing.shape[-1]].add(ringing)
  return total[:, : audio.shape[-1]], total[:, audio.shape[-1] :]


def frame_noise(
  rng: Key[Array, ""],
  batch_size: int,
  num_frames: int,
  hop_length: int,
  first_frame: int | jax.Array = 0,
) -> Float[Array, "B T"]:
  """Uniform noise between -1 and 1; that of a frame depends on its number and not on the block.

  Args:
    rng: of the noise.
    batch_size: B.
    num_frames: N.
    hop_length: samples of a frame.
    first_frame: number of the first frame.
  """
  draw = lambda i: jax.random.uniform(
    jax.random.fold_in(rng, i), (batch_size, hop_length), minval=-1.0, maxval=1.0
  )
  frames = jax.vmap(draw, out_axes=1)(first_frame + jnp.arange(num_frames))
  return frames.reshape(batch_size, -1)


def filtered_noise(
  magnitudes: Float[Array, "B N F"], hop_length: int, rng: Key[Array, ""]
) -> Float[Array, "B T"]:
  """Noise with a spectrum for every frame; T = N * hop_length.

  Args:
    magnitudes: gains at F frequencies from 0 to half the sample rate.
    hop_length: samples of a frame.
    rng: of `frame_noise`.
  """
  noise = frame_noise(rng, magnitudes.shape[0], magnitudes.shape[1], hop_length)
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
  echoes = jnp.asarray(response).at[0].set(0.0)
  wet = jnp.fft.irfft(jnp.fft.rfft(audio, size) * jnp.fft.rfft(echoes, size), size)
  return audio + wet[:, : audio.shape[-1]]


class Echoes(NamedTuple):
  """State of `reverberate_block`: a convolution in equal parts of the response.

  Attributes:
    parts: [P, S] spectra of the response's parts of a block each.
    past: [B, P, S] spectra of the last P blocks, the newest first.
    ringing: [B, block] of the block before.
  """

  parts: jax.Array
  past: jax.Array
  ringing: jax.Array


def begin_echoes(response: Float[Array, " L"], batch_size: int, block_length: int) -> Echoes:
  """The state before the first block."""
  spare = -response.shape[-1] % block_length
  parts = jnp.pad(jnp.asarray(response).at[0].set(0.0), (0, spare)).reshape(-1, block_length)
  spectra = jnp.fft.rfft(parts, 2 * block_length)
  past = jnp.zeros((batch_size, *spectra.shape), spectra.dtype)
  return Echoes(spectra, past, jnp.zeros((batch_size, block_length)))


def reverberate_block(
  audio: Float[Array, "B T"], echoes: Echoes
) -> tuple[Float[Array, "B T"], Echoes]:
  """`reverberate` of the next block of a waveform, of the length of `begin_echoes`; no delay.

  Source: Gardner 1995, "Efficient Convolution without Input-Output Delay", of equal parts.
  """
  size = 2 * audio.shape[-1]
  spectrum = jnp.fft.rfft(audio, size)
  past = jnp.concatenate([spectrum[:, None], echoes.past[:, :-1]], axis=1)
  wet = jnp.fft.irfft(jnp.sum(past * echoes.parts, axis=1), size)
  now, after = jnp.split(wet, 2, axis=-1)
  return audio + now + echoes.ringing, echoes._replace(past=past, ringing=after)
