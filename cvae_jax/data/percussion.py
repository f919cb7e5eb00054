"""General MIDI's percussion keys as drums of a kit: names, kinds, tuning, and what chokes what.

Keys of one drum share a sound, which is resampled by the semitones of the key: six toms are one
tom, two bongos one bongo. All other keys are drums of their own.

Source: names and keys 35 to 81 of General MIDI Level 1, mutually exclusive keys of General MIDI
Level 2. Level 1 does not tune them; the intervals here are of usual sets of toms, a fourth between
high and low of a pair of hand drums or bells.
"""

from typing import NamedTuple

from cvae_jax.data import general_midi

FIRST, LAST = 35, 81  # of General MIDI Level 1
CHANNEL = 9  # of percussion, from 0

_NAMES = (
  "Acoustic Bass Drum", "Bass Drum 1", "Side Stick", "Acoustic Snare", "Hand Clap",
  "Electric Snare", "Low Floor Tom", "Closed Hi-Hat", "High Floor Tom", "Pedal Hi-Hat", "Low Tom",
  "Open Hi-Hat", "Low-Mid Tom", "Hi-Mid Tom", "Crash Cymbal 1", "High Tom", "Ride Cymbal 1",
  "Chinese Cymbal", "Ride Bell", "Tambourine", "Splash Cymbal", "Cowbell", "Crash Cymbal 2",
  "Vibraslap", "Ride Cymbal 2", "Hi Bongo", "Low Bongo", "Mute Hi Conga", "Open Hi Conga",
  "Low Conga", "High Timbale", "Low Timbale", "High Agogo", "Low Agogo", "Cabasa", "Maracas",
  "Short Whistle", "Long Whistle", "Short Guiro", "Long Guiro", "Claves", "Hi Wood Block",
  "Low Wood Block", "Mute Cuica", "Open Cuica", "Mute Triangle", "Open Triangle",
)  # fmt: skip
# Semitones by key, of the drum of the first key.
_TUNED: tuple[dict[int, float], ...] = (
  {47: 0.0, 41: -7.0, 43: -5.0, 45: -2.0, 48: 2.0, 50: 5.0},  # toms
  {60: 0.0, 61: -5.0},  # bongos
  {63: 0.0, 64: -5.0},  # congas
  {65: 0.0, 66: -5.0},  # timbales
  {67: 0.0, 68: -5.0},  # agogos
  {76: 0.0, 77: -5.0},  # wood blocks
)
_WHISTLES = (71, 72)  # which no kind is of
# Of these only one sounds at a time.
_EXCLUSIVE = ((42, 44, 46), _WHISTLES, (73, 74), (78, 79), (80, 81))
# The keys of each kind, the one that a kit has first at the head.
_PREFERRED = (36, 38, 42, 46, 39, 47, 49, 37, 56, 54, 41, 50, 51, 44, 70, 63, 40, 43, 45, 48)


class Key(NamedTuple):
  """A percussion key.

  Attributes:
    key: MIDI number.
    name: of General MIDI.
    kind: of `drums.KINDS`.
    drum: key whose sound this one is, resampled.
    semitones: by which it is resampled.
    choke: number of the group of keys of which only one sounds at a time; 0 for none.
  """

  key: int
  name: str
  kind: str
  drum: int
  semitones: float
  choke: int


def _make_key(number: int) -> Key:
  drum, semitones = number, 0.0
  for tuned in _TUNED:
    if number in tuned:
      drum, semitones = next(iter(tuned)), tuned[number]
  choke = next((i for i, group in enumerate(_EXCLUSIVE, 1) if number in group), 0)
  kind = general_midi.PERCUSSION.get(number, "percussion")
  return Key(number, _NAMES[number - FIRST], kind, drum, semitones, choke)


KEYS = {number: _make_key(number) for number in range(FIRST, LAST + 1)}
# The keys of a kit, the most usual ones first.
PREFERRED = (*_PREFERRED, *(number for number in KEYS if number not in _PREFERRED))
