"""Writes an instrument for a sampler: WAVs over the keyboard, and an SFZ file that maps them.

    python -m cvae_jax.export --workdir=runs/cvae --family=organ --seed=3 --out=organ/

`--format=sfz` (the default) writes NAME.sfz with its samples beside it, loops and all: any sampler
that reads SFZ plays it, as the free sforzando and sfizz do. `--format=wav` writes samples alone.
"""

import argparse
import logging
import os
from typing import Any

from cvae_jax import atomic
from cvae_jax import cli
from cvae_jax import errors
from cvae_jax import generate

_log = logging.getLogger("cvae_jax.export")  # Also as __main__.

FORMATS = ("sfz", "wav")
_RELEASE_S = 0.25


def file_name(key) -> str:
  """060-v100.wav."""
  return f"{key.pitch:03d}-v{key.velocity:03d}.wav"


def to_sfz(keys, sample_rate: int, title: str) -> str:
  """An SFZ file's text: a region for every sample, as far as halfway to its neighbours.

  Samples are at full level, and SFZ's own velocity curve, 40 log10(velocity / 127) dB, is that of
  `level.velocity_to_gain`.

  Args:
    keys: of `instrument.make_instrument`.
    sample_rate: of the samples, in Hz.
    title: in the first line.
  """
  velocities = sorted({key.velocity for key in keys})
  lines = [
    f"// {title}: made by cvae_jax, {len(keys)} samples at {sample_rate} Hz",
    "<global>",
    "amp_veltrack=100",
    f"ampeg_release={_RELEASE_S}",
  ]
  for layer, velocity in enumerate(velocities):
    low = velocities[layer - 1] + 1 if layer else 1
    high = velocity if layer < len(velocities) - 1 else 127
    lines += ["", "<group>", f"lovel={low} hivel={high}"]
    row = sorted((key for key in keys if key.velocity == velocity), key=lambda key: key.pitch)
    for i, key in enumerate(row):
      first = (row[i - 1].pitch + key.pitch) // 2 + 1 if i else 0
      last = (key.pitch + row[i + 1].pitch) // 2 if i < len(row) - 1 else 127
      region = (
        f"<region> sample={file_name(key)} lokey={first} hikey={last} pitch_keycenter={key.pitch}"
      )
      if key.loop is None:
        region += " loop_mode=no_loop"
      else:  # SFZ's loop_end is the last sample that is played.
        region += (
          f" loop_mode=loop_continuous loop_start={key.loop.start} loop_end={key.loop.end - 1}"
        )
      lines.append(region)
  return "\n".join(lines) + "\n"


def parse_pitches(text: str) -> list[int]:
  """36-84, or 36-84:3 for every third key.

  Raises:
    UserError: what is no such range.
  """
  keys, _, step = text.partition(":")
  low, _, high = keys.partition("-")
  try:
    first, last, by = int(low), int(high or low), int(step or 1)
  except ValueError:
    raise errors.UserError(f"--pitches wants a range as 36-84 or 36-84:3, got {text}") from None
  if not (0 <= first <= last <= 127 and by > 0):
    raise errors.UserError(f"--pitches must rise from 0 to 127 at most, got {text}")
  return list(range(first, last + 1, by))


def parse_velocities(text: str) -> list[int]:
  """50,100,127.

  Raises:
    UserError: what is no such list.
  """
  try:
    return sorted({int(v) for v in text.split(",")})
  except ValueError:
    raise errors.UserError(f"--velocities wants numbers as 50,100,127, got {text}") from None


def main(argv: list[str] | None = None) -> None:
  """Writes the instrument that the flags ask for."""
  parser = argparse.ArgumentParser(prog="python -m cvae_jax.export", description=__doc__)
  parser.add_argument("--workdir", required=True, help="of the run")
  parser.add_argument("--format", default="sfz", help="sfz (default), wav")
  parser.add_argument("--out", default="instrument", help="directory (default instrument)")
  parser.add_argument("--pitches", help="36-84 or 36-84:3; what the run was taught without it")
  parser.add_argument("--velocities", default="127", help="of the layers, as 50,127 (default 127)")
  parser.add_argument("--family", type=generate.parse_mix, help="or a mix: organ:0.7,flute:0.3")
  parser.add_argument("--source", type=generate.parse_mix, help="acoustic, electronic, synthetic")
  parser.add_argument("--instrument", help="a name of the data set's")
  parser.add_argument("--seed", type=int, default=0, help="of the instrument (default 0)")
  parser.add_argument("--temperature", type=float, default=1.0, help="of z (default 1)")
  args = parser.parse_args(argv)
  if args.format not in FORMATS:
    raise errors.UserError(f"--format must be {' or '.join(FORMATS)}, got {args.format}")
  velocities = parse_velocities(args.velocities)
  pitches = parse_pitches(args.pitches) if args.pitches else None

  from cvae_jax import synthesizer
  from cvae_jax.audio import files
  from cvae_jax.data import labels
  from cvae_jax.play import instrument

  synth = synthesizer.load(args.workdir)
  if pitches is None:
    known = synth.table.known("pitch")
    pitches = list(range(int(known.min()), int(known.max()) + 1))
  asked: dict[str, Any] = {n: getattr(args, n) for n in ("family", "source", "instrument")}
  keys = instrument.make_instrument(
    synth, pitches, velocities, args.seed, args.temperature, **asked
  )
  for key in keys:
    files.write_wav(os.path.join(args.out, file_name(key)), key.audio, labels.SAMPLE_RATE)
  looped = sum(key.loop is not None for key in keys)
  _log.info("%s: %d samples, %d of them with a loop", args.out, len(keys), looped)
  if args.format == "sfz":
    name = os.path.basename(os.path.abspath(args.out))
    path = os.path.join(args.out, f"{name}.sfz")
    with atomic.open_file(path, encoding="utf-8") as f:
      f.write(to_sfz(keys, labels.SAMPLE_RATE, name))
    _log.info("%s", path)


if __name__ == "__main__":
  cli.run(main)
