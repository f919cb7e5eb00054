"""How a note is made from its factors: nine methods of synthesis that mean the same by each.

A method makes a steady tone of a pitch, a slope of its spectrum, a stretch of its partials and a
balance between odd and even ones. What moves is common to all: the vibrato is a delay that swings,
noise is added, and an envelope laid over both. So a factor's effect is the same whatever the
method, as far as the method can have it: a blown pipe's tone is periodic and cannot be
inharmonic, and an FM tone's inharmonicity is that of its modulator.
"""

from collections.abc import Callable
import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp

from cvae_jax.audio import level
from cvae_jax.audio import partials
from cvae_jax.audio import synthesis
from cvae_jax.audio import waveguide
from cvae_jax.data import labels
from cvae_jax.data.synthetic import factors

_SR = labels.SAMPLE_RATE
_T = labels.NUM_SAMPLES
_PARTIALS = 64
_RELEASE_S = 0.1  # time constant, of every note
_BLOCK = 64  # samples from one point of a partial's amplitude to the next


class Tone(NamedTuple):
  """What a method is given: a batch of notes.

  Attributes:
    f0_hz: [B] of the first partial.
    slope: [B] of the spectrum: partial k has the level k^-slope.
    inharmonicity: [B] B of a stiff string.
    balance: [B] level of even partials relative to odd ones.
    key: random key.
  """

  f0_hz: jax.Array
  slope: jax.Array
  inharmonicity: jax.Array
  balance: jax.Array
  key: jax.Array

  def frequencies_hz(self) -> jax.Array:
    """[B, K] of the partials, stretched."""
    return self.f0_hz[:, None] * stretch(
      synthesis.harmonic_numbers(_PARTIALS), self.inharmonicity[:, None]
    )

  def weights(self) -> jax.Array:
    """[B, K] 1 for odd partials, the balance for even ones."""
    even = synthesis.harmonic_numbers(_PARTIALS) % 2 == 0
    return jnp.where(even, self.balance[:, None], 1.0)

  def amplitudes(self) -> jax.Array:
    """[B, K] of the partials."""
    return synthesis.harmonic_numbers(_PARTIALS) ** -self.slope[:, None] * self.weights()

  def phases(self) -> jax.Array:
    """[B, K] in cycles, random."""
    return jax.random.uniform(self.key, (self.f0_hz.shape[0], _PARTIALS))


def stretch(number: jax.Array | float, inharmonicity: jax.Array) -> jax.Array:
  """Frequency of a stiff string's partial over that of its first (Fletcher 1964)."""
  return number * jnp.sqrt((1.0 + inharmonicity * jnp.square(number)) / (1.0 + inharmonicity))


def additive(tone: Tone) -> jax.Array:
  """A sum of partials."""
  return partials.bank(
    tone.frequencies_hz(), tone.amplitudes()[:, None], tone.phases(), _T, _SR, _BLOCK
  )


def subtractive(tone: Tone) -> jax.Array:
  """Partials as of a sawtooth, through a 12 dB/octave low-pass that closes over the attack.

  The filter is its gain at each partial, which is exact as long as it moves slowly. The slope is
  that of the sawtooth and the filter together, at the third partial.
  """
  gains = _swept(tone.slope, tone.weights())
  return partials.bank(tone.frequencies_hz(), gains, tone.phases(), _T, _SR, _BLOCK)


