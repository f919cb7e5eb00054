"""Synthetic drum kits: which drums a kit has, and their parameters, drawn from one seed.

A kit is electronic or acoustic. It has drums of all ten kinds, each by one of the models of its
source (`drum_models`). Its room, brightness and drive are those of the whole kit. The hits of a
drum share its parameters, but for small deviations and for their force, which makes soft hits
duller. Toms are tuned apart; the cymbals and the percussion of a kit are different instruments.
"""

from collections.abc import Iterator
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from cvae_jax.data import drums
from cvae_jax.data import notes
from cvae_jax.data.synthetic import drum_layers
from cvae_jax.data.synthetic import drum_models

VERSION = 1  # of the sounds of a seed
_BATCH = 16
_SEVERAL = ("tom", "cymbal", "percussion")  # kinds of which a kit has several drums
_DEVIATION = 0.04  # of a hit's parameters, as a share of their ranges
# What every drum has of its own, by source: its body and the place of its microphone.
_DRUM_RANGES: dict[str, dict[str, drum_models.Range]] = {
  "acoustic": {"body_hz": (150.0, 5000.0), "body_octaves": (0.3, 1.2), "body_db": (-8.0, 12.0)},
  "electronic": {"body_hz": (150.0, 5000.0), "body_octaves": (0.5, 1.5), "body_db": (-5.0, 6.0)},
}
# What the drums of a kit share, by source.
_KIT_RANGES: dict[str, dict[str, drum_models.Range]] = {
  "acoustic": {
    "room_db": (-32.0, -8.0), "room_s": (0.03, 0.25), "tilt_db": (-3.5, 1.5),
    "trim_db": (-70.0, -42.0),
  },
  "electronic": {
    "room_db": (-60.0, -22.0), "room_s": (0.03, 0.3), "tilt_db": (-2.0, 1.5),
    "trim_db": (-80.0, -50.0),
  },
}  # fmt: skip
_TILT_OF_FORCE_DB = 2.0  # per octave, that the softest hit is duller


class Plan(NamedTuple):
  """The drums of a split.

  Attributes:
    names: [M] ids.
    columns: [M] indices of `kind`, `source` and `kit`.
    parameters: [M] of each field of `drum_layers.SILENT`.
    instruments: [M] seeds.
    hits: [M] seeds.
  """

  names: list[str]
  columns: dict[str, np.ndarray]
  parameters: dict[str, np.ndarray]
  instruments: np.ndarray
  hits: np.ndarray


def kit_names(num_kits: int) -> list[str]:
  """Names of the kits, of both sources in turn."""
  return [f"{drums.SOURCES[i % 2]}_{i // 2:03d}" for i in range(2 * num_kits)]


def _value(low_high: drum_models.Range, share: float) -> float:
  """The value at a share, 0 to 1, of a range."""
  if not isinstance(low_high, tuple):
    return low_high
  low, high = low_high
  return low * (high / low) ** share if low > 0.0 else low + (high - low) * share


def _draw_drum(ranges, kit_values, shares, rng, place):
  """The parameters of one hit: `shares` of the drum's ranges, with deviations drawn from `rng`."""
  force = rng.uniform()
  parameters = {**drum_layers.SILENT, **kit_values}
  for name, low_high in ranges.items():
    share = shares[name] + _DEVIATION * rng.normal()
    if name == "f0_hz" and place is not None:
      share = place
    parameters[name] = _value(low_high, float(np.clip(share, 0.0, 1.0)))
  parameters["tilt_db"] -= _TILT_OF_FORCE_DB * (1.0 - force)
  parameters["peak"] = 0.89 * 10.0 ** (-12.0 * (1.0 - force) / 20.0)
  return parameters


def _draw_kit(seed: int, kit: int, num_hits: int) -> Iterator[tuple[str, str, dict, int, int]]:
  """(kind, name, parameters, instrument, hit) of each hit of a kit."""
  source = drums.SOURCES[kit % 2]
  rng = np.random.default_rng([seed, 1, kit])
  kit_values = {name: _value(r, rng.uniform()) for name, r in _KIT_RANGES[source].items()}
  for kind_number, kind in enumerate(drums.KINDS):
    models = [m for m in drum_models.MODELS if (m.kind, m.source) == (kind, source)]
    for hit in range(num_hits):
      drum = hit if kind in _SEVERAL else 0
      of_drum = np.random.default_rng([seed, 2, kit, kind_number, 0 if kind == "tom" else drum])
      # Every model is heard equally often over the kits.
      model = models[(int(of_drum.integers(len(models))) + drum * (kind != "tom")) % len(models)]
      ranges = {**_DRUM_RANGES[source], **model.ranges}
      shares = {name: of_drum.uniform() for name in ranges}
      instrument = int(of_drum.integers(2**31))
      rng = np.random.default_rng([seed, 3, kit, kind_number, hit])
      place = (hit + rng.uniform()) / num_hits if kind == "tom" else None
      values = _draw_drum(ranges, kit_values, shares, rng, place)
      yield kind, f"{model.name}-{hit}", values, instrument, int(rng.integers(2**31))


def make_plan(kits: Sequence[int], num_hits: int, seed: int) -> Plan:
  """Draws the hits of some kits.

  Args:
    kits: their numbers; even ones are acoustic, odd ones electronic.
    num_hits: of each kind in a kit.
    seed: of everything.
  """
  names, columns, parameters, instruments, hits = [], [], [], [], []
  kit_name = kit_names(max(kits, default=0) // 2 + 1)
  for kit in kits:
    for kind, name, values, instrument, hit in _draw_kit(seed, kit, num_hits):
      names.append(f"{kit_name[kit]}/{kind}-{name}")
      columns.append((drums.KINDS.index(kind), kit % 2, kit))
      parameters.append(values)
      instruments.append(instrument)
      hits.append(hit)
  table = np.asarray(columns, np.int32).reshape(-1, 3)
  return Plan(
    names,
    {name: table[:, i] for i, name in enumerate(("kind", "source", "kit"))},
    {n: np.asarray([p[n] for p in parameters], np.float32) for n in drum_layers.SILENT},
    np.asarray(instruments, np.uint32),
    np.asarray(hits, np.uint32),
  )


def render(
  plan: Plan, num_samples: int, sample_rate: int
) -> tuple[np.ndarray, Iterator[np.ndarray]]:
  """Renders a plan in batches, one batch ahead of the consumer.

  Returns:
    The order in which the rows of the plan are rendered, and their sounds ([T] float32 each).
  """
  has_metal = plan.parameters["metal_db"] > drum_layers.OFF_DB
  batches: list[tuple[bool, np.ndarray, np.ndarray]] = []
  for with_metal in (False, True):
    rows = np.flatnonzero(has_metal == with_metal)
    batches += [(with_metal, *pair) for pair in notes.batches(rows, _BATCH)]

  def dispatch(with_metal, full):
    return drum_layers.render(
      {name: values[full] for name, values in plan.parameters.items()},
      plan.instruments[full],
      plan.hits[full],
      num_samples,
      sample_rate,
      with_metal,
    )

  def sounds():
    previous = None
    for with_metal, rows, full in batches:
      current = rows.size, dispatch(with_metal, full)
      if previous is not None:
        yield from np.asarray(previous[1])[: previous[0]]
      previous = current
    if previous is not None:
      yield from np.asarray(previous[1])[: previous[0]]

  return np.concatenate([rows for _, rows, _ in batches]), sounds()
