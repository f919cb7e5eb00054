"""Renders a MIDI file with a run's notes, or its percussion with a run's drums.

python -m cvae_jax.render song.mid song.wav --workdir=runs/cvae
python -m cvae_jax.render song.mid song.wav --workdir=runs/cvae --map=0:organ,40:flute
python -m cvae_jax.render beat.mid beat.wav --workdir=runs/drums
python -m cvae_jax.render song.mid song.wav --workdir=runs/cvae --drums=runs/drums
"""

import argparse
import logging
from typing import TYPE_CHECKING

import numpy as np

from cvae_jax.core import cli
from cvae_jax.core import errors
from cvae_jax.core import flag_types
from cvae_jax.core import run_flags

if TYPE_CHECKING:
  from cvae_jax.synthesis import synthesizer

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


def _render_drums(args, synth) -> tuple[np.ndarray, int]:
  """The percussion of the file by a run of drums, at its own level; the number of strokes."""
  from cvae_jax.scores import midi
  from cvae_jax.synthesis import score_audio

  notes = midi.read_percussion(args.input)
  return score_audio.render_drums(synth, notes, args.seed, args.temperature)


def _render_notes(args, synth, mapped) -> np.ndarray:
  """The notes of the file other than percussion."""
  from cvae_jax.scores import expression
  from cvae_jax.scores import midi
  from cvae_jax.synthesis import performance
  from cvae_jax.synthesis import rendering

  notes = midi.read_notes(args.input)
  if synth.method.performer is None:
    audio = rendering.render(synth, notes, mapped, args.seed, args.temperature)
  else:
    parts, style = expression.read_parts(args.input), performance.Style(args.vibrato)
    audio = performance.perform(synth, parts, mapped, args.seed, args.temperature, style)
  return audio


def _load_drums(args) -> "synthesizer.Synthesizer":
  """The run that --drums names."""
  from cvae_jax.synthesis import drum_kit
  from cvae_jax.synthesis import synthesizer

  drum_synth = synthesizer.load(args.drums)
  drum_kit.check(drum_synth, "--drums")
  return drum_synth


def main(argv: list[str] | None = None) -> None:
  """Renders a file."""
  parser = cli.Parser(
    prog="python -m cvae_jax.render",
    description=__doc__,
    formatter_class=argparse.RawDescriptionHelpFormatter,
  )
  parser.add_argument("input", help="MIDI file")
  parser.add_argument(
    "output", help="output file: .wav, .flac, .ogg, .mp3 or .aiff; mono, at the run's sample rate"
  )
  run_flags.add_run(parser)
  parser.add_argument("--map", default="", help="families by program: 0:organ,40:flute")
  parser.add_argument("--drums", help="workdir of a run of drums, which plays the percussion")
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
  from cvae_jax.scores import midi
  from cvae_jax.synthesis import drum_kit
  from cvae_jax.synthesis import rendering
  from cvae_jax.synthesis import score_audio

  files.check_output(args.output)
  num_notes = midi.count_notes(args.input)
  synth = run_flags.load_run(args)
  if drum_kit.is_drums(synth):
    if args.drums or mapped:
      flag = "--drums" if args.drums else "--map"
      raise errors.UserError(f"{flag} is of runs of notes: the run of --workdir plays percussion")
    audio, num_strokes = _render_drums(args, synth)
    if num_notes:
      _log.info("%d notes of other channels are left out: this run makes drums", num_notes)
    what = f"{num_strokes} strokes"
  else:
    what = f"{num_notes} notes"
    drum_synth = _load_drums(args) if args.drums else None
    beat = None if drum_synth is None else _render_drums(args, drum_synth)
    audio = _render_notes(args, synth, mapped)
    if drum_synth is not None and beat is not None:
      audio = score_audio.mix(audio, synth.sample_rate, beat[0], drum_synth.sample_rate)
      what += f" and {beat[1]} strokes"
  files.write_wav(args.output, rendering.limit_peak(audio), synth.sample_rate)
  _log.info("%s: %s, %.1f s", args.output, what, audio.size / synth.sample_rate)


if __name__ == "__main__":
  cli.run(main)