@jax.jit
def _swept(slope, weights):
  """[B, blocks, K] of a sawtooth's partials through the filter."""
  numbers = synthesis.harmonic_numbers(_PARTIALS)
  # |H| = 1 / sqrt(1 + (f / cutoff)^4): which cutoff leaves the third partial at 3^-slope?
  wanted = 3.0 ** (slope - 1.0)
  cutoff = 3.0 / jnp.maximum(jnp.square(wanted) - 1.0, 1e-3) ** 0.25
  t = jnp.arange(_T // _BLOCK + 1) * _BLOCK / _SR
  sweep = 1.0 + 2.0 * jnp.exp(-t / 0.15)
  square = jnp.square(numbers / (cutoff[:, None] * sweep)[..., None])
  return weights[:, None] / (numbers * jnp.sqrt(1.0 + square * square))


@functools.partial(jax.jit, static_argnums=0)
def _frequency_modulation(algorithm: str, tone: Tone) -> jax.Array:
  """Two carriers, one with a modulator at twice its frequency: odd partials alone."""
  # A bright FM sound is one of a high index; its spectrum is flat up to about the index.
  index = 0.3 + 4.0 * 2.0 ** (1.0 - 2.0 * tone.slope)
  detune = stretch(5.0, tone.inharmonicity) / 5.0
  odd, all_of_them = (
    synthesis.operators(algorithm, tone.f0_hz, number * detune, index, _T, _SR)
    for number in (2.0, 1.0)
  )
  return odd + tone.balance[:, None] * (all_of_them - odd)


def fm_pair(tone: Tone) -> jax.Array:
  """FM by one modulator."""
  return _frequency_modulation("pair", tone)


def fm_stack(tone: Tone) -> jax.Array:
  """FM by a modulator that is modulated."""
  return _frequency_modulation("stack", tone)


def fm_branch(tone: Tone) -> jax.Array:
  """FM by two modulators side by side."""
  return _frequency_modulation("branch", tone)


@jax.jit
def plucked_string(tone: Tone) -> jax.Array:
  """A digital waveguide: a stiff string with losses."""
  return waveguide.stiff_string(
    tone.f0_hz,
    tone.inharmonicity,
    tone.slope,
    tone.balance,
    jnp.full_like(tone.f0_hz, 8.0),  # The envelope has the decay.
    jnp.full_like(tone.f0_hz, 1.5),
    _T,
    _SR,
  )


def blown_pipe(tone: Tone) -> jax.Array:
  """A digital waveguide: a closed pipe blown through a reed, whose partials are odd.

  Its product with itself a quarter of a period ago has even partials alone.
  """
  odd = _blow(tone.f0_hz)
  return _sloped(odd, _quarter_ago(odd, tone.f0_hz), tone)


@jax.jit
def _blow(f0_hz):
  # It takes its time to speak, which is not the attack that is asked for: it has begun before.
  before = _SR // 2
  breath = jnp.full((f0_hz.size, before + _T), 0.8)
  return waveguide.blown_pipe(f0_hz, breath, _SR)[:, before:]


@jax.jit
def _quarter_ago(audio, f0_hz):
  return partials.delay(audio, jnp.broadcast_to(0.25 * _SR / f0_hz[:, None], audio.shape))


@jax.jit
def _sloped(odd, quarter_ago, tone):
  def gain_at(frequencies_hz):
    octaves = jnp.log(jnp.maximum(frequencies_hz / tone.f0_hz[:, None], 1.0))
    audible = frequencies_hz < synthesis.BAND_LIMIT * _SR
    return jnp.where(audible, jnp.exp((1.0 - tone.slope[:, None]) * octaves), 0.0)

  audio = odd + 0.5 * tone.balance[:, None] * odd * quarter_ago  # Their own slope is about 1.
  return synthesis.apply_gain(audio, gain_at, _SR)


def granular(tone: Tone) -> jax.Array:
  """Grains of 32 ms of a tone, each cut from another place of it."""
  count = _T // 256 + 1
  offsets = jax.random.uniform(tone.key, (tone.f0_hz.shape[0], count), maxval=6.0)
  return partials.grains(tone.frequencies_hz(), tone.amplitudes(), offsets, _T, _SR, 512)


def spectral(tone: Tone) -> jax.Array:
  """Spectral modelling: partials whose levels waver, each by itself, over a residual of noise."""
  levels = _waver(tone.amplitudes(), tone.key)
  return partials.bank(tone.frequencies_hz(), levels, tone.phases(), _T, _SR, _BLOCK)


@jax.jit
def _waver(amplitudes, key):
  """[B, blocks, K] levels that go by 2 dB up and down, in straight lines from tenth to tenth."""
  points = _T // _BLOCK + 1
  step = _SR // 10 // _BLOCK
  slow = jax.random.normal(key, (amplitudes.shape[0], points // step + 2, _PARTIALS))
  slow = jnp.exp(0.25 * slow)
  rise = jnp.arange(step)[:, None] / step
  waver = slow[:, :-1, None] * (1.0 - rise) + slow[:, 1:, None] * rise
  return amplitudes[:, None] * waver.reshape(slow.shape[0], -1, _PARTIALS)[:, :points]


METHODS: dict[str, Callable[[Tone], jax.Array]] = {
  "additive": additive,
  "subtractive": subtractive,
  "fm_pair": fm_pair,
  "fm_stack": fm_stack,
  "fm_branch": fm_branch,
  "plucked_string": plucked_string,
  "blown_pipe": blown_pipe,
  "granular": granular,
  "spectral": spectral,
}


# Each piece is compiled by itself: in one, XLA would make a signal anew for all that reads it.


def _tone(method, value, pitch, key):
  tone = Tone(
    f0_hz=440.0 * 2.0 ** ((pitch.astype(jnp.float32) - 69.0) / 12.0),
    slope=-value["brightness"] / (20.0 * jnp.log10(2.0)),
    inharmonicity=value["inharmonicity"],
    balance=value["harmonic_balance"],
    key=key,
  )
  return METHODS[method](tone)


@jax.jit
def _swing(value):
  """The delay in samples, [B, T], of which the pitch's deviation is the slope."""
  deviation = 2.0 ** (value["vibrato_depth"] / 1200.0) - 1.0
  depth = deviation * _SR / (2.0 * jnp.pi * value["vibrato_rate"])
  return depth[:, None] * partials.oscillator(value["vibrato_rate"], _T, _SR)


@jax.jit
def _vary(tone, swing):
  """The tone at a power of 1, without an offset, its pitch swinging."""
  tone = level.remove_dc(tone)
  power = jnp.mean(jnp.square(tone), axis=-1, keepdims=True)
  return partials.delay(tone, swing) / jnp.sqrt(power + 1e-12)


@jax.jit
def _long_noise(key):
  """[8 T] noise of unit power that falls to the band's edge."""
  white = jax.random.normal(key, (8 * _T + 1,))
  return (white[1:] + white[:-1]) / jnp.sqrt(2.0)


@jax.jit
def _shape(audio, long, value, key):
  """Adds to each note a piece of the noise, and lays the envelope over both."""
  piece = 500
  starts = jax.random.randint(key, (audio.shape[0], 1), 0, 7 * _T // piece)
  noise = long.reshape(-1, piece)[starts + jnp.arange(_T // piece)].reshape(audio.shape)
  one = jnp.ones(audio.shape[0])
  envelope = synthesis.adsr(
    value["attack"], value["decay"], 0.0 * one, _RELEASE_S * one, labels.HOLD_S, _T, _SR
  )
  return (audio + 10.0 ** (value["noise"][:, None] / 20.0) * noise) * envelope


@jax.jit
def _level(audio, velocity):
  fade = jnp.clip((_T - 1 - jnp.arange(_T)) / (0.01 * _SR), 0.0, 1.0)
  audio = level.peak_normalize(level.remove_dc(audio) * fade)
  return audio * level.velocity_to_gain(velocity)[:, None]


def render(
  method: str, values: jax.Array, pitch: jax.Array, velocity: jax.Array, key: jax.Array
) -> jax.Array:
  """Renders a batch of one method's notes; not to be compiled into one piece with anything.

  Args:
    method: one of `factors.METHODS`.
    values: [B, F] of `factors.FACTORS`, in their units.
    pitch: [B] MIDI numbers.
    velocity: [B] MIDI velocities: a gain alone, so that brightness is what its factor says.
    key: random key of the batch.

  Returns:
    [B, T] float32, 4 s at 16 kHz, the last 10 ms faded to nothing.
  """
  value = dict(zip(factors.NAMES, jnp.asarray(values).T, strict=True))
  tone_key, noise_key, piece_key = jax.random.split(key, 3)
  audio = _vary(_tone(method, value, jnp.asarray(pitch), tone_key), _swing(value))
  return _level(_shape(audio, _long_noise(noise_key), value, piece_key), jnp.asarray(velocity))
