"""Sends a recording, or a MIDI file, through a trained run and back.

python -m cvae_jax.reconstruct --workdir=runs/cvae in.wav out.wav
"""

from collections.abc import Sequence
import logging
from typing import TYPE_CHECKING

import numpy as np

from cvae_jax.core import cli
from cvae_jax.core import run_flags
from cvae_jax.data import forms

if TYPE_CHECKING:
  from cvae_jax.synthesis.synthesizer import Synthesizer

_log = logging.getLogger("cvae_jax.reconstruct")  # Also as __main__.


def read_example(synth: "Synthesizer", path: str, untold: Sequence[str] = ()) -> np.ndarray:
  """A file as an example of a run's form; what had to be done to it is logged.

  Args:
    synth: the run.
    path: of the file.
    untold: what is not worth a line.

  Raises:
    UserError: a file that cannot be read.
  """
  example, changes = synth.form.read(path)
  for change in (x for x in changes if x not in untold):
    _log.info("%s: %s", path, change)
  return example


def main(argv: list[str] | None = None) -> None:
  """Reconstructs what the arguments name."""
  parser = cli.Parser(
    prog="python -m cvae_jax.reconstruct",
    description="Encodes a recording and decodes it again. Labels that a conditional run needs "
    "and that are not given are inferred by the run itself: those that make it likeliest.",
  )
  run_flags.add_run(parser)
  parser.add_argument("--seed", type=run_flags.SEED, default=0, help="of the phases' recovery")
  parser.add_argument("input", help="audio of any format, rate, length and channel count; or MIDI")
  parser.add_argument(
    "output", help="to write: .wav, .flac, .ogg, .mp3 or .aiff, at the run's rate; .mid of scores"
  )
  run_flags.add_labels(parser, run_flags.find_vocabulary(argv))
  args = parser.parse_args(argv)
  run_flags.load_form(args).check_output(args.output)

  synth = run_flags.load_run(args)
  form = synth.form
  # A run of excerpts makes all of the file.
  excerpt = form if isinstance(form, forms.Waveform) and form.is_excerpt else None
  original = read_example(synth, args.input, ("cut",) if excerpt else ())
  found = synth.infer_labels(original, args.seed, **run_flags.asked_labels(args))
  if excerpt:
    from cvae_jax.synthesis import passages

    seconds = passages.reconstruct_file(synth, args.input, args.output, found, args.seed)
    _log.info("all %.1f s of it, by excerpts of %.2f s", seconds, excerpt.duration_s)
  else:
    form.write(args.output, synth.reconstruct(original, found, args.seed))
  if synth.conditions:
    shown = [
      f"{name} {synth.vocabulary.get(name).text_of(found[name][0])}" for name in synth.conditions
    ]
    _log.info("as %s", ", ".join(shown))
  _log.info("%s", args.output)


if __name__ == "__main__":
  cli.run(main)
