"""What the files of a folder say of themselves: labels from names, from a table, or from an SFZ.

    names   a pattern with fields in braces, as '{family}_{source}_{instrument}-{pitch}-{velocity}'
    table   a CSV file with a column 'file' and any of the fields
    SFZ     its regions' sample, pitch_keycenter or key, and hivel

Fields are family, source, instrument, pitch and velocity. A pitch is a MIDI number or the name of a
note, with C4 = 60.
"""

from collections.abc import Iterator
import csv
import os
import re
from typing import NamedTuple

from cvae_jax import errors
from cvae_jax.data import labels

FIELDS = ("family", "source", "instrument", "pitch", "velocity")
EXTENSIONS = (".wav", ".flac", ".ogg", ".aif", ".aiff", ".mp3")
_STEPS = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
_SIGNS = {"": 0, "#": 1, "s": 1, "♯": 1, "b": -1, "♭": -1}


class LabelledFile(NamedTuple):
  """A file with what is said of it.

  Attributes:
    path: of the file.
    name: its path within the folder.
    labels: text by field, for those fields that are given.
  """

  path: str
  name: str
  labels: dict[str, str]


def parse_pitch(text: str) -> int:
  """MIDI number of '60', 'C4', 'A#3' or 'Bb-1'.

  Raises:
    UserError: what is neither, or lies outside of 0-127.
  """
  text = text.strip()
  match = re.fullmatch(r"([A-Ga-g])([#s♯b♭]?)(-?\d+)", text)
  if re.fullmatch(r"\d+", text):
    number = int(text)
  elif match:
    step, sign, octave = match.groups()
    number = 12 * (int(octave) + 1) + _STEPS[step.lower()] + _SIGNS[sign]
  else:
    raise errors.UserError(f"pitch must be a MIDI number or a note as A#3, got '{text}'")
  return labels.check_range(number, 127, "pitch")


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
    match = expression.fullmatch(os.path.splitext(os.path.basename(path))[0])
    found.append(
      LabelledFile(path, os.path.relpath(path, folder), match.groupdict() if match else {})
    )
  return found


def from_table(path: str) -> list[LabelledFile]:
  """The files of a CSV table; paths are relative to it.

  Raises:
    UserError: a table that cannot be read, or has no column 'file', or one that is not known.
  """
  try:
    with open(path, newline="", encoding="utf-8-sig") as f:
      rows = list(csv.DictReader(f))
      columns = list(rows[0]) if rows else []
  except (OSError, UnicodeDecodeError, csv.Error) as e:
    raise errors.UserError(f"data.folder.labels {path} cannot be read: {e}") from None
  unknown = sorted({str(c) for c in columns} - {"file", *FIELDS})
  if "file" not in columns or unknown:
    raise errors.UserError(
      f"data.folder.labels {path} must have a column 'file' and any of {', '.join(FIELDS)}, got "
      f"{', '.join(map(str, columns)) or 'nothing'}"
    )
  folder = os.path.dirname(path)
  return [
    LabelledFile(
      os.path.join(folder, row["file"]),
      row["file"],
      {field: row[field].strip() for field in FIELDS if (row.get(field) or "").strip()},
    )
    for row in rows
  ]


def from_sfz(path: str) -> list[LabelledFile]:
  """The samples of an SFZ instrument's regions; its name is the instrument's.

  Raises:
    UserError: a file that cannot be read, or has no region with a sample.
  """
  try:
    with open(path, encoding="utf-8", errors="replace") as f:
      text = re.sub(r"//[^\n]*|/\*.*?\*/", "", f.read(), flags=re.DOTALL)
  except OSError as e:
    raise errors.UserError(f"data.folder.labels {path} cannot be read: {e.strerror}") from None
  # A header sets what its followers of lower rank inherit.
  scopes: dict[str, dict[str, str]] = {"control": {}, "global": {}, "master": {}, "group": {}}
  order = list(scopes)
  found: dict[tuple[str, str], LabelledFile] = {}
  for header, body in re.findall(r"<(\w+)>([^<]*)", text):
    # A value runs to the next opcode or the end of its line: names of samples have spaces.
    opcodes = dict(re.findall(r"(\w+)=([^\n=]*?)(?=\s+\w+=|\s*(?:\n|$))", body))
    if header in scopes:
      scopes[header] = opcodes
      for lower in order[order.index(header) + 1 :]:
        scopes[lower] = {}
      continue
    if header != "region":
      continue
    merged = {k: v for scope in scopes.values() for k, v in scope.items()} | opcodes
    if "sample" not in merged or merged["sample"].startswith("*"):  # Generated by the player.
      continue
    name = (merged.get("default_path", "") + merged["sample"]).replace("\\", "/")
    given = {"instrument": os.path.splitext(os.path.basename(path))[0]}
    pitch = merged.get("pitch_keycenter", merged.get("key"))
    if pitch not in (None, "sample"):
      given["pitch"] = str(pitch)
    if "hivel" in merged:
      given["velocity"] = merged["hivel"]
    key = (name, given.get("pitch", ""))
    found.setdefault(key, LabelledFile(os.path.join(os.path.dirname(path), name), name, given))
  if not found:
    raise errors.UserError(f"data.folder.labels {path} has no <region> with a sample")
  return list(found.values())
