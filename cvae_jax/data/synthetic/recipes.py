"""How each family of `synth_notes` sounds: one recipe a family, from the methods of `audio/`.

An instrument is a vector of numbers between 0 and 1, drawn once; a recipe turns them into the
parameters of its method, so that an instrument keeps its character over pitch and velocity. The
source of an instrument (acoustic, electronic, synthetic) is a colour on top: a body and the noise
of playing it, an amplifier and chorus, or a second, detuned voice.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from cvae_jax.audio import level
from cvae_jax.audio import synthesis
from cvae_jax.audio import waveguide
from cvae_jax.data import labels

NUM_PARAMETERS = 24  # numbers of an instrument; recipes draw from the front, colours from the back
_MAX_HARMONICS = 280  # of A0 (27.5 Hz) under the band limit
_SR = labels.SAMPLE_RATE
_T = labels.NUM_SAMPLES


class Draw:
  """Reads an instrument's numbers one after the other, each into the range that is asked for."""

  def __init__(self, numbers: jax.Array):
    self._columns = iter(jnp.moveaxis(numbers, -1, 0))

  def uniform(self, low: float, high: float) -> jax.Array:
    return low + (high - low) * next(self._columns)

  def log_uniform(self, low: float, high: float) -> jax.Array:
    return low * (high / low) ** next(self._columns)


class Voice(NamedTuple):
  """What a recipe is given: one batch of notes of one family.

  Attributes:
    draw: the instrument's parameters.
    f0_hz: [B].
    force: [B] 0.2 to 1, velocity over 127: hard notes are brighter as well as louder.
    key: random key, for noise and phases.
  """

  draw: Draw
  f0_hz: jax.Array
  force: jax.Array
  key: jax.Array

  def phase(self, detune_cents=0.0):
    return synthesis.phase_ramp(self.f0_hz * 2.0 ** (detune_cents / 1200.0), _T, _SR)

  def vibrato(self, phase, rate, depth_cents, onset_s):
    return synthesis.vibrato(phase, self.f0_hz, rate, depth_cents, onset_s, _SR)

  def harmonics(self, phase, amplitudes):
    return synthesis.harmonics(phase, amplitudes, self.f0_hz, _SR)

  def envelope(self, attack_s, decay_s, sustain, release_s):
    return synthesis.adsr(attack_s, decay_s, sustain, release_s, labels.HOLD_S, _T, _SR)

  def partials_hz(self, count=_MAX_HARMONICS):
    return self.f0_hz[:, None] * synthesis.harmonic_numbers(count)

  def breath(self, centre_hz, width_octaves):
    """Noise around a frequency, in a bell over log frequency."""

    def gain_at(frequencies_hz):
      octaves = jnp.log2(jnp.maximum(frequencies_hz, 1.0) / centre_hz[:, None])
      return jnp.exp(-0.5 * jnp.square(octaves / width_octaves))

    return synthesis.noise(self.key, self.f0_hz.shape[0], _T, gain_at, _SR)


def _power_law(count, slope):
  """Amplitudes 1/k^slope ([B, count]); slope 1 is a sawtooth."""
  return synthesis.harmonic_numbers(count) ** -slope[:, None]


def _hammered(voice, ratios, decay_s, slope, damping):
  """Modes struck at once, the higher ones weaker and shorter, softer playing duller still."""
  frequencies = voice.f0_hz[:, None] * ratios
  slope = slope + 1.2 * (1.0 - voice.force)
  amplitudes = ratios ** -slope[:, None]
  # Low notes ring longer than high ones, as they do on every such instrument.
  longest = decay_s * jnp.sqrt(220.0 / voice.f0_hz)
  decays = jnp.clip(longest[:, None] / (1.0 + damping[:, None] * (ratios - 1.0)), 0.02, 6.0)
  return synthesis.modes(frequencies, amplitudes, decays, _T, _SR)


