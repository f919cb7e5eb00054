"""Exports a sampler instrument, a drum kit, or a run's decoder as a program for other runtimes.

    python -m cvae_jax.export --workdir=runs/cvae --family=organ --seed=3 --out=organ/
    python -m cvae_jax.export --workdir=runs/drums --format=hydrogen --seed=3 --out=kit/
    python -m cvae_jax.export --workdir=runs/cvae --format=stablehlo --out=decoder.stablehlo
    python -m cvae_jax.export --workdir=runs/rave --format=onnx --block=2048 --out=step.onnx

`--format=sfz` (the default) writes NAME.sfz and its looped samples, for samplers that read SFZ,
such as the free sforzando and sfizz. `--format=sf2` writes a soundfont, for FluidSynth and others;
`--format=wav` writes only the samples. A run of drums makes a kit instead, of sixteen keys of
General MIDI's percussion: as SFZ, as WAVs, or as a drumkit of Hydrogen with `--format=hydrogen`.
`--format=stablehlo` and `--format=onnx` write the decoder, from z and labels to waveforms, or with
`--block` a step of a run that streams: see `portable.py`.
"""

import argparse
import logging
import os
from typing import TYPE_CHECKING

from cvae_jax import play
from cvae_jax.core import atomic
from cvae_jax.core import cli
from cvae_jax.core import errors
from cvae_jax.core import flag_types
from cvae_jax.core import outputs
from cvae_jax.core import run_flags
from cvae_jax.data import vocabulary as vocabulary_lib

if TYPE_CHECKING:
  from cvae_jax.synthesis import synthesizer

_log = logging.getLogger("cvae_jax.export")  # Also when run as __main__.

_PROGRAMS = ("stablehlo", "onnx")


def parse_pitches(text: str) -> list[int]:
  """Parses a range of pitches: 36-84, or 36-84:3 for every third key.

  Raises:
    UserError: if the text is not such a range.
  """
  keys, _, step = text.partition(":")
  low, _, high = keys.partition("-")
  try:
    first, last, by = int(low), int(high or low), int(step or 1)
  except ValueError:
    raise errors.UserError(
      f"--pitches must be a range such as 36-84 or 36-84:3, got {text}"
    ) from None
  if not (0 <= first <= last <= 127 and by > 0):
    raise errors.UserError(f"--pitches must be an increasing range within 0-127, got {text}")
  return list(range(first, last + 1, by))


def parse_velocities(text: str) -> list[int]:
  """Parses a list of velocities: 50,100,127.

  Raises:
    UserError: if the text is not such a list.
  """
  try:
    velocities = sorted({int(v) for v in text.split(",")})
  except ValueError:
    raise errors.UserError(f"--velocities must be numbers such as 50,100,127, got {text}") from None
  if not 1 <= velocities[0] <= velocities[-1] <= 127:  # Velocity 0 means note-off.
    raise errors.UserError(f"--velocities must be 1 to 127, got {text}")
  return velocities


def write_program(args: argparse.Namespace) -> None:
  """Exports the decoder to the file --out."""
  from cvae_jax.synthesis import portable

  path = args.out if os.path.splitext(args.out)[1] else f"{args.out}.{args.format}"
  outputs.check_file(path, "--out")
  synth = run_flags.load_run(args)
  if args.block is None:
    program = portable.make_program(synth, args.seed)
  else:
    program = portable.make_stream_program(synth, args.block, args.seed)
  serialise = portable.to_onnx if args.format == "onnx" else portable.to_stablehlo
  with atomic.open_file(path, "wb") as f:
    f.write(serialise(program, args.batch))
  inputs = ", ".join(
    f"{name} {[args.batch, *shape]}"
    for name, shape in zip(program.inputs, program.shapes, strict=True)
  )
  state = program.state(args.batch)
  what = f"; the number of the block; {len(state)} arrays of state, zeros at first" if state else ""
  _log.info("%s: from %s%s", path, inputs, what)


