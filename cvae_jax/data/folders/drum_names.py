"""The kind of a drum from words: names of folders, files and a kit's instruments.

Words are compared without case, accents, digits and signs; `BassDrum_01` is 'bass drum'. Words
come before abbreviations (`BD`), and what is specific before what is not: a `Ride Bell` is a
cymbal, a `Cowbell` none, a `Snare Rimshot` a snare and a `Rimshot` alone a rim.
"""

from collections.abc import Sequence
import re
import unicodedata

_OPEN = r"open\w*|\w*open|op|opened|semi\w*|half|swish|free|loose|\w*choke"
_CLOSED = r"closed?\w*|\w*closed?|cl|pedal\w*|\w*pedal|foot|tight"
_HAT = r"(?:open|closed?|pedal)?(?:hi ?|h)?hats?(?:open|closed?|pedal)?|hh(?:open|closed?|pedal)"
# (kind, words), the first that is found decides.
_WORDS = (
  ("rim", r"(?:side|cross|x) ?sticks?|rim ?clicks?"),
  ("cowbell", r"cow ?bells?"),
  ("clap", r"(?:hand ?)?claps?|palmas?"),
  (
    "percussion",
    r"congas?|bongos?|tamb|tambs|tambou?rines?|shakers?|\w*shake|cabasas?|maracas?|claves?"
    r"|wood ?blocks?|tempel ?blocks?|temple ?blocks?|agogos?|triangles?|guiros?|timbales?|tablas?"
    r"|djembes?|cajons?|udus?|(?:finger ?)?snaps?|vibra ?slaps?|cuicas?|darbukas?|dunun\w*|surdos?"
    r"|castanets?|whistles?|kenkeni|sangban|tumbas?|quintos?|bodhrans?|taikos?|chimes?"
    r"|jam ?blocks?",
  ),
  ("hihat", rf"{_HAT}|hh|[oc]hh|hh[oc]|cymbals? (?:closed?|open|pedal)"),
  ("snare", r"\w{0,2}snares?|snare ?drums?|snr|caisse claire"),
  ("rim", r"rims?|rim ?shots?|sticks?"),
  ("tom", r"(?:floor|rack)? ?toms?(?: ?toms?)?|floor"),
  (
    "cymbal",
    r"cymbals?|cym|cras\w*|paiste|zildjian|sabian|meinl|rides?|splash\w*|chinas?|gongs?|becken",
  ),
  ("kick", r"kicks?|kik|kck|(?:bass|base) ?drums?|drum bass|grosse caisse|bombo"),
  ("percussion", r"perc|percs|percussions?|bells?|wood|blocks?|glass|\w*glass|slaps?"),
)
_CODES = (
  ("kick", "bd|kd|bdr"),
  ("snare", "sd|sn|sdr"),
  ("hihat_open", "oh|ho|hop"),
  ("hihat_closed", "ch|hp|chat"),
  ("clap", "cp|clp"),
  ("tom", "lt|mt|ht|ft|tm|tomh|toml|tomm"),
  ("cymbal", "cy|cr|rd|cc|rc|crs"),
  ("rim", "rs|rm|ss"),
  ("cowbell", "cb"),
  ("percussion", "lc|mc|hc|cl|ma|tmb|shk|cga|bng|prc|wb"),
)
# Kinds of folders whose files may be of a kind that is more specific.
_GENERIC = ("percussion", "cymbal", "hihat", None)
_ELECTRONIC = (
  r"electronic|electro|electric|elec|synth\w*|analogu?e?|(?:drum )?machine|[tc]r|linn|dmx"
)
_NUMBERS = r"(?<!\d)(?:606|626|707|727|808|909|78)(?!\d)"  # of Roland's machines
_ACOUSTIC = r"acoustic|akustik|natural|live|studio"
_LOOP = r"loops?|bpm|grooves?|breakbeats?|break ?loops?"


def words(text: str) -> str:
  """The words of a name, in lower case, with single spaces between and around them."""
  text = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", text)
  text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
  return " ".join(["", *re.findall(r"[^\W\d_]+", text.casefold()), ""])


def _has(text: str, pattern: str) -> bool:
  return re.search(rf" (?:{pattern})(?= )", text) is not None


def _find(text: str) -> str | None:
  """A kind, or 'hihat' where nothing tells whether it is open."""
  for rules in (_WORDS, _CODES):
    kind = next((kind for kind, pattern in rules if _has(text, pattern)), None)
    if kind == "hihat" and (_has(text, _OPEN) or _has(text, "ohh|hho")):
      return "hihat_open"
    if kind == "hihat" and (_has(text, _CLOSED) or _has(text, "chh|hhc")):
      return "hihat_closed"
    if kind is not None:
      return kind
  return None


def find_kind(names: Sequence[str]) -> str | None:
  """The kind that names tell; None if they tell none.

  Args:
    names: of folders, from the outermost to the innermost, and of the sound. The innermost folder
      that is a kind decides, unless the sound's name is one of cymbals, percussion or hi-hats.
  """
  *folders, name = map(words, names)
  kind_of_name = _find(name)
  kinds = [kind for kind in map(_find, reversed(folders)) if kind is not None]
  kind = next((kind for kind in kinds if kind not in _GENERIC), None)
  if kind is not None and kinds[0] == kind:
    return kind
  kind = kind_of_name or (kinds[0] if kinds else None)
  if kind != "hihat":
    return kind
  is_open = any(_has(text, _OPEN) for text in [*folders, name]) or "hihat_open" in kinds
  return "hihat_open" if is_open else "hihat_closed"


def find_source(names: Sequence[str]) -> str | None:
  """'electronic' or 'acoustic' where names tell; else None."""
  for name in reversed(names):
    if _has(words(name), _ELECTRONIC) or re.search(_NUMBERS, name):
      return "electronic"
    if _has(words(name), _ACOUSTIC):
      return "acoustic"
  return None


def is_loop(names: Sequence[str]) -> bool:
  """Whether names tell that a sound is no single hit."""
  return any(_has(words(name), _LOOP) for name in names)
