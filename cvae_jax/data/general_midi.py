"""General MIDI's 128 programs with NSynth's family and source of each, and its percussion keys.

Source: General MIDI Level 1, the tables of sounds and of percussion, and for keys 82 to 87 Roland's
GS; families and sources of Engel et al. 2017.
"""

from typing import NamedTuple

# (first program, family, source) of consecutive ranges; a range ends where the next one begins. The
# family is None for effects and percussion, which are no notes.
_RANGES: tuple[tuple[int, str | None, str], ...] = (
  (0, "keyboard", "acoustic"),  # pianos
  (4, "keyboard", "electronic"),  # electric pianos
  (6, "keyboard", "acoustic"),  # harpsichord
  (7, "keyboard", "electronic"),  # clavinet
  (8, "mallet", "acoustic"),
  (16, "organ", "electronic"),
  (19, "organ", "acoustic"),  # church organ, reed organ
  (21, "reed", "acoustic"),  # accordions and harmonica: free reeds
  (24, "guitar", "acoustic"),
  (26, "guitar", "electronic"),
  (32, "bass", "acoustic"),
  (33, "bass", "electronic"),
  (38, "bass", "synthetic"),
  (40, "string", "acoustic"),
  (47, "mallet", "acoustic"),  # timpani
  (48, "string", "acoustic"),
  (50, "string", "synthetic"),
  (52, "vocal", "acoustic"),
  (54, "vocal", "synthetic"),
  (55, None, ""),  # orchestra hit
  (56, "brass", "acoustic"),
  (62, "brass", "synthetic"),
  (64, "reed", "acoustic"),
  (72, "flute", "acoustic"),
  (80, "synth_lead", "synthetic"),  # leads and pads
  (91, "vocal", "synthetic"),  # choir pad
  (92, "synth_lead", "synthetic"),
  (96, None, ""),  # effects
  (104, "guitar", "acoustic"),  # sitar, banjo, shamisen, koto
  (108, "mallet", "acoustic"),  # kalimba
  (109, "reed", "acoustic"),  # bagpipe
  (110, "string", "acoustic"),  # fiddle
  (111, "reed", "acoustic"),  # shanai
  (112, "mallet", "acoustic"),  # tinkle bell
  (113, None, ""),  # agogo
  (114, "mallet", "acoustic"),  # steel drums
  (115, None, ""),  # percussion, sound effects
)


# Keys of the percussion channel by kind of drum; whistles (71, 72) are left out.
_PERCUSSION_KEYS = {
  "kick": (35, 36),
  "rim": (37,),
  "snare": (38, 40),
  "clap": (39,),
  "hihat_closed": (42, 44),
  "hihat_open": (46,),
  "tom": (41, 43, 45, 47, 48, 50),
  "cymbal": (49, 51, 52, 53, 55, 57, 59),
  "cowbell": (56,),
  "percussion": (54, 58, *range(60, 71), *range(73, 88)),
}
PERCUSSION = {key: kind for kind, keys in _PERCUSSION_KEYS.items() for key in keys}
# Percussion programs whose keys are of other instruments: an orchestra, sound effects.
OTHER_KITS = (48, 56)
ELECTRONIC_KITS = range(24, 32)  # of Roland's GS: electronic, TR-808, dance


class Program(NamedTuple):
  """A General MIDI program.

  Attributes:
    number: 0 to 127.
    family: of `labels.FAMILIES`; 'mallet' for effects and percussion, which have none.
    source: of `labels.SOURCES`.
    is_note: whether it is a pitched instrument, not an effect or percussion.
  """

  number: int
  family: str
  source: str
  is_note: bool


def program(number: int) -> Program:
  """The program of a number, 0 to 127."""
  _, family, source = [item for item in _RANGES if item[0] <= number][-1]
  if family is None:
    return Program(number, "mallet", "synthetic", False)
  return Program(number, family, source, True)
