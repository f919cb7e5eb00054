"""Labels of the files of a folder: from their names, from a CSV table, or from an SFZ file.

    names   a pattern with fields in braces: '{family}_{source}_{instrument}-{pitch}-{velocity}'
    table   a CSV file with a column 'file' and any of the fields
    SFZ     the regions' sample, pitch_keycenter or key, transposition, and hivel

Fields are family, source, instrument, pitch and velocity. A pitch is a MIDI number or a note name,
with C4 = 60.
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
_MISSING = ("nan", "na", "n/a", "#n/a", "none", "null")  # how libraries write an empty cell
# Semitones that one unit of each opcode adds to the key at which a sample plays untransposed.
_SFZ_TRANSPOSITIONS = {
  "note_offset": 1.0, "octave_offset": 12.0, "transpose": -1.0, "tune": -0.01,
  "global_tune": -0.01, "master_tune": -0.01, "group_tune": -0.01,
}  # fmt: skip


class LabelledFile(NamedTuple):
  """A file with its labels, as text.

  Attributes:
    path: of the file.
    name: path relative to the folder.
    labels: text by field, for the fields that are given.
    offset: first sample of the note in the file.
    end: sample after the note's last; None for the end of the file.
  """

  path: str
  name: str
  labels: dict[str, str]
  offset: int = 0
  end: int | None = None


def parse_pitch(text: str) -> int:
  """Parses a pitch: '60', '60.0', 'C4', 'A#3' or 'Bb-1' to a MIDI number.

  Raises:
    UserError: if the text is no pitch, or out of 0-127.
  """
  return labels.check_range(_pitch_number(text), 127, "pitch")


def _pitch_number(text: str) -> int:
  text = text.strip()
  match = re.fullmatch(r"([A-Ga-g])([#s♯b♭]?)(-?\d{1,3})", text)
  if match:
    step, sign, octave = match.groups()
    return 12 * (int(octave) + 1) + _STEPS[step.lower()] + _SIGNS[sign]
  number = _parse_whole(text)
  if number is None:
    raise errors.UserError(f"pitch must be a MIDI number or a note name such as A#3, got '{text}'")
  return number


def parse_velocity(text: str) -> int:
  """Parses a MIDI velocity: '100' or '100.0'.

  Raises:
    UserError: if the text is no whole number, or out of 0-127.
  """
  number = _parse_whole(text)
  if number is None:
    raise errors.UserError(f"velocity must be 0-127, got '{text}'")
  return labels.check_range(number, 127, "velocity")


def _parse_whole(text: str) -> int | None:
  """Parses a whole number, also as 60.0 or with a decimal comma; None if it is not one."""
  match = re.fullmatch(r"([+-]?\d{1,9})([.,]0*)?", text.strip(), re.ASCII)
  return int(match[1]) if match else None


def compile_pattern(pattern: str) -> re.Pattern[str]:
  """Compiles a pattern with fields in braces into a regular expression for a file's stem.

  Raises:
    UserError: if a field is unknown or occurs twice, or there is none.
  """
  expressions, fields = [], set()
  for text, field in re.findall(r"([^{}]*)(?:\{([^{}]*)\})?", pattern):
    expressions.append(re.escape(text))
    if not field:
      continue
    if field not in FIELDS or field in fields:
      raise errors.UserError(
        f"data.folder.pattern '{pattern}': {{{field}}} must be one of {', '.join(FIELDS)}, once"
      )
    fields.add(field)
    expression = {"pitch": r"\d+|[A-Ga-g][#s♯b♭]?-?\d+", "velocity": r"\d+"}.get(field, r".+?")
    expressions.append(f"(?P<{field}>{expression})")
  if not fields:
    raise errors.UserError(f"data.folder.pattern '{pattern}' has no field, such as {{pitch}}")
  return re.compile("".join(expressions))


def audio_files(folder: str) -> Iterator[str]:
  """Paths of the audio files of a folder and its sub-folders, sorted."""
  for directory, subdirectories, names in os.walk(folder):
    subdirectories.sort()
    for name in sorted(names):
      if name.lower().endswith(EXTENSIONS) and not name.startswith("."):
        yield os.path.join(directory, name)


def from_names(folder: str, pattern: str) -> list[LabelledFile]:
  """All audio files of a folder and its sub-folders; a name that does not match gives no labels."""
  expression = compile_pattern(pattern)
  labelled_files = []
  for path in audio_files(folder):
    name = label_text.printable(os.path.relpath(path, folder))
    match = expression.fullmatch(os.path.splitext(os.path.basename(name))[0])
    labelled_files.append(LabelledFile(path, name, match.groupdict() if match else {}))
  return labelled_files


def from_table(path: str) -> list[LabelledFile]:
  """The files of a CSV table; paths are relative to the table's folder.

  Raises:
    UserError: if the table cannot be read, has no column 'file' or an unknown column, or lists a
      file twice.
  """
  finder = label_text.Finder(os.path.dirname(path))
  labelled_files: list[LabelledFile] = []
  row_of_path: dict[str, int] = {}
  for row, cells in label_csv.read_rows(path, "file", FIELDS):
    name = cells.pop("file")
    file_path = finder.find(name)
    first_row = row_of_path.setdefault(os.path.normpath(file_path), row)
    if first_row != row:
      raise errors.UserError(
        f"data.folder.labels {path}, row {row}: {name} is listed twice, first in row {first_row}"
      )
    for field in _NUMBERS:
      if cells.get(field, "").casefold() in _MISSING:
        cells.pop(field, None)
    for field in ("family", "source"):
      if field in cells:
        cells[field] = cells[field].lower()
    labelled_files.append(LabelledFile(file_path, name.replace("\\", "/"), cells))
  return labelled_files


def from_sfz(path: str) -> list[LabelledFile]:
  """The samples of an SFZ file's regions; the file's stem is the instrument's name.

  Regions that share a sample are one note with the labels of the first region; where their pitches
  differ, the pitch is measured. Each part of a sample that `offset` and `end` select is a note.

  Raises:
    UserError: if the file cannot be read, or has no region with a sample.
  """
  instrument = os.path.splitext(os.path.basename(path))[0]
  notes: dict[tuple[str, int, int | None], LabelledFile] = {}
  for sample, file_path, opcodes in sfz.read_regions(path):
    first_sample, last_sample = (sfz.number(opcodes.get(name)) for name in ("offset", "end"))
    offset, end = (
      int(max(first_sample or 0, 0)),
      None if last_sample is None else int(last_sample) + 1,
    )
    name = f"{sample} [{offset}-{end or ''}]" if offset or end is not None else sample
    fields = {"instrument": instrument}
    pitch, velocity = _sfz_pitch(opcodes, file_path), _sfz_velocity(opcodes)
    if pitch is not None:
      fields["pitch"] = pitch
    if velocity is not None:
      fields["velocity"] = velocity
    note = LabelledFile(file_path, name, fields, offset, end)
    first_note = notes.setdefault((os.path.normpath(file_path), offset, end), note)
    if first_note.labels.get("pitch") != pitch:
      first_note.labels.pop("pitch", None)
  if not notes:
    raise errors.UserError(f"data.folder.labels {path} has no <region> with a sample")
  return list(notes.values())


def _sfz_pitch(opcodes: Mapping[str, str], path: str) -> str | None:
  """The MIDI number of a region's sample, as text; None if the region does not specify it.

  This is the key at which the sample plays untransposed, minus the transposition of the region: the
  pitch of a sample that `transpose=12` plays an octave higher is an octave below its key.
  """
  centre = opcodes.get("pitch_keycenter", opcodes.get("key"))
  if sfz.number(opcodes.get("pitch_keytrack")) == 0:  # The sample plays untransposed at every key.
    centre = opcodes.get("key")
  if centre == "sample":  # From the file's header, or measured.
    root = root_note.read(path) if os.path.isfile(path) else None
    return None if root is None else str(root)
  if centre in (None, "", "-1"):
    return None
  semitones = 0.0
  for name, unit in _SFZ_TRANSPOSITIONS.items():
    value = sfz.number(opcodes.get(name, "0"))
    if value is None:
      return f"{centre} with {name}={opcodes[name]}"  # No valid pitch: the report shows it.
    semitones += unit * value
  try:
    return str(math.floor(_pitch_number(str(centre)) + semitones + 0.5))
  except errors.UserError:
    return centre


def _sfz_velocity(opcodes: Mapping[str, str]) -> str | None:
  highest = opcodes.get("hivel")
  value = sfz.number(highest)
  return highest if value is None else str(math.floor(min(value, 127)))
