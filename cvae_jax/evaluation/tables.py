"""Numbers of results as cells of tables, with their unit, their arrow and their digits."""

from collections.abc import Mapping
import math
from typing import Any
from typing import NamedTuple


class Measure(NamedTuple):
  """A number of a run's results.

  Attributes:
    path: of the number in results.json, by keys between dots.
    title: with its unit, and an arrow that says which way is better.
    digits: after the point.
    scale: that the number is multiplied by.
  """

  path: str
  title: str
  digits: int = 2
  scale: float = 1.0

  def of(self, results: Mapping[str, Any]) -> float:
    """The number, scaled; NaN where the results have none. '*' in a path is any ending of a key."""
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
    """1 where more is better, -1 where less is, 0 where neither is."""
    return 1 if self.title.endswith("↑") else -1 if self.title.endswith("↓") else 0


def cell(mean: float, digits: int, deviation: float = math.nan) -> str:
  """A number as text, with its deviation where there is one; '-' for none."""
  if math.isnan(mean):
    return "-"
  text = f"{mean:,.{digits}f}"
  return text if math.isnan(deviation) else f"{text} ± {deviation:,.{digits}f}"


def to_markdown(header: list[str], rows: list[list[str]]) -> str:
  """A Markdown table."""
  lines = [" | ".join(header), "|".join(["---"] * len(header)), *(" | ".join(r) for r in rows)]
  return "\n".join(f"| {line} |" for line in lines) + "\n"