def bass(voice: Voice) -> jax.Array:
  """Subtractive: a sawtooth or pulse through a low-pass that closes after the attack."""
  d = voice.draw
  numbers = synthesis.harmonic_numbers(_MAX_HARMONICS)
  width = d.uniform(0.1, 0.5)[:, None]
  pulse = jnp.abs(jnp.sin(jnp.pi * numbers * width)) / numbers
  mix = d.uniform(0.0, 1.0)[:, None]
  wave = voice.harmonics(voice.phase(), mix * pulse + (1.0 - mix) / numbers)
  sweep = voice.envelope(
    jnp.full_like(voice.f0_hz, 0.004),
    d.log_uniform(0.08, 0.8),
    d.uniform(0.05, 0.4),
    jnp.full_like(voice.f0_hz, 0.1),
  )
  depth = d.log_uniform(3.0, 12.0) * voice.force
  cutoff = voice.f0_hz[:, None] * (1.5 + depth[:, None] * sweep)
  filtered = synthesis.lowpass(wave, cutoff, d.log_uniform(0.7, 3.0), _SR)
  return filtered * voice.envelope(
    d.log_uniform(0.003, 0.02),
    d.log_uniform(0.5, 3.0),
    d.uniform(0.2, 0.8),
    d.log_uniform(0.03, 0.15),
  )


def brass(voice: Voice) -> jax.Array:
  """Chowning's brass: FM at ratio 1 whose index follows the loudness, so that loud is bright."""
  d = voice.draw
  swell = voice.envelope(
    d.log_uniform(0.03, 0.12),
    d.log_uniform(0.1, 0.6),
    d.uniform(0.65, 0.95),
    d.log_uniform(0.04, 0.15),
  )
  phase = voice.vibrato(
    voice.phase(), d.uniform(4.5, 6.0), d.uniform(0.0, 15.0), d.uniform(0.5, 1.5)
  )
  index = d.uniform(2.0, 5.0) * (0.4 + 0.6 * voice.force)
  ratio = jnp.ones_like(voice.f0_hz)
  tone = synthesis.frequency_modulation(phase, voice.f0_hz, ratio, index[:, None] * swell, _SR)
  return swell * tone


def flute(voice: Voice) -> jax.Array:
  """Additive: few harmonics that fall steeply, breath noise around them, vibrato and tremolo."""
  d = voice.draw
  slope = d.uniform(1.8, 3.2) - 0.5 * voice.force
  amplitudes = _power_law(24, slope)
  octave = d.uniform(0.3, 1.5)[:, None]
  amplitudes = amplitudes * jnp.where(synthesis.harmonic_numbers(24) == 2, octave, 1.0)
  rate, depth = d.uniform(4.0, 6.5), d.uniform(2.0, 20.0)
  phase = voice.vibrato(voice.phase(), rate, depth, d.uniform(0.2, 0.8))
  tone = voice.harmonics(phase, amplitudes)
  t = synthesis.time_axis(_T, _SR)
  tremolo = 1.0 + d.uniform(0.02, 0.15)[:, None] * jnp.sin(2 * jnp.pi * rate[:, None] * t)
  air = d.log_uniform(0.003, 0.03)[:, None] * voice.breath(2.0 * voice.f0_hz, 0.8)
  return (tone * tremolo + air) * voice.envelope(
    d.log_uniform(0.03, 0.15),
    jnp.full_like(slope, 0.5),
    d.uniform(0.8, 1.0),
    d.log_uniform(0.04, 0.15),
  )


def guitar(voice: Voice) -> jax.Array:
  """Plucked string: Karplus-Strong."""
  d = voice.draw
  # The average takes more from a short string's fundamental with every round: less of it up there.
  damping = d.uniform(0.02, 0.3) * (1.3 - 0.6 * voice.force) * jnp.minimum(1.0, 330.0 / voice.f0_hz)
  decay_s = d.log_uniform(0.5, 2.5) * jnp.clip(jnp.sqrt(220.0 / voice.f0_hz), 0.4, 2.0)
  string = waveguide.plucked_string(
    voice.f0_hz, damping, decay_s, d.uniform(0.08, 0.45), _T, _SR, voice.key
  )
  held = jnp.ones_like(voice.f0_hz)
  return string * voice.envelope(0.001 * held, held, held, d.log_uniform(0.05, 0.4))


