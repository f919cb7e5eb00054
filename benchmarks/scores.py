"""Reading and tokenising MIDI files, beside pretty_midi and a melody extraction in plain Python.

python benchmarks/scores.py                     # tunes of synth_scores, written as MIDI files
python benchmarks/scores.py FOLDER --tracks=1   # MIDI and ABC files, also in zip files

Both read the same files and make sixteenths of melodies of them, one file after the other in one
process: ours with `scores.midi_reader` and `scores.grid`; the peer with pretty_midi (`pip install
pretty_midi`) and loops over notes, as note-seq has them. The melodies are compared. Then every line
of every tune is written as a MIDI file and read again: what differs is counted. With symusic
installed, its reading alone is timed as well. Prints Markdown.
"""

import argparse
import importlib.util
import io
import time
import warnings

import numpy as np

from cvae_jax import scores
from cvae_jax.core import config as config_lib
from cvae_jax.core import errors
from cvae_jax.data import data_sets
from cvae_jax.data import pipeline
from cvae_jax.data.folders import score_folder
from cvae_jax.scores import grid
from cvae_jax.scores import melody
from cvae_jax.scores import midi_reader
from cvae_jax.scores import piece as piece_lib

_STEPS, _BAR = 4, 16  # steps of a quarter and of a bar
_TOKENIZER = melody.Melody()
_PEER_FILES = 150  # that the peer reads


def make_files(count: int, bars: int) -> list[tuple[str, bytes]]:
  """MIDI files of synth_scores: names and bytes."""
  config = config_lib.get_base_config(data="synth_scores")
  config.data.scores.bars, config.data.scores.examples = bars, (count, 1, 1)
  source = pipeline.open_split(data_sets.load(config.data), "train")
  return [
    (f"{row}.mid", source.form.to_bytes(source.stored(row)["tokens"])) for row in range(count)
  ]


def read_files(folder: str, limit: int) -> list[tuple[str, bytes]]:
  """MIDI files of a folder: names and bytes. Those of ABC notation are left out."""
  files = [f for f in score_folder.find(folder) if f.name.lower().endswith(score_folder.MIDI)]
  found = score_folder.read_bytes(files[:limit])
  return [(file.name, data) for file, data in found if isinstance(data, bytes)]


