"""Which notes of a split a config asks for."""

from collections.abc import Mapping
from collections.abc import Sequence

import ml_collections
import numpy as np

from cvae_jax.core import errors
from cvae_jax.data import vocabulary as vocabulary_lib

# Instruments of NSynth with the pitches at which they hold nothing but noise.
KNOWN_FAULTS = {"brass_acoustic_046": (84, 108)}
# The label that each field of `data.filter` is about.
_LABELS = {
  "families": "family",
  "sources": "source",
  "velocities": "velocity",
  "instruments": "instrument",
  "exclude_instruments": "instrument",
  "min_pitch": "pitch",
  "max_pitch": "pitch",
}
_OFF = {"min_pitch": 0, "max_pitch": 127}  # values that ask for nothing


def of_instruments(
  columns: Mapping[str, np.ndarray],
  vocabulary: vocabulary_lib.Vocabulary,
  names: Sequence[str],
) -> np.ndarray:
  """Which examples are of one of the instruments that are named ([M] bool).

  Args:
    columns: labels of a split.
    vocabulary: of the labels.
    names: of instruments; those that the data set does not have are of no note.
  """
  label = vocabulary.find("instrument")
  if label is None or not names:
    return np.zeros(len(columns["id"]), bool)
  wanted = [i for i, name in enumerate(label.names) if name in set(names)]
  return np.isin(columns["instrument"], wanted)


def _indices(names, label, field):
  return [label._replace(name=f"data.filter.{field}").index_of(name) for name in names]


def _check_labels(vocabulary, config) -> None:
  """Raises UserError for a filter of a label that the data set does not have."""
  for field, name in _LABELS.items():
    value = config[field]
    if value != _OFF.get(field, ()) and len(np.atleast_1d(value)) and not vocabulary.find(name):
      raise errors.UserError(
        f"data.filter.{field} needs examples with the label '{name}': these have "
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
    columns: labels of a split.
    vocabulary: of the labels.
    config: the `data.filter` section of a config.
    split: its name, for the message.

  Raises:
    UserError: a filter that names what there is not, or that leaves nothing.
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
      raise errors.UserError(f"data.filter.instruments: '{unknown[0]}' is none of the data set's")
    keep &= of_instruments(columns, vocabulary, config.instruments)
  keep &= ~of_instruments(columns, vocabulary, config.exclude_instruments)
  if not config.known_faults and "pitch" in columns:
    for name, (low, high) in KNOWN_FAULTS.items():
      inside = (columns["pitch"] >= low) & (columns["pitch"] <= high)
      keep &= ~(inside & of_instruments(columns, vocabulary, [name]))
  if not keep.any():
    raise errors.UserError(
      f"data.filter leaves none of the {keep.size} examples of split '{split}'"
    )
  return np.flatnonzero(keep)
