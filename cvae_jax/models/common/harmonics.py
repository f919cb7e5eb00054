"""Templates of the partials of a pitch, which a network then need not learn.

The levels of a harmonic note's spectrum vary from instrument to instrument, the places of its
partials do not: they follow from the pitch. `make_templates` draws them, cut into overlapping
bands, so that a network says how loud a band is, and what it learns of one pitch serves all.
"""

import functools

import numpy as np

# Bands by the number of the partial, and by its frequency in Hz: a spectrum has features that move
# with the pitch (a clarinet's missing even partials) and others that do not (formants).
PARTIALS = (1, 2, 3, 4, 5, 6, 8, 11, 16, 23, 32, 48, 64)
_FREQUENCIES_HZ = tuple(31.25 * 2.0 ** (8 * i / 15) for i in range(16))
# A window's main lobe reaches so many bins to either side of a partial.
_REACH = 2.0


def num_templates(
  partials: tuple[int, ...] = PARTIALS, vibrato_cents: tuple[float, ...] = ()
) -> int:
  """K of `make_templates`."""
  return len(partials) * (1 + len(vibrato_cents)) + len(_FREQUENCIES_HZ)


def _bands(position, centers):
  """Triangular weights of positions on an axis of centres; they sum to 1 ([..., K])."""
  rows = np.eye(len(centers))
  return np.stack([np.interp(position, centers, row) for row in rows], axis=-1)


@functools.lru_cache(maxsize=4)
def make_templates(
  frequencies_hz: tuple[float, ...],
  num_pitches: int = 128,
  partials: tuple[int, ...] = PARTIALS,
  vibrato_cents: tuple[float, ...] = (),
) -> np.ndarray:
  """Spectra of the partials of every pitch, by bands.

  A partial is a bump on the bins around it, 1 at its top and 0 two bins away, which is about what a
  Hann window's main lobe is in decibels; of two that overlap, the nearer one counts. A pitch that
  swings smears its partials, the higher the wider: for each depth of vibrato the bands by number
  are there once more, with bumps that reach as much farther as a partial then moves.

  Args:
    frequencies_hz: centres of the features' bins, rising.
    num_pitches: MIDI numbers from 0.
    partials: centres of the bands by number, rising from 1; a partial between two is of both.
    vibrato_cents: depths of vibrato that there are wider bumps for.

  Returns:
    [P, K, F] float16 between 0 and 1.
  """
  centers_hz = np.asarray(frequencies_hz)
  bins = np.arange(centers_hz.size)
  by_frequency = _bands(np.log2(np.maximum(centers_hz, 1e-3)), np.log2(_FREQUENCIES_HZ))
  count = num_templates(partials, vibrato_cents)
  templates = np.zeros((num_pitches, count, bins.size), np.float16)
  hz_a_bin = np.gradient(centers_hz)
  for pitch in range(num_pitches):
    f0_hz = 440.0 * 2.0 ** ((pitch - 69) / 12)
    # The partials on either side of each bin, in bins; the nearer one is the bin's.
    below = np.maximum(np.floor(centers_hz / f0_hz), 1.0)
    numbers = np.stack([below, below + 1.0])
    inside = numbers * f0_hz <= centers_hz[-1]
    distance = np.abs(np.interp(numbers * f0_hz, centers_hz, bins) - bins)
    distance = np.where(inside, distance, np.inf)
    nearer = np.argmin(distance, axis=0)
    by_number = _bands(np.log2(numbers[nearer, bins]), np.log2(partials))

    def bump(cents, f0_hz=f0_hz, numbers=numbers[nearer, bins], distance=distance[nearer, bins]):
      swing_hz = numbers * f0_hz * (2.0 ** (cents / 1200) - 1.0)
      reach = _REACH + swing_hz / hz_a_bin
      return np.maximum(0.0, 1.0 - (distance / reach) ** 4)[:, None]

    banks = [np.concatenate([by_number, by_frequency], axis=-1) * bump(0.0)]
    banks += [by_number * bump(cents) for cents in vibrato_cents]
    templates[pitch] = np.concatenate(banks, axis=-1).T
  return templates
