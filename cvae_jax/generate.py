"""Generates notes as WAVs from a trained run.

    python -m cvae_jax.generate --workdir=runs/cvae --pitch=60 --family=guitar --velocity=100 \
        --num=4 --seed=0 --out=out/
"""

import logging
import os

import numpy as np

from cvae_jax import cli
from cvae_jax import flag_types
from cvae_jax import outputs
from cvae_jax import run_flags

_log = logging.getLogger("cvae_jax.generate")  # Also as __main__.


def main(argv: list[str] | None = None) -> None:
  """Generates what the flags ask for."""
  parser = cli.Parser(
    prog="python -m cvae_jax.generate",
    description="Generates notes as WAVs. A label that is not given is drawn from the labels of "
    "training notes that share those that are.",
  )
  run_flags.add_run(parser)
  parser.add_argument(
    "--num", type=flag_types.whole(most=10_000), default=1, help="how many notes (default 1)"
  )
  run_flags.add_draw(parser)
  parser.add_argument("--out", default="out", help="directory of the WAVs (default out)")
  run_flags.add_labels(parser)
  args = parser.parse_args(argv)
  outputs.check_directory(args.out)

  from cvae_jax.audio import files
  from cvae_jax.data import labels

  synth = run_flags.load_run(args)
  drawn = synth.draw_labels(args.num, args.seed, **run_flags.asked_labels(args))
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
