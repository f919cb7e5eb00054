"""What the files of a folder say of themselves: labels from names, from a table, or from an SFZ.

    names   a pattern with fields in braces, as '{family}_{source}_{instrument}-{pitch}-{velocity}'
    table   a CSV file with a column 'file' and any of the fields
    SFZ     its regions' sample, pitch_keycenter or key, what transposes it, and hivel

Fields are family, source, instrument, pitch and velocity. A pitch is a MIDI number or the name of a
note, with C4 = 60.
"""

from collections.abc import Iterator
from collections.abc import Mapping
import math
import os
import re
from typing import NamedTuple

from cvae_jax.core import errors
from cvae_jax.data import labels
from cvae_jax.data.folders import label_csv
from cvae_jax.data.folders import label_text
from cvae_jax.data.folders import root_note
from cvae_jax.data.folders import sfz

FIELDS = ("family", "source", "instrument", "pitch", "velocity")
EXTENSIONS = (".wav", ".flac", ".ogg", ".aif", ".aiff", ".mp3")
_STEPS = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
_SIGNS = {"": 0, "#": 1, "s": 1, "♯": 1, "b": -1, "♭": -1}

_NUMBERS = ("pitch", "velocity")
_MISSING = ("nan", "na", "n/a", "#n/a", "none", "null")  # as libraries write a cell that is empty
# Opcodes by what one of them adds to the key at which a sample sounds as it is, in semitones.
_SFZ_SHIFTS = {
  "note_offset": 1.0, "octave_offset": 12.0, "transpose": -1.0, "tune": -0.01,
  "global_tune": -0.01, "master_tune": -0.01, "group_tune": -0.01,
}  # fmt: skip


class LabelledFile(NamedTuple):
  """A file with what is said of it.

  Attributes:
    path: of the file.
    name: its path within the folder.
    labels: text by field, for those fields that are given.
    offset: the sample of the file that it begins at.
    end: the sample that it ends before; None for all of it.
  """

  path: str
  name: str
  labels: dict[str, str]
  offset: int = 0
  end: int | None = None


def parse_pitch(text: str) -> int:
  """MIDI number of '60', '60.0', 'C4', 'A#3' or 'Bb-1'.

  Raises:
    UserError: what is neither, or lies outside of 0-127.
  """
  return labels.check_range(_pitch_number(text), 127, "pitch")


def _pitch_number(text: str) -> int:
  text = text.strip()
  match = re.fullmatch(r"([A-Ga-g])([#s♯b♭]?)(-?\d{1,3})", text)
  if match:
    step, sign, octave = match.groups()
    return 12 * (int(octave) + 1) + _STEPS[step.lower()] + _SIGNS[sign]
  number = _whole(text)
  if number is None:
    raise errors.UserError(f"pitch must be a MIDI number or a note as A#3, got '{text}'")
  return number


def parse_velocity(text: str) -> int:
  """MIDI velocity of '100' or '100.0'.

  Raises:
    UserError: what is none, or lies outside of 0-127.
  """
  number = _whole(text)
  if number is None:
    raise errors.UserError(f"velocity must be 0-127, got '{text}'")
  return labels.check_range(number, 127, "velocity")


def _whole(text: str) -> int | None:
  """A whole number, also as tables of real numbers have it: 60.0, and 60,0 in most of Europe."""
  match = re.fullmatch(r"([+-]?\d{1,9})([.,]0*)?", text.strip(), re.ASCII)
  return int(match[1]) if match else None


def compile_pattern(pattern: str) -> re.Pattern[str]:
  """A regular expression of a pattern with fields in braces; it stands for a name without ending.

  Raises:
    UserError: a field that there is not, or one twice.
  """
  parts, seen = [], set()
  for text, field in re.findall(r"([^{}]*)(?:\{([^{}]*)\})?", pattern):
    parts.append(re.escape(text))
    if not field:
      continue
    if field not in FIELDS or field in seen:
      raise errors.UserError(
        f"data.folder.pattern '{pattern}': {{{field}}} must be one of {', '.join(FIELDS)}, and once"
      )
    seen.add(field)
    kind = {"pitch": r"\d+|[A-Ga-g][#s♯b♭]?-?\d+", "velocity": r"\d+"}.get(field, r".+?")
    parts.append(f"(?P<{field}>{kind})")
  if not seen:
    raise errors.UserError(f"data.folder.pattern '{pattern}' has no field, as {{pitch}}")
  return re.compile("".join(parts))


