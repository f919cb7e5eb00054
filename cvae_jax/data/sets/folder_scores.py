"""Scores of a folder, as windows of melodies, drums or trios on a grid, or of performances.

Reads MIDI and notation, also in zip files (`folders.score_folder`). Pieces are split where tempo
or metre change, and what is in `data.scores.meter` is quantised; see `scores.grid` for the lines
that are extracted. Copies are left out; tunes that share music, in any key, are in one split
(`same_tunes`). A tenth of these groups is held out for validation and a tenth for test, or the
tunes of `data.scores.held_out`. The label `kind` is the sub-folder or the zip file of a tune, where
there are several; those of `data.scores.labels` are measured of each window (`score_labels`). What
is left out and why is in report.csv.
"""

import os

from ml_collections import config_dict
import numpy as np

from cvae_jax.core import errors
from cvae_jax.data import data_sets
from cvae_jax.data import score_labels
from cvae_jax.data import score_store
from cvae_jax.data import store
from cvae_jax.data import tunes
from cvae_jax.data import vocabulary as vocabulary_lib
from cvae_jax.data.folders import audio_folder
from cvae_jax.data.folders import score_folder
from cvae_jax.scores import chords as chord_lib
from cvae_jax.scores import grid
from cvae_jax.scores import piece as piece_lib
from cvae_jax.scores import trio

make_form = tunes.make_form
_VERSION = 5  # of the rules
# Classes of what is left out, by a part of the reason; the first that fits.
_REASONS = {
  "has the notes of": "copies",
  "its metre is": "in another metre",
  "as long as": "too short",
  "no notes": "without notes that are used",
  "no chord": "without chords",
}


def open_set(config, variant, on_request):
  """See `data_sets.load`."""
  del on_request
  data_sets.no_variants("folder_scores", variant)
  check_settings(config.scores)
  folder = data_sets.need_folder(config, "folder_scores", "the folder of the scores")
  files = score_folder.find(folder)
  return open_files(config, "folder_scores", f"scores of {os.path.normpath(folder)}", files)


def open_files(config, name: str, title: str, files: list[score_folder.File]):
  """Opens files of scores as a data set, and prepares it on first use.

  Args:
    config: the `data` section of a config.
    name: of the data set.
    title: of the data set, for messages.
    files: of scores.

  Raises:
    UserError: if no tune can be used.
  """
  form, settings = make_form(config), config.scores
  entries = [store.Entry(file.path, file.name, {"size": file.size}) for file in files]
  fields = settings.to_dict()
  # These are applied to the windows of the store.
  for field in ("max_windows", "transpose", "labels"):
    del fields[field]
  index = score_store.prepare(
    store.locate(config.tfds_dir, name, entries, (_VERSION, sorted(fields.items()))),
    lambda: score_folder.read_all(files, pedal=settings.kind == tunes.PERFORMANCE),
    lambda tune: extract(tune, settings, form),
    form,
    _hop(settings),
    lambda names, groups: split(names, groups, tuple(settings.held_out)),
  )
  kinds = [_kind_of(name) for name in index.names.tolist()]
  values = tuple(sorted(set(kinds)))
  is_label = len(values) > 1
  label = vocabulary_lib.Label(audio_folder.KIND, vocabulary_lib.NAMES, values)
  names = tuple(settings.labels)
  measured = score_labels.make_labels(names)
  chord_labels = score_labels.make_chord_labels(settings)
  vocabulary = vocabulary_lib.Vocabulary(((label,) if is_label else ()) + measured + chord_labels)
  measure = lambda tokens: score_labels.measure(tokens, form.tokenizer, settings, names)
  columns = {audio_folder.KIND: np.asarray([values.index(kind) for kind in kinds], np.int32)}

  def open_split(split_name, cache_gb, num_threads):
    del cache_gb, num_threads
    rows = index.of_split(split_name)
    return tunes.Windows(
      form, index.tokens, index.starts[rows], index.tunes[rows], index.names.tolist(),
      settings.max_windows, settings.transpose, vocabulary, columns if is_label else None,
      measure if measured else None,
      index.chords, tuple(label.name for label in chord_labels),
    )  # fmt: skip

  sizes = {}
  for split_name in store.SPLITS:
    rows = index.of_split(split_name)
    sizes[split_name] = len(open_split(split_name, 0.0, 1)) if len(rows) else 0
  return data_sets.DataSet(
    title,
    form,
    vocabulary,
    sizes,
    open_split,
    index.folder,
    index.tokens.nbytes,
    remark=_describe(index),
  )


def _hop(settings) -> int:
  """Tokens from a window to the next one: a bar's, or `data.scores.hop` of a performance."""
  if settings.kind == tunes.PERFORMANCE:
    return settings.hop
  return tunes.bar_steps(settings) * (3 if settings.kind == tunes.TRIO else 1)


