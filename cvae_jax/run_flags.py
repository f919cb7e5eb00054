"""The flags that commands share: which run, which of its checkpoints, and a note's labels."""

import argparse
from typing import TYPE_CHECKING

from cvae_jax import flag_types

if TYPE_CHECKING:
  from cvae_jax.synthesizer import Synthesizer

SEED = flag_types.whole(0, flag_types.MAX_SEED)
LABELS = ("pitch", "velocity", "family", "source", "instrument", "qualities")


def _step(text: str) -> int | str:
  return text if text == "best" else flag_types.whole()(text)


def add_run(parser: argparse.ArgumentParser) -> None:
  """Adds --workdir and --step."""
  parser.add_argument("--workdir", required=True, help="of the run")
  parser.add_argument(
    "--step",
    type=_step,
    help="of the checkpoint, or 'best' (see checkpoint.keep_best); the newest without it",
  )


def load_run(args: argparse.Namespace) -> "Synthesizer":
  """The run that --workdir and --step name.

  Raises:
    UserError: as `synthesizer.load`.
  """
  from cvae_jax import platforms
  from cvae_jax import synthesizer  # JAX is imported when the flags are known to be right.

  platforms.check()
  return synthesizer.load(args.workdir, args.step)


def add_draw(parser: argparse.ArgumentParser) -> None:
  """Adds --seed and --temperature."""
  parser.add_argument("--seed", type=SEED, default=0, help="the same one gives the same samples")
  parser.add_argument(
    "--temperature",
    type=flag_types.real(0, 100),
    default=1.0,
    help="of z: 0 for the most typical note (default 1)",
  )


def _number(text: str) -> float:
  """60, or 60.5."""
  return flag_types.real()(text) if "." in text else flag_types.whole()(text)


def parse_mix(text: str) -> str | dict[str, float]:
  """organ, or organ:0.7,flute:0.3."""
  if ":" not in text:
    return text
  pairs = [part.partition(":") for part in text.split(",")]
  parse = flag_types.real(0)
  return {name: parse(weight or "1") for name, _, weight in pairs}


def add_timbre(parser: argparse.ArgumentParser) -> None:
  """Adds the flags of what plays: --family, --source, --instrument."""
  parser.add_argument(
    "--family", type=parse_mix, help="bass, brass, flute, ...; a mix: organ:0.7,flute:0.3"
  )
  parser.add_argument("--source", type=parse_mix, help="acoustic, electronic, synthetic; or a mix")
  parser.add_argument("--instrument", help="a name of the data set's, for runs conditioned on it")


def add_labels(parser: argparse.ArgumentParser) -> None:
  """Adds the flags of all of a note's labels."""
  parser.add_argument(
    "--pitch", type=_number, help="MIDI number, 0-127; 60 is middle C, 60.5 is between two keys"
  )
  parser.add_argument("--velocity", type=flag_types.whole(), help="0-127")
  add_timbre(parser)
  parser.add_argument(
    "--qualities", type=lambda text: text.split(","), help="such as bright,percussive"
  )


def asked_labels(args: argparse.Namespace) -> dict:
  """The labels that the flags ask for, by name; None for those that they do not."""
  return {name: getattr(args, name) for name in LABELS if hasattr(args, name)}
