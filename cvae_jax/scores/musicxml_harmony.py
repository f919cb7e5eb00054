"""Chord symbols of MusicXML, spelt as text, which `chord_symbols` reads.

Source: "MusicXML 4.0", W3C Music Notation Community Group 2021, elements harmony and kind-value.
"""

from xml.etree import ElementTree

# Kinds with another triad than the major one, which dominant, suspended, power and pedal get.
_SUFFIXES = {
  "minor": "m", "minor-seventh": "m", "minor-sixth": "m", "minor-ninth": "m", "minor-11th": "m",
  "minor-13th": "m", "major-minor": "m", "augmented": "+", "augmented-seventh": "+",
  "diminished": "dim", "diminished-seventh": "dim", "half-diminished": "dim",
}  # fmt: skip
_MAJOR = (
  "major", "major-seventh", "major-sixth", "major-ninth", "major-11th", "major-13th", "dominant",
  "dominant-ninth", "dominant-11th", "dominant-13th", "suspended-second", "suspended-fourth",
  "power", "pedal",
)  # fmt: skip
_ACCIDENTALS = {-2: "bb", -1: "b", 0: "", 1: "#", 2: "##"}


def spell(element: ElementTree.Element) -> str:
  """The chord symbol of an element harmony, with what its triad follows from.

  A kind of its own (`other`) is spelt as the element says that it is written. Chords by functions
  or numerals, and kinds such as Neapolitan, are spelt as what they are, which no chord symbol is.
  Of several chords in the element it is the first.
  """
  kind = element.find("kind")
  name = (kind.text or "").strip() if kind is not None else ""
  text = kind.get("text", "") if kind is not None else ""
  if name == "none":
    return "N.C."
  step = (element.findtext("root/root-step") or "").strip()
  if not step:
    function = element.findtext("function") or element.findtext("numeral/numeral-root") or ""
    return f"function {function}".strip()
  if name == "other":
    suffix = text
  elif name in _MAJOR:
    suffix = ""
  else:
    suffix = _SUFFIXES.get(name, f" {name or 'of no kind'}")
  root = step + _ACCIDENTALS.get(_integer(element.findtext("root/root-alter")), "?")
  return f"{root}({suffix}){_alterations(element)}"


def _alterations(element: ElementTree.Element) -> str:
  """The third and fifth that a chord is altered by, or gets."""
  text = ""
  for degree in element.findall("degree"):
    value = _integer(degree.findtext("degree-value"))
    shift = _integer(degree.findtext("degree-alter"))
    if value in (3, 5) and shift in (-1, 1) and degree.findtext("degree-type") != "subtract":
      text += f"({_ACCIDENTALS[shift]}{value})"
  return text


def _integer(text: str | None) -> int:
  """A small whole number; 0 for none."""
  try:
    return max(min(int(float(text or 0)), 99), -99)
  except (ValueError, OverflowError):
    return 0
