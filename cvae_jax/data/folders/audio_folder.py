"""The audio files of a folder: listing, splits, and a figure of what is used."""

from collections.abc import Sequence
import fnmatch
import hashlib
import os

import numpy as np

from cvae_jax.core import errors
from cvae_jax.data import clips
from cvae_jax.data import store
from cvae_jax.data.folders import folder_labels

KIND = "kind"  # a label: the sub-folder that a file is in
_HELD_OUT_SHARE = 0.1  # for validation, and the same for test
_MAX_BARS = 60  # files shown in the figure


def check_form(section: str, settings) -> None:
  """Raises UserError for a rate or duration out of range; `settings` is a section of `data`."""
  if not 1000 <= settings.sample_rate <= 384_000:
    raise errors.UserError(
      f"data.{section}.sample_rate must be 1000-384000 Hz, got {settings.sample_rate}"
    )
  if not 0.0 < settings.duration_s <= 600.0:
    raise errors.UserError(
      f"data.{section}.duration_s must be over 0 and at most 600, got {settings.duration_s}"
    )


def find_held_out(
  names: Sequence[str], patterns: Sequence[str], field: str, noun: str, num_named: int
) -> set[str]:
  """The names that match any of the patterns of a field.

  Args:
    names: of what is used.
    patterns: with wildcards, as of `fnmatch`.
    field: of the config, for the message.
    noun: what has the names, for the message.
    num_named: how many names the message has.

  Raises:
    UserError: a pattern that matches none.
  """
  held_out: set[str] = set()
  for pattern in patterns:
    matching = fnmatch.filter(names, pattern)
    if not matching:
      raise errors.UserError(
        f"{field} names '{pattern}', and no usable {noun} is called so: "
        f"{', '.join(names[:num_named])}"
      )
    held_out.update(name for name in names if fnmatch.fnmatchcase(name, pattern))
  return held_out


def find(folder: str) -> list[tuple[str, str]]:
  """The audio files of a folder and its sub-folders.

  Returns:
    (path, name) of each; the name is relative to the folder, with '/'.

  Raises:
    UserError: if there is no such folder, or it holds no audio file.
  """
  folder = os.path.expanduser(folder)
  if not os.path.isdir(folder):
    raise errors.UserError(f"data.dir {folder} is not a folder")
  audio_files = [
    (path, os.path.relpath(path, folder).replace(os.sep, "/"))
    for path in folder_labels.audio_files(folder)
  ]
  if not audio_files:
    raise errors.UserError(
      f"data.dir {folder} holds no audio file ({', '.join(folder_labels.EXTENSIONS)})"
    )
  return audio_files


def kind_of(name: str, otherwise: str) -> str:
  """The sub-folder that a file is in, by its name of `find`; without one, what is given."""
  return name.split("/")[0] if "/" in name else otherwise


def split(names: Sequence[str]) -> dict[str, str]:
  """Splits three or more names by their hashes: a tenth each for validation and test."""
  order = sorted(names, key=lambda name: hashlib.sha256(os.fsencode(name)).digest())
  count = max(1, round(_HELD_OUT_SHARE * len(order)))
  return {
    name: "valid" if i < count else "test" if i < 2 * count else "train"
    for i, name in enumerate(order)
  }


def split_groups(groups: Sequence[str], classes: Sequence[str]) -> dict[str, str]:
  """Splits groups of examples so that every split has the class proportions of the whole.

  A held-out split is built greedily: the next group is the one that brings the class counts closest
  to a tenth of all, until no group reduces the difference. Where every group is one example, each
  class is split by the hash of the names instead.

  Args:
    groups: group of each example.
    classes: class of each example.

  Returns:
    The split of each group.

  Raises:
    UserError: if there are fewer than three groups.
  """
  names = sorted(set(groups))
  if len(names) < len(store.SPLITS):
    raise errors.UserError(
      f"{len(names)} usable groups are too few for {len(store.SPLITS)} splits: at least "
      f"{len(store.SPLITS)} are needed"
    )
  if len(names) == len(groups):
    split_of: dict[str, str] = {}
    for value in sorted(set(classes)):
      members = [g for g, c in zip(groups, classes, strict=True) if c == value]
      split_of |= (
        split(members) if len(members) >= len(store.SPLITS) else dict.fromkeys(members, "train")
      )
    return split_of if set(split_of.values()) == set(store.SPLITS) else split(names)
  values = sorted(set(classes))
  counts = np.zeros((len(names), len(values)))
  for group, value in zip(groups, classes, strict=True):
    counts[names.index(group), values.index(value)] += 1
  target = _HELD_OUT_SHARE * counts.sum(axis=0)
  cost = lambda held_counts: float(np.sum(np.square(held_counts - target) / (target + 1.0)))
  split_of = dict.fromkeys(names, "train")
  for split_name in store.SPLITS[1:]:
    held_counts = np.zeros(len(values))
    while True:
      train_rows = [i for i, name in enumerate(names) if split_of[name] == "train"]
      best = min(train_rows, key=lambda i: cost(held_counts + counts[i]))
      is_worse = cost(held_counts + counts[best]) >= cost(held_counts)
      if held_counts.any() and (is_worse or len(train_rows) < 3):
        break
      held_counts = held_counts + counts[best]
      split_of[names[best]] = split_name
  return split_of


def draw(index: store.Index, num_samples: int, silence_db: float) -> bytes:
  """Draws the seconds used of each recording, by split, and the rest (silence); returns a PNG."""
  from cvae_jax.evaluation import drawing

  names = list(dict.fromkeys(index.names.tolist()))
  seconds = index.lengths / index.sample_rate
  used_s = np.zeros(len(index.names))
  for split_name in store.SPLITS:
    rows, _ = clips.find_places(index, split_name, num_samples, silence_db)
    np.add.at(used_s, rows, num_samples / index.sample_rate)
  used_s = np.minimum(used_s, seconds)
  shown_names = sorted(names, key=lambda n: -seconds[index.names == n].sum())[:_MAX_BARS]
  figure, axes = drawing.new_figure(9.0, 1.2 + 0.2 * len(shown_names))
  axis = axes[0, 0]
  bar_starts = np.zeros(len(shown_names))
  for number, split_name in enumerate(store.SPLITS):
    in_split = index.splits == store.SPLITS.index(split_name)
    widths = np.asarray([used_s[in_split & (index.names == name)].sum() for name in shown_names])
    axis.barh(
      range(len(shown_names)), widths, 0.8, bar_starts, color=f"C{number}", label=split_name
    )
    bar_starts += widths
  total = np.asarray([seconds[index.names == name].sum() for name in shown_names])
  silent = np.maximum(total - bar_starts, 0.0)
  axis.barh(
    range(len(shown_names)), silent, 0.8, bar_starts, color="0.8", label="silence or remainder"
  )
  title = lambda name: name if len(name) <= 48 else f"{name[:22]}...{name[-23:]}"
  axis.set_yticks(range(len(shown_names)), [title(name) for name in shown_names], fontsize=7)
  axis.set_ylim(len(shown_names) - 0.4, -0.6)
  axis.set_xlabel("seconds")
  axis.legend(frameon=False, fontsize=8)
  note = f"; the {len(shown_names)} longest are shown" if len(shown_names) < len(names) else ""
  axis.set_title(f"{len(names)} files, {seconds.sum() / 60:.1f} minutes{note}", fontsize=10)
  return drawing.to_png(figure)
