"""The same held-out notes as every run gives them back, and as it makes their like."""

from collections.abc import Sequence

from cvae_jax.core import config_file
from cvae_jax.core import errors
from cvae_jax.data import data_sets
from cvae_jax.training import samples as samples_lib

FILENAME = "side_by_side.png"


def draw(names: Sequence[str], workdirs: Sequence[str], num: int = 4) -> bytes | None:
  """A PNG of spectrograms: a note a row; the original, then what each run makes of it.

  Args:
    names: of the runs.
    workdirs: of the runs.
    num: notes at most, of those that all runs have in their samples.

  Returns:
    None where there is no such example, or one run alone, whose own figure has them all, or where
    the runs' examples are of different forms.
  """
  runs = [samples_lib.find(w) for w in workdirs]
  common = [n for n in runs[0] if all(n in run for run in runs)][:num]
  if not common or len(runs) == 1:
    return None
  columns = [("Original", runs[0], "original")]
  for version, verb in (("reconstruction", "gives back"), ("generated", "makes")):
    columns += [
      (f"{name} {verb}", run, version)
      for name, run in zip(names, runs, strict=True)
      if any(version in run[note] for note in common)
    ]

  form = data_sets.make_form(config_file.load(workdirs[0]).data)
  if any(data_sets.make_form(config_file.load(w).data) != form for w in workdirs):
    return None

  def read(run, note, version):
    try:
      return form.read(run[note][version])[0]
    except (KeyError, errors.UserError):  # A score without notes is none that can be read.
      return None

  rows = [
    (samples_lib.title_of(note), [read(run, note, version) for _, run, version in columns])
    for note in common
  ]
  return form.draw(rows, [title for title, *_ in columns])
