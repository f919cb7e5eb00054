"""Reader of SFZ files: the regions with their inherited opcodes, and their samples.

Source: the SFZ format, https://sfzformat.com (headers, opcodes, #define, #include); where the
format is ambiguous, sfizz's behaviour.
"""

from collections.abc import Iterator
import os
import re
from typing import NamedTuple

from cvae_jax.core import errors
from cvae_jax.data.folders import label_text

_SCOPES = ("global", "master", "group", "region")  # outermost first: a header ends those after it
_TUNES = ("tune", "global_tune", "master_tune", "group_tune")
_OPCODES = frozenset((
  "sample", "default_path", "key", "pitch_keycenter", "pitch_keytrack", "transpose", *_TUNES,
  "note_offset", "octave_offset", "hivel", "trigger", "offset", "end",
))  # fmt: skip
_PATHS = ("sample", "default_path")
_MAX_DEPTH = 16  # of nested #include
_MAX_FILES = 1000
_MAX_CHARACTERS = 16 * 2**20  # of all files together
_MAX_VALUE = 4096  # characters; nested definitions could expand to any number
_TOKEN = re.compile(
  r"#define[^\S\n]+\$(?P<name>\w+)[^\S\n]*(?P<meaning>\S*)"
  r'|#include[^\S\n]*"(?P<file>[^"\n]*)"'
  r"|<(?P<header>\w{1,64})>"
  r"|(?<![\w$])(?P<opcode>[\w$]{1,64})="
)
_VALUE_END = re.compile(r"(?=\s[\w$]{1,64}=)|(?=<\w{1,64}>)|(?=\s#(?:define|include)\b)|$")
_OPCODE = re.compile(r"(?:^|[\s>])([\w$]{1,64})=")
_AUDIO_END = re.compile(r"\.(?:wav|flac|ogg|aiff?|mp3)$", re.IGNORECASE)


class Region(NamedTuple):
  """A region that plays a sample at note-on.

  Attributes:
    sample: file name relative to the SFZ's folder, with slashes.
    path: of that file.
    opcodes: opcodes that determine the note, own and inherited.
  """

  sample: str
  path: str
  opcodes: dict[str, str]


def read_regions(path: str) -> list[Region]:
  """The regions of an instrument that play a sample at note-on, in file order.

  Left out are regions with a generated sample (`*sine`), triggered by a release or a controller, or
  disabled by `end=-1`.

  Raises:
    UserError: if the file, or one that it includes, cannot be read.
  """
  reader = _Reader(path)
  reader.read(path, ())
  reader.finish_region()
  return reader.regions


def number(text: str | None) -> float | None:
  """Parses an opcode's value as a number; None if it is not one."""
  if text is None or not re.fullmatch(r"[+-]?(\d{1,9}\.?\d{0,9}|\.\d{1,9})", text, re.ASCII):
    return None
  return float(text)


def strip_comments(text: str) -> str:
  """Removes // and /* */ comments; within a path, // is a comment only after a space."""
  parts, position, has_blocks = [], 0, True
  while match := re.compile(r"//|/\*" if has_blocks else "//").search(text, position):
    start = match.start()
    if match.group() == "/*":
      end = text.find("*/", start + 2)
      has_blocks = end >= 0
      if has_blocks:
        parts.append(text[position:start] + " ")
        position = end + 2
      continue
    earliest = max(0, start - _MAX_VALUE)
    line_start = max(text.rfind("\n", earliest, start) + 1, earliest)
    if _is_in_path(text[line_start:start], text[match.end() : match.end() + 1]):
      parts.append(text[position : match.end()])
      position = match.end()
      continue
    parts.append(text[position:start])
    end = text.find("\n", start)
    position = end if end >= 0 else len(text)
  return "".join(parts) + text[position:]


def _is_in_path(before: str, after: str) -> bool:
  """Whether a // between `before` (of its line) and the next character belongs to a path."""
  if "#include" in before and before.count('"') % 2:
    return True
  if not before or before[-1].isspace() or not after or after.isspace():
    return False
  names = _OPCODE.findall(before)
  return bool(names) and names[-1] in _PATHS and not _AUDIO_END.search(before)


