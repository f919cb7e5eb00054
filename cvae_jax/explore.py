"""Latent-space operations of a trained run: interpolation, timbre transfer, neighbours, traversal.

python -m cvae_jax.explore interpolate --workdir=runs/cvae a.wav b.wav --steps=8 --out=out/
python -m cvae_jax.explore convert --workdir=runs/cvae in.wav out.wav --family=flute --semitones=7
python -m cvae_jax.explore convert --workdir=runs/cvae in.wav out.wav --attribute=bright:1.5
python -m cvae_jax.explore neighbours --workdir=runs/cvae in.wav --num=5
python -m cvae_jax.explore traverse --workdir=runs/cvae --pitch=60 --family=organ --out=out/

Of a run that streams (configs/rave.py) recordings are of any length: `interpolate --join` goes from
one to the other over time, `traverse` moves one latent after the other over time.
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
from cvae_jax.core import score_flags
from cvae_jax.data import forms
from cvae_jax.evaluation import drawing

_log = logging.getLogger("cvae_jax.explore")  # Also when run as __main__.


def interpolate(args: argparse.Namespace) -> None:
  """Writes interpolations between two recordings, as separate files or as one WAV."""
  from cvae_jax.synthesis import latent_space

  synth = run_flags.load_run(args)
  play = score_flags.make_player(args, synth.form, args.seed)
  if synth.method.streamer is not None:
    from cvae_jax.synthesis import stream_exploration

    _refuse_flags(args, "path", "part")
    _log_paths(
      stream_exploration.interpolate(
        synth, (args.a, args.b), args.out, args.steps, args.join, args.seed
      )
    )
    return
  a, b = (
    latent_space.encode(synth, reconstruct.read_example(synth, path), seed=args.seed)
    for path in (args.a, args.b)
  )
  path, part = args.path or "spherical", args.part or "both"
  points = latent_space.interpolate(synth, a, b, args.steps, path, part)
  examples = latent_space.decode(synth, points, args.seed)
  if args.join and isinstance(synth.form, forms.Score):
    _write(synth, os.path.join(args.out, "interpolation.mid"), examples, play)
    return
  if args.join:
    _write_joined(synth, os.path.join(args.out, "interpolation.wav"), examples)
    return
  for i, example in enumerate(examples):
    path = os.path.join(args.out, f"step-{i:02d}{synth.form.suffix}")
    _write(synth, path, [example], play)


def _refuse_flags(args: argparse.Namespace, *names: str) -> None:
  """Raises UserError for flags that mean nothing to a run that streams."""
  for name in names:
    if getattr(args, name) is not None:
      raise errors.UserError(f"--{name} means nothing to this run, which streams latents")


def _log_paths(paths) -> None:
  """Says which files were written."""
  for path in paths:
    _log.info("%s", path)


def _write(synth, path, examples, play) -> None:
  """Writes scores, one after the other, as MIDI and audio, or a sound."""
  if isinstance(synth.form, forms.Score):
    _log_paths(score_flags.write(synth.form, path, synth.form.join(examples), play))
    return
  (example,) = examples
  synth.form.write(path, example)
  _log.info("%s", path)


def _write_joined(synth, path, examples) -> None:
  """Writes examples, rendered and concatenated, as one WAV."""
  from cvae_jax.audio import files

  rendered = [synth.form.hear(example) for example in examples]
  files.write_wav(path, np.concatenate([audio for audio, _ in rendered]), rendered[0][1])
  _log.info("%s", path)


def _parse_attribute(text: str) -> tuple[str, float]:
  name, _, amount = text.partition(":")
  try:
    return name, flag_types.real(-1000, 1000)(amount or "1")
  except argparse.ArgumentTypeError as e:
    raise errors.UserError(
      f"--attribute must be NAME:AMOUNT, such as bright:1.5, got '{text}' ({e})"
    ) from None


def _find_attribute(synth, columns, name: str, others: tuple[str, ...] = ()) -> np.ndarray:
  """[M] bool: whether examples have an attribute, which is a flag or a name of a label.

  Others are the attributes that it might be as well, for the message.
  """
  for label in synth.vocabulary.labels:
    if name in label.names and not label.open_set:
      index = label.names.index(name)
      column = columns[label.name]
      return column[:, index] > 0 if column.ndim == 2 else column == index
  attributes = [*others, *(n for x in synth.vocabulary.labels if not x.open_set for n in x.names)]
  if not attributes:
    raise errors.UserError(f"attribute '{name}' is unknown: this run's examples have no attributes")
  raise errors.UserError(f"attribute must be one of {', '.join(attributes)}, got '{name}'")


def convert(args: argparse.Namespace) -> None:
  """Decodes a recording's code with other labels, or shifted along attribute vectors."""
  from cvae_jax.synthesis import latent_space

  shifts = [_parse_attribute(text) for text in args.attribute]
  synth = run_flags.load_run(args)
  play = score_flags.make_player(args, synth.form, args.seed)
  names = [name for name, _ in shifts]
  _check_attributes(synth, names)
  example = reconstruct.read_example(synth, args.input)
  point = latent_space.encode(synth, example, seed=args.seed)
  labels = run_flags.asked_labels(args)
  point = latent_space.relabel(synth, point, args.semitones, **labels)
  vectors = _find_vectors(synth, args.workdir, names) if shifts else {}
  for name, amount in shifts:
    point = point._replace(code=point.code + amount * vectors[name])
  converted = latent_space.decode(synth, point, args.seed)[0]
  _write(synth, args.output, [converted], play)


