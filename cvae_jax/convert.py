"""Plays a recording on another instrument: its pitch and loudness, the run's timbre.

python -m cvae_jax.convert in.wav out.wav --workdir=pretrained:violin
"""

import logging

from cvae_jax.core import cli
from cvae_jax.core import flag_types
from cvae_jax.core import run_flags

_log = logging.getLogger("cvae_jax.convert")  # Also when run as __main__.


def main(argv: list[str] | None = None) -> None:
  """Converts a file."""
  parser = cli.Parser(
    prog="python -m cvae_jax.convert",
    description="Plays a recording's pitch and loudness on a run's instrument, if it is one "
    "played by them (configs/ddsp.py, ddsp_solo.py, ddsp_vae.py). Register and loudness are moved "
    "to where the instrument was trained.",
  )
  run_flags.add_run(parser)
  parser.add_argument(
    "input", help="audio file of any format, sample rate, length and number of channels"
  )
  parser.add_argument(
    "output", help="output file: .wav, .flac, .ogg, .mp3 or .aiff; mono, at the run's sample rate"
  )
  parser.add_argument(
    "--semitones",
    type=flag_types.real(-120, 120),
    help="to transpose by; without it by the octaves that fit the instrument",
  )
  parser.add_argument(
    "--match-loudness",
    action="store_true",
    help="give the dynamics the range of the training examples, too",
  )
  parser.add_argument(
    "--dry", action="store_true", help="without the room that the run has learnt, if it has one"
  )
  parser.add_argument("--like", help="audio file whose timbre is taken, by a run of many timbres")
  run_flags.add_draw(parser)
  run_flags.add_labels(parser, run_flags.find_vocabulary(argv))
  args = parser.parse_args(argv)
  run_flags.load_form(args).check_output(args.output)

  synth = run_flags.load_run(args)

  from cvae_jax.reconstruct import read_example
  from cvae_jax.synthesis import conversion

  conversion.need_performer(synth, "convert")
  like = None if args.like is None else read_example(synth, args.like)
  converted = conversion.convert_file(
    synth,
    args.input,
    args.output,
    args.semitones,
    args.match_loudness,
    run_flags.asked_labels(args),
    like,
    args.seed,
    args.temperature,
    not args.dry,
  )
  note = conversion.warning(converted.summary)
  if note is not None:
    _log.warning("%s: %s", args.input, note)
  _log.info(
    "%.1f s, transposed by %+g semitones, median pitch %.1f",
    converted.duration_s,
    converted.adaptation.semitones,
    converted.summary.pitch + converted.adaptation.semitones,
  )
  _log.info("%s", args.output)


if __name__ == "__main__":
  cli.run(main)
