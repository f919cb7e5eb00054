"""Keeps to themselves what libraries say that is no concern of who calls this one."""

from collections.abc import Iterator
import contextlib

from absl import logging as absl_logging


@contextlib.contextmanager
def libraries() -> Iterator[None]:
  """Without the warnings of Orbax and TFDS, which are of their own options; also a decorator."""
  before = absl_logging.get_verbosity()
  absl_logging.set_verbosity(min(before, absl_logging.ERROR))
  try:
    yield
  finally:
    absl_logging.set_verbosity(before)
