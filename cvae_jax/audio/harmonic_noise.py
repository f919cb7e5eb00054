"""Harmonics plus filtered noise, in a room: what DDSP plays, whole or block by block.

Source: Engel et al. 2020, "DDSP: Differentiable Digital Signal Processing".
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array
from jaxtyping import Float
from jaxtyping import Key

from cvae_jax.audio import filters
from cvae_jax.audio import frame_controls
from cvae_jax.audio import oscillators


class Parameters(NamedTuple):
  """Of each frame.

  Attributes:
    amplitude: of all harmonics.
    distribution: of the harmonics, not negative; divided by its sum.
    noise: magnitudes at frequencies from 0 to half the sample rate.
  """

  amplitude: Float[Array, "B N"]
  distribution: Float[Array, "B N K"]
  noise: Float[Array, "B N F"]


def synthesize(
  f0_hz: Float[Array, "B N"],
  parameters: Parameters,
  hop_length: int,
  sample_rate: int,
  rng: Key[Array, ""],
  room: Float[Array, " L"] | None = None,
) -> Float[Array, "B T"]:
  """The waveform of N frames; T = N * hop_length.

  Args:
    f0_hz: fundamental frequency.
    parameters: of the synthesizers.
    hop_length: samples of a frame.
    sample_rate: in Hz.
    rng: of the noise.
    room: its impulse response; None for a dry sound.
  """
  amplitudes = oscillators.distribute(
    parameters.amplitude, parameters.distribution, f0_hz, sample_rate
  )
  audio = oscillators.harmonics(f0_hz, amplitudes, hop_length, sample_rate)
  audio += filters.filtered_noise(parameters.noise, hop_length, rng)
  return audio if room is None else filters.reverberate(audio, room)


class State(NamedTuple):
  """What a synthesizer carries from block to block.

  Attributes:
    frame: number of the next frame.
    f0_hz: [B] of the last frame.
    amplitudes: [B, K] of the last frame's harmonics.
    phase: [B] of the fundamental, in 2^-32 cycles.
    rng: of the noise.
    ringing: [B, L - 1] of the noise's filters.
    waiting: [B, W] noise that waits for its harmonics, or harmonics for their noise.
    echoes: of the room; None for a dry sound.
  """

  frame: jax.Array
  f0_hz: jax.Array
  amplitudes: jax.Array
  phase: jax.Array
  rng: jax.Array
  ringing: jax.Array
  waiting: jax.Array
  echoes: filters.Echoes | None


def latency(bands: int, hop_length: int) -> int:
  """Samples by which blocks are late: a frame, by which controls are interpolated, or the delay of
  the noise's filters if that is longer.
  """
  return max(hop_length, bands - 1)


def begin(
  batch_size: int,
  harmonics: int,
  bands: int,
  hop_length: int,
  block_frames: int,
  rng: Key[Array, ""],
  room: Float[Array, " L"] | None = None,
) -> State:
  """The state before the first block.

  Args:
    batch_size: B.
    harmonics: K.
    bands: F.
    hop_length: samples of a frame.
    block_frames: frames of every block.
    rng: of the noise.
    room: its impulse response; None for a dry sound.
  """
  zeros = lambda *shape: jnp.zeros((batch_size, *shape))
  echoes = None
  if room is not None:
    echoes = filters.begin_echoes(room, batch_size, block_frames * hop_length)
  return State(
    jnp.zeros((), jnp.int32),
    zeros(),
    zeros(harmonics),
    frame_controls.zero_phase(batch_size),
    rng,
    zeros(2 * (bands - 1) - 1),
    zeros(abs(hop_length - (bands - 1))),
    echoes,
  )


def _delay(audio, waiting):
  """A block as late as what waits is long, and what waits next."""
  joined = jnp.concatenate([waiting, audio], axis=-1)
  return joined[:, : audio.shape[-1]], joined[:, audio.shape[-1] :]


def advance(
  state: State,
  f0_hz: Float[Array, "B N"],
  parameters: Parameters,
  hop_length: int,
  sample_rate: int,
) -> tuple[Float[Array, "B T"], State]:
  """The next block; after `latency` samples equal to `synthesize` of all frames.

  Args:
    state: of `begin`, or of the block before.
    f0_hz: fundamental frequency of the block's frames.
    parameters: of the synthesizers.
    hop_length: samples of a frame.
    sample_rate: in Hz.
  """
  batch_size, num_frames = f0_hz.shape
  amplitudes = oscillators.distribute(
    parameters.amplitude, parameters.distribution, f0_hz, sample_rate
  )
  # From the last frame of the block before to the last one of this: what follows is not known yet.
  f0_before = jnp.where(state.frame > 0, state.f0_hz, f0_hz[:, 0])
  f0_of_frames = jnp.concatenate([f0_before[:, None], f0_hz], axis=1)
  from_before = jnp.concatenate([state.amplitudes[:, None], amplitudes], axis=1)
  count = num_frames * hop_length
  f0_of_samples = frame_controls.interpolate_linearly(f0_of_frames, hop_length)[:, :count]
  # The phase begins with the first frame.
  is_first = state.frame == 0
  before = frame_controls.end_phase(f0_of_samples[:, :hop_length], state.phase, sample_rate)
  start = jnp.where(is_first, -before, state.phase)
  tonal = oscillators.harmonics(f0_of_frames, from_before, hop_length, sample_rate, start)
  tonal = tonal[:, :count]
  phase = frame_controls.end_phase(f0_of_samples, start, sample_rate)

  noise = filters.frame_noise(state.rng, batch_size, num_frames, hop_length, state.frame)
  noise, ringing = filters.filter_block(noise, filters.design(parameters.noise), state.ringing)
  delay = parameters.noise.shape[-1] - 1
  if delay < hop_length:
    noise, waiting = _delay(noise, state.waiting)
  else:
    tonal, waiting = _delay(tonal, state.waiting)
  is_early = state.frame * hop_length + jnp.arange(count) < max(hop_length, delay)
  audio, echoes = jnp.where(is_early, 0.0, tonal + noise), state.echoes
  if echoes is not None:
    audio, echoes = filters.reverberate_block(audio, echoes)
  frame = state.frame + num_frames
  last = (f0_hz[:, -1], amplitudes[:, -1])
  return audio, State(frame, *last, phase, state.rng, ringing, waiting, echoes)
