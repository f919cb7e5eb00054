"""Selects the notes of a split by `data.filter`."""

from collections.abc import Mapping
from collections.abc import Sequence

import ml_collections
import numpy as np

from cvae_jax.core import errors
from cvae_jax.data import vocabulary as vocabulary_lib

# NSynth instruments with the pitch range in which their notes are only noise.
KNOWN_FAULTS = {"brass_acoustic_046": (84, 108)}
# The label that each field of `data.filter` refers to.
_LABELS = {
  "families": "family",
  "sources": "source",
  "velocities": "velocity",
  "instruments": "instrument",
  "exclude_instruments": "instrument",
  "min_pitch": "pitch",
  "max_pitch": "pitch",
}
_OFF = {"min_pitch": 0, "max_pitch": 127}  # values that select everything


def of_instruments(
  columns: Mapping[str, np.ndarray],
  vocabulary: vocabulary_lib.Vocabulary,
  names: Sequence[str],
) -> np.ndarray:
  """Selects the examples of some instruments ([M] bool).

  Args:
    columns: labels of a split, [M] each.
    vocabulary: of the labels.
    names: of instruments; unknown names are ignored.
  """
  label = vocabulary.find("instrument")
  if label is None or not names:
    return np.zeros(len(columns["id"]), bool)
  indices = [i for i, name in enumerate(label.names) if name in set(names)]
  return np.isin(columns["instrument"], indices)


def _indices(names, label, field):
  return [label._replace(name=f"data.filter.{field}").index_of(name) for name in names]


def _check_labels(vocabulary, config) -> None:
  """Raises UserError if a filter refers to a label that the data set does not have."""
  for field, name in _LABELS.items():
    value = config[field]
    if value != _OFF.get(field, ()) and len(np.atleast_1d(value)) and not vocabulary.find(name):
      raise errors.UserError(
        f"data.filter.{field} needs the label '{name}': the examples have "
        f"{', '.join(vocabulary.names) or 'none'}"
      )


def select(
  columns: Mapping[str, np.ndarray],
  vocabulary: vocabulary_lib.Vocabulary,
  config: ml_collections.ConfigDict,
  split: str,
) -> np.ndarray:
  """Rows of the examples that pass all filters.

  Args:
    columns: labels of a split, [M] each.
    vocabulary: of the labels.
    config: the `data.filter` section of a config.
    split: name of the split, for messages.

  Raises:
    UserError: if a filter names an unknown value, or no example passes.
  """
  _check_labels(vocabulary, config)
  keep = np.ones(len(columns["id"]), bool)
  if "pitch" in columns:
    keep &= (columns["pitch"] >= config.min_pitch) & (columns["pitch"] <= config.max_pitch)
  for field in ("families", "sources"):
    if config[field]:
      label = vocabulary.get(_LABELS[field])
      keep &= np.isin(columns[label.name], _indices(config[field], label, field))
  if config.velocities:
    keep &= np.isin(columns["velocity"], config.velocities)
  if config.instruments:
    unknown = sorted(set(config.instruments) - set(vocabulary.get("instrument").names))
    if unknown:
      raise errors.UserError(f"data.filter.instruments: '{unknown[0]}' is not in the data set")
    keep &= of_instruments(columns, vocabulary, config.instruments)
  keep &= ~of_instruments(columns, vocabulary, config.exclude_instruments)
  if not config.known_faults and "pitch" in columns:
    for name, (low, high) in KNOWN_FAULTS.items():
      inside = (columns["pitch"] >= low) & (columns["pitch"] <= high)
      keep &= ~(inside & of_instruments(columns, vocabulary, [name]))
  if not keep.any():
    raise errors.UserError(
      f"data.filter selects none of the {keep.size} examples of split '{split}'"
    )
  return np.flatnonzero(keep)