def write_instrument(args: argparse.Namespace) -> None:
  """Exports an instrument to the directory --out."""
  velocities = parse_velocities("127" if args.velocities is None else args.velocities)
  pitches = None if args.pitches is None else parse_pitches(args.pitches)
  outputs.check_directory(args.out)
  title = os.path.basename(os.path.abspath(args.out))
  ending = "h2drumkit" if args.format == "hydrogen" else args.format
  outputs.check_file(os.path.join(args.out, f"{title}.{ending}"), "--out")

  from cvae_jax.synthesis import drum_kit
  from cvae_jax.synthesis import formats
  from cvae_jax.synthesis import instrument

  synth = run_flags.load_run(args)
  if drum_kit.is_drums(synth):
    write_kit(args, synth, title)
    return
  if args.format not in play.FORMATS:
    drum_kit.check(synth, f"--format={args.format}")
  instrument.check(synth)
  if pitches is None:
    trained_pitches = synth.table.known("pitch")
    pitches = list(range(int(trained_pitches.min()), int(trained_pitches.max()) + 1))
  labels = run_flags.asked_labels(args)
  keys = instrument.make_instrument(
    synth, pitches, velocities, args.seed, args.temperature, **labels
  )
  for name, body in formats.pack(keys, args.format, synth.sample_rate, title).items():
    with atomic.open_file(os.path.join(args.out, name), "wb") as f:
      f.write(body)
  looped = sum(key.loop is not None for key in keys)
  _log.info("%s: %d samples, %d with a loop", args.out, len(keys), looped)
  if args.format != "wav":
    _log.info("%s", os.path.join(args.out, f"{title}.{args.format}"))


def write_kit(args: argparse.Namespace, synth: "synthesizer.Synthesizer", title: str) -> None:
  """Exports a kit of a run of drums to the directory --out."""
  from cvae_jax.synthesis import drum_kit
  from cvae_jax.synthesis import kit_formats

  if args.format not in play.KIT_FORMATS:
    known = ", ".join(play.KIT_FORMATS)
    raise errors.UserError(
      f"a run of drums makes kits: --format must be one of {known}, got {args.format}"
    )
  for flag in ("pitches", "velocities"):
    if getattr(args, flag) is not None:
      raise errors.UserError(f"--{flag} is of runs with a pitch: this one makes drums")
  labels = run_flags.asked_labels(args)
  hits = drum_kit.make_kit(synth, None, args.seed, args.temperature, **labels)
  packed = kit_formats.pack(hits, args.format, synth.sample_rate, title)
  for name, body in packed.items():
    with atomic.open_file(os.path.join(args.out, name), "wb") as f:
      f.write(body)
  kit_file = next((name for name in packed if not name.endswith(".wav")), "")
  _log.info("%s: %d drums", os.path.join(args.out, kit_file), len(hits))


def main(argv: list[str] | None = None) -> None:
  """Exports an instrument, a kit or a program."""
  parser = cli.Parser(
    prog="python -m cvae_jax.export",
    description=__doc__,
    formatter_class=argparse.RawDescriptionHelpFormatter,
  )
  run_flags.add_run(parser)
  parser.add_argument(
    "--format",
    default="sfz",
    help="sfz (default), sf2, wav, of a run of drums hydrogen; stablehlo, onnx",
  )
  parser.add_argument(
    "--out", default="instrument", help="directory of an instrument or a kit, or file of a program"
  )
  parser.add_argument("--pitches", help="36-84 or 36-84:3; the training range by default")
  parser.add_argument("--velocities", help="of the velocity layers, such as 50,127 (default 127)")
  run_flags.add_draw(parser)
  parser.add_argument(
    "--batch",
    type=flag_types.whole(most=4096),
    default=1,
    help="batch size of a program (default 1)",
  )
  parser.add_argument(
    "--block",
    type=flag_types.whole(1, 1 << 20),
    help="samples of a block: the program is a step of a run that streams (configs/rave.py)",
  )
  excluded_labels = (vocabulary_lib.PITCH, vocabulary_lib.VELOCITY)
  run_flags.add_labels(parser, run_flags.find_vocabulary(argv), excluded_labels)
  args = parser.parse_args(argv)
  all_formats = (*dict.fromkeys((*play.FORMATS, *play.KIT_FORMATS)), *_PROGRAMS)
  if args.format not in all_formats:
    raise errors.UserError(f"--format must be one of {', '.join(all_formats)}, got {args.format}")
  if args.block is not None and args.format not in _PROGRAMS:
    raise errors.UserError("--block is of programs: it needs --format=stablehlo or onnx")
  if args.batch < 1:
    raise errors.UserError(f"--batch must be 1 or more, got {args.batch}")
  (write_program if args.format in _PROGRAMS else write_instrument)(args)


if __name__ == "__main__":
  cli.run(main)
