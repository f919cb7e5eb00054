"""Encodes and decodes a recording or a MIDI file with a trained run.

python -m cvae_jax.reconstruct --workdir=runs/cvae in.wav out.wav
"""

from collections.abc import Sequence
import logging
from typing import TYPE_CHECKING

import numpy as np

from cvae_jax.core import cli
from cvae_jax.core import run_flags
from cvae_jax.core import score_flags
from cvae_jax.data import forms

if TYPE_CHECKING:
  from cvae_jax.synthesis.synthesizer import Synthesizer

_log = logging.getLogger("cvae_jax.reconstruct")  # Also when run as __main__.


def read_example(synth: "Synthesizer", path: str, ignored: Sequence[str] = ()) -> np.ndarray:
  """Reads a file as an example of a run's form, and logs the changes made to it.

  Args:
    synth: the run.
    path: of the file.
    ignored: changes that are not logged.

  Raises:
    UserError: if the file cannot be read.
  """
  example, changes = synth.form.read(path)
  for change in (x for x in changes if x not in ignored):
    _log.info("%s: %s", path, change)
  return example


def _reconstruct_score(synth, form, args, asked, play) -> dict[str, np.ndarray]:
  """Reconstructs a MIDI file, example by example; returns the labels of the first."""
  examples = form.read_all(args.input)
  labels = [synth.infer_labels(example, args.seed, **asked) for example in examples]
  notes = form.join(
    [synth.reconstruct(x, y, args.seed) for x, y in zip(examples, labels, strict=True)]
  )
  for path in score_flags.write(form, args.output, notes, play)[1:]:
    _log.info("%s", path)  # The MIDI file itself is logged last.
  return labels[0]


def _reconstruct_sound(synth, args, asked) -> dict[str, np.ndarray]:
  """Reconstructs a recording, or an example of any form; returns its labels."""
  form = synth.form
  # A run of excerpts reconstructs the whole file.
  excerpt = form if isinstance(form, forms.Waveform) and form.is_excerpt else None
  original = read_example(synth, args.input, ("cut",) if excerpt else ())
  labels = synth.infer_labels(original, args.seed, **asked)
  if excerpt:
    from cvae_jax.synthesis import passages

    seconds = passages.reconstruct_file(synth, args.input, args.output, labels, args.seed)
    _log.info("reconstructed %.1f s in excerpts of %.2f s", seconds, excerpt.duration_s)
  else:
    form.write(args.output, synth.reconstruct(original, labels, args.seed))
  return labels


def main(argv: list[str] | None = None) -> None:
  """Reconstructs a file."""
  parser = cli.Parser(
    prog="python -m cvae_jax.reconstruct",
    description="Encodes a recording and decodes it again. Labels that the run is conditioned on "
    "and that are not given are inferred by maximum likelihood.",
  )
  run_flags.add_run(parser)
  parser.add_argument("--seed", type=run_flags.SEED, default=0, help="seed of the phase recovery")
  parser.add_argument(
    "input",
    help="audio file of any format, sample rate, length and number of channels; or MIDI file",
  )
  parser.add_argument(
    "output",
    help="output file: .wav, .flac, .ogg, .mp3 or .aiff, at the run's sample rate; .mid for scores",
  )
  score_flags.add(parser)
  run_flags.add_labels(parser, run_flags.find_vocabulary(argv))
  args = parser.parse_args(argv)
  run_flags.load_form(args).check_output(args.output)

  synth = run_flags.load_run(args)
  form, asked = synth.form, run_flags.asked_labels(args)
  play = score_flags.make_player(args, form, args.seed)
  if isinstance(form, forms.Score) and form.duration_s is not None:
    labels = _reconstruct_score(synth, form, args, asked, play)
  else:
    labels = _reconstruct_sound(synth, args, asked)
  if synth.conditions:
    label_texts = [
      f"{name} {synth.vocabulary.get(name).text_of(labels[name][0])}" for name in synth.conditions
    ]
    _log.info("labels: %s", ", ".join(label_texts))
  _log.info("%s", args.output)


if __name__ == "__main__":
  cli.run(main)
