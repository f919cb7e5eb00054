"""Numbers of a command line: what they may be, said where they are parsed."""

import argparse
from collections.abc import Callable
import itertools
import math

MAX_SEED = 2**32 - 1


def _range(least: float | None, most: float | None) -> str:
  if least is None and most is None:
    return "a finite number"
  if least is None:
    return f"{most:,} at most"
  return f"{least:,} or more" if most is None else f"{least} to {most}"


def whole(least: int | None = None, most: int | None = None) -> Callable[[str], int]:
  """A `type` of argparse's for whole numbers within bounds, both of which may be."""

  def parse(text: str) -> int:
    try:
      value = int(text)
    except ValueError:
      raise argparse.ArgumentTypeError(f"wants a whole number, got '{text}'") from None
    if (least is not None and value < least) or (most is not None and value > most):
      raise argparse.ArgumentTypeError(f"must be {_range(least, most)}, got {text}")
    return value

  return parse


def real(least: float | None = None, most: float | None = None) -> Callable[[str], float]:
  """A `type` of argparse's for finite numbers within bounds, both of which may be."""

  def parse(text: str) -> float:
    try:
      value = float(text)
    except ValueError:
      raise argparse.ArgumentTypeError(f"wants a number, got '{text}'") from None
    low, high = (-math.inf if least is None else least), (math.inf if most is None else most)
    if not (math.isfinite(value) and low <= value <= high):
      raise argparse.ArgumentTypeError(f"must be {_range(least, most)}, got {text}")
    return value

  return parse


def numbered(text: str) -> tuple[int, float]:
  """A `type` of argparse's for a number of a dimension: '2:-1.5'."""
  key, _, value = text.partition(":")
  try:
    return whole(0)(key), real()(value)
  except argparse.ArgumentTypeError:
    raise argparse.ArgumentTypeError(f"wants DIMENSION:NUMBER, as 2:-1.5, got '{text}'") from None


def curve(text: str) -> tuple[int, tuple[float, ...], tuple[float, ...]]:
  """A `type` of argparse's for a curve of a dimension: '0:1.5=-2,4=2', seconds and values."""
  key, _, points = text.partition(":")
  try:
    pairs = [point.split("=", 1) for point in points.split(",")]
    times = tuple(real(0)(time) for time, *_ in pairs)
    values = tuple(real()(value) for _, value in pairs)
    dimension = whole(0)(key)
  except (argparse.ArgumentTypeError, ValueError):
    raise argparse.ArgumentTypeError(
      f"wants DIMENSION:SECONDS=NUMBER,..., as 0:1.5=-2,4=2, got '{text}'"
    ) from None
  if any(later <= earlier for earlier, later in itertools.pairwise(times)):
    raise argparse.ArgumentTypeError(f"wants times that rise, got '{text}'")
  return dimension, times, values
