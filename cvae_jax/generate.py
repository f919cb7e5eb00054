"""Generates notes as WAVs from a trained run.

    python -m cvae_jax.generate --workdir=runs/cvae --pitch=60 --family=guitar --velocity=100 \
        --num=4 --seed=0 --out=out/
"""

import argparse
import logging
import os

import numpy as np

from cvae_jax import cli

_log = logging.getLogger("cvae_jax.generate")  # Also as __main__.


def _number(text: str) -> float:
  """60, or 60.5."""
  return float(text) if "." in text else int(text)


def parse_mix(text: str) -> str | dict[str, float]:
  """organ, or organ:0.7,flute:0.3."""
  if ":" not in text:
    return text
  pairs = [part.partition(":") for part in text.split(",")]
  return {name: float(weight or "1") for name, _, weight in pairs}


def add_label_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds the flags of a note's labels."""
  parser.add_argument(
    "--pitch", type=_number, help="MIDI number, 0-127; 60 is middle C, 60.5 is between two keys"
  )
  parser.add_argument("--velocity", type=int, help="0-127")
  parser.add_argument(
    "--family", type=parse_mix, help="bass, brass, flute, ...; a mix: organ:0.7,flute:0.3"
  )
  parser.add_argument("--source", type=parse_mix, help="acoustic, electronic, synthetic; or a mix")
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
  parser.add_argument(
    "--temperature", type=float, default=1.0, help="0 for the most typical note (default 1)"
  )
  parser.add_argument("--out", default="out", help="directory of the WAVs (default out)")
  add_step_argument(parser)
  add_label_arguments(parser)
  args = parser.parse_args(argv)

  from cvae_jax import synthesizer
  from cvae_jax.audio import files
  from cvae_jax.data import labels

  synth = synthesizer.load(args.workdir, args.step)
  drawn = synth.draw_labels(args.num, args.seed, **label_arguments(args))
  if "pitch" in synth.conditions:
    known = synth.table.known("pitch")
    if args.pitch is not None and not known.min() <= args.pitch <= known.max():
      _log.warning(
        "pitch %g was not in this run's training notes (%d-%d): expect anything",
        args.pitch,
        known.min(),
        known.max(),
      )
  audio = synth.sample(drawn, args.seed, args.temperature)
  for i in range(args.num):
    path = os.path.join(args.out, file_name(synth.conditions, drawn, i, args.seed))
    files.write_wav(path, audio[i], labels.SAMPLE_RATE)
    _log.info("%s", path)


def add_step_argument(parser: argparse.ArgumentParser) -> None:
  """Adds --step, which of a run's checkpoints is used."""
  parser.add_argument(
    "--step",
    type=lambda text: text if text == "best" else int(text),
    help="of the checkpoint, or 'best' (see checkpoint.keep_best); the newest without it",
  )


def file_name(conditions, drawn, index: int, seed: int) -> str:
  """guitar_acoustic-060-100-seed0-0.wav: what the note was asked to be, and which one it is."""
  from cvae_jax.data import labels

  def name_of(value, names):
    if np.ndim(value):  # A mix: organ70-flute30.
      return "-".join(f"{names[i]}{100 * value[i]:.0f}" for i in np.flatnonzero(value))
    return names[value] if value >= 0 else "any"

  def number_of(value):
    return "any" if value < 0 else f"{int(value):03d}" if value == int(value) else f"{value:g}"

  instrument = [
    name_of(drawn[name][index], names)
    for name, names in (("family", labels.FAMILIES), ("source", labels.SOURCES))
    if name in conditions
  ]
  numbers = [number_of(drawn[n][index]) for n in ("pitch", "velocity") if n in conditions]
  parts = ["_".join(instrument) or "note", *numbers, f"seed{seed}", str(index)]
  return "-".join(parts) + ".wav"


if __name__ == "__main__":
  cli.run(main)
