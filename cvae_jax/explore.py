"""Notes between notes, as other notes, and along an attribute, from a trained run.

python -m cvae_jax.explore interpolate --workdir=runs/cvae a.wav b.wav --steps=8 --out=out/
python -m cvae_jax.explore convert --workdir=runs/cvae in.wav out.wav --family=flute --semitones=7
python -m cvae_jax.explore convert --workdir=runs/cvae in.wav out.wav --attribute=bright:1.5
python -m cvae_jax.explore neighbours --workdir=runs/cvae in.wav --num=5
python -m cvae_jax.explore traverse --workdir=runs/cvae --pitch=60 --family=organ --out=out/
"""

import argparse
import logging
import os

import numpy as np

from cvae_jax import reconstruct
from cvae_jax.core import cli
from cvae_jax.core import errors
from cvae_jax.core import flag_types
from cvae_jax.core import outputs
from cvae_jax.core import run_flags
from cvae_jax.evaluation import drawing

_log = logging.getLogger("cvae_jax.explore")  # Also as __main__.


def interpolate(args: argparse.Namespace) -> None:
  """Writes the notes from one recording to another, or all of them as one WAV."""
  from cvae_jax.synthesis import latent_space

  synth = run_flags.load_run(args)
  a, b = (
    latent_space.encode(synth, reconstruct.read_example(synth, path), seed=args.seed)
    for path in (args.a, args.b)
  )
  points = latent_space.interpolate(synth, a, b, args.steps, args.path, args.part)
  examples = latent_space.decode(synth, points, args.seed)
  if args.join:
    _write_joined(synth, os.path.join(args.out, "interpolation.wav"), examples)
    return
  for i, example in enumerate(examples):
    path = os.path.join(args.out, f"step-{i:02d}{synth.form.suffix}")
    synth.form.write(path, example)
    _log.info("%s", path)


def _write_joined(synth, path, examples) -> None:
  """Writes what examples sound like, one after the other, as one WAV."""
  from cvae_jax.audio import files

  heard = [synth.form.hear(example) for example in examples]
  files.write_wav(path, np.concatenate([audio for audio, _ in heard]), heard[0][1])
  _log.info("%s", path)


def _parse_attribute(text: str) -> tuple[str, float]:
  name, _, amount = text.partition(":")
  try:
    return name, flag_types.real(-1000, 1000)(amount or "1")
  except argparse.ArgumentTypeError as e:
    raise errors.UserError(
      f"--attribute wants NAME:AMOUNT, as bright:1.5; got '{text}' ({e})"
    ) from None


def _find_attribute(synth, columns, name: str) -> np.ndarray:
  """[M] bool: which examples have an attribute, a flag or a name of the vocabulary."""
  for label in synth.vocabulary.labels:
    if name in label.names and not label.open_set:
      index = label.names.index(name)
      column = columns[label.name]
      return column[:, index] > 0 if column.ndim == 2 else column == index
  known = [n for x in synth.vocabulary.labels if not x.open_set for n in x.names]
  if not known:
    raise errors.UserError(f"this run's examples have no attributes, and so none is '{name}'")
  raise errors.UserError(f"attribute must be one of {', '.join(known)}, got '{name}'")


def convert(args: argparse.Namespace) -> None:
  """Writes a recording's code under other labels, or moved along attributes."""
  from cvae_jax.data import pipeline
  from cvae_jax.synthesis import latent_space
  from cvae_jax.synthesis import note_codes

  moves = [_parse_attribute(text) for text in args.attribute]
  synth = run_flags.load_run(args)
  for name, _ in moves:  # Before the work.
    _find_attribute(synth, synth.table.columns, name)
  example = reconstruct.read_example(synth, args.input)
  point = latent_space.encode(synth, example, seed=args.seed)
  wanted = run_flags.asked_labels(args)
  point = latent_space.relabel(synth, point, args.semitones, **wanted)
  if moves:
    codes = note_codes.encode_notes(synth, pipeline.open_data(synth.config.data).train)
    for name, amount in moves:
      vector = note_codes.attribute_vector(codes, _find_attribute(synth, codes.labels(), name))
      point = point._replace(code=point.code + amount * vector)
  synth.form.write(args.output, latent_space.decode(synth, point, args.seed)[0])
  _log.info("%s", args.output)


def neighbours(args: argparse.Namespace) -> None:
  """Prints the training notes whose codes are nearest to a recording's."""
  from cvae_jax.data import pipeline
  from cvae_jax.synthesis import latent_space
  from cvae_jax.synthesis import note_codes

  if args.num < 1:
    raise errors.UserError(f"--num must be 1 or more, got {args.num}")
  synth = run_flags.load_run(args)
  point = latent_space.encode(synth, reconstruct.read_example(synth, args.input), seed=args.seed)
  codes = note_codes.encode_notes(synth, pipeline.open_data(synth.config.data).train)
  places, distances = note_codes.neighbours(codes, point.code[0], args.num)
  ids = codes.labels()["id"]
  for place, distance in zip(places, distances, strict=True):
    _log.info("%8.3f  %s", distance, ids[place])


