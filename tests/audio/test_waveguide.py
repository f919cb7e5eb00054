import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.signal

from cvae_jax.audio import waveguide
from cvae_jax.evaluation.metrics import pitch as pitch_metric

SR, T = 16_000, 64_000


def peak_hz(audio, near_hz, width=0.02):
  """Frequency of the highest peak within `width` of another, by a parabola through its bins."""
  level = np.log(np.abs(np.fft.rfft(audio * np.hanning(audio.size))) + 1e-20)
  step = SR / audio.size
  low, high = (int(near_hz * factor / step) for factor in (1 - width, 1 + width))
  i = low + int(np.argmax(level[low : high + 1]))
  a, b, c = level[i - 1 : i + 2]
  return (i + 0.5 * (a - c) / (a - 2 * b + c)) * step


@pytest.mark.parametrize("midi", [28, 45, 64, 81])
def test_a_plucked_string_is_in_tune(midi):
  f0 = jnp.asarray([440.0 * 2 ** ((midi - 69) / 12)])
  one = jnp.ones(1)
  audio = waveguide.plucked_string(f0, 0.2 * one, 2.0 * one, 0.2 * one, T, SR, jax.random.key(0))
  assert abs(pitch_metric.median_pitch(np.asarray(audio[0]), SR) - midi) < 0.1


def stiff_string(midi, inharmonicity=1e-3, slope=1.0, balance=1.0, decay_s=2.0, damping=0.0):
  f0_hz = 440.0 * 2 ** ((midi - 69) / 12)
  one = jnp.ones(1)
  arguments = (f0_hz, inharmonicity, slope, balance, decay_s, damping)
  audio = waveguide.stiff_string(*(x * one for x in arguments), T, SR)
  return f0_hz, np.asarray(audio[0], np.float64)


@pytest.mark.parametrize("midi", [36, 60, 84])
@pytest.mark.parametrize("inharmonicity", [1e-5, 2e-3])
def test_a_stiff_strings_partials_lie_where_fletcher_puts_them(midi, inharmonicity):
  f0_hz, audio = stiff_string(midi, inharmonicity)
  for k in range(1, 7):
    wanted = k * f0_hz * np.sqrt((1 + inharmonicity * k**2) / (1 + inharmonicity))
    assert peak_hz(audio, wanted) == pytest.approx(wanted, rel=3e-4)


def test_a_stiff_strings_partials_have_the_slope_and_the_balance_that_they_are_given():
  f0_hz, audio = stiff_string(57, 1e-5, slope=1.5, balance=0.25)
  spectrum = np.abs(np.fft.rfft(audio * scipy.signal.get_window("flattop", T)))
  step = SR / T
  peaks = np.asarray(
    [spectrum[int(k * f0_hz / step) - 8 : int(k * f0_hz / step) + 9].max() for k in range(1, 9)]
  )
  numbers = np.arange(1, 9)
  wanted = numbers**-1.5 * np.where(numbers % 2, 1.0, 0.25)
  np.testing.assert_allclose(20 * np.log10(peaks / peaks[0]), 20 * np.log10(wanted), atol=0.3)


def test_a_stiff_string_decays_by_its_time_constant_and_faster_where_it_is_damped():
  _, audio = stiff_string(60, slope=6.0, decay_s=0.5)  # All but a sine.
  rms = np.sqrt(np.mean(audio.reshape(-1, 800) ** 2, axis=1))
  slope = np.polyfit(np.arange(20) * 0.05, np.log(rms[2:22]), 1)[0]
  assert slope == pytest.approx(-1 / 0.5, rel=0.02)
  late = [np.abs(np.fft.rfft(x[16_000:32_000])) for x in (
    stiff_string(60)[1], stiff_string(60, damping=5.0)[1])]  # fmt: skip
  assert late[1][1_500:4_000].max() < 0.05 * late[0][1_500:4_000].max()


@pytest.mark.parametrize("midi", [36, 48, 60, 72, 84])
def test_a_blown_pipe_speaks_in_tune_with_odd_partials(midi):
  f0_hz = jnp.asarray([440.0 * 2 ** ((midi - 69) / 12)])
  breath = 0.8 * jnp.minimum(jnp.arange(T) / 320, 1.0)[None]
  audio = np.asarray(waveguide.blown_pipe(f0_hz, breath, SR)[0])
  assert 0.2 < np.abs(audio[16_000:]).max() < 2.0 and np.isfinite(audio).all()
  assert abs(pitch_metric.median_pitch(audio, SR) - midi) < 0.15
  spectrum = np.abs(np.fft.rfft(audio[16_000:] * np.hanning(48_000)))
  level = [spectrum[int(k * float(f0_hz[0]) * 3) - 9 :][:19].max() for k in (1, 2, 3)]
  assert level[1] < 0.05 * level[0] and level[2] > 0.05 * level[0]


def test_nobody_blows_and_nothing_sounds():
  audio = waveguide.blown_pipe(jnp.asarray([220.0]), jnp.zeros((1, 4000)), SR)
  assert np.abs(np.asarray(audio)).max() == 0.0
