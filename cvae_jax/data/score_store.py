"""A store of scores: the tokens of many tunes as one array, with the windows that examples are.

    tokens.npy    int16, the lines of all tunes one after the other
    index.npz     first token and tune of each window; names, splits and kinds of the tunes
    report.csv    a row for every tune: used or not, and why

Written once, to a temporary folder that is renamed at the end (`store.make_folder`).
"""

import collections
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
import csv
import logging
import os
from typing import NamedTuple

import numpy as np

from cvae_jax.core import errors
from cvae_jax.core import npz_file
from cvae_jax.data import same_tunes
from cvae_jax.data import store
from cvae_jax.data import tunes as tunes_lib
from cvae_jax.data.folders import score_folder

_log = logging.getLogger(__name__)

_TOKENS, _CHORDS, _INDEX = "tokens.npy", "chords.npy", "index.npz"


class Row(NamedTuple):
  """A row of the report.

  Attributes:
    tune: its name.
    used: 'yes' or 'no'.
    reason: why it is not used, or what was read past.
    notes: number of its notes.
    windows: number of different windows.
    split: its split.
    group: first of the tunes that share music with it.
  """

  tune: str
  used: str
  reason: str = ""
  notes: int = 0
  windows: int = 0
  split: str = ""
  group: str = ""


class Lines(NamedTuple):
  """What is used of a tune.

  Attributes:
    name: of the tune.
    tokens: lines of whole bars, as of `grid.melodies`.
    remark: for the report.
    notes: number of notes of its piece.
    chords: of every token of the lines, where chords are found.
  """

  name: str
  tokens: list[np.ndarray]
  remark: str
  notes: int
  chords: list[np.ndarray] | None = None


class Index(NamedTuple):
  """The contents of a store.

  Attributes:
    folder: of the store.
    tokens: of all lines.
    starts: [W] first token of each window.
    tunes: [W] tune of each window, in order.
    names: [T] of the tunes.
    splits: [T] indices into `store.SPLITS`.
    chords: of all tokens, as of `scores.chords`; None without.
  """

  folder: str
  tokens: np.ndarray
  starts: np.ndarray
  tunes: np.ndarray
  names: np.ndarray
  splits: np.ndarray
  chords: np.ndarray | None = None

  def of_split(self, split: str) -> np.ndarray:
    """Rows of the windows of a split."""
    return np.flatnonzero(self.splits[self.tunes] == store.SPLITS.index(split))


def find_windows(tokens: list[np.ndarray], form, hop: int) -> list[tuple[int, int]]:
  """The different windows of a tune that have a note: (line, first token) of each, in order.

  Args:
    tokens: lines of the tune.
    form: of the windows.
    hop: tokens from a window to the next one, of a bar.
  """
  seen: set[bytes] = set()
  windows = []
  for line, values in enumerate(tokens):
    if len(values) < form.num_tokens:
      continue
    views = np.lib.stride_tricks.sliding_window_view(values, form.num_tokens)[::hop]
    for number, window in enumerate(tunes_lib.clean(views.astype(np.int32), form.tokenizer)):
      key = window.astype(np.int16).tobytes()
      if key not in seen and tunes_lib.has_notes(window, form.tokenizer):
        seen.add(key)
        windows.append((line, number * hop))
  return windows


def prepare(
  folder: str,
  tunes: Callable[[], Iterable[score_folder.Tune]],
  extract: Callable[[score_folder.Tune], Lines],
  form,
  hop: int,
  split: Callable[[Sequence[str], Sequence[int]], Mapping[str, str]],
) -> Index:
  """Opens the store in a folder; if it is missing, writes it first.

  Args:
    folder: of the store.
    tunes: reads all tunes.
    extract: the lines of a tune; raises UserError if none is used.
    form: of the windows.
    hop: tokens from a window to the next one.
    split: splits by tune, of the names and the groups of the tunes that are used.

  Raises:
    UserError: if no tune can be used, or the folder cannot be written.
  """

  def write(temporary: str) -> None:
    _log.info("reading scores for %s", folder)
    _write(temporary, tunes(), extract, form, hop, split)

  if store.make_folder(folder, lambda: read_index(folder) is not None, write):
    rows = read_report(folder)
    used = sum(row.used == "yes" for row in rows)
    _log.info(
      "%d tunes used; %d left out: %s",
      used, len(rows) - used, os.path.join(folder, store.REPORT),
    )  # fmt: skip
    for row in [row for row in rows if row.used == "no"][:5]:
      _log.info("  left out: %s: %s", row.tune, row.reason)
  index = read_index(folder)
  assert index is not None
  return index


