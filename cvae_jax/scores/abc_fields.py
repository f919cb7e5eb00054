"""Fields of ABC notation: metre, unit note length and key."""

import re

from cvae_jax.core import errors
from cvae_jax.scores import piece as piece_lib

WHOLE = 4 * piece_lib.TICKS  # ticks of a whole note
ACCIDENTALS = {"^": 1, "^^": 2, "_": -1, "__": -2, "=": 0}  # semitones
_SHARPS, _FLATS = "FCGDAEB", "BEADGCF"
_FIFTHS = {"F": -1, "C": 0, "G": 1, "D": 2, "A": 3, "E": 4, "B": 5}
_MODES = {"maj": 0, "ion": 0, "mix": -1, "dor": -2, "m": -3, "min": -3, "aeo": -3, "phr": -4,
          "loc": -5, "lyd": 1}  # fmt: skip


def default_unit(meter: tuple[int, int] | None) -> int:
  """Ticks of the unit note length of a tune without L: a sixteenth below 3/4, else an eighth."""
  return WHOLE // 16 if meter is not None and meter[0] / meter[1] < 0.75 else WHOLE // 8


def parse_meter(text: str) -> tuple[int, int] | None:
  """The numerator and denominator of a field M:; None for free metre.

  Raises:
    UserError: if it is no metre.
  """
  text = text.strip()
  if text in ("C", "C|"):
    return (4, 4) if text == "C" else (2, 2)
  match = re.match(r"\(?([\d+ ]+)\)?\s*/\s*(\d+)", text)
  if match is None:
    if text.lower() in ("none", ""):
      return None
    raise errors.UserError(f"M:{text} is no metre")
  top, bottom = sum(int(x) for x in re.findall(r"\d+", match[1])), int(match[2])
  if not 1 <= top <= 64 or bottom not in (1, 2, 4, 8, 16, 32):
    raise errors.UserError(f"M:{text} is no metre")
  return top, bottom


def parse_length(text: str) -> int:
  """Ticks of a field L:.

  Raises:
    UserError: if it is no note length.
  """
  match = re.match(r"(\d+)(?:/(\d+))?", text.strip())
  ticks = WHOLE * int(match[1]) // max(int(match[2] or 1), 1) if match else 0
  if not 0 < ticks <= 4 * WHOLE:
    raise errors.UserError(f"L:{text} is no note length")
  return ticks


def parse_key(text: str) -> dict[str, int]:
  """Semitones by letter of the notes that a field K: alters; an unknown key alters none."""
  words = text.replace("clef=", " clef=").split()
  key: dict[str, int] = {}
  match = re.match(r"([A-G])([#b]?)\s*([A-Za-z]*)", text.strip())
  if text.strip()[:2] in ("HP", "Hp"):
    return {"F": 1, "C": 1}
  if match is not None:
    mode = match[3].lower()
    shift = _MODES.get(mode, _MODES.get(mode[:3], 0))
    fifths = _FIFTHS[match[1]] + {"#": 7, "b": -7, "": 0}[match[2]] + shift
    fifths = max(-7, min(7, fifths))
    key = dict.fromkeys(_SHARPS[: max(fifths, 0)], 1) | dict.fromkeys(_FLATS[: max(-fifths, 0)], -1)
  for word in words[1:]:
    for accidental, letter in re.findall(r"(\^\^?|__?|=)([A-Ga-g])", word):
      key[letter.upper()] = ACCIDENTALS[accidental]
  return key
