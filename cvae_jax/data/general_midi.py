"""General MIDI's 128 programs with NSynth's family and source of each.

Source: General MIDI Level 1, the table of sounds; families and sources of Engel et al. 2017.
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
