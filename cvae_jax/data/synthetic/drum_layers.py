"""How a synthetic drum sounds: four layers and a room, as one batched pure function.

    tone    up to eight sines whose frequencies fall together, as of a membrane or a circuit
    metal   hundreds of partials: a plate, or six square waves through a band-pass
    noise   three bands with attack and decay of their own; the first may come in bursts
    room    noise of the sound's own spectrum that dies away

A drum is a dictionary of numbers, the fields of `SILENT`; `drum_models` has the values of kinds.
"""

from collections.abc import Mapping
import functools

import jax
import jax.numpy as jnp

from cvae_jax.audio import level
from cvae_jax.audio import modal
from cvae_jax.audio import synthesis

OFF_DB = -120.0  # the level of a layer that there is not

# Ratios of the tone's partials to the first; 0 for none.
RATIOS = {
  "sine": (1.0,),
  "pair": (1.0, 1.83),  # the two resonators of a snare's circuit
  "wide_pair": (1.0, 3.66),  # and of a rimshot's: 455 and 1,667 Hz
  "harmonic": (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0),
  "odd": (1.0, 3.0, 5.0, 7.0, 9.0),  # a triangle wave's
  # Zeros of Bessel functions over the first: modes 01, 11, 21, 02, 31, 12, 41, 22 of a membrane.
  "membrane": (1.0, 1.594, 2.136, 2.296, 2.653, 2.918, 3.156, 3.501),
  # A bass or tom drum's two heads split mode 01; the air between them lowers the first.
  "two_heads": (1.0, 1.38, 1.71, 2.15, 2.42, 2.85, 3.21, 3.56),
  "bar": (1.0, 2.756, 5.404, 8.933),  # with free ends
  "shell": (1.0, 1.87, 2.74, 3.65, 4.81, 6.17, 7.9, 9.6),  # a stick on rim and shell
  "bell": (1.0, 1.48, 2.06, 2.63, 3.31, 4.12, 5.05, 6.2),  # a bent sheet: cowbell, agogo
}
RATIO_NAMES = tuple(RATIOS)
_MOST_RATIOS = 8
_TABLE = tuple(row + (0.0,) * (_MOST_RATIOS - len(row)) for row in RATIOS.values())

_PASS_BAND = 0.455  # of the sample rate
_CHOKE_S = 0.01  # time constant of a choked sound
_NUM_SQUARES, _SQUARE_HARMONICS = 6, 32
# The six oscillators of Roland's TR-808 (service notes, 1981), over the first.
_SQUARE_RATIOS = (1.0, 1.4827, 1.8003, 2.546, 2.6303, 3.8967)

SILENT = {
  "ratios": 0.0,  # index into RATIO_NAMES
  "tone_db": OFF_DB,
  "f0_hz": 100.0,  # where the sweep ends
  "sweep": 0.0,  # the frequency is f0_hz (1 + sweep exp(-t / sweep_s))
  "sweep_s": 0.02,
  "tone_s": 0.1,  # time constant of the first partial's decay
  "tone_attack_s": 0.0005,
  "damping": 1.0,  # partial k has tone_s / (1 + damping (ratio - 1))
  "slope": 1.0,  # and the amplitude ratio^-slope
  "detune": 0.0,  # standard deviation of the logarithms of the ratios
  "metal_db": OFF_DB,
  "squares": 0.0,  # 1: six square waves; 0: a plate
  "metal_hz": 200.0,  # the lowest partial
  "metal_s": 0.1,  # time constant at 2 kHz
  "metal_damping": 0.3,  # partials have metal_s (f / 2 kHz)^-metal_damping
  "metal_attack_s": 0.0005,
  "metal_centre_hz": 4000.0,  # of a peak over log frequency
  "metal_octaves": 2.0,  # its width
  "bursts": 1.0,  # of the first band of noise, up to 5
  "burst_gap_s": 0.01,
  "burst_s": 0.003,  # time constant of all but the last
  **{
    f"noise{i}_{name}": value
    for i in (1, 2, 3)
    for name, value in {
      "db": OFF_DB, "hz": 2000.0, "octaves": 1.0, "s": 0.05, "attack_s": 0.0003,
    }.items()
  },
  "drive": 0.2,  # of a tanh, over the peak
  "tilt_db": 0.0,  # per octave, around 1 kHz
  "body_db": 0.0,  # of a resonance of the drum and of its microphone
  "body_hz": 500.0,
  "body_octaves": 0.7,
  "length_s": 100.0,  # where the sound is choked
  "trim_db": -90.0,  # below the peak, where its end is cut off, as of recorded drums
  "room_db": OFF_DB,  # of the energy of the sound
  "room_s": 0.1,
  "peak": 0.89,  # in full scale
}  # fmt: skip

