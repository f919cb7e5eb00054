"""Measures of results, and their formatting as table cells."""

from collections.abc import Mapping
import math
from typing import Any
from typing import NamedTuple


class Measure(NamedTuple):
  """A number of a run's results.

  Attributes:
    path: of the number in results.json, as keys separated by dots.
    title: with the unit, and an arrow for the direction of improvement.
    digits: decimal places.
    scale: factor that the number is multiplied by.
  """

  path: str
  title: str
  digits: int = 2
  scale: float = 1.0

  def of(self, results: Mapping[str, Any]) -> float:
    """The scaled number; NaN if the results have none. A key may end in the wildcard '*'."""
    value: Any = results
    for key in self.path.split("."):
      if not isinstance(value, Mapping):
        return math.nan
      if key.endswith("*"):
        key = next((k for k in value if k.startswith(key[:-1])), key)
      value = value.get(key)
    return math.nan if value is None else float(value) * self.scale

  @property
  def direction(self) -> int:
    """1 if higher is better, -1 if lower is better, else 0."""
    return 1 if self.title.endswith("↑") else -1 if self.title.endswith("↓") else 0


def cell(mean: float, digits: int, deviation: float = math.nan) -> str:
  """Formats a number, with its deviation if there is one; '-' for NaN."""
  if math.isnan(mean):
    return "-"
  text = f"{mean:,.{digits}f}"
  return text if math.isnan(deviation) else f"{text} ± {deviation:,.{digits}f}"


def to_markdown(header: list[str], rows: list[list[str]]) -> str:
  """Formats a Markdown table."""
  lines = [" | ".join(header), "|".join(["---"] * len(header)), *(" | ".join(r) for r in rows)]
  return "\n".join(f"| {line} |" for line in lines) + "\n"