def keyboard(voice: Voice) -> jax.Array:
  """Modal: the stiff strings of a piano, stretched sharp of the harmonics."""
  d = voice.draw
  numbers = synthesis.harmonic_numbers(32)
  stiffness = d.log_uniform(2e-5, 4e-4)[:, None] * (voice.f0_hz / 220.0)[:, None]
  ratios = numbers * jnp.sqrt(1.0 + stiffness * jnp.square(numbers)) / jnp.sqrt(1.0 + stiffness)
  struck = _hammered(
    voice, ratios, d.log_uniform(0.6, 2.5), d.uniform(0.6, 1.8), d.uniform(0.03, 0.2)
  )
  held = jnp.ones_like(voice.f0_hz)
  return struck * voice.envelope(0.002 * held, held, held, d.log_uniform(0.05, 0.3))


def mallet(voice: Voice) -> jax.Array:
  """Modal: a bar struck with a mallet, its overtones tuned to 4 and about 10 as a marimba's are."""
  d = voice.draw
  second, third = d.uniform(3.9, 4.1), d.uniform(9.0, 10.5)
  one = jnp.ones_like(second)
  ratios = jnp.stack([one, second, third, 1.8 * third], axis=-1)
  struck = _hammered(
    voice, ratios, d.log_uniform(0.15, 1.5), d.uniform(0.8, 2.0), d.uniform(0.1, 0.6)
  )
  return struck * voice.envelope(d.log_uniform(0.001, 0.004), one, one, d.log_uniform(0.1, 0.5))


def organ(voice: Voice) -> jax.Array:
  """Additive: nine drawbars, steady while the key is held, with a rotating speaker's tremolo."""
  d = voice.draw
  # Hammond's footages 8, 4, 2 2/3, 2, 1 3/5, 1 1/3, 1 as harmonics of the 8-foot pitch.
  bars = {1: d.uniform(0.7, 1.0)}
  for harmonic, high in ((2, 0.9), (3, 0.7), (4, 0.7), (5, 0.3), (6, 0.4), (8, 0.5)):
    bars[harmonic] = d.uniform(0.0, high)
  silent = jnp.zeros_like(voice.f0_hz)
  amplitudes = jnp.stack([bars.get(k, silent) for k in range(1, 9)], axis=-1)
  rate, depth = d.uniform(0.8, 6.8), d.uniform(0.0, 0.25)
  phase = voice.vibrato(voice.phase(), rate, 12.0 * depth, 0.05 + silent)
  t = synthesis.time_axis(_T, _SR)
  tremolo = 1.0 + depth[:, None] * jnp.sin(2 * jnp.pi * rate[:, None] * t)
  return (
    voice.harmonics(phase, amplitudes)
    * tremolo
    * voice.envelope(
      d.log_uniform(0.004, 0.03), 1.0 + silent, 1.0 + silent, d.log_uniform(0.02, 0.08)
    )
  )


def reed(voice: Voice) -> jax.Array:
  """Source and filter: odd harmonics for the closed bore, more even ones for a cone, a formant."""
  d = voice.draw
  numbers = synthesis.harmonic_numbers(_MAX_HARMONICS)
  even = d.uniform(0.02, 0.9)[:, None]
  amplitudes = _power_law(_MAX_HARMONICS, d.uniform(0.9, 1.6) - 0.3 * voice.force)
  amplitudes = amplitudes * jnp.where(numbers % 2 == 1, 1.0, even)
  centre = d.log_uniform(700.0, 2500.0)[:, None]
  body = synthesis.resonances(voice.partials_hz(), centre, 0.6 * centre, jnp.ones_like(centre))
  phase = voice.vibrato(
    voice.phase(), d.uniform(4.0, 6.0), d.uniform(0.0, 12.0), d.uniform(0.3, 1.0)
  )
  tone = voice.harmonics(phase, amplitudes * (0.25 + body))
  air = d.log_uniform(0.001, 0.01)[:, None] * voice.breath(3.0 * voice.f0_hz, 1.0)
  return (tone + air) * voice.envelope(
    d.log_uniform(0.015, 0.08),
    jnp.full_like(voice.f0_hz, 0.4),
    d.uniform(0.75, 1.0),
    d.log_uniform(0.03, 0.12),
  )


