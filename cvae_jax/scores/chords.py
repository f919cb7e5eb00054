"""Chords as labels: triads on twelve roots, found in what sounds.

The 49 classes are those of note-seq's `TriadChordOneHotEncoding`, by which MusicVAE is conditioned:
no chord, and major, minor, augmented and diminished triads. Further notes of a chord, as a seventh,
are left out: C7 is C.
"""

import numpy as np

NO_CHORD = 0
_ROOTS = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
_QUALITIES = {"": (0, 4, 7), "m": (0, 3, 7), "aug": (0, 4, 8), "dim": (0, 3, 6)}
NAMES = ("N.C.", *(root + quality for root in _ROOTS for quality in _QUALITIES))
_FOREIGN = 0.5  # by which notes outside of a triad count against it
_BASS = 0.25  # by which the lowest note counts for its root
_INSIDE = np.stack(
  [
    np.isin(np.arange(12), np.add(notes, root) % 12)
    for root in range(12)
    for notes in _QUALITIES.values()
  ]
)  # [48, 12]
_ROOT_OF = np.repeat(np.arange(12), len(_QUALITIES))


def of_triad(root: int, third: int, fifth: int) -> int:
  """The index of a triad in `NAMES`.

  Args:
    root: in semitones above C, of any octave.
    third: in semitones above the root; 3 is minor, all others count as major.
    fifth: likewise; what no triad of the third has counts as 7.
  """
  triads = list(_QUALITIES.values())
  notes = (0, third, fifth)
  if notes not in triads:
    notes = _QUALITIES["m" if third == 3 else ""]
  return 1 + root % 12 * len(triads) + triads.index(notes)


def find(durations: np.ndarray, lowest: np.ndarray) -> np.ndarray:
  """Finds the triads that sound: [M] indices into `NAMES`, `NO_CHORD` where nothing does.

  A triad is as good as its notes last, less half of what others last, and a quarter of the whole if
  its root is the lowest note; the first of equals is chosen.

  Args:
    durations: [M, 12] of each pitch class, in any unit.
    lowest: [M] lowest pitches.
  """
  inside = durations @ _INSIDE.T
  total = durations.sum(axis=1, keepdims=True)
  is_root = (lowest[:, None] % 12) == _ROOT_OF
  score = inside - _FOREIGN * (total - inside) + _BASS * total * is_root
  return np.where(total[:, 0] > 0, 1 + np.argmax(np.round(score, 6), axis=1), NO_CHORD)


def transpose(chord: np.ndarray, semitones: int) -> np.ndarray:
  """Chords so many semitones higher: [M] indices of [M] indices."""
  size = len(_QUALITIES)
  root, quality = np.divmod(chord - 1, size)
  return np.where(chord == NO_CHORD, NO_CHORD, 1 + (root + semitones) % 12 * size + quality)


def contains(chord: np.ndarray, pitch: np.ndarray) -> np.ndarray:
  """[M] bool: whether pitches (MIDI numbers) are notes of chords; none is of `NO_CHORD`."""
  return (chord != NO_CHORD) & _INSIDE[np.maximum(chord - 1, 0), pitch % 12]


def longest_of_parts(by_step: np.ndarray, part_steps: int) -> np.ndarray:
  """The chord of every part of so many steps that lasts longest in it, the first of equals.

  Args:
    by_step: [L] indices into `NAMES`, of each step.
    part_steps: steps of a part, from the first step on.

  Returns:
    [L] indices into `NAMES`.
  """
  rows = np.pad(by_step, (0, -len(by_step) % part_steps), "edge").reshape(-1, part_steps)
  counts = np.zeros((len(rows), len(NAMES)), np.int64)
  np.add.at(counts, (np.arange(len(rows))[:, None], rows), 1)
  first = np.take_along_axis(counts, rows, axis=1).argmax(axis=1)
  longest = rows[np.arange(len(rows)), first]
  return np.repeat(longest, part_steps)[: len(by_step)].astype(np.int8)


def of_parts(
  starts: np.ndarray, ends: np.ndarray, pitches: np.ndarray, part_steps: int, num_steps: int
) -> np.ndarray:
  """The chord of every part of so many steps, by step.

  Args:
    starts: [N] steps at which notes start.
    ends: [N] steps at which they end.
    pitches: [N] MIDI numbers.
    part_steps: steps of a part, from the first step on.
    num_steps: L.

  Returns:
    [L] indices into `NAMES`.
  """
  count = -(-num_steps // part_steps)
  durations, lowest = np.zeros((count, 12)), np.full(count, 127)
  lengths = ends - starts
  offsets = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
  part = (np.repeat(starts, lengths) + offsets) // part_steps
  pitch, is_inside = np.repeat(pitches, lengths), part < count
  np.add.at(durations, (part[is_inside], pitch[is_inside] % 12), 1.0)
  np.minimum.at(lowest, part[is_inside], pitch[is_inside])
  return np.repeat(find(durations, lowest), part_steps)[:num_steps].astype(np.int8)
