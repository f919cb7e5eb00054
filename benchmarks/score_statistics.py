"""What statistics of scores say of real ones: training windows beside held-out ones of a folder.

python benchmarks/score_statistics.py FOLDER --tracks 1
python benchmarks/score_statistics.py FOLDER --kind=drums

Opens FOLDER as `folder_scores` and compares training windows with as many held-out ones by the
measures of generated scores. Beside them is what a Markov chain of the training tokens generates,
each token by the one before: a generator that knows single steps and nothing else. Of ABC files the
keys that are estimated of whole tunes, and the modes of windows, are compared with the field K:.
Prints Markdown.
"""

import argparse
import collections
import re

import numpy as np

from cvae_jax.core import config as config_lib
from cvae_jax.core import errors
from cvae_jax.data import data_sets
from cvae_jax.data import notes
from cvae_jax.data import pipeline
from cvae_jax.data.folders import score_folder
from cvae_jax.evaluation.measures import scores
from cvae_jax.evaluation.metrics import score_statistics
from cvae_jax.scores import abc_notation
from cvae_jax.scores import attributes
from cvae_jax.scores import grid
from cvae_jax.scores import melody
from cvae_jax.scores import piece as piece_lib

_TONICS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_BAR = 16  # steps of 4/4


def draw_chain(training: np.ndarray, count: int, size: int, seed: int = 0) -> np.ndarray:
  """[count, L] windows of a Markov chain of the tokens of training windows ([N, L])."""
  rng = np.random.default_rng(seed)
  pairs = np.zeros((size, size))
  np.add.at(pairs, (training[:, :-1].ravel(), training[:, 1:].ravel()), 1)
  ends = np.cumsum(pairs, axis=1)
  tokens = np.zeros((count, training.shape[1]), np.int32)
  tokens[:, 0] = rng.choice(training[:, 0], count)
  for step in range(1, training.shape[1]):
    rows = ends[tokens[:, step - 1]]
    drawn = rng.random((count, 1)) * rows[:, -1:]
    tokens[:, step] = np.where(rows[:, -1] > 0, (rows <= drawn).sum(axis=1), 0)
  return tokens


def parse_key(text: str) -> int | None:
  """The key of a field K:, as of `attributes.key`; None of other modes than major and minor."""
  match = re.match(r"([A-G])([#b]?)\s*(m|min|minor|maj|major)?\s*$", text.strip())
  if match is None:
    return None
  tonic = _TONICS[match[1]] + {"#": 1, "b": -1, "": 0}[match[2]]
  return tonic % 12 + (12 if (match[3] or "")[:3] in ("m", "min") else 0)


def compare_keys(folder: str) -> None:
  """Prints how often the keys of tunes of ABC files, and modes of their windows, are found."""
  tokenizer = melody.Melody()
  counts: collections.Counter[str] = collections.Counter()
  for _, data in score_folder.read_bytes(
    [f for f in score_folder.find(folder) if f.name.lower().endswith(".abc")]
  ):
    body = data.decode("utf-8", "replace") if isinstance(data, bytes) else ""
    for number, text in abc_notation.split(body):
      field = re.search(r"^K:\s*([^%\n]*)", text, flags=re.M)
      expected = parse_key(field[1]) if field else None
      if expected is None:
        continue
      try:
        piece = abc_notation.parse(number, text).piece
      except errors.UserError:
        continue
      grids = [grid.quantise(piece, section, 4) for section in piece_lib.sections(piece)]
      lines = [line for x in grids if x for _, line in grid.melodies(x, tokenizer)]
      if not lines:
        continue
      found = int(attributes.key(attributes.find_notes(np.concatenate(lines)[None], tokenizer))[0])
      counts["tunes"] += 1
      counts["keys"] += found == expected
      counts["modes"] += found // 12 == expected // 12
      for bars in (2, 16):
        width = bars * _BAR
        windows = [x[i : i + width] for x in lines for i in range(0, len(x) - width + 1, width)]
        if windows:
          modes = attributes.mode(attributes.find_notes(np.stack(windows), tokenizer))
          counts[f"{bars}"] += len(modes)
          counts[f"right {bars}"] += int((modes == expected // 12).sum())
  if counts["tunes"]:
    percent = lambda right, of: f"{100 * counts[right] / max(counts[of], 1):.0f} %"
    print(
      f"\nOf {counts['tunes']} tunes of ABC files the key is right in {percent('keys', 'tunes')}, "
      f"the mode in {percent('modes', 'tunes')}; the mode of {counts['2']:,} windows of 2 bars in "
      f"{percent('right 2', '2')}, of {counts['16']:,} of 16 bars in {percent('right 16', '16')}."
    )


def main() -> None:
  """Measures, and prints Markdown."""
  parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
  parser.add_argument("folder", help="of scores")
  parser.add_argument("--kind", default="melody", help="melody, drums or trio")
  parser.add_argument("--bars", type=int, default=2, help="of a window")
  parser.add_argument("--tracks", type=int, nargs="*", default=(), help="from 1; all without any")
  parser.add_argument("--windows", type=int, default=1024, help="of a set, at most")
  args = parser.parse_args()
  config = config_lib.get_base_config(data="folder_scores").data
  config.dir = args.folder
  config.scores.update(kind=args.kind, bars=args.bars, tracks=tuple(args.tracks))
  data_set = data_sets.load(config)
  form = data_set.form
  train, held_out = (pipeline.open_split(data_set, split) for split in ("train", "valid"))
  rows = notes.spread_rows(len(held_out), args.windows)
  read = lambda source, rows: np.stack([source[int(row)][form.key] for row in rows])
  training = scores.read_all(train)
  real = read(held_out, rows)
  sets = {
    "training windows": read(train, notes.spread_rows(len(train), len(rows))),
    "Markov chain": draw_chain(training, len(rows), form.tokenizer.size),
  }
  describe = lambda x: scores.describe(x, form.tokenizer, *scores.grid_of(form, config))
  real_set = describe(real)
  columns = {name: scores.compare(real_set, describe(x)) for name, x in sets.items()}
  print(f"{len(rows)} held-out windows of {args.bars} bars; {data_set.remark}\n")
  print(f"| | {' | '.join(columns)} |\n|---{'|---' * len(columns)}|")
  for name in next(iter(columns.values())):
    print(f"| {name} | {' | '.join(f'{x[name]:.4f}' for x in columns.values())} |")
  music = {
    name: score_statistics.relative(x, form.tokenizer)
    for name, x in {"all": training, "real": real, **sets}.items()
  }
  for name, title in (("real", "held-out"), ("Markov chain", "Markov chain's")):
    share = score_statistics.is_copy(music[name], music["all"]).mean()
    print(f"\n{100 * share:.1f} % of the {title} windows are windows of training tunes.")
  if args.kind == "melody":
    compare_keys(args.folder)


if __name__ == "__main__":
  main()
