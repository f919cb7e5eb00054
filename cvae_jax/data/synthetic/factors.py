"""The factors that a note of `synth_notes/factors`, `/grid` and `/full` is made from.

A data set for research on disentanglement, in the manner of dSprites (Matthey et al. 2017): what is
heard is a function of these numbers, of the pitch and of the velocity, which all are known.
"""

from typing import NamedTuple

import numpy as np

METHODS = (
  "additive",
  "subtractive",
  "fm_pair",
  "fm_stack",
  "fm_branch",
  "plucked_string",
  "blown_pipe",
  "granular",
  "spectral",
)
# NSynth's family that a method's notes are labelled with, so that every tool can ask for it.
FAMILIES = {
  "additive": "organ",
  "subtractive": "bass",
  "fm_pair": "brass",
  "fm_stack": "keyboard",
  "fm_branch": "mallet",
  "plucked_string": "guitar",
  "blown_pipe": "reed",
  "granular": "vocal",
  "spectral": "string",
}
# Two octaves to either side of middle C, where every method and every factor can be heard.
MIN_PITCH, MAX_PITCH = 36, 84


class Factor(NamedTuple):
  """A number that a note is made from.

  Attributes:
    low: lowest value.
    high: highest value.
    unit: of the value.
    log: whether it is drawn, and spaced, on a logarithmic scale.
    levels: how many values it takes on the grid.
    meaning: in words.
  """

  low: float
  high: float
  unit: str
  log: bool
  levels: int
  meaning: str

  def at(self, position: np.ndarray) -> np.ndarray:
    """Values at positions from 0 (low) to 1 (high), float32."""
    position = np.asarray(position, np.float64)
    if self.log:
      return (self.low * (self.high / self.low) ** position).astype(np.float32)
    return (self.low + (self.high - self.low) * position).astype(np.float32)


FACTORS = {
  "brightness": Factor(-15.0, -3.0, "dB/octave", False, 3, "slope of the spectrum over partials"),
  "attack": Factor(0.005, 0.4, "s", True, 2, "time from silence to the full level"),
  "decay": Factor(0.3, 6.0, "s", True, 2, "time constant of the level from there on"),
  "vibrato_rate": Factor(3.0, 8.0, "Hz", False, 2, "swings of the pitch"),
  "vibrato_depth": Factor(5.0, 60.0, "cents", True, 2, "largest deviation of the pitch"),
  "noise": Factor(-50.0, -15.0, "dB", False, 2, "level of noise, relative to the tone"),
  "inharmonicity": Factor(
    1e-5, 2e-3, "", True, 2, "B of a stiff string's partials, k sqrt((1 + B k^2) / (1 + B))"
  ),
  "harmonic_balance": Factor(0.0, 1.0, "", False, 2, "level of even partials relative to odd ones"),
}
NAMES = tuple(FACTORS)
GRID_PITCHES = (48, 60, 72)
VELOCITY = 100  # of the grid's notes


class Table(NamedTuple):
  """Notes by what they are made from, as columns.

  Attributes:
    method: [M] index into `METHODS`.
    values: [M, F] of `FACTORS`, in their units.
    pitch: [M] MIDI numbers.
    velocity: [M] MIDI velocities.
  """

  method: np.ndarray
  values: np.ndarray
  pitch: np.ndarray
  velocity: np.ndarray

  def take(self, rows: np.ndarray) -> "Table":
    return Table(*(column[rows] for column in self))


def draw(count: int, seed: int, velocities: tuple[int, ...]) -> Table:
  """Draws notes: all factors, the method, the pitch and the velocity independently of each other.

  Args:
    count: M.
    seed: of everything.
    velocities: to choose from.
  """
  rng = np.random.default_rng([seed, 3])
  positions = rng.uniform(size=(count, len(FACTORS)))
  values = [factor.at(positions[:, i]) for i, factor in enumerate(FACTORS.values())]
  return Table(
    rng.integers(len(METHODS), size=count),
    np.stack(values, axis=1),
    rng.integers(MIN_PITCH, MAX_PITCH + 1, size=count),
    rng.choice(np.asarray(velocities), count),
  )


def make_grid() -> Table:
  """Every combination of every factor's levels, once, at one velocity."""
  axes = [np.arange(len(METHODS)), np.asarray(GRID_PITCHES)]
  axes += [factor.at(np.linspace(0.0, 1.0, factor.levels)) for factor in FACTORS.values()]
  columns = [column.ravel() for column in np.meshgrid(*axes, indexing="ij")]
  return Table(
    columns[0].astype(int),
    np.stack(columns[2:], axis=1).astype(np.float32),
    columns[1].astype(int),
    np.full(columns[0].size, VELOCITY),
  )
