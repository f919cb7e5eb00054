"""Physical models of strings and pipes: digital waveguides, as batched pure functions.

Times are in seconds, frequencies in Hz; parameters are [B] arrays, signals [B, T] float32.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array
from jaxtyping import Float
from jaxtyping import Key

from cvae_jax.audio import synthesis

_REFLECTION_DELAY = 0.25  # one-zero low-pass of a pipe's reflection: weight of the delayed sample


def plucked_string(
  f0_hz: Float[Array, " B"],
  damping: Float[Array, " B"],
  decay_s: Float[Array, " B"],
  position: Float[Array, " B"],
  num_samples: int,
  sample_rate: int,
  key: Key[Array, ""],
  max_period: int = 640,
) -> Float[Array, "B T"]:
  """Karplus-Strong: a noise burst circulates in a delay line through a two-point average.

  Args:
    f0_hz: [B], at least sample_rate / max_period.
    damping: [B] 0 to 0.5: weight of the delayed sample in the average; 0.5 is the original's.
    decay_s: [B] additional, frequency-independent time constant.
    position: [B] 0 to 0.5: pluck position; harmonics with a node there are missing.
    num_samples: T.
    sample_rate: in Hz.
    key: random key of the burst.
    max_period: samples of the longest delay line.

  Returns:
    [B, T].

  Source: Karplus & Strong 1983; Jaffe & Smith 1983 for the tuning (a first-order all-pass provides
  the fractional delay, and the average's delay is compensated) and the pluck position.
  """
  batch = f0_hz.shape[0]
  period = sample_rate / f0_hz
  # The loop's delay: whole samples, an all-pass of 0.5 to 1.5 samples, and the average's damping.
  whole = jnp.floor(period - damping - 0.5)
  fraction = period - damping - whole
  allpass = (1.0 - fraction) / (1.0 + fraction)
  gain = jnp.exp(-period / (decay_s * sample_rate))
  n = jnp.arange(max_period)[:, None]
  burst = jax.random.uniform(key, (max_period, batch), minval=-1.0, maxval=1.0)
  burst = jnp.where(n < whole, burst, 0.0)
  pick = jnp.maximum(jnp.round(position * period), 1.0).astype(jnp.int32)
  shifted = jnp.take_along_axis(burst, (n - pick) % jnp.maximum(whole.astype(jnp.int32), 1), axis=0)
  excitation = jnp.where(n < whole, burst - shifted, 0.0)
  excitation = jnp.pad(excitation, ((0, num_samples - max_period), (0, 0)))
  lane = jnp.arange(batch)
  delay = whole.astype(jnp.int32)

  def tick(state, inputs):
    line, last_in, last_allpass = state
    step, x = inputs
    out = line[(step - delay) % max_period, lane]
    average = (1.0 - damping) * out + damping * last_in
    tuned = allpass * (average - last_allpass[1]) + last_allpass[0]
    y = x + gain * tuned
    # The all-pass: y[n] = a x[n] + x[n-1] - a y[n-1].
    line = jax.lax.dynamic_update_index_in_dim(line, y, step % max_period, axis=0)
    return (line, out, (average, tuned)), y

  zeros = jnp.zeros(batch)
  start = (jnp.zeros((max_period, batch)), zeros, (zeros, zeros))
  _, audio = jax.lax.scan(tick, start, (jnp.arange(num_samples), excitation), unroll=4)
  return audio.T


def stiff_string(
  f0_hz: Float[Array, " B"],
  inharmonicity: Float[Array, " B"],
  slope: Float[Array, " B"],
  balance: Float[Array, " B"],
  decay_s: Float[Array, " B"],
  damping: Float[Array, " B"],
  num_samples: int,
  sample_rate: int,
) -> Float[Array, "B T"]:
  """A plucked string with stretched partials: a waveguide, solved in the frequency domain.

  An impulse circulates in a loop with loss and dispersion. The loop is linear, so that its response
  is a geometric series, excitation / (1 - loop), and one inverse transform gives all samples. It is
  evaluated off the unit circle, which attenuates time aliasing of long notes by 60 dB.

  Args:
    f0_hz: [B] of the first partial.
    inharmonicity: [B] B of f_k = k f0 sqrt((1 + B k^2) / (1 + B)); must be positive.
    slope: [B] spectral slope of the pluck: the initial amplitude of partial k is k^-slope.
    balance: [B] initial level of even partials relative to odd ones, 0 to 1.
    decay_s: [B] time constant of low partials.
    damping: [B] the decay rate at frequency f is multiplied by 1 + damping (f / 1 kHz)^2.
    num_samples: T.
    sample_rate: in Hz; the output is limited to `synthesis.BAND_LIMIT` of it.

  Returns:
    [B, T].

  Source: Smith 1992, "Physical Modeling Using Digital Waveguides"; Fletcher 1964 for the partials
  of a stiff string.
  """
  # The pluck's spectrum is zero-phase, and so rings before time 0: into these additional samples.
  size = num_samples + num_samples // 8
  # Attenuates aliasing of the response beyond the transform's end by 10^3.
  sigma = jnp.log(1e3) / size
  frequencies_hz = jnp.fft.rfftfreq(size, 1.0 / sample_rate)[None, 1:]
  f0_hz, inharmonicity, slope, balance, decay_s, damping = (
    x[:, None] for x in (f0_hz, inharmonicity, slope, balance, decay_s, damping)
  )
  # Fractional partial number k of a frequency, f_k = f: the root of B k^4 + k^2 = q; and dk / df.
  q = jnp.square(frequencies_hz / f0_hz) * (1.0 + inharmonicity)
  square = 2.0 * q / (1.0 + jnp.sqrt(1.0 + 4.0 * inharmonicity * q))
  k = jnp.sqrt(square)
  density = q / (frequencies_hz * k * (1.0 + 2.0 * inharmonicity * square))
  loss = (1.0 + damping * jnp.square(frequencies_hz / 1000.0)) / (decay_s * f0_hz)
  # The loop gain, including the factor of evaluation off the unit circle.
  loop = jnp.exp(-loss - sigma * sample_rate * density)
  real, imaginary = 1.0 - loop * synthesis.sine(k + 0.25), loop * synthesis.sine(k)
  even = (1.0 + balance) / 2.0 - (1.0 - balance) / 2.0 * synthesis.sine(0.5 * k + 0.25)
  pluck = even * jnp.exp(-slope * jnp.log(jnp.maximum(k, 1.0)))
  # Band limits: half the first partial and BAND_LIMIT, with smooth edges to avoid ringing.
  room = synthesis.BAND_LIMIT - frequencies_hz / sample_rate
  edges = jnp.clip(2.0 * k - 0.5, 0.0, 1.0), jnp.clip(room / 0.025, 0.0, 1.0)
  for edge in edges:
    pluck = pluck * jnp.square(edge) * (3.0 - 2.0 * edge)
  gain = pluck / (jnp.square(real) + jnp.square(imaginary))
  spectrum = jnp.pad(jax.lax.complex(gain * real, -gain * imaginary), ((0, 0), (1, 0)))
  response = jnp.fft.irfft(spectrum, size, axis=-1)[:, :num_samples]
  return response * jnp.exp(sigma * jnp.arange(num_samples))


def blown_pipe(
  f0_hz: Float[Array, " B"],
  breath: Float[Array, "B T"],
  sample_rate: int,
  max_period: int = 640,
) -> Float[Array, "B T"]:
  """A closed pipe with a reed, which has odd harmonics.

  Args:
    f0_hz: [B], from sample_rate / max_period to sample_rate / 15; losses grow with pitch, and
      shorter pipes do not oscillate.
    breath: [B, T] mouth pressure; the pipe oscillates from about 0.45 to 1.
    sample_rate: in Hz.
    max_period: samples of the longest period.

  Returns:
    [B, T], approximately -1 to 1.

  Source: Smith 1986, "Efficient Simulation of the Reed-Bore and Bow-String Mechanisms", with the
  reed table of Cook & Scavone 1999, "The Synthesis ToolKit".
  """
  batch = f0_hz.shape[0]
  size = max_period // 2
  # The round trip is half a period, including the delay of the reflection's low-pass.
  omega = 2.0 * jnp.pi * f0_hz / sample_rate
  filter_delay = (
    jnp.arctan2(
      _REFLECTION_DELAY * jnp.sin(omega),
      1.0 - _REFLECTION_DELAY + _REFLECTION_DELAY * jnp.cos(omega),
    )
    / omega
  )
  length = 0.5 * sample_rate / f0_hz - filter_delay
  whole = jnp.floor(length)
  fraction = length - whole
  delay = whole.astype(jnp.int32)
  lane = jnp.arange(batch)

  def tick(state, inputs):
    line, last = state
    step, mouth = inputs
    near = line[(step - delay) % size, lane]
    far = line[(step - delay - 1) % size, lane]
    out = near + fraction * (far - near)
    # An open bell inverts, attenuates and low-passes the pressure.
    reflected = -0.97 * ((1.0 - _REFLECTION_DELAY) * out + _REFLECTION_DELAY * last)
    difference = reflected - mouth
    reed = jnp.clip(0.7 - 0.3 * difference, -1.0, 1.0)
    line = jax.lax.dynamic_update_index_in_dim(line, mouth + difference * reed, step % size, axis=0)
    return (line, out), out

  start = (jnp.zeros((size, batch)), jnp.zeros(batch))
  _, audio = jax.lax.scan(tick, start, (jnp.arange(breath.shape[1]), breath.T), unroll=4)
  return audio.T