def string(voice: Voice) -> jax.Array:
  """Subtractive: a bowed sawtooth, slow to speak, through a body's resonances, with vibrato."""
  d = voice.draw
  sawtooth = _power_law(_MAX_HARMONICS, d.uniform(0.9, 1.4) + 0.3 * (1.0 - voice.force))
  centres = jnp.stack(
    [d.uniform(250.0, 320.0), d.uniform(420.0, 560.0), d.uniform(1500.0, 3000.0)], axis=-1
  )
  body = synthesis.resonances(voice.partials_hz(), centres, 0.4 * centres, jnp.ones_like(centres))
  rate, depth = d.uniform(4.5, 6.5), d.uniform(5.0, 25.0)
  phase = voice.vibrato(voice.phase(), rate, depth, d.uniform(0.2, 0.8))
  tone = voice.harmonics(phase, sawtooth * (0.2 + body))
  return tone * voice.envelope(
    d.log_uniform(0.05, 0.4),
    jnp.full_like(rate, 1.0),
    d.uniform(0.7, 1.0),
    d.log_uniform(0.08, 0.3),
  )


def synth_lead(voice: Voice) -> jax.Array:
  """Subtractive: two detuned sawtooths, a resonant low-pass swept by an envelope and an LFO."""
  d = voice.draw
  numbers = synthesis.harmonic_numbers(_MAX_HARMONICS)
  amplitudes = jnp.broadcast_to(1.0 / numbers, (voice.f0_hz.shape[0], numbers.size))
  detune = d.uniform(2.0, 9.0)
  wave = sum(voice.harmonics(voice.phase(cents), amplitudes) for cents in (-detune, detune))
  sweep = voice.envelope(
    d.log_uniform(0.005, 0.3), d.log_uniform(0.2, 1.5), d.uniform(0.2, 0.9), 0.2 + 0.0 * detune
  )
  t = synthesis.time_axis(_T, _SR)
  lfo = d.uniform(0.0, 0.3)[:, None] * jnp.sin(2 * jnp.pi * d.log_uniform(0.5, 6.0)[:, None] * t)
  depth = d.log_uniform(6.0, 24.0) * voice.force
  cutoff = voice.f0_hz[:, None] * (2.0 + depth[:, None] * sweep * (1.0 + lfo))
  filtered = synthesis.lowpass(wave, cutoff, d.log_uniform(0.8, 5.0), _SR)
  one = jnp.ones_like(detune)
  return filtered * voice.envelope(
    d.log_uniform(0.004, 0.05), one, d.uniform(0.6, 1.0), d.log_uniform(0.04, 0.2)
  )