def traverse(args: argparse.Namespace) -> None:
  """Writes a note along single dimensions of z: a WAV for each of them, and a figure of all."""
  from cvae_jax.data import pipeline
  from cvae_jax.synthesis import latent_space
  from cvae_jax.synthesis import note_codes

  if args.num < 1 or args.steps < 2:
    raise errors.UserError(f"--num must be 1 or more and --steps 2, got {args.num}, {args.steps}")
  synth = run_flags.load_run(args)
  if args.num > synth.method.code_size:
    raise errors.UserError(
      f"--num must be at most {synth.method.code_size}, the dimensions of a code; got {args.num}"
    )
  if args.input is None:
    drawn = synth.draw_labels(1, args.seed, **run_flags.asked_labels(args))
    code = latent_space.draw_code(synth, drawn, args.seed, temperature=0.0, count=1)
    point = latent_space.Point(code, drawn)
  else:
    point = latent_space.encode(synth, reconstruct.read_example(synth, args.input), seed=args.seed)
    point = latent_space.relabel(synth, point, **run_flags.asked_labels(args))
  codes = note_codes.encode_notes(synth, pipeline.open_data(synth.config.data).train)
  dimensions = note_codes.widest_dimensions(codes, args.num)
  mean, deviation = (x[dimensions] for x in note_codes.spread(codes.code))
  offsets = np.linspace(-args.span, args.span, args.steps)
  values = mean[:, None] + deviation[:, None] * offsets
  points = latent_space.traverse(point, dimensions, values)
  examples = latent_space.decode(synth, points, args.seed)
  examples = examples.reshape(len(dimensions), args.steps, *synth.form.shape)
  for dimension, versions in zip(dimensions, examples, strict=True):
    _write_joined(synth, os.path.join(args.out, f"dimension-{dimension:03d}.wav"), versions)
  path = os.path.join(args.out, "traversal.png")
  rows = [(f"dimension {d}", list(x)) for d, x in zip(dimensions, examples, strict=True)]
  columns = [f"{offset:+.1f} deviations" for offset in offsets]
  drawing.write_png(path, synth.form.draw(rows, columns))
  _log.info("%s", path)


def main(argv: list[str] | None = None) -> None:
  """Runs the command that the arguments name."""
  parser = cli.Parser(
    prog="python -m cvae_jax.explore",
    description=__doc__,
    formatter_class=argparse.RawDescriptionHelpFormatter,
  )
  vocabulary = run_flags.find_vocabulary(argv)
  commands = parser.add_subparsers(required=True, metavar="COMMAND")
  settings = cli.Parser(add_help=False)
  run_flags.add_run(settings)
  settings.add_argument(
    "--seed", type=run_flags.SEED, default=0, help="the same one gives the same samples"
  )

  one = commands.add_parser("interpolate", parents=[settings], help="from one note to another")
  one.add_argument("a", help="recording that it begins with")
  one.add_argument("b", help="recording that it ends with")
  one.add_argument(
    "--steps",
    type=flag_types.whole(most=1000),
    default=8,
    help="notes, both ends among them (default 8)",
  )
  one.add_argument("--path", default="spherical", help="of the codes: linear, spherical (default)")
  one.add_argument("--part", default="both", help="that goes over: code, labels, both (default)")
  one.add_argument("--join", action="store_true", help="write one WAV of all")
  one.add_argument("--out", default="out", help="directory of the WAVs (default out)")
  one.set_defaults(run=interpolate)

  one = commands.add_parser("convert", parents=[settings], help="a note as another one")
  one.add_argument("input", help="recording")
  one.add_argument("output", help="to write: .wav, .flac, .ogg, .mp3 or .aiff; .mid of scores")
  one.add_argument(
    "--semitones", type=flag_types.real(-127, 127), default=0.0, help="to move the pitch by"
  )
  one.add_argument("--attribute", action="append", default=[], metavar="NAME:AMOUNT",
                   help="a name of a label to move along, as bright:1.5")  # fmt: skip
  run_flags.add_labels(one, vocabulary)
  one.set_defaults(run=convert)

  one = commands.add_parser("neighbours", parents=[settings], help="training notes that are near")
  one.add_argument("input", help="recording")
  one.add_argument("--num", type=flag_types.whole(), default=5, help="how many (default 5)")
  one.set_defaults(run=neighbours)

  one = commands.add_parser("traverse", parents=[settings], help="along dimensions of z")
  one.add_argument("input", nargs="?", help="recording; the prior's middle without one")
  one.add_argument(
    "--num",
    type=flag_types.whole(most=1000),
    default=4,
    help="dimensions, the widest first (default 4)",
  )
  one.add_argument(
    "--steps", type=flag_types.whole(most=1000), default=5, help="notes of each (default 5)"
  )
  one.add_argument(
    "--span",
    type=flag_types.real(-100, 100),
    default=2.0,
    help="to either side, in deviations of codes (default 2)",
  )
  one.add_argument("--out", default="out", help="directory of what is written (default out)")
  run_flags.add_labels(one, vocabulary)
  one.set_defaults(run=traverse)

  args = parser.parse_args(argv)
  if hasattr(args, "out"):
    outputs.check_directory(args.out)
  if hasattr(args, "output"):
    from cvae_jax.audio import files

    files.check_output(args.output)
  args.run(args)


if __name__ == "__main__":
  cli.run(main)
