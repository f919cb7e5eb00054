"""Simple sounds of General MIDI's percussion keys, to hear drum tokens: sines and noise bursts."""

import functools

import numpy as np

from cvae_jax.scores import drum_tokens

# Of each class: frequencies in Hz at the start and the end of a sine, its level and decay in
# seconds, the level and decay of noise, and by how many differences the noise is high-passed.
_SOUNDS = {
  "bass drum": (160.0, 50.0, 1.0, 0.12, 0.05, 0.01, 0),
  "snare": (220.0, 180.0, 0.35, 0.08, 0.5, 0.1, 1),
  "closed hi-hat": (0.0, 0.0, 0.0, 0.1, 0.25, 0.03, 3),
  "open hi-hat": (0.0, 0.0, 0.0, 0.1, 0.25, 0.25, 3),
  "low tom": (120.0, 80.0, 0.8, 0.2, 0.05, 0.02, 0),
  "mid tom": (170.0, 120.0, 0.8, 0.18, 0.05, 0.02, 0),
  "high tom": (240.0, 170.0, 0.8, 0.15, 0.05, 0.02, 0),
  "crash": (0.0, 0.0, 0.0, 0.1, 0.3, 0.4, 2),
  "ride": (2900.0, 2900.0, 0.1, 0.2, 0.12, 0.3, 3),
}
_DURATION_S, _GLIDE_S = 0.5, 0.03


@functools.lru_cache(maxsize=128)
def render(key: int, sample_rate: int) -> np.ndarray:
  """Renders a stroke of a percussion key to [T] float64 with a peak of at most 1; do not change it.

  Args:
    key: MIDI number; a key of no class of `drum_tokens` sounds as a snare.
    sample_rate: in Hz.
  """
  name = drum_tokens.NAMES[drum_tokens.CLASS_OF.get(key, 1)]
  high_hz, low_hz, tone_level, tone_s, noise_level, noise_s, differences = _SOUNDS[name]
  t = np.arange(int(_DURATION_S * sample_rate)) / sample_rate
  phase = low_hz * t + (high_hz - low_hz) * _GLIDE_S * (1.0 - np.exp(-t / _GLIDE_S))
  noise = np.random.default_rng(key).normal(size=t.size + differences)
  noise = np.diff(noise, differences)
  sound = tone_level * np.sin(2 * np.pi * phase) * np.exp(-t / tone_s)
  sound += noise_level * noise / np.abs(noise).max() * np.exp(-t / noise_s)
  sound *= np.minimum((_DURATION_S - t) / 0.05, 1.0)
  return sound / max(np.abs(sound).max(), 1.0)
