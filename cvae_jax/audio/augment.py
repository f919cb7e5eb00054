"""Augmentation of sounds that preserves what they are: equalisers, envelopes and phases.

A network overfits a few thousand notes before it generalises to other instruments. A new random
equaliser and envelope for every training example simulate unseen instruments.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array
from jaxtyping import Float
from jaxtyping import Key
import numpy as np

_WAVES = 6  # cosines of the equaliser's curve
_LOWEST_HZ = 60.0  # below it the curve is flat
_TAPS = 4096  # of the equaliser


def vary(
  audio: Float[Array, "B T"],
  key: Key[Array, ""],
  sample_rate: int,
  equaliser_db: float,
  envelope_db: float,
) -> Float[Array, "B T"]:
  """Gives each waveform a smooth random equaliser and a smooth random envelope.

  The equaliser's gain in dB is a sum of cosines over log-frequency, with half a period to three
  periods over the whole range. The amplitude of cosine k is normal with a standard deviation of
  `equaliser_db` / sqrt(k). It is of minimum phase: an attack has nothing before it, which would be
  heard at the end of a waveform that is filtered as if it were periodic. The envelope's gain in dB
  is a linear slope plus a hump, both normal with a standard deviation of `envelope_db` at the
  note's end and middle. Both change the level: normalise afterwards.

  Args:
    audio: [B, T] waveforms.
    key: random key.
    sample_rate: in Hz.
    equaliser_db: standard deviation; 0.0 disables the equaliser.
    envelope_db: standard deviation; 0.0 disables the envelope.

  Returns:
    [B, T] waveforms.
  """
  batch, num_samples = audio.shape
  equaliser_key, envelope_key = jax.random.split(key)
  if equaliser_db:
    number = np.arange(1, _WAVES + 1)
    frequencies_hz = np.fft.rfftfreq(_TAPS, 1.0 / sample_rate)
    position = np.log2(1.0 + frequencies_hz / _LOWEST_HZ)
    waves = np.cos(np.pi * number[:, None] * position / position[-1]).astype(np.float32)
    scale = (equaliser_db / np.sqrt(number)).astype(np.float32)
    gain_db = (jax.random.normal(equaliser_key, (batch, _WAVES)) * scale) @ waves
    taps = _minimum_phase(gain_db)
    length = num_samples + _TAPS
    spectrum = jnp.fft.rfft(audio, length) * jnp.fft.rfft(taps, length)
    audio = jnp.fft.irfft(spectrum, length)[:, :num_samples]
  if envelope_db:
    time = np.linspace(0.0, 1.0, num_samples, dtype=np.float32)
    curves = np.stack([time, 0.5 - 0.5 * np.cos(2 * np.pi * time)])
    gain_db = (jax.random.normal(envelope_key, (batch, 2)) * envelope_db) @ curves
    audio = audio * jnp.exp(gain_db * (np.log(10.0) / 20.0))
  return audio


def _minimum_phase(gain_db):
  """[B, _TAPS] impulse responses of minimum phase with gains [B, _TAPS / 2 + 1].

  The cepstrum of a minimum-phase response is that of its gains, folded onto positive times.
  Source: Oppenheim & Schafer 2010, "Discrete-Time Signal Processing", section 13.5.
  """
  cepstrum = jnp.fft.irfft(gain_db * (np.log(10.0) / 20.0), _TAPS)
  fold = np.zeros(_TAPS, np.float32)
  fold[0] = fold[_TAPS // 2] = 1.0
  fold[1 : _TAPS // 2] = 2.0
  return jnp.fft.irfft(jnp.exp(jnp.fft.rfft(cepstrum * fold)), _TAPS)


_POLE_RADIUS, _POLE_HZ = 0.99, (20.0, 2000.0)


def turn_phases(
  audio: Float[Array, "B T"], key: Key[Array, ""], sample_rate: int, share: float
) -> Float[Array, "B T"]:
  """Filters some waveforms by a random all-pass: phases around one frequency change, levels do not.

  The filter has a pair of poles of radius 0.99 at a frequency between 20 and 2,000 Hz,
  log-uniform. It is applied to the spectrum of the whole, so that what rings on after the end is at
  the start.

  Args:
    audio: [B, T] waveforms.
    key: random key.
    sample_rate: in Hz.
    share: of the waveforms that are filtered.

  Source: the augmentation of RAVE's `acids-rave` package.
  """
  chosen_key, pole_key = jax.random.split(key)
  low, high = np.log(_POLE_HZ)
  pole_hz = jnp.exp(jax.random.uniform(pole_key, audio.shape[:1], minval=low, maxval=high))
  omega = np.linspace(0.0, np.pi, audio.shape[-1] // 2 + 1, dtype=np.float32)
  late = np.exp(-1j * omega).astype(np.complex64)
  cosine = jnp.cos(2.0 * jnp.pi * pole_hz / sample_rate)[:, None]
  a1, a2 = -2.0 * _POLE_RADIUS * cosine, _POLE_RADIUS**2
  response = (a2 + a1 * late + late**2) / (1.0 + a1 * late + a2 * late**2)
  is_chosen = jax.random.uniform(chosen_key, audio.shape[:1]) < share
  spectrum = jnp.fft.rfft(audio) * jnp.where(is_chosen[:, None], response, 1.0)
  return jnp.fft.irfft(spectrum, audio.shape[-1])
