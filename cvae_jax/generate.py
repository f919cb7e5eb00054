"""Generates sounds (WAV) or scores (MIDI) from a trained run.

    python -m cvae_jax.generate --workdir=runs/cvae --pitch=60 --family=guitar --velocity=100 \
        --num=4 --seed=0 --out=out/
"""

import logging
import os

import numpy as np

from cvae_jax.core import cli
from cvae_jax.core import flag_types
from cvae_jax.core import outputs
from cvae_jax.core import run_flags
from cvae_jax.core import score_flags
from cvae_jax.data import forms
from cvae_jax.data import vocabulary as vocabulary_lib

_log = logging.getLogger("cvae_jax.generate")  # Also when run as __main__.


def main(argv: list[str] | None = None) -> None:
  """Generates examples with the labels of the flags."""
  parser = cli.Parser(
    prog="python -m cvae_jax.generate",
    description="Generates sounds as WAVs, or scores as MIDI files and WAVs. Labels that are not "
    "given are drawn from training examples that have the given labels.",
  )
  run_flags.add_run(parser)
  parser.add_argument(
    "--num", type=flag_types.whole(most=10_000), default=1, help="number of examples (default 1)"
  )
  run_flags.add_draw(parser)
  parser.add_argument(
    "--seconds",
    type=flag_types.real(0.1, 86_400),
    help="of sound, from a run whose prior goes on; an example's without it",
  )
  parser.add_argument("--continue_from", help="audio file to go on from, with --seconds")
  parser.add_argument("--out", default="out", help="directory of the files (default out)")
  score_flags.add(parser)
  run_flags.add_labels(parser, run_flags.find_vocabulary(argv))
  args = parser.parse_args(argv)
  outputs.check_directory(args.out)
  if args.continue_from is not None and args.seconds is None:
    parser.error("--continue_from needs --seconds")

  synth = run_flags.load_run(args)
  play = score_flags.make_player(args, synth.form, args.seed)
  if args.seconds is not None:
    generate_long(synth, args)
    return
  labels = run_flags.asked_labels(args)
  drawn_labels = synth.draw_labels(args.num, args.seed, **labels)
  for label in synth.vocabulary.of_kind(vocabulary_lib.NUMBER):
    if label.name in synth.conditions and label.is_class and labels[label.name] is not None:
      trained_values = synth.table.known(label.name)
      if not trained_values.min() <= labels[label.name] <= trained_values.max():
        _log.warning(
          "%s %g is outside of this run's training data (%d-%d): the result may be unusable",
          label.name, labels[label.name], trained_values.min(), trained_values.max(),
        )  # fmt: skip
  examples = synth.sample(drawn_labels, args.seed, args.temperature, args.num)
  for i, example in enumerate(examples):
    name = stem(synth.vocabulary, synth.conditions, drawn_labels, i, args.seed)
    path = os.path.join(args.out, name + synth.form.suffix)
    if isinstance(synth.form, forms.Score):
      paths = score_flags.write(synth.form, path, synth.form.join([example]), play)
    else:
      synth.form.write(path, example)
      paths = [path]
    for written in paths:
      _log.info("%s", written)


def generate_long(synth, args) -> None:
  """Writes sounds of --seconds, each of a seed of its own."""
  from cvae_jax.synthesis import continuation

  for i in range(args.num):
    seed = args.seed + i
    drawn_labels = synth.draw_labels(1, seed, **run_flags.asked_labels(args))
    name = stem(synth.vocabulary, synth.conditions, drawn_labels, 0, seed).removesuffix("-0")
    path = os.path.join(args.out, f"{name}.wav")
    continuation.generate_file(
      synth, path, args.seconds, args.continue_from, seed, args.temperature, drawn_labels
    )
    _log.info("%s", path)


def stem(vocabulary, conditions, label_columns, index: int, seed: int) -> str:
  """File stem from an example's labels, seed and index: guitar_acoustic-060-100-seed0-0."""

  def number_of(value):
    return "any" if value < 0 else f"{int(value):03d}" if value == int(value) else f"{value:g}"

  names = [
    label.text_of(label_columns[label.name][index])
    for label in vocabulary.of_kind(vocabulary_lib.NAMES)
    if label.name in conditions and not label.open_set
  ]
  numbers = [
    number_of(np.asarray(label_columns[label.name][index]))
    for label in vocabulary.of_kind(vocabulary_lib.NUMBER)
    if label.name in conditions
  ]
  return "-".join(["_".join(names) or "sample", *numbers, f"seed{seed}", str(index)])


if __name__ == "__main__":
  cli.run(main)
