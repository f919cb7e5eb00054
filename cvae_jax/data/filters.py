"""Which notes of a split a config asks for."""

from collections.abc import Mapping
from collections.abc import Sequence

import ml_collections
import numpy as np

from cvae_jax import errors
from cvae_jax.data import labels

# Instruments of NSynth with the pitches at which they hold nothing but noise.
KNOWN_FAULTS = {"brass_acoustic_046": (84, 108)}


def of_instruments(
  columns: Mapping[str, np.ndarray], instruments: Sequence[str], names: Sequence[str]
) -> np.ndarray:
  """Which notes are of one of the instruments that are named ([M] bool).

  Args:
    columns: labels, as `label_index.read_labels` gives them.
    instruments: of the data set, in the order of their labels.
    names: of instruments; those that the data set does not have are of no note.
  """
  wanted = [i for i, name in enumerate(instruments) if name in set(names)]
  return np.isin(columns["instrument"], wanted)


def _indices(names, vocabulary, what):
  return [labels.index_of(name, vocabulary, f"data.filter.{what}") for name in names]


def select(
  columns: Mapping[str, np.ndarray],
  instruments: Sequence[str],
  config: ml_collections.ConfigDict,
  split: str,
) -> np.ndarray:
  """Rows of the notes that pass all filters.

  Args:
    columns: labels of a split, as `label_index.read_labels` gives them.
    instruments: of the data set, in the order of their labels.
    config: the `data.filter` section of a config.
    split: its name, for the message.

  Raises:
    UserError: a filter that names what there is not, or that leaves no note.
  """
  pitch = columns["pitch"]
  keep = (pitch >= config.min_pitch) & (pitch <= config.max_pitch)
  if config.families:
    keep &= np.isin(columns["family"], _indices(config.families, labels.FAMILIES, "families"))
  if config.sources:
    keep &= np.isin(columns["source"], _indices(config.sources, labels.SOURCES, "sources"))
  if config.velocities:
    keep &= np.isin(columns["velocity"], config.velocities)
  if config.instruments:
    unknown = sorted(set(config.instruments) - set(instruments))
    if unknown:
      raise errors.UserError(f"data.filter.instruments: '{unknown[0]}' is none of the data set's")
    keep &= of_instruments(columns, instruments, config.instruments)
  keep &= ~of_instruments(columns, instruments, config.exclude_instruments)
  if not config.known_faults:
    for name, (low, high) in KNOWN_FAULTS.items():
      inside = (pitch >= low) & (pitch <= high)
      keep &= ~(inside & of_instruments(columns, instruments, [name]))
  if not keep.any():
    raise errors.UserError(f"data.filter leaves none of the {keep.size} notes of split '{split}'")
  return np.flatnonzero(keep)