def _check_attributes(synth, names: list[str]) -> None:
  """Raises UserError for attributes that a run's examples do not have."""
  from cvae_jax.synthesis import score_attributes

  known = score_attributes.known(synth)
  for name in names:
    if name not in known:
      _find_attribute(synth, synth.table.columns, name, known)


def _find_vectors(synth, workdir: str, names: list[str]) -> dict[str, np.ndarray]:
  """Attribute vectors by name: of labels, and of what scores can be measured by."""
  from cvae_jax.synthesis import note_codes
  from cvae_jax.synthesis import score_attributes

  codes, known = _training_codes(synth, workdir), score_attributes.known(synth)
  measured = [name for name in names if name in known]
  # All codes are decoded for it: not for attributes that are labels.
  vectors = score_attributes.find_vectors(synth, codes, measured) if measured else {}
  for name in names:
    if name not in known:
      has = _find_attribute(synth, codes.labels(), name)
      vectors[name] = note_codes.attribute_vector(codes, has)
  return vectors


def _training_codes(synth, workdir: str):
  """Codes of training examples; of a packaged run, those of its map."""
  from cvae_jax.data import pipeline
  from cvae_jax.data import sources
  from cvae_jax.play import palette as palette_lib
  from cvae_jax.synthesis import note_codes
  from cvae_jax.training import packaged

  if not packaged.exists(workdir):
    return note_codes.encode_notes(synth, pipeline.open_data(synth.config.data).train)
  palette = palette_lib.get_palette(synth, workdir)
  if palette is None:
    raise errors.UserError(f"{workdir} is a packaged run without a map, {palette_lib.FILENAME}")
  code = palette.codes.reshape(-1, *(synth.method.code_shape or ()))
  source = sources.Labels(synth.form, synth.vocabulary, {**palette.labels, "id": palette.ids})
  return note_codes.Codes(code, np.arange(len(code)), source)


def neighbours(args: argparse.Namespace) -> None:
  """Prints the training notes whose codes are nearest to that of a recording."""
  from cvae_jax.synthesis import latent_space
  from cvae_jax.synthesis import note_codes

  if args.num < 1:
    raise errors.UserError(f"--num must be 1 or more, got {args.num}")
  synth = run_flags.load_run(args)
  point = latent_space.encode(synth, reconstruct.read_example(synth, args.input), seed=args.seed)
  codes = _training_codes(synth, args.workdir)
  indices, distances = note_codes.neighbours(codes, point.code[0], args.num)
  ids = codes.labels()["id"]
  for index, distance in zip(indices, distances, strict=True):
    _log.info("%8.3f  %s", distance, ids[index])