Parameters = Mapping[str, jax.Array]  # [B] each


def _gain(level_db):
  return jnp.where(level_db > OFF_DB, 10.0 ** (level_db / 20.0), 0.0)[:, None]


def _column(parameters, *names):
  """Parameters as [B, 1] columns."""
  return [parameters[name][:, None] for name in names]


def _rise(t, attack_s):
  return 1.0 - jnp.exp(-t / attack_s)


def _keys(seeds, salt):
  return jax.vmap(lambda seed: jax.random.fold_in(jax.random.key(seed), salt))(seeds)


def _tone(parameters, instrument, t, sample_rate):
  ratios = jnp.asarray(_TABLE)[parameters["ratios"].astype(jnp.int32)]  # [B, 8]
  spread = jax.vmap(lambda key: jax.random.normal(key, (_MOST_RATIOS,)))(_keys(instrument, 1))
  ratios = ratios * jnp.exp(parameters["detune"][:, None] * spread.at[:, 0].set(0.0))
  f0_hz, sweep, sweep_s, attack_s = _column(
    parameters, "f0_hz", "sweep", "sweep_s", "tone_attack_s"
  )
  tone_s, damping, slope = _column(parameters, "tone_s", "damping", "slope")
  # The integral of the frequency, in cycles.
  cycles = f0_hz * (t + sweep * sweep_s * _rise(t, sweep_s))  # [B, T]
  decay_s = tone_s / (1.0 + damping * jnp.maximum(ratios - 1.0, 0.0))
  amplitudes = jnp.where(ratios > 0.0, jnp.maximum(ratios, 0.1) ** -slope, 0.0)
  amplitudes = synthesis.band_limit(amplitudes, f0_hz * (1.0 + sweep) * ratios, sample_rate)
  total = jnp.zeros_like(cycles)
  for k in range(
    _MOST_RATIOS
  ):  # One fused loop; a sum over an axis takes six times as long on CPU.
    ratio, amplitude, decay = (x[:, k : k + 1] for x in (ratios, amplitudes, decay_s))
    total += amplitude * jnp.exp(-t / decay) * synthesis.sine(cycles * ratio)
  return _gain(parameters["tone_db"]) * _rise(t, attack_s) * total


def _bell(frequencies_hz, centre_hz, octaves):
  """A peak over log frequency with the skirts of a filter of low order: half at one width."""
  distance = jnp.log2(jnp.maximum(frequencies_hz, 1.0) / centre_hz) / octaves
  return 1.0 / (1.0 + jnp.square(distance))


