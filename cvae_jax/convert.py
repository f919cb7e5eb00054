"""Plays a recording on a run: its pitch and loudness with the run's timbre, or its latents.

python -m cvae_jax.convert in.wav out.wav --workdir=pretrained:violin
"""

import argparse
import logging
from typing import TYPE_CHECKING

from cvae_jax.core import cli
from cvae_jax.core import errors
from cvae_jax.core import flag_types
from cvae_jax.core import run_flags

if TYPE_CHECKING:
  from cvae_jax.synthesis import synthesizer

_BY_PITCH = ("semitones", "match_loudness", "dry", "like")
_BY_LATENTS = ("bias", "scale", "curve", "fidelity", "noise")
_log = logging.getLogger("cvae_jax.convert")  # Also when run as __main__.


def main(argv: list[str] | None = None) -> None:
  """Converts a file."""
  parser = cli.Parser(
    prog="python -m cvae_jax.convert",
    description="Plays a recording's pitch and loudness on a run's instrument, if it is one "
    "played by them (configs/ddsp.py, ddsp_solo.py, ddsp_vae.py). Register and loudness are moved "
    "to where the instrument was trained. A run that streams (configs/rave.py) codes and decodes "
    "it, block by block; its latents can be moved.",
  )
  run_flags.add_run(parser)
  parser.add_argument(
    "input", help="audio file of any format, sample rate, length and number of channels"
  )
  parser.add_argument(
    "output", help="output file: .wav, .flac, .ogg, .mp3 or .aiff; mono, at the run's sample rate"
  )
  by_pitch = parser.add_argument_group("runs that are played by pitch and loudness")
  by_pitch.add_argument(
    "--semitones",
    type=flag_types.real(-120, 120),
    help="to transpose by; without it by the octaves that fit the instrument",
  )
  by_pitch.add_argument(
    "--match-loudness",
    action="store_true",
    help="give the dynamics the range of the training examples, too",
  )
  by_pitch.add_argument(
    "--dry", action="store_true", help="without the room that the run has learnt, if it has one"
  )
  by_pitch.add_argument("--like", help="audio file whose timbre is taken, by a run of many timbres")
  by_latents = parser.add_argument_group("runs that stream latents")
  by_latents.add_argument(
    "--bias", type=flag_types.numbered, action="append", default=[], metavar="DIMENSION:NUMBER",
    help="added to a dimension, 0 being that of the largest variance; may be repeated",
  )  # fmt: skip
  by_latents.add_argument(
    "--scale", type=flag_types.numbered, action="append", default=[], metavar="DIMENSION:NUMBER",
    help="times which a dimension is taken, before the bias; may be repeated",
  )  # fmt: skip
  by_latents.add_argument(
    "--curve", type=flag_types.curve, action="append", default=[],
    metavar="DIMENSION:SECONDS=NUMBER,...",
    help="added to a dimension over time, in lines between points: 0:0=-2,4=2; may be repeated",
  )  # fmt: skip
  by_latents.add_argument(
    "--fidelity", type=flag_types.real(0.01, 1.0),
    help="share of the latents' variance that is kept, the rest is drawn (default: the run's)",
  )  # fmt: skip
  by_latents.add_argument(
    "--noise", action="store_true", help="draw latents of their posteriors; without it, the means"
  )
  run_flags.add_draw(parser)
  run_flags.add_labels(parser, run_flags.find_vocabulary(argv))
  args = parser.parse_args(argv)
  run_flags.load_form(args).check_output(args.output)

  synth = run_flags.load_run(args)
  refuse_others(parser, args, synth)
  if synth.method.streamer is not None:
    convert_latents(args, synth)
  else:
    convert_melody(args, synth)
  _log.info("%s", args.output)


def refuse_others(
  parser: argparse.ArgumentParser, args: argparse.Namespace, synth: "synthesizer.Synthesizer"
) -> None:
  """Raises UserError for flags of another kind of run."""
  is_stream = synth.method.streamer is not None
  others = _BY_PITCH if is_stream else _BY_LATENTS
  given = [name for name in others if getattr(args, name) != parser.get_default(name)]
  if given:
    kind = "streams latents" if is_stream else "has no latents that are streamed"
    flag = given[0].replace("_", "-")
    raise errors.UserError(f"--{flag} means nothing to this run, which {kind}")


def convert_latents(args: argparse.Namespace, synth: "synthesizer.Synthesizer") -> None:
  """Converts by a run that streams."""
  from cvae_jax.synthesis import latent_conversion
  from cvae_jax.synthesis import latent_streams

  streamer = latent_streams.need_streamer(synth, "convert")
  if args.fidelity is not None:
    if not streamer.is_analysed(synth.params):
      raise errors.UserError(
        f"--fidelity needs the analysis of the latents, and step {synth.step} of {args.workdir} is "
        "from before it: train the run to its end, or name no --step"
      )
    synth = synth.with_fields({"method.fidelity": args.fidelity})
  change = latent_conversion.make_change(streamer.latent_dim, args.scale, args.bias)
  curves = [latent_conversion.Curve(*curve) for curve in args.curve]
  seconds = latent_conversion.convert_file(
    synth, args.input, args.output, change, args.noise, args.seed, curves
  )
  heard = streamer.count_heard(synth.params, synth.config.method.fidelity)
  _log.info("%.1f s by %d of %d dimensions", seconds, heard, streamer.latent_dim)


def convert_melody(args: argparse.Namespace, synth: "synthesizer.Synthesizer") -> None:
  """Converts by a run that is played by pitch and loudness."""
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


if __name__ == "__main__":
  cli.run(main)