def vocal(voice: Voice) -> jax.Array:
  """Source and filter: a glottal pulse train through the formants between "ah" and "oo"."""
  d = voice.draw
  glottal = _power_law(_MAX_HARMONICS, d.uniform(1.0, 1.5) + 0.3 * (1.0 - voice.force))
  vowel, size = d.uniform(0.0, 1.0)[:, None], d.uniform(0.9, 1.2)[:, None]
  # Formants of /a/ and /u/ (Peterson & Barney 1952, men), a voice's size stretching them.
  open_hz, closed_hz = jnp.asarray([730.0, 1090.0, 2440.0]), jnp.asarray([300.0, 870.0, 2240.0])
  centres = size * (vowel * open_hz + (1.0 - vowel) * closed_hz)
  bandwidths = jnp.broadcast_to(jnp.asarray([90.0, 110.0, 170.0]), centres.shape)
  gains = jnp.broadcast_to(jnp.asarray([1.0, 0.5, 0.25]), centres.shape)
  tract = synthesis.resonances(voice.partials_hz(), centres, bandwidths, gains)
  rate, depth = d.uniform(4.5, 6.5), d.uniform(10.0, 35.0)
  phase = voice.vibrato(voice.phase(), rate, depth, d.uniform(0.3, 1.0))
  tone = voice.harmonics(phase, glottal * (0.03 + tract))
  air = d.log_uniform(0.002, 0.02)[:, None] * voice.breath(1500.0 + 0.0 * rate, 1.0)
  return (tone + air) * voice.envelope(
    d.log_uniform(0.04, 0.2), 1.0 + 0.0 * rate, d.uniform(0.8, 1.0), d.log_uniform(0.05, 0.2)
  )


RECIPES: dict[str, Callable[[Voice], jax.Array]] = {
  "bass": bass,
  "brass": brass,
  "flute": flute,
  "guitar": guitar,
  "keyboard": keyboard,
  "mallet": mallet,
  "organ": organ,
  "reed": reed,
  "string": string,
  "synth_lead": synth_lead,
  "vocal": vocal,
}


def _colour(audio: jax.Array, source: jax.Array, draw: Draw) -> jax.Array:
  """Filters by the source: a wooden body, an amplifier's cabinet, or nothing for a synthesizer."""
  body_hz = jnp.stack([draw.log_uniform(100.0, 300.0), draw.log_uniform(300.0, 1500.0)], axis=-1)
  body_gain = jnp.stack([draw.uniform(0.2, 1.0), draw.uniform(0.2, 1.0)], axis=-1)
  cabinet_hz, presence_hz = draw.log_uniform(3500.0, 6000.0), draw.log_uniform(1200.0, 3000.0)

  def gain_at(frequencies_hz):
    body = 0.6 + synthesis.resonances(frequencies_hz, body_hz, 0.5 * body_hz, body_gain)
    presence = 0.7 + synthesis.resonances(
      frequencies_hz, presence_hz[:, None], presence_hz[:, None], jnp.ones_like(body_hz[:, :1])
    )
    cabinet = presence / (1.0 + (frequencies_hz / cabinet_hz[:, None]) ** 4)
    plain = jnp.ones_like(body)
    return jnp.select([source[:, None] == 0, source[:, None] == 1], [body, cabinet], plain)

  return synthesis.apply_gain(audio, gain_at, _SR)


def render(
  family: str,
  instrument: jax.Array,
  source: jax.Array,
  pitch: jax.Array,
  velocity: jax.Array,
  key: jax.Array,
) -> jax.Array:
  """Renders a batch of one family's notes.

  Args:
    family: one of `labels.FAMILIES`.
    instrument: [B, NUM_PARAMETERS] between 0 and 1.
    source: [B] index into `labels.SOURCES`.
    pitch: [B] MIDI numbers.
    velocity: [B] MIDI velocities.
    key: random key of the batch.

  Returns:
    [B, T] float32, at most 0.89 of full scale, 4 s at 16 kHz, the last 10 ms faded to nothing.
  """
  f0_hz = 440.0 * 2.0 ** ((pitch.astype(jnp.float32) - 69.0) / 12.0)
  force = velocity.astype(jnp.float32) / 127.0
  audio = RECIPES[family](Voice(Draw(instrument), f0_hz, force, key))
  colours = Draw(instrument[..., ::-1])
  loudness = colours.uniform(0.5, 1.0)
  audio = _colour(audio, source, colours)
  fade = jnp.clip((_T - 1 - jnp.arange(_T)) / (0.01 * _SR), 0.0, 1.0)
  audio = level.peak_normalize(level.remove_dc(audio) * fade)
  return audio * (loudness * level.velocity_to_gain(velocity))[:, None]