def extract(tune: score_folder.Tune, settings, form) -> score_store.Lines:
  """The lines of a tune.

  Args:
    tune: as read.
    settings: the `data.scores` section of a config.
    form: of the examples, for its tokenizer.

  Raises:
    UserError: if none of the tune is used.
  """
  piece, tokenizer = tune.piece, form.tokenizer
  accompaniment = None
  if piece is None:
    raise errors.UserError(tune.remark)
  if not len(piece.notes):
    raise errors.UserError("it has no notes")
  if settings.tracks:
    _, numbers = np.unique(piece.notes["part"] // 16, return_inverse=True)
    is_used = np.isin(numbers + 1, settings.tracks)
    accompaniment = piece._replace(notes=piece.notes[~is_used & ~piece.notes["is_drum"]])
    piece = piece._replace(notes=piece.notes[is_used])
  if settings.kind == tunes.PERFORMANCE:
    return _extract_performance(tune, piece, settings, tokenizer)
  meter = tunes.parse_meter(settings.meter)
  lines, chords, others = [], [], set()
  for section in piece_lib.sections(piece, settings.split_tempo):
    if not _has_same_bars(section.meter, meter):
      others.add(f"{section.meter[0]}/{section.meter[1]}")
      continue
    notes = grid.quantise(piece, section, settings.steps_per_quarter)
    if notes is None:
      continue
    found = _find_lines(notes, settings, tokenizer)
    lines += [tokens for _, tokens in found]
    if settings.chords:
      by_step = _find_chords(piece, accompaniment, section, settings, notes.num_steps)
      chords += [by_step[begin : begin + len(tokens)] for begin, tokens in found]
  if not lines and others:
    raise errors.UserError(f"its metre is {', '.join(sorted(others))}, not {settings.meter}")
  if not lines:
    raise errors.UserError(f"it has no notes that a {settings.kind} is made of")
  if settings.chords and not any(x.any() for x in chords):
    raise errors.UserError(_no_chord(piece, accompaniment))
  of_lines = chords if settings.chords else None
  return score_store.Lines(tune.name, lines, tune.remark, len(piece.notes), of_lines)


def _find_lines(notes: grid.Grid, settings, tokenizer) -> list[tuple[int, np.ndarray]]:
  """First step and tokens of the lines of a section."""
  if settings.kind == tunes.DRUMS:
    return list(grid.drums(notes, settings.gap_bars))
  if settings.kind == tunes.TRIO:
    return list(grid.trios(notes, tokenizer, settings.gap_bars))
  return list(grid.melodies(notes, tokenizer, tuple(settings.programs), settings.gap_bars))


def _find_chords(piece, accompaniment, section, settings, num_steps: int) -> np.ndarray:
  """[L] chords of a section by step: of the piece's symbols, or else of what accompanies it."""
  part_steps = tunes.bar_steps(settings) // settings.chords
  if len(piece.chords[0]):
    by_step = grid.chords(piece, section, settings.steps_per_quarter, num_steps)
    return chord_lib.longest_of_parts(by_step, part_steps)
  if accompaniment is None:
    return np.full(num_steps, chord_lib.NO_CHORD, np.int8)
  notes = grid.quantise(accompaniment, section, settings.steps_per_quarter)
  assert notes is not None
  pitches = notes.notes["pitch"].astype(np.int64)
  return chord_lib.of_parts(notes.starts, notes.ends, pitches, part_steps, num_steps)


def _no_chord(piece, accompaniment) -> str:
  """Why a tune has no chords."""
  if len(piece.chords[0]):
    return "no chord symbol holds for its melody"
  if accompaniment is None:
    return (
      "it has no chord symbols, and chords of other tracks need data.scores.tracks, those of the "
      "melody"
    )
  return "it has no chord symbols, and no chord sounds with its melody"


def _extract_performance(tune, piece, settings, tokenizer) -> score_store.Lines:
  """The events of a whole tune, of all parts with programs that are used."""
  notes, (first, last) = piece.notes, settings.programs
  used = ~notes["is_drum"] & (notes["program"] >= first) & (notes["program"] <= last)
  tokens = tokenizer.encode(piece_lib.to_notes(piece._replace(notes=notes[used])))
  if not len(tokens):
    raise errors.UserError("it has no notes that a performance is made of")
  return score_store.Lines(tune.name, [tokens], tune.remark, len(notes))


def _has_same_bars(meter: tuple[int, int], wanted: tuple[int, int]) -> bool:
  """Whether bars have the same length and beats: 2/2 is read as 4/4, but 6/8 not as 3/4."""
  is_compound = lambda x: x[1] >= 8 and x[0] % 3 == 0 and x[0] > 3
  same_length = meter[0] * wanted[1] == wanted[0] * meter[1]
  return same_length and is_compound(meter) == is_compound(wanted)


def split(names, groups, held_out: tuple[str, ...]) -> dict[str, str]:
  """The split of each tune; those of a group are in one.

  Args:
    names: of the tunes.
    groups: index of the first tune of each one's group.
    held_out: patterns of names that are held out for validation, with the groups of these; () for
      a tenth of the groups, and another one for test.

  Raises:
    UserError: a pattern that no tune matches, patterns that leave none for training, or too few.
  """
  if held_out:
    matching = audio_folder.find_held_out(names, held_out, "data.scores.held_out", "tune", 5)
    held = {group for name, group in zip(names, groups, strict=True) if name in matching}
    if set(groups) <= held:
      raise errors.UserError("data.scores.held_out leaves no tune to train on")
    return {
      name: "valid" if group in held else "train" for name, group in zip(names, groups, strict=True)
    }
  firsts = sorted({names[group] for group in groups})
  if len(firsts) < len(store.SPLITS):
    raise errors.UserError(
      f"{len(firsts)} different tunes are too few for {len(store.SPLITS)} splits: at least "
      f"{len(store.SPLITS)} are needed, or data.scores.held_out"
    )
  split_of = audio_folder.split(firsts)
  return {name: split_of[names[group]] for name, group in zip(names, groups, strict=True)}


def _kind_of(name: str) -> str:
  """The sub-folder of a tune, or its zip file's name."""
  kind = audio_folder.kind_of(name, "tune")
  return os.path.splitext(kind)[0] if kind.lower().endswith(score_folder.ZIP) else kind


def _describe(index: score_store.Index) -> str:
  """One line on what is used and what is not."""
  rows = score_store.read_report(index.folder)
  used = [row for row in rows if row.used == "yes"]
  counts = store.count_left_out(rows, _REASONS)
  groups = len({row.group for row in used})
  text = f"{len(used)} of {len(rows)} tunes are used, {groups} of them different"
  text += f", {len(index.starts):,} windows"
  faulty = sum(bool(row.reason) for row in used)
  text += f"; with faults that were read past: {faulty}" if faulty else ""
  left_out = ", ".join(f"{count} {name}" for name, count in counts.most_common())
  return text + (f"; left out: {left_out}" if left_out else "")


def check_settings(settings) -> None:
  """Raises UserError for fields that cannot be used."""
  programs = tuple(settings.programs)
  if len(programs) != 2 or not 0 <= programs[0] <= programs[1] <= 127:
    raise errors.UserError(
      f"data.scores.programs must be the first and the last program, 0-127, got {programs}"
    )
  if settings.gap_bars < 1 or settings.max_windows < 0 or not 0 <= settings.transpose <= 24:
    raise errors.UserError(
      "data.scores.gap_bars must be 1 or more, max_windows 0 or more and transpose 0-24, got "
      f"{settings.gap_bars}, {settings.max_windows} and {settings.transpose}"
    )
  if settings.chords:
    _check_chords(settings)
  if settings.kind == tunes.DRUMS and settings.transpose:
    raise errors.UserError("data.scores.transpose must be 0 for drums, which have no key")
  score_labels.check(settings)


def _check_chords(settings) -> None:
  """Raises UserError for chords that melodies cannot have."""
  if settings.kind != tunes.MELODY:
    raise errors.UserError(f"data.scores.chords needs data.scores.kind=melody, got {settings.kind}")
  steps = tunes.bar_steps(settings)
  if settings.chords < 0 or steps % settings.chords:
    raise errors.UserError(
      f"data.scores.chords must divide the {steps} steps of a bar, got {settings.chords}"
    )


def get_config():
  """Default fields of the data set."""
  config = tunes.get_config()
  config.dir = config_dict.placeholder(str)  # the folder of the files
  settings = config.scores
  settings.programs = trio.MELODY_PROGRAMS  # first and last of melodies; trios have their own
  settings.tracks = ()  # of those that have notes, from 1, such as (1,); () for all
  settings.events = 512  # of an example of the kind performance
  settings.hop = 256  # events from a window of a performance to the next one
  # Labels chord_1, chord_2, ...: so many in a bar, of a tune's chord symbols, or, without any, of
  # what sounds in the parts that are not in tracks; 0 for none.
  settings.chords = 0
  settings.gap_bars = 1  # of silence that end a melody; MusicVAE's trios have 2
  settings.split_tempo = True  # whether pieces are split at tempo changes, not only of metre
  settings.max_windows = 5  # of a tune in an epoch; 0 for all
  # Labels that are measured of each window: mode, density, range, syncopation, repetition,
  # interval, diatonic, c_diatonic, syncopation_16th, syncopation_8th.
  settings.labels = ()
  settings.transpose = 0  # semitones, up or down, of training windows; MusicVAE's 2 bars have 5
  # Names of tunes, or patterns as '*/jigs*', that are held out; () for a tenth, by chance.
  settings.held_out = ()
  return config


def check(config):
  """Raises UserError for fields that cannot be used."""
  make_form(config.data)
  check_settings(config.data.scores)
