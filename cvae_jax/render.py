"""Renders a MIDI file with a run's notes.

python -m cvae_jax.render song.mid song.wav --workdir=runs/cvae
python -m cvae_jax.render song.mid song.wav --workdir=runs/cvae --map=0:organ,40:flute
"""

import logging

from cvae_jax.core import cli
from cvae_jax.core import errors
from cvae_jax.core import flag_types
from cvae_jax.core import run_flags

_log = logging.getLogger("cvae_jax.render")  # Also when run as __main__.


def parse_map(text: str) -> dict[int, str]:
  """Parses a map from programs to families: 0:organ,40:flute.

  Raises:
    UserError: if the text is not such a map, or a family is unknown.
  """
  from cvae_jax.data import labels

  mapped = {}
  for part in filter(None, text.split(",")):
    program, _, family = part.partition(":")
    if not program.isdecimal() or int(program) > 127 or not family:
      raise errors.UserError(f"--map must be PROGRAM:FAMILY, such as 0:organ,40:flute, got {part}")
    labels.index_of(family, labels.FAMILIES, "family")
    mapped[int(program)] = family
  return mapped


def main(argv: list[str] | None = None) -> None:
  """Renders a file."""
  parser = cli.Parser(prog="python -m cvae_jax.render", description=__doc__)
  parser.add_argument("input", help="MIDI file")
  parser.add_argument(
    "output", help="output file: .wav, .flac, .ogg, .mp3 or .aiff; mono, at the run's sample rate"
  )
  run_flags.add_run(parser)
  parser.add_argument("--map", default="", help="families by program: 0:organ,40:flute")
  parser.add_argument(
    "--vibrato",
    type=flag_types.real(0, 200),
    default=15.0,
    metavar="CENTS",
    help="depth in long notes, of a run that is played by f0 and loudness, where the file has no "
    "pitch bend and no modulation (default 15)",
  )
  run_flags.add_draw(parser)
  args = parser.parse_args(argv)
  mapped = parse_map(args.map)

  from cvae_jax.audio import files
  from cvae_jax.scores import expression
  from cvae_jax.scores import midi
  from cvae_jax.synthesis import performance
  from cvae_jax.synthesis import rendering

  files.check_output(args.output)
  notes = midi.read_notes(args.input)
  synth = run_flags.load_run(args)
  if synth.method.performer is None:
    audio = rendering.render(synth, notes, mapped, args.seed, args.temperature)
  else:
    parts, style = expression.read_parts(args.input), performance.Style(args.vibrato)
    audio = performance.perform(synth, parts, mapped, args.seed, args.temperature, style)
  files.write_wav(args.output, audio, synth.sample_rate)
  _log.info("%s: %d notes, %.1f s", args.output, len(notes), audio.size / synth.sample_rate)


if __name__ == "__main__":
  cli.run(main)
