"""Drum patterns and basses of a small grammar, each with the numbers that it was made from.

A pattern has a style, which places the bass drum and the snare on beats. A hi-hat, or in one
pattern of three a ride cymbal, plays `density` strokes a bar of 16 steps, of which a share,
`syncopation`, lies on odd steps. `variety` more classes are struck once a bar each. A share of the
beats after the first bar, `repetition`, is copied from it; in half of the patterns of two bars or
more, toms fill the last beat.
"""

import numpy as np

from cvae_jax.data import vocabulary as vocabulary_lib
from cvae_jax.data.synthetic import tune_grammar
from cvae_jax.scores import drum_tokens

# Of each style: beats of the bass drum and of the snare.
STYLES = {
  "backbeat": ((0, 2), (1, 3)),
  "four_on_the_floor": ((0, 1, 2, 3), (1, 3)),
  "half_time": ((0,), (2,)),
  "one_drop": ((2,), (2,)),
}
DENSITY, VARIETY = (2, 8), (0, 4)
_EXTRAS = ("open hi-hat", "low tom", "mid tom", "high tom", "crash")
_TOMS = ("high tom", "mid tom", "low tom")
_NUMBER = {name: number for number, name in enumerate(drum_tokens.NAMES)}
# A bar's roots of the bass, in degrees of the scale.
_PROGRESSIONS = ((0, 3), (0, 4), (0, 5), (5, 3))

VOCABULARY = vocabulary_lib.Vocabulary(
  (
    vocabulary_lib.Label("style", vocabulary_lib.NAMES, tuple(STYLES)),
    vocabulary_lib.Label("density", vocabulary_lib.NUMBER, low=DENSITY[0], high=DENSITY[1]),
    vocabulary_lib.Label("variety", vocabulary_lib.NUMBER, low=VARIETY[0], high=VARIETY[1]),
    vocabulary_lib.Label("syncopation", vocabulary_lib.NUMBER, low=0, high=100, between=True),
    vocabulary_lib.Label("repetition", vocabulary_lib.NUMBER, low=0, high=100, between=True),
  )
)


def make_drums(
  rng: np.random.Generator, factors: dict[str, int], bars: int, bar_steps: int, beat_steps: int
) -> np.ndarray:
  """Makes a pattern: [bars * bar_steps] tokens of `drum_tokens`.

  Args:
    rng: random numbers.
    factors: values of the labels of `VOCABULARY`.
    bars: number of bars.
    bar_steps: steps of a bar.
    beat_steps: steps of a beat.
  """
  weights = tune_grammar.strengths(bar_steps, beat_steps)
  roll = np.zeros((bars, bar_steps, len(drum_tokens.CLASSES)), int)
  for name, beats in zip(
    ("bass drum", "snare"), STYLES[tuple(STYLES)[factors["style"]]], strict=True
  ):
    steps = np.asarray(beats) * beat_steps
    roll[:, steps[steps < bar_steps], _NUMBER[name]] = 1
  pulse = _NUMBER["ride" if rng.random() < 1 / 3 else "closed hi-hat"]
  count = max(1, round(factors["density"] * bar_steps / 16))
  extras = rng.permutation(_EXTRAS)[: factors["variety"]]
  for bar in range(bars):
    roll[bar, :, pulse] = tune_grammar.draw_onsets(
      rng, weights, count, factors["syncopation"] / 100
    )
    for name in extras:
      roll[bar, rng.integers(bar_steps), _NUMBER[name]] = 1
  tune_grammar.copy_beats(rng, roll, beat_steps, factors["repetition"] / 100)
  if bars > 1 and rng.random() < 0.5:
    roll[-1, -beat_steps:] = 0
    for step in range(beat_steps):
      tom = _TOMS[min(step * len(_TOMS) // beat_steps, len(_TOMS) - 1)]
      roll[-1, bar_steps - beat_steps + step, _NUMBER[tom]] = 1
  return drum_tokens.from_roll(roll.reshape(bars * bar_steps, -1))


def make_bass(
  rng: np.random.Generator, mode: int, tonic: int, bars: int, bar_steps: int, beat_steps: int
) -> tune_grammar.Line:
  """Makes a bass: the roots of two chords a bar, on its first beat and on the middle one."""
  scale = tune_grammar.MODES[tuple(tune_grammar.MODES)[mode]]
  roots = _PROGRESSIONS[int(rng.integers(len(_PROGRESSIONS)))]
  middle = max(bar_steps // beat_steps // 2, 1) * beat_steps
  steps = [0, middle] if middle < bar_steps else [0]
  starts = (np.arange(bars)[:, None] * bar_steps + np.asarray(steps)).ravel()
  degrees = np.resize(np.asarray(roots)[: len(steps)], len(starts))
  pitches = 36 + (tonic + np.asarray(scale)[degrees]) % 12
  return tune_grammar.Line(starts, np.append(starts[1:], bars * bar_steps), pitches, tonic)
