"""Generates notes as WAVs from a trained run.

    python -m cvae_jax.generate --workdir=runs/cvae --pitch=60 --family=guitar --velocity=100 \
        --num=4 --seed=0 --out=out/
"""

import argparse
import logging
import os

from cvae_jax import cli

_log = logging.getLogger("cvae_jax.generate")  # Also as __main__.


def add_label_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds the flags of a note's labels."""
  parser.add_argument("--pitch", type=int, help="MIDI number, 0-127; 60 is middle C")
  parser.add_argument("--velocity", type=int, help="0-127")
  parser.add_argument("--family", help="bass, brass, flute, guitar, keyboard, ...")
  parser.add_argument("--source", help="acoustic, electronic, synthetic")
  parser.add_argument("--instrument", help="a name of the data set's, for runs conditioned on it")
  parser.add_argument(
    "--qualities", type=lambda text: text.split(","), help="such as bright,percussive"
  )


def label_arguments(args: argparse.Namespace) -> dict:
  """The labels that the flags ask for."""
  names = ("pitch", "velocity", "family", "source", "instrument", "qualities")
  return {name: getattr(args, name) for name in names}


def main(argv: list[str] | None = None) -> None:
  """Generates what the flags ask for."""
  parser = argparse.ArgumentParser(
    prog="python -m cvae_jax.generate",
    description="Generates notes as WAVs. A label that is not given is drawn from the labels of "
    "training notes that share those that are.",
  )
  parser.add_argument("--workdir", required=True, help="of the run")
  parser.add_argument("--num", type=int, default=1, help="how many notes (default 1)")
  parser.add_argument("--seed", type=int, default=0, help="the same one gives the same samples")
  parser.add_argument("--out", default="out", help="directory of the WAVs (default out)")
  add_label_arguments(parser)
  args = parser.parse_args(argv)

  from cvae_jax import synthesizer
  from cvae_jax.audio import files
  from cvae_jax.data import labels

  synth = synthesizer.load(args.workdir)
  drawn = synth.draw_labels(args.num, args.seed, **label_arguments(args))
  if "pitch" in synth.conditions:
    known = synth.table.known("pitch")
    if args.pitch is not None and args.pitch not in known:
      _log.warning(
        "pitch %d was not in this run's training notes (%d-%d): expect anything",
        args.pitch,
        known.min(),
        known.max(),
      )
  audio = synth.sample(drawn, args.seed)
  for i in range(args.num):
    path = os.path.join(args.out, file_name(synth.conditions, drawn, i, args.seed))
    files.write_wav(path, audio[i], labels.SAMPLE_RATE)
    _log.info("%s", path)


def file_name(conditions, drawn, index: int, seed: int) -> str:
  """guitar_acoustic-060-100-seed0-0.wav: what the note was asked to be, and which one it is."""
  from cvae_jax.data import labels

  instrument = [
    names[drawn[name][index]]
    for name, names in (("family", labels.FAMILIES), ("source", labels.SOURCES))
    if name in conditions
  ]
  numbers = [f"{drawn[n][index]:03d}" for n in ("pitch", "velocity") if n in conditions]
  parts = ["_".join(instrument) or "note", *numbers, f"seed{seed}", str(index)]
  return "-".join(parts) + ".wav"


if __name__ == "__main__":
  cli.run(main)
