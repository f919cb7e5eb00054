"""The flags that commands share: which run, which of its checkpoints, and its labels.

A run has a flag for each of its labels (--pitch, --family and so on of notes, --kind of drums), so
that a command looks into its workdir before it parses the rest.
"""

import argparse
from collections.abc import Sequence
import sys
from typing import TYPE_CHECKING
from typing import Any

from cvae_jax.core import errors
from cvae_jax.core import flag_types
from cvae_jax.core import workdirs
from cvae_jax.data import vocabulary as vocabulary_lib

if TYPE_CHECKING:
  from cvae_jax.data import forms
  from cvae_jax.synthesis.synthesizer import Synthesizer

SEED = flag_types.whole(0, flag_types.MAX_SEED)
_LABEL = "label_"  # before a label's name among the parsed arguments


def _step(text: str) -> int | str:
  return text if text == "best" else flag_types.whole()(text)


def _workdir(text: str) -> str:
  try:
    return workdirs.resolve(text)
  except errors.UserError as e:
    raise argparse.ArgumentTypeError(str(e)) from None


def add_run(parser: argparse.ArgumentParser, is_required: bool = False) -> None:
  """Adds --workdir and --step.

  Args:
    parser: to add them to.
    is_required: whether a workdir must be given; without it the default is a pretrained run.
  """
  parser.add_argument(
    "--workdir",
    required=is_required,
    type=_workdir,
    default=None if is_required else workdirs.DEFAULT,
    help="of the run" if is_required else f"of the run (default {workdirs.DEFAULT})",
  )
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
  from cvae_jax.core import platforms

  # JAX is imported when the flags are known to be right.
  from cvae_jax.synthesis import synthesizer

  platforms.check()
  return synthesizer.load(args.workdir, args.step)


def load_form(args: argparse.Namespace) -> "forms.Form":
  """The form of the examples of the run that --workdir names, without the run itself.

  Raises:
    UserError: a directory without a run.
  """
  from cvae_jax.core import config_file
  from cvae_jax.data import data_sets

  return data_sets.make_form(config_file.load(args.workdir).data)


def add_draw(parser: argparse.ArgumentParser) -> None:
  """Adds --seed and --temperature."""
  parser.add_argument("--seed", type=SEED, default=0, help="the same one gives the same samples")
  parser.add_argument(
    "--temperature",
    type=flag_types.real(0, 100),
    default=1.0,
    help="of z: 0 for the most typical one (default 1)",
  )


def find_vocabulary(argv: Sequence[str] | None = None) -> vocabulary_lib.Vocabulary:
  """The labels of the run that --workdir names in a command line; NSynth's without one.

  Args:
    argv: the command's arguments; the process' own without them.
  """
  from cvae_jax.data import label_table
  from cvae_jax.data import labels

  peek = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
  peek.add_argument("--workdir", default=workdirs.DEFAULT)
  try:
    known, _ = peek.parse_known_args(sys.argv[1:] if argv is None else argv)
    return label_table.load(workdirs.resolve(known.workdir)).vocabulary
  except (errors.UserError, argparse.ArgumentError, TypeError):  # What is wrong is said later.
    return labels.make_vocabulary(())


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


def add_labels(
  parser: argparse.ArgumentParser,
  vocabulary: vocabulary_lib.Vocabulary,
  without: Sequence[str] = (),
) -> None:
  """Adds a flag for each label.

  Args:
    parser: to add them to.
    vocabulary: of the labels.
    without: labels that have none.
  """
  for label in vocabulary.labels:
    if label.name in without:
      continue
    settings: dict[str, Any] = {}
    if label.kind == vocabulary_lib.NUMBER:
      settings["type"] = _number
      note = "; 60 is middle C, 60.5 is between two keys" if label.name == "pitch" else ""
      settings["help"] = f"{label.low}-{label.high}{note}"
    elif label.kind == vocabulary_lib.FLAGS:
      settings["type"] = lambda text: text.split(",")
      settings["help"] = f"any of {', '.join(label.names)}, between commas"
    elif label.open_set:
      settings["help"] = "a name of the data set's"
    else:
      shown = ", ".join(label.names[:12]) + (", ..." if len(label.names) > 12 else "")
      settings["type"] = parse_mix
      settings["help"] = f"{shown}; or a mix, as {':0.7,'.join(label.names[:2])}:0.3"
    settings["help"] = settings["help"].replace("%", "%%")
    flag = f"--{label.name}"
    if flag in parser._option_string_actions:  # A label may have the name of a flag.
      flag = f"--label-{label.name}"
    parser.add_argument(flag, dest=_LABEL + label.name, metavar=label.name.upper(), **settings)
  if not without:
    _refuse_other_labels(parser, vocabulary)


class _Missing(argparse.Action):
  """A label that other runs have, and this one does not: said in its own words."""

  def __call__(self, parser, namespace, values, option_string=None):
    parser.error(
      f"{option_string}: the examples of this run have no such label; they have {self.const}"
    )


def _refuse_other_labels(
  parser: argparse.ArgumentParser, vocabulary: vocabulary_lib.Vocabulary
) -> None:
  """Adds the flags of NSynth's labels that a vocabulary does not have, to say so."""
  from cvae_jax.data import labels

  known = ", ".join(f"--{name}" for name in vocabulary.names) or "none"
  for name in labels.make_vocabulary(()).names:
    if f"--{name}" not in parser._option_string_actions:
      parser.add_argument(
        f"--{name}", action=_Missing, nargs="?", const=known, help=argparse.SUPPRESS
      )


def asked_labels(args: argparse.Namespace) -> dict[str, Any]:
  """The labels that the flags ask for, by name; None for those that they do not."""
  return {
    name.removeprefix(_LABEL): value
    for name, value in vars(args).items()
    if name.startswith(_LABEL)
  }