class _Reader:
  """Parser state: an instrument as far as it has been read."""

  def __init__(self, path: str):
    self.regions: list[Region] = []
    self._path = path
    self._finder = label_text.Finder(os.path.dirname(path))
    self._definitions: dict[str, str] = {}
    self._control: dict[str, str] = {}
    self._scopes: dict[str, dict[str, str]] = {}
    self._opcodes: dict[str, str] | None = None  # of the last header
    self._files, self._characters = 0, 0

  def read(self, path: str, including: tuple[str, ...]) -> None:
    """Reads a file; `including` are the paths of the files that include it, outermost first."""
    self._check_include(path, including)
    text = strip_comments(label_text.read(path))
    self._files += 1
    self._characters += len(text)
    if self._files > _MAX_FILES or self._characters > _MAX_CHARACTERS:
      raise self._error(f"it includes more than {_MAX_FILES} files or {_MAX_CHARACTERS} characters")
    for line in text.split("\n"):
      for match, value in self._tokens(line):
        if match["name"]:
          self._definitions[match["name"]] = self._expand(match["meaning"])
        elif match["file"] is not None:
          self.read(self._find_include(match["file"], path), (*including, path))
        elif match["header"]:
          self._begin(match["header"].lower())
        else:
          self._set(self._expand(match["opcode"]).lower(), value)

  def finish_region(self) -> None:
    """Adds the region that has just been read to `regions`, if it is a note."""
    if "region" not in self._scopes:
      return
    merged = dict(self._control)
    for scope in _SCOPES:
      opcodes = self._scopes.get(scope, {})
      if "key" in opcodes:  # `key` also sets the key centre.
        merged.pop("pitch_keycenter", None)
      merged |= opcodes
    del self._scopes["region"]
    sample = merged.get("sample", "")
    if not sample or sample.startswith("*") or "controller" in merged:
      return
    if merged.get("trigger", "attack").startswith("release") or number(merged.get("end")) == -1:
      return
    name = merged.get("default_path", "") + sample
    self.regions.append(Region(name.replace("\\", "/"), self._finder.find(name), merged))

  def _tokens(self, line: str) -> Iterator[tuple[re.Match[str], str]]:
    """A line's tokens, and for an opcode its raw value."""
    position = 0
    while match := _TOKEN.search(line, position):
      position = match.end()
      value = ""
      if match["opcode"]:
        value = self._cut_value(match["opcode"].lower(), line[position : position + _MAX_VALUE + 1])
        position += len(value)
      yield match, value

  def _cut_value(self, opcode: str, rest: str) -> str:
    """An opcode's value: up to the next opcode or header; of `sample`, the longest file name."""
    ends = [m.start() for m, _ in zip(_VALUE_END.finditer(rest), range(8), strict=False)]
    if opcode == "sample":  # File names may contain spaces and =.
      default = self._control.get("default_path", "")
      for end in reversed(ends[1:]):
        if os.path.isfile(self._finder.find(default + self._expand(rest[:end].strip()))):
          return rest[:end]
    return rest[: ends[0]]

  def _begin(self, header: str) -> None:
    self.finish_region()
    self._opcodes = {}
    if header in _SCOPES:
      for lower in _SCOPES[_SCOPES.index(header) :]:
        self._scopes.pop(lower, None)
      self._scopes[header] = self._opcodes
    elif header == "control":  # default_path holds for one <control>, offsets for all that follow.
      self._control.pop("default_path", None)
      self._opcodes = self._control

  def _set(self, opcode: str, value: str) -> None:
    value = self._expand(value.strip())
    if self._opcodes is None:
      return
    if re.match(r"(on|start)_(lo|hi)cc\d", opcode):
      self._opcodes["controller"] = value
    opcode = "tune" if opcode == "pitch" else opcode
    if opcode in _OPCODES:
      self._opcodes[opcode] = value

  def _expand(self, text: str) -> str:
    """Replaces $names by their definitions; the longest matching name is used."""

    def replace(match):
      name = match[1]
      for end in range(len(name), 0, -1):
        if name[:end] in self._definitions:
          return self._definitions[name[:end]] + name[end:]
      return match[0]

    if "$" in text[:_MAX_VALUE]:
      text = re.sub(r"\$(\w{1,64})", replace, text[:_MAX_VALUE])
    if len(text) > _MAX_VALUE:
      raise self._error(f"a value is longer than {_MAX_VALUE} characters: '{text[:40]}...'")
    return text

  def _find_include(self, name: str, path: str) -> str:
    """An included file's path, relative to the instrument's folder or to the including file's."""
    name = self._expand(name)
    from_root = self._finder.find(name)
    from_including = label_text.Finder(os.path.dirname(path)).find(name)
    return (
      from_root
      if os.path.isfile(from_root) or not os.path.isfile(from_including)
      else from_including
    )

  def _check_include(self, path: str, including: tuple[str, ...]) -> None:
    if path in including:
      circle = " > ".join(os.path.basename(p) for p in (*including, path))
      raise self._error(f"its #include is circular: {circle[:200]}")
    if len(including) > _MAX_DEPTH:
      raise self._error(f"#include is nested more than {_MAX_DEPTH} deep")
    if including and not os.path.isfile(path):
      name = os.path.relpath(path, os.path.dirname(self._path) or ".")
      raise self._error(f"its #include of {name!r} is not a file")

  def _error(self, reason: str) -> errors.UserError:
    return errors.UserError(f"data.folder.labels {self._path}: {reason}")
