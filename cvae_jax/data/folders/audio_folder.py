"""The audio files of a folder: which there are, how they are held out, what became of them."""

from collections.abc import Sequence
import hashlib
import os

import numpy as np

from cvae_jax.core import errors
from cvae_jax.data import clips
from cvae_jax.data import store
from cvae_jax.data.folders import folder_labels

_HELD_OUT_SHARE = 0.1  # for validation, and as much for test
_MOST_BARS = 60  # files in a figure


def check_form(section: str, settings) -> None:
  """Raises UserError for a rate or a length that no form has; `settings` is a section of `data`."""
  if not 1000 <= settings.sample_rate <= 384_000:
    raise errors.UserError(
      f"data.{section}.sample_rate must be 1000-384000 Hz, got {settings.sample_rate}"
    )
  if not 0.0 < settings.duration_s <= 600.0:
    raise errors.UserError(
      f"data.{section}.duration_s must be over 0 and at most 600, got {settings.duration_s}"
    )


def find(folder: str) -> list[tuple[str, str]]:
  """The audio files of a folder and those in it: paths, and names within the folder with '/'.

  Raises:
    UserError: a folder that is none, or that holds no audio file.
  """
  folder = os.path.expanduser(folder)
  if not os.path.isdir(folder):
    raise errors.UserError(f"data.dir {folder} is no folder")
  found = [
    (path, os.path.relpath(path, folder).replace(os.sep, "/"))
    for path in folder_labels.audio_files(folder)
  ]
  if not found:
    raise errors.UserError(
      f"data.dir {folder} holds no audio file ({', '.join(folder_labels.EXTENSIONS)})"
    )
  return found


def split(names: Sequence[str]) -> dict[str, str]:
  """The split of each of three or more names: a tenth each is held out, by a hash of the name."""
  order = sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())
  count = max(1, round(_HELD_OUT_SHARE * len(order)))
  return {
    name: "valid" if i < count else "test" if i < 2 * count else "train"
    for i, name in enumerate(order)
  }


def split_groups(groups: Sequence[str], classes: Sequence[str]) -> dict[str, str]:
  """The split of each group of examples, with the classes in each split as in all.

  Groups are added to a held-out split one by one, each the one that brings its classes nearest to a
  tenth of all, until none brings them nearer. Groups of one example each are held out by a hash,
  class by class.

  Args:
    groups: of each example.
    classes: of each example.

  Raises:
    UserError: fewer than three groups.
  """
  names = sorted(set(groups))
  if len(names) < len(store.SPLITS):
    raise errors.UserError(
      f"{len(names)} that can be used are too few for {len(store.SPLITS)} splits: what is held out "
      "together must be of three at least"
    )
  if len(names) == len(groups):
    of: dict[str, str] = {}
    for value in sorted(set(classes)):
      own = [g for g, c in zip(groups, classes, strict=True) if c == value]
      of |= split(own) if len(own) >= len(store.SPLITS) else dict.fromkeys(own, "train")
    return of if set(of.values()) == set(store.SPLITS) else split(names)
  values = sorted(set(classes))
  counts = np.zeros((len(names), len(values)))
  for group, value in zip(groups, classes, strict=True):
    counts[names.index(group), values.index(value)] += 1
  target = _HELD_OUT_SHARE * counts.sum(axis=0)
  cost = lambda held: float(np.sum(np.square(held - target) / (target + 1.0)))
  of = dict.fromkeys(names, "train")
  for split_name in store.SPLITS[1:]:
    held = np.zeros(len(values))
    while True:
      left = [i for i, name in enumerate(names) if of[name] == "train"]
      best = min(left, key=lambda i: cost(held + counts[i]))
      if (held.any() and cost(held + counts[best]) >= cost(held)) or len(left) < 3:
        break
      held = held + counts[best]
      of[names[best]] = split_name
  return of


def draw(index: store.Index, num_samples: int, silence_db: float) -> bytes:
  """A PNG of what is used of every recording: seconds by split, and how much of it is silence."""
  from cvae_jax.evaluation import drawing

  names = list(dict.fromkeys(index.names.tolist()))
  seconds = index.lengths / index.sample_rate
  used = np.zeros(len(index.names))
  for split_name in store.SPLITS:
    rows, _ = clips.find_places(index, split_name, num_samples, silence_db)
    np.add.at(used, rows, num_samples / index.sample_rate)
  used = np.minimum(used, seconds)
  shown = sorted(names, key=lambda n: -seconds[index.names == n].sum())[:_MOST_BARS]
  figure, axes = drawing.new_figure(9.0, 1.2 + 0.2 * len(shown))
  axis = axes[0, 0]
  left = np.zeros(len(shown))
  for number, split_name in enumerate(store.SPLITS):
    mine = index.splits == store.SPLITS.index(split_name)
    widths = np.asarray([used[mine & (index.names == name)].sum() for name in shown])
    axis.barh(range(len(shown)), widths, 0.8, left, color=f"C{number}", label=split_name)
    left += widths
  total = np.asarray([seconds[index.names == name].sum() for name in shown])
  silent = np.maximum(total - left, 0.0)
  axis.barh(range(len(shown)), silent, 0.8, left, color="0.8", label="silence or remainder")
  title = lambda name: name if len(name) <= 48 else f"{name[:22]}...{name[-23:]}"
  axis.set_yticks(range(len(shown)), [title(name) for name in shown], fontsize=7)
  axis.set_ylim(len(shown) - 0.4, -0.6)
  axis.set_xlabel("seconds")
  axis.legend(frameon=False, fontsize=8)
  more = f"; the {len(shown)} longest are shown" if len(shown) < len(names) else ""
  axis.set_title(f"{len(names)} files, {seconds.sum() / 60:.1f} minutes{more}", fontsize=10)
  return drawing.to_png(figure)