def extract(piece: piece_lib.Piece, tracks: tuple[int, ...]) -> list[np.ndarray]:
  """Melodies of the sections in 4/4."""
  if tracks:
    _, numbers = np.unique(piece.notes["part"] // 16, return_inverse=True)
    piece = piece._replace(notes=piece.notes[np.isin(numbers + 1, tracks)])
  lines = []
  for section in piece_lib.sections(piece):
    if section.meter == (4, 4):
      found = grid.quantise(piece, section, _STEPS)
      lines += [tokens for _, tokens in grid.melodies(found, _TOKENIZER)] if found else []
  return lines


def extract_plainly(data: bytes, tracks: tuple[int, ...]) -> list[np.ndarray]:
  """The same for a piece of one tempo and metre, by pretty_midi and loops over its notes."""
  import pretty_midi

  midi = pretty_midi.PrettyMIDI(io.BytesIO(data))
  signatures = [(x.numerator, x.denominator) for x in midi.time_signature_changes]
  tempo = midi.get_tempo_changes()[1][0]
  if any(x != (4, 4) for x in signatures):
    return []
  lines = []
  instruments = midi.instruments
  for number, instrument in enumerate(instruments, 1):
    if instrument.is_drum or instrument.program > 31 or (tracks and number not in tracks):
      continue
    steps = lambda seconds: int(seconds * tempo / 60.0 * _STEPS + 0.5)
    notes = [
      (steps(n.start), -n.pitch, max(steps(n.end), steps(n.start) + 1)) for n in instrument.notes
    ]
    line: list[tuple[int, int, int]] = []
    for start, pitch, end in sorted(notes):
      if not 21 <= -pitch <= 108 or (line and line[-1][0] == start):
        continue
      if line and line[-1][1] > start:
        line[-1] = (line[-1][0], start, line[-1][2])
      if line and start - line[-1][1] >= _BAR:
        lines.append(to_events(line))
        line = []
      line.append((start, end, -pitch))
    if line:
      lines.append(to_events(line))
  return lines


def to_events(line: list[tuple[int, int, int]]) -> np.ndarray:
  """Events of a melody, bar by bar."""
  begin = line[0][0] // _BAR * _BAR
  length = -(-(line[-1][1] - begin) // _BAR) * _BAR
  events = [melody.HOLD] * length
  for _, end, _ in line:
    if end - begin < length:
      events[end - begin] = melody.OFF
  for start, _, pitch in line:
    events[start - begin] = melody.FIRST + pitch - 21
  return np.asarray(events)


def count_changed(lines: list[np.ndarray]) -> int:
  """How many lines are not the same once written as a MIDI file and read again."""
  changed = 0
  for tokens in lines:
    data = scores.to_midi(_TOKENIZER.decode(tokens))
    notes = piece_lib.to_notes(midi_reader.parse("it", data).piece, scores.GRID_QPM)
    again = _TOKENIZER.encode(notes)[: len(tokens)]
    again = np.pad(again, (0, len(tokens) - len(again)))
    changed += not np.array_equal(again, tokens)
  return changed


def main() -> None:
  """Measures, and prints Markdown."""
  parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
  parser.add_argument("folder", nargs="?", help="of MIDI files; tunes of synth_scores without one")
  parser.add_argument("--limit", type=int, default=1000, help="files")
  parser.add_argument("--bars", type=int, default=32, help="of tunes of synth_scores")
  parser.add_argument("--tracks", type=int, nargs="*", default=(), help="from 1; all without any")
  args = parser.parse_args()
  tracks = tuple(args.tracks)
  files = read_files(args.folder, args.limit) if args.folder else make_files(args.limit, args.bars)
  has_peer = importlib.util.find_spec("pretty_midi") is not None
  warnings.simplefilter("ignore")  # Of pretty_midi, on tempos in other tracks than the first.
  spent = dict.fromkeys(("reading", "tokenising", "peer"), 0.0)
  ours, num_notes, faulty, failed, same = [], 0, 0, 0, 0
  every = max(1, len(files) // _PEER_FILES)
  # File by file in turn, so that both have the same share of a busy machine.
  for row, (_, data) in enumerate(files):
    started = time.process_time()
    try:
      piece = midi_reader.parse("it", data).piece
    except errors.UserError:
      faulty += 1
      continue
    read = time.process_time()
    ours.append(extract(piece, tracks))
    spent["reading"] += read - started
    spent["tokenising"] += time.process_time() - read
    num_notes += len(piece.notes)
    if has_peer and row % every == 0:
      started = time.process_time()
      try:
        theirs = extract_plainly(data, tracks)
      except Exception:  # Whatever pretty_midi raises on a damaged file.
        failed += 1
        continue
      spent["peer"] += (time.process_time() - started) * every
      same += len(theirs) == len(ours[-1]) and all(map(np.array_equal, theirs, ours[-1]))
  size = sum(len(data) for _, data in files)
  print(f"{len(files)} files, {size / 1e6:.1f} MB, {num_notes:,} notes; {faulty} cannot be read\n")
  print("| | files per second of a core |\n|---|---|")
  both = spent["reading"] + spent["tokenising"]
  print(f"| reading | {len(files) / spent['reading']:.0f} |")
  print(f"| tokenising | {len(files) / spent['tokenising']:.0f} |")
  print(f"| both | {len(files) / both:.0f} |")
  if has_peer:
    count = -(-len(files) // every)
    print(f"| both, with pretty_midi and plain Python | {len(files) / spent['peer']:.0f} |")
    print(
      f"\n{spent['peer'] / both:.1f} times as fast. The melodies of {same} of {count} files are"
    )
    print(f"the same; pretty_midi fails on {failed}.")
  if importlib.util.find_spec("symusic"):
    import symusic

    started = time.process_time()
    for _, data in files:
      symusic.Score.from_midi(data)
    print(f"\nsymusic reads {len(files) / (time.process_time() - started):.0f} files per second.")
  lines = [line for found in ours for line in found]
  print(f"\n{count_changed(lines)} of {len(lines)} melodies differ once written and read again.")


if __name__ == "__main__":
  main()
