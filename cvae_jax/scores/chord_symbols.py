"""Chord symbols as people write them, such as Am7, C/E, F#dim or Bbmaj7, as triads.

A symbol is a root, a kind, degrees that are added or altered, and a bass. The class of `chords`
that it stands for follows from the root, the third and the fifth: sevenths, further degrees and the
bass are left out, so that C7/E is C. A symbol without a third (sus4, sus2, 5, pedal) is major: of
the four triads, that is what `chords.find` finds in its notes. Where no triad has both, the third
decides: C7b5 is C, Am(#5) is Am.

Flats are b or ♭, sharps # or ♯; whitespace and brackets are left out. B-7 is B flat 7 to some
writers, music21 among them, and B minor 7 to others: the caller says which. H is B natural, and in
a tune with an H, B is B flat. Short forms d and a, for dim and aug, are those of the Nottingham
Music Database, as is a bass of small letters with + for sharp (D/f+). N.C., NC and N are no chord.

A symbol that cannot be read is mostly a word, as Fine: it changes nothing, the chord before it
holds.

Source: the reading of kinds and degrees is that of note-seq's `chord_symbols_lib`, which has no
class for chords without a third or with another fifth, and refuses them.
"""

from collections.abc import Sequence
import re

from cvae_jax.scores import chords

_MAX_LENGTH = 40
_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11, "H": 11}
_SHIFTS = {"#": 1, "b": -1, "-": -1, "+": 1, "": 0}
_SPELLINGS = str.maketrans(
  {"♯": "#", "♭": "b", "♮": "", "𝄪": "##", "𝄫": "bb", "\u2212": "-", "\u2013": "-",
   "Δ": "maj", "∆": "maj", "△": "maj", "°": "o", "º": "o", "Ø": "ø"}
)  # fmt: skip
_NO_CHORD = re.compile(r"n|n\.?c\.?|no-?chord", re.IGNORECASE)
_ROOT = re.compile(r"([A-H])(#{1,2}|b{1,2}|)")
_ROOT_WITH_DASHES = re.compile(r"([A-H])(#{1,2}|b{1,2}|-{1,2}|)")
# What follows the root; a sign is a kind at the beginning, and alters a degree later on.
_KIND = re.compile(
  r"(?P<augmented>(?i:aug)|\+|a(?=7?(?:/|$)))"
  r"|(?P<diminished>(?i:dim)|o(?!m)|/?ø|/o|d(?=7?(?:/|$)))"
  r"|(?P<minor>(?i:minor|min)|mi|m(?!aj|a\d|a$)|-(?!5))"
)
_PART = re.compile(
  r"(?P<word>(?i:major|maj|ma(?=\d|$))|[Mj]|dom|(?i:add|alter|alt|subtract|omit|no|sus)"
  r"|power|pedal|ped)"
  r"|/?(?P<sign>#{1,2}|b{1,2}|[+-])?(?P<degree>1[0-3]?|69|[2-9])"
  r"|(?P<augmented>(?i:aug)|\+)|(?P<diminished>(?i:dim))"
  r"|/(?P<bass>[A-Ha-h](?:##?|bb?|--?|\+)?)"
)


def parse(symbol: str, has_dashes: bool = False, is_german: bool = False) -> int | None:
  """Parses a chord symbol.

  Args:
    symbol: as written.
    has_dashes: whether a dash after the letter of a root is a flat; else it is minor.
    is_german: whether B is B flat.

  Returns:
    An index into `chords.NAMES`; None if the symbol cannot be read.
  """
  text = re.sub(r"\s", "", symbol[:_MAX_LENGTH].translate(_SPELLINGS)).lstrip("([{")
  if _NO_CHORD.fullmatch(text.rstrip(")]}")):
    return chords.NO_CHORD
  match = (_ROOT_WITH_DASHES if has_dashes else _ROOT).match(text)
  quality = _parse_quality(re.sub(r"[][(){},:]", "", text[match.end() :])) if match else None
  if match is None or quality is None or len(symbol) > _MAX_LENGTH:
    return None
  letter, accidental = match.groups()
  if is_german and letter == "B" and not accidental:
    accidental = "b"
  root = _STEPS[letter] + len(accidental) * _SHIFTS[accidental[:1]]
  return chords.of_triad(root, *quality)


def _parse_quality(text: str) -> tuple[int, int] | None:
  """Semitones of third and fifth of what follows a root; None if it cannot be read."""
  third, fifth = 4, 7
  kind = _KIND.match(text)
  at = kind.end() if kind else 0
  if kind and kind["augmented"]:
    fifth = 8
  elif kind:
    third, fifth = 3, 6 if kind["diminished"] else 7
  while at < len(text):
    part = _PART.match(text, at)
    if part is None:
      return None
    at = part.end()
    shift = len(part["sign"] or "") * _SHIFTS[(part["sign"] or "")[:1]]
    if part["degree"] == "5" and shift:
      fifth = 7 + shift
    elif part["degree"] == "3" and shift:
      third = 4 + shift
    elif part["augmented"]:
      fifth = 8
    elif part["diminished"]:
      third, fifth = 3, 6
  return third, fifth


def read(symbols: Sequence[str], has_dashes: bool = False) -> list[int | None]:
  """Parses the chord symbols of a tune, of which one tells how the others are spelt.

  Args:
    symbols: of the tune, in any order.
    has_dashes: whether a dash after the letter of a root is a flat, unless other flats of the tune
      are written as b.

  Returns:
    As of `parse`, for each.
  """
  different = set(symbols)
  has_dashes = has_dashes and not any(re.match(r"\s*[A-H][b♭]", x) for x in different)
  is_german = any(x.strip().startswith("H") and parse(x, has_dashes) is not None for x in different)
  indices = {x: parse(x, has_dashes, is_german) for x in different}
  return [indices[x] for x in symbols]


def describe(unread: Sequence[str]) -> tuple[str, ...]:
  """Remarks on the symbols of a file that cannot be read; () for none."""
  if not unread:
    return ()
  return (f"{len(unread)} chord symbols that cannot be read, such as {unread[0][:_MAX_LENGTH]!r}",)