def _write(folder, tunes, extract, form, hop, split) -> None:
  """Writes a store into an empty folder."""
  report: list[Row] = []
  used: list[tuple[Lines, list[tuple[int, int]]]] = []
  first_with: dict[tuple[bytes, ...], str] = {}
  for tune in tunes:
    try:
      lines = extract(tune)
      windows = find_windows(lines.tokens, form, hop)
      if not windows:
        raise errors.UserError("none of its melodies or drum parts is as long as an example")
      same = first_with.setdefault(tuple(x.tobytes() for x in lines.tokens), tune.name)
      if same != tune.name:
        raise errors.UserError(f"it has the notes of {same}")
    except errors.UserError as e:
      report.append(Row(tune.name, "no", " ".join(str(e).split())))
      continue
    used.append((lines, windows))
  if not used:
    reasons = collections.Counter(row.reason for row in report).most_common(1)
    why = f": of {reasons[0][1]} it is that {reasons[0][0]}" if reasons else ", as there is none"
    raise errors.UserError(f"no score can be used of {len(report)}{why}")
  names = [lines.name for lines, _ in used]
  is_drums = tunes_lib.lead_pitches(used[0][0].tokens[0], form.tokenizer) is None
  groups = same_tunes.group(
    [_compared(lines.tokens, form) for lines, _ in used],
    same_tunes.STEPS if is_drums else same_tunes.INTERVALS,
  )
  split_of = split(names, groups)
  starts, owners, position = [], [], 0
  for number, (lines, windows) in enumerate(used):
    offsets = position + np.cumsum([0, *map(len, lines.tokens)])
    starts += [int(offsets[line]) + first for line, first in windows]
    owners += [number] * len(windows)
    position = int(offsets[-1])
    place, group = split_of[lines.name], names[groups[number]]
    report.append(Row(lines.name, "yes", lines.remark, lines.notes, len(windows), place, group))
  all_tokens = np.concatenate([x for lines, _ in used for x in lines.tokens])
  np.save(os.path.join(folder, _TOKENS), all_tokens.astype(np.int16))
  if used[0][0].chords is not None:
    of_lines = [x for lines, _ in used for x in lines.chords or ()]
    np.save(os.path.join(folder, _CHORDS), np.concatenate(of_lines).astype(np.int8))
  with open(
    os.path.join(folder, store.REPORT), "w", newline="", encoding="utf-8",
    errors="backslashreplace",
  ) as f:  # fmt: skip
    writer = csv.writer(f)
    writer.writerow(Row._fields)
    writer.writerows(sorted(report))
  np.savez(
    os.path.join(folder, _INDEX),
    starts=np.asarray(starts, np.int64),
    tunes=np.asarray(owners, np.int32),
    names=np.asarray(names),
    splits=np.asarray([store.SPLITS.index(split_of[name]) for name in names], np.int8),
  )


def _compared(tokens: list[np.ndarray], form) -> list[np.ndarray]:
  """What tells whether tunes are the same, see `same_tunes.group`."""
  lines = []
  for values in tokens:
    pitches = tunes_lib.lead_pitches(values, form.tokenizer)
    lines.append(values.astype(np.int16) if pitches is None else same_tunes.intervals(pitches))
  return lines


def read_report(folder: str) -> list[Row]:
  """Reads a store's report."""
  with open(os.path.join(folder, store.REPORT), newline="", encoding="utf-8") as f:
    rows = list(csv.reader(f))[1:]
  return [Row(a, b, c, int(d), int(e), *rest) for a, b, c, d, e, *rest in rows]


def read_index(folder: str) -> Index | None:
  """Reads a store's index; None if the store is missing or incomplete."""
  try:
    stored = npz_file.load(os.path.join(folder, _INDEX))
    tokens = np.load(os.path.join(folder, _TOKENS), mmap_mode="r")
    has_chords = os.path.exists(os.path.join(folder, _CHORDS))
    chords = np.load(os.path.join(folder, _CHORDS), mmap_mode="r") if has_chords else None
    starts, owners, names, splits = (stored[x] for x in ("starts", "tunes", "names", "splits"))
  except (OSError, ValueError, KeyError, EOFError, errors.UserError):
    return None
  return Index(folder, tokens, starts, owners, names, splits, chords)
