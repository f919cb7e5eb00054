"""Melodies of a small grammar, each with the numbers that it was made from.

A melody has a key and a mode. Its first bar, the phrase, has `density` onsets for 16 steps. A share
of them, `syncopation`, lies on odd steps; the others lie on even ones, more often on those that the
metre stresses. Pitches walk over the scale, mostly by one or two degrees, within `range` semitones,
of which the lowest and the highest pitch of the scale occur. Further bars are made in the same way,
but a share of their beats, `repetition`, is copied from the phrase. The last note is the tonic if
the range has one. A note lasts until the next one or, one in four, half as long.
"""

from typing import NamedTuple

import numpy as np

from cvae_jax.data import vocabulary as vocabulary_lib

# Semitones above the tonic.
MODES = {
  "major": (0, 2, 4, 5, 7, 9, 11),
  "minor": (0, 2, 3, 5, 7, 8, 10),
  "dorian": (0, 2, 3, 5, 7, 9, 10),
  "mixolydian": (0, 2, 4, 5, 7, 9, 10),
}
DENSITY, RANGE = (2, 8), (5, 24)  # onsets a bar of 16 steps; semitones
_CENTRE, _OFF_CENTRE = 66, 4  # pitch around which a melody lies, within so many semitones
LOWEST = _CENTRE - RANGE[1] // 2 - _OFF_CENTRE  # pitches of all melodies
HIGHEST = _CENTRE + RANGE[1] // 2 + _OFF_CENTRE
_STEPS, _STEP_WEIGHTS = (-3, -2, -1, 0, 1, 2, 3), (1, 3, 6, 1, 6, 3, 1)  # of the walk, in degrees
_SHORT = 0.25  # share of notes that last half as long

VOCABULARY = vocabulary_lib.Vocabulary(
  (
    vocabulary_lib.Label("mode", vocabulary_lib.NAMES, tuple(MODES)),
    vocabulary_lib.Label("density", vocabulary_lib.NUMBER, low=DENSITY[0], high=DENSITY[1]),
    vocabulary_lib.Label("range", vocabulary_lib.NUMBER, low=RANGE[0], high=RANGE[1]),
    vocabulary_lib.Label("syncopation", vocabulary_lib.NUMBER, low=0, high=100, between=True),
    vocabulary_lib.Label("repetition", vocabulary_lib.NUMBER, low=0, high=100, between=True),
  )
)


class Line(NamedTuple):
  """A melody in steps.

  Attributes:
    starts: [M] steps, increasing.
    ends: [M] steps.
    pitches: [M] MIDI numbers.
    tonic: pitch class of the key.
  """

  starts: np.ndarray
  ends: np.ndarray
  pitches: np.ndarray
  tonic: int


def draw_factors(
  vocabulary: vocabulary_lib.Vocabulary, rng: np.random.Generator, count: int
) -> dict[str, np.ndarray]:
  """Draws [M] values of each label of a grammar, independently of each other, in their order."""
  columns = {}
  for label in vocabulary.labels:
    values = rng.integers(label.low, label.low + label.num_values, count)
    columns[label.name] = values.astype(np.int32)
  return columns


def strengths(bar_steps: int, beat_steps: int) -> np.ndarray:
  """[bar_steps] weights of steps: 8 of the first, 4 of beats, 2 of even steps, 1 of odd ones."""
  steps = np.arange(bar_steps)
  weights = np.where(steps % beat_steps == 0, 4.0, np.where(steps % 2 == 0, 2.0, 1.0))
  weights[0] = 8.0
  return weights


def draw_onsets(
  rng: np.random.Generator, weights: np.ndarray, count: int, syncopation: float
) -> np.ndarray:
  """Draws the onsets of a bar: [bar_steps] of 0 and 1.

  Args:
    rng: random numbers.
    weights: of `strengths`.
    count: number of onsets.
    syncopation: share of them on odd steps.
  """
  onsets = np.zeros(len(weights), bool)
  odd = round(count * syncopation)
  for parity, number in ((0, count - odd), (1, odd)):
    steps = np.arange(parity, len(weights), 2)
    share = weights[steps] / weights[steps].sum()
    onsets[rng.choice(steps, min(number, len(steps)), replace=False, p=share)] = True
  return onsets


def copy_beats(
  rng: np.random.Generator, bars: np.ndarray, beat_steps: int, repetition: float
) -> None:
  """Copies a share of the beats of each bar from the first; in place, [bars, bar_steps, ...]."""
  num_beats = bars.shape[1] // beat_steps
  for bar in range(1, len(bars)):
    for beat in rng.permutation(num_beats)[: round(repetition * num_beats)]:
      steps = slice(beat * beat_steps, (beat + 1) * beat_steps)
      bars[bar, steps] = bars[0, steps]


def make_melody(
  rng: np.random.Generator,
  factors: dict[str, int],
  bars: int,
  bar_steps: int,
  beat_steps: int,
) -> Line:
  """Makes a melody.

  Args:
    rng: random numbers.
    factors: values of the labels of `VOCABULARY`.
    bars: number of bars.
    bar_steps: steps of a bar.
    beat_steps: steps of a beat.
  """
  weights = strengths(bar_steps, beat_steps)
  count = max(1, round(factors["density"] * bar_steps / 16))
  onsets = np.stack(
    [draw_onsets(rng, weights, count, factors["syncopation"] / 100) for _ in range(bars)]
  )
  tonic, scale = int(rng.integers(12)), MODES[tuple(MODES)[factors["mode"]]]
  low = _CENTRE - factors["range"] // 2 + int(rng.integers(-_OFF_CENTRE, _OFF_CENTRE + 1))
  pitches = np.arange(low, low + factors["range"] + 1)
  pitches = pitches[np.isin((pitches - tonic) % 12, scale)]
  walk = np.zeros((bars, bar_steps), int)
  degree = int(rng.integers(len(pitches)))
  shares = np.asarray(_STEP_WEIGHTS) / sum(_STEP_WEIGHTS)
  moves = rng.choice(_STEPS, onsets.sum(), p=shares)
  for (bar, step), move in zip(np.argwhere(onsets), moves.tolist(), strict=True):
    degree += move
    degree = abs(degree) if degree < len(pitches) else 2 * (len(pitches) - 1) - degree
    degree = min(max(degree, 0), len(pitches) - 1)
    walk[bar, step] = pitches[degree]
  # Both ends of the range occur in the phrase, or the note that it has is one of them.
  ends = rng.permutation(np.flatnonzero(onsets[0]))[:2]
  walk[0, ends] = rng.permutation(pitches[[0, -1]])[: len(ends)]
  copy_beats(rng, walk, beat_steps, factors["repetition"] / 100)
  starts = np.flatnonzero(walk)
  line = walk.ravel()[starts]
  tonics = pitches[(pitches - tonic) % 12 == 0]
  if len(starts) > 2 and tonics.size and starts[-1] >= bar_steps:
    line[-1] = tonics[np.argmin(np.abs(tonics - line[-1]))]
  stops = np.append(starts[1:], bars * bar_steps)
  is_short = rng.random(len(starts)) < _SHORT
  stops = np.where(is_short, starts + np.maximum((stops - starts) // 2, 1), stops)
  return Line(starts, stops, line, tonic)