def traverse(args: argparse.Namespace) -> None:
  """Varies single dimensions of z: writes a WAV for each dimension, and a figure."""
  from cvae_jax.synthesis import latent_space
  from cvae_jax.synthesis import note_codes

  synth = run_flags.load_run(args)
  if synth.method.streamer is not None:
    from cvae_jax.synthesis import stream_exploration

    _refuse_flags(args, "steps")
    _log_paths(
      stream_exploration.traverse(synth, args.input, args.out, args.num, args.span, args.seed)
    )
    return
  steps = 5 if args.steps is None else args.steps
  if args.num < 1 or steps < 2:
    raise errors.UserError(f"--num must be 1 or more and --steps 2, got {args.num}, {steps}")
  if args.num > synth.method.code_size:
    raise errors.UserError(
      f"--num must be at most {synth.method.code_size}, the dimensions of a code, got {args.num}"
    )
  if args.input is None:
    drawn_labels = synth.draw_labels(1, args.seed, **run_flags.asked_labels(args))
    code = latent_space.draw_code(synth, drawn_labels, args.seed, temperature=0.0, count=1)
    point = latent_space.Point(code, drawn_labels)
  else:
    point = latent_space.encode(synth, reconstruct.read_example(synth, args.input), seed=args.seed)
    point = latent_space.relabel(synth, point, **run_flags.asked_labels(args))
  codes = _training_codes(synth, args.workdir)
  names = note_codes.main_dimensions(codes, args.num, synth.method)
  dimensions = np.asarray(list(names))
  mean, deviation = (x[dimensions] for x in note_codes.spread(codes.code))
  offsets = np.linspace(-args.span, args.span, steps)
  values = mean[:, None] + deviation[:, None] * offsets
  points = latent_space.traverse(point, dimensions, values)
  examples = latent_space.decode(synth, points, args.seed)
  examples = examples.reshape(len(dimensions), steps, *synth.form.shape)
  for dimension, versions in zip(dimensions, examples, strict=True):
    _write_joined(synth, os.path.join(args.out, f"dimension-{dimension:03d}.wav"), versions)
  path = os.path.join(args.out, "traversal.png")
  rows = list(zip(names.values(), map(list, examples), strict=True))
  columns = [f"{offset:+.1f} deviations" for offset in offsets]
  drawing.write_png(path, synth.form.draw(rows, columns))
  _log.info("%s", path)


def main(argv: list[str] | None = None) -> None:
  """Runs a sub-command."""
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
    "--seed", type=run_flags.SEED, default=0, help="the same seed gives the same samples"
  )

  command = commands.add_parser(
    "interpolate", parents=[settings], help="interpolates between two notes"
  )
  command.add_argument("a", help="first recording, or MIDI file")
  command.add_argument("b", help="last recording, or MIDI file")
  command.add_argument(
    "--steps",
    type=flag_types.whole(most=1000),
    default=8,
    help="number of notes, both ends included (default 8)",
  )
  command.add_argument(
    "--path", help="path of the codes: linear, spherical (default); linear of runs that stream"
  )
  command.add_argument("--part", help="what is interpolated: code, labels, both (default)")
  command.add_argument(
    "--join",
    action="store_true",
    help="write a single WAV, or MIDI file; a stream goes from a to b over time",
  )
  score_flags.add(command)
  command.add_argument("--out", default="out", help="directory of the WAVs (default out)")
  command.set_defaults(run=interpolate)

  command = commands.add_parser("convert", parents=[settings], help="changes the labels of a note")
  command.add_argument("input", help="recording")
  command.add_argument(
    "output", help="output file: .wav, .flac, .ogg, .mp3 or .aiff; .mid for scores"
  )
  command.add_argument(
    "--semitones", type=flag_types.real(-127, 127), default=0.0, help="pitch shift"
  )
  command.add_argument("--attribute", action="append", default=[], metavar="NAME:AMOUNT",
                   help="shifts the code along an attribute, such as bright:1.5; of scores "
                   "density:1 or interval:-1")  # fmt: skip
  score_flags.add(command)
  run_flags.add_labels(command, vocabulary)
  command.set_defaults(run=convert)

  command = commands.add_parser(
    "neighbours", parents=[settings], help="finds the nearest training notes"
  )
  command.add_argument("input", help="recording")
  command.add_argument(
    "--num", type=flag_types.whole(), default=5, help="number of neighbours (default 5)"
  )
  command.set_defaults(run=neighbours)

  command = commands.add_parser("traverse", parents=[settings], help="varies dimensions of z")
  command.add_argument("input", nargs="?", help="recording (default: the mode of the prior)")
  command.add_argument(
    "--num",
    type=flag_types.whole(most=1000),
    default=4,
    help="number of dimensions: those with a meaning, then the widest (default 4)",
  )
  command.add_argument(
    "--steps", type=flag_types.whole(most=1000), help="notes per dimension (default 5)"
  )
  command.add_argument(
    "--span",
    type=flag_types.real(-100, 100),
    default=2.0,
    help="range on both sides, in standard deviations of codes, of a stream's prior (default 2)",
  )
  command.add_argument("--out", default="out", help="output directory (default out)")
  run_flags.add_labels(command, vocabulary)
  command.set_defaults(run=traverse)

  args = parser.parse_args(argv)
  if hasattr(args, "out"):
    outputs.check_directory(args.out)
  if hasattr(args, "output"):
    run_flags.load_form(args).check_output(args.output)
  args.run(args)


if __name__ == "__main__":
  cli.run(main)