def _metal(parameters, instrument, t, sample_rate):
  count = _NUM_SQUARES * _SQUARE_HARMONICS
  keys = jax.vmap(lambda key: jax.random.split(key, 4))(_keys(instrument, 2))
  place, size, phase, spread = (
    jax.vmap(lambda key: jax.random.uniform(key, (count,)))(keys[:, i]) for i in range(4)
  )
  low_hz, metal_s, damping, centre_hz, octaves, squares, attack_s = _column(
    parameters, "metal_hz", "metal_s", "metal_damping", "metal_centre_hz", "metal_octaves",
    "squares", "metal_attack_s",
  )  # fmt: skip
  top_hz = synthesis.BAND_LIMIT * min(sample_rate, 32_000)
  # The modes of a plate are equally dense in Hz.
  plate_hz = low_hz + (top_hz - low_hz) * (jnp.arange(count) + place) / count
  odd = 2.0 * jnp.arange(_SQUARE_HARMONICS) + 1.0
  squares_hz = low_hz * jnp.outer(jnp.asarray(_SQUARE_RATIOS), odd).reshape(1, -1)
  frequencies_hz = jnp.where(squares > 0.5, squares_hz, plate_hz)
  amplitudes = jnp.where(
    squares > 0.5, jnp.tile(1.0 / odd, _NUM_SQUARES), -0.2 * jnp.log(size + 1e-3)
  )
  amplitudes = amplitudes * _bell(frequencies_hz, centre_hz, octaves)
  amplitudes = synthesis.band_limit(amplitudes, frequencies_hz, sample_rate)
  amplitudes = amplitudes / (jnp.linalg.norm(amplitudes, axis=1, keepdims=True) + 1e-6)
  decay_s = metal_s * (frequencies_hz / 2000.0) ** -damping
  decay_s = jnp.where(squares > 0.5, metal_s, decay_s * 2.0 ** (2.0 * spread - 1.0))
  total = modal.modes(frequencies_hz, amplitudes, decay_s, phase, t.size, sample_rate)
  return _gain(parameters["metal_db"]) * _rise(t, attack_s) * total


def _band(frequencies_hz, centre_hz, octaves):
  """`_bell` of RMS 1."""
  gains = _bell(frequencies_hz, centre_hz, octaves)
  return gains / jnp.sqrt(jnp.mean(jnp.square(gains), axis=-1, keepdims=True) + 1e-9)


def _bursts(parameters, instrument, t):
  """Envelope of the first band of noise: bursts that the last one rings on from."""
  count, gap_s, burst_s, last_s, attack_s = _column(
    parameters, "bursts", "burst_gap_s", "burst_s", "noise1_s", "noise1_attack_s"
  )
  shift = jax.vmap(lambda key: jax.random.uniform(key, (5,), minval=0.7, maxval=1.3))(
    _keys(instrument, 3)
  )
  starts = gap_s * (jnp.cumsum(shift, axis=1) - shift[:, :1])
  total = jnp.zeros_like(gap_s * t)
  for i in range(5):
    since = t - starts[:, i : i + 1]
    decay_s = jnp.where(i + 1 >= count, last_s, burst_s)
    sounds = (since >= 0.0) & (i < count)
    since = jnp.maximum(since, 0.0)
    total += jnp.where(sounds, _rise(since, attack_s) * jnp.exp(-since / decay_s), 0.0)
  return total


def _noise(parameters, instrument, hit, t, sample_rate):
  frequencies_hz = jnp.fft.rfftfreq(t.size, 1.0 / sample_rate)[None]
  draw = lambda key: jax.random.normal(key, (t.size,))
  white = jnp.fft.rfft(jax.vmap(draw)(_keys(hit, 4)), axis=-1)
  total = jnp.zeros((white.shape[0], t.size))
  for i in (1, 2, 3):
    level_db, centre_hz, octaves = (parameters[f"noise{i}_{x}"] for x in ("db", "hz", "octaves"))
    gains = _band(frequencies_hz, centre_hz[:, None], octaves[:, None])
    band = jnp.fft.irfft(white * gains, t.size, axis=-1)
    if i == 1:
      envelope = _bursts(parameters, instrument, t)
    else:
      attack_s, decay_s = _column(parameters, f"noise{i}_attack_s", f"noise{i}_s")
      envelope = _rise(t, attack_s) * jnp.exp(-t / decay_s)
    total += _gain(level_db) * envelope * band
  return total


def _minimum_phase(gains, num_samples):
  """A causal response of some gains ([B, F] complex): what is struck does not sound before.

  Source: Oppenheim & Schafer, "Discrete-Time Signal Processing", the cepstrum of minimum phase.
  """
  cepstrum = jnp.fft.irfft(jnp.log(gains), num_samples, axis=-1)
  place = jnp.arange(num_samples)
  weights = jnp.where(2 * place < num_samples, 2.0, jnp.where(2 * place == num_samples, 1.0, 0.0))
  return jnp.exp(jnp.fft.rfft(cepstrum * weights.at[0].set(1.0), axis=-1))