def audio_files(folder: str) -> Iterator[str]:
  """Paths of the audio files of a folder and those in it, in order."""
  for directory, subdirectories, names in os.walk(folder):
    subdirectories.sort()
    for name in sorted(names):
      if name.lower().endswith(EXTENSIONS) and not name.startswith("."):
        yield os.path.join(directory, name)


def from_names(folder: str, pattern: str) -> list[LabelledFile]:
  """All audio files of a folder and those in it; what a name does not say is left open."""
  expression = compile_pattern(pattern)
  found = []
  for path in audio_files(folder):
    name = label_text.printable(os.path.relpath(path, folder))
    match = expression.fullmatch(os.path.splitext(os.path.basename(name))[0])
    found.append(LabelledFile(path, name, match.groupdict() if match else {}))
  return found


def from_table(path: str) -> list[LabelledFile]:
  """The files of a CSV table; paths are relative to it.

  Raises:
    UserError: a table that cannot be read, or has no column 'file', or one that is not known.
  """
  finder = label_text.Finder(os.path.dirname(path))
  found: list[LabelledFile] = []
  rows: dict[str, int] = {}
  for number, cells in label_csv.read_rows(path, "file", FIELDS):
    name = cells.pop("file")
    file_path = finder.find(name)
    first = rows.setdefault(os.path.normpath(file_path), number)
    if first != number:
      raise errors.UserError(
        f"data.folder.labels {path}, row {number}: {name} is there twice, first in row {first}"
      )
    for field in _NUMBERS:
      if cells.get(field, "").casefold() in _MISSING:
        cells.pop(field, None)
    for field in ("family", "source"):
      if field in cells:
        cells[field] = cells[field].lower()
    found.append(LabelledFile(file_path, name.replace("\\", "/"), cells))
  return found


def from_sfz(path: str) -> list[LabelledFile]:
  """The samples of an SFZ instrument's regions; its name is the instrument's.

  Regions of one sample are one note, labelled by the first of them; a pitch that they do not agree
  on is left to be measured. Where `offset` or `end` cut a sample, every cut is a note.

  Raises:
    UserError: a file that cannot be read, or has no region with a sample.
  """
  instrument = os.path.splitext(os.path.basename(path))[0]
  found: dict[tuple[str, int, int | None], LabelledFile] = {}
  for sample, file_path, opcodes in sfz.read_regions(path):
    begin, last = (sfz.number(opcodes.get(name)) for name in ("offset", "end"))
    offset, end = int(max(begin or 0, 0)), None if last is None else int(last) + 1
    name = f"{sample} [{offset}-{end or ''}]" if offset or end is not None else sample
    given = {"instrument": instrument}
    pitch, velocity = _sfz_pitch(opcodes, file_path), _sfz_velocity(opcodes)
    if pitch is not None:
      given["pitch"] = pitch
    if velocity is not None:
      given["velocity"] = velocity
    note = LabelledFile(file_path, name, given, offset, end)
    before = found.setdefault((os.path.normpath(file_path), offset, end), note)
    if before.labels.get("pitch") != pitch:
      before.labels.pop("pitch", None)
  if not found:
    raise errors.UserError(f"data.folder.labels {path} has no <region> with a sample")
  return list(found.values())


def _sfz_pitch(opcodes: Mapping[str, str], path: str) -> str | None:
  """The MIDI number that a region's sample sounds by itself; None where nothing says it.

  It is the key at which it is played as it is, less what the player adds to it: the pitch of a
  sample that `transpose=12` plays an octave up lies an octave below its key.
  """
  centre = opcodes.get("pitch_keycenter", opcodes.get("key"))
  if sfz.number(opcodes.get("pitch_keytrack")) == 0:  # It is played as it is at every key.
    centre = opcodes.get("key")
  if centre == "sample":  # The file itself says it, or it is to be measured.
    root = root_note.read(path) if os.path.isfile(path) else None
    return None if root is None else str(root)
  if centre in (None, "", "-1"):
    return None
  up = 0.0
  for name, unit in _SFZ_SHIFTS.items():
    value = sfz.number(opcodes.get(name, "0"))
    if value is None:
      return f"{centre} with {name}={opcodes[name]}"  # Which is no pitch: the report says so.
    up += unit * value
  try:
    return str(math.floor(_pitch_number(str(centre)) + up + 0.5))
  except errors.UserError:
    return centre


def _sfz_velocity(opcodes: Mapping[str, str]) -> str | None:
  highest = opcodes.get("hivel")
  value = sfz.number(highest)
  return highest if value is None else str(math.floor(min(value, 127)))
