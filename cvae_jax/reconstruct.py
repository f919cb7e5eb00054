"""Sends a recording through a trained run and back.

python -m cvae_jax.reconstruct --workdir=runs/cvae in.wav out.wav
"""

import logging

import numpy as np

from cvae_jax import cli
from cvae_jax import run_flags

_log = logging.getLogger("cvae_jax.reconstruct")  # Also as __main__.


def read_recording(path: str) -> np.ndarray:
  """A recording as a note ([T] float32 at 16 kHz); what had to be done to it is logged.

  Raises:
    UserError: a file that cannot be read.
  """
  from cvae_jax.audio import files
  from cvae_jax.data import labels

  recording = files.read_note(path, labels.NUM_SAMPLES, labels.SAMPLE_RATE)
  for change in recording.changes:
    _log.info("%s: %s", path, change)
  return recording.audio


def main(argv: list[str] | None = None) -> None:
  """Reconstructs what the arguments name."""
  parser = cli.Parser(
    prog="python -m cvae_jax.reconstruct",
    description="Encodes a recording and decodes it again. Labels that a conditional run needs "
    "and that are not given are found by the run itself: those that make the note likeliest.",
  )
  run_flags.add_run(parser)
  parser.add_argument("--seed", type=run_flags.SEED, default=0, help="of the phases' recovery")
  parser.add_argument("input", help="WAV or FLAC; any rate, length and channel count")
  parser.add_argument(
    "output", help="to write: .wav, .flac, .ogg, .mp3 or .aiff; 4 s, mono, 16 kHz"
  )
  run_flags.add_labels(parser)
  args = parser.parse_args(argv)

  from cvae_jax.audio import files
  from cvae_jax.data import labels

  files.check_output(args.output)
  original = read_recording(args.input)
  synth = run_flags.load_run(args)
  found = synth.infer_labels(original, args.seed, **run_flags.asked_labels(args))
  audio = synth.reconstruct(original, found, args.seed)
  files.write_wav(args.output, audio, labels.SAMPLE_RATE)
  if synth.conditions:
    names = {"family": labels.FAMILIES, "source": labels.SOURCES}
    shown = [
      f"{name} {names[name][found[name][0]] if name in names else found[name][0]}"
      for name in synth.conditions
    ]
    _log.info("as %s", ", ".join(shown))
  _log.info("%s", args.output)


if __name__ == "__main__":
  cli.run(main)