def _place(parameters, audio, hit, t, sample_rate):
  """Colours the spectrum, cuts it below 20 Hz as an amplifier does, and adds the room."""
  frequencies_hz = jnp.fft.rfftfreq(t.size, 1.0 / sample_rate)[None]
  tilt_db, room_s, length_s, body_hz, body_octaves = _column(
    parameters, "tilt_db", "room_s", "length_s", "body_hz", "body_octaves"
  )
  octaves = jnp.clip(jnp.log2(jnp.maximum(frequencies_hz, 1.0) / 1000.0), -4.5, 4.0)
  coupling = frequencies_hz / (frequencies_hz - 20.0j)  # causal
  body = (_gain(parameters["body_db"]) - 1.0) * _bell(frequencies_hz, body_hz, body_octaves)
  # The pass-band of a converter; without it what is noise would have a mark that partials lack.
  converter = jnp.clip((0.5 - frequencies_hz / sample_rate) / (0.5 - _PASS_BAND), 0.0, 1.0)
  colour = _minimum_phase(10.0 ** (tilt_db * octaves / 20.0) * (1.0 + body), t.size)
  spectrum = jnp.fft.rfft(audio, axis=-1) * coupling * converter * colour
  dry = jnp.fft.irfft(spectrum, t.size, axis=-1)
  angle = jax.vmap(lambda key: jax.random.uniform(key, (spectrum.shape[1],)))(_keys(hit, 5))
  turned = spectrum * jax.lax.complex(synthesis.sine(angle + 0.25), synthesis.sine(angle))
  diffuse = jnp.fft.irfft(turned, t.size, axis=-1)
  late = _rise(t, 0.008) * jnp.exp(-t / room_s)
  energy = jnp.mean(jnp.square(late), axis=-1, keepdims=True)
  audio = dry + _gain(parameters["room_db"]) * diffuse * late / jnp.sqrt(energy + 1e-9)
  return audio * jnp.exp(-jnp.maximum(t - length_s, 0.0) / _CHOKE_S)


def _trim(parameters, audio, sample_rate):
  """Cuts what is below `trim_db` at the end."""
  block = round(_CHOKE_S * sample_rate)
  size = audio.shape[-1]
  padded = jnp.pad(jnp.abs(audio), ((0, 0), (0, -size % block)))
  peaks = jnp.max(padded.reshape(audio.shape[0], -1, block), axis=-1)
  loud = peaks > _gain(parameters["trim_db"]) * jnp.max(peaks, axis=-1, keepdims=True)
  last = jnp.max(jnp.where(loud, jnp.arange(peaks.shape[1]), 0), axis=-1)
  since = jnp.arange(size) / block - (last + 1)[:, None]
  return audio * jnp.clip(1.0 - since, 0.0, 1.0)


@functools.partial(jax.jit, static_argnames=("num_samples", "sample_rate", "with_metal"))
def render(
  parameters: Parameters,
  instrument: jax.Array,
  hit: jax.Array,
  num_samples: int,
  sample_rate: int,
  with_metal: bool = True,
) -> jax.Array:
  """Renders a batch of drums.

  Args:
    parameters: the fields of `SILENT`, [B] each.
    instrument: [B] seeds of what the hits of an instrument share.
    hit: [B] seeds of the noise.
    num_samples: T.
    sample_rate: in Hz.
    with_metal: whether any has the layer metal, which takes half of the time.

  Returns:
    [B, T] float32 with the peaks asked for, of mean 0, the last tenth faded to nothing.
  """
  t = synthesis.time_axis(num_samples, sample_rate)
  audio = _tone(parameters, instrument, t, sample_rate)
  audio += _noise(parameters, instrument, hit, t, sample_rate)
  if with_metal:
    audio += _metal(parameters, instrument, t, sample_rate)
  audio = level.peak_normalize(audio, 1.0)
  drive = parameters["drive"][:, None]
  audio = jnp.tanh(drive * audio) / jnp.tanh(drive)
  audio = _place(parameters, audio, hit, t, sample_rate)
  audio = level.fade_ends(audio, sample_rate, 0.0002, 0.1 * num_samples / sample_rate)
  audio = _trim(parameters, audio, sample_rate)
  return level.peak_normalize(audio, 1.0) * parameters["peak"][:, None]
