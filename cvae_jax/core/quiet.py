"""Keeps to themselves what libraries say that is no concern of who calls this one."""

from collections.abc import Iterator
import contextlib
import logging

from absl import logging as absl_logging


@contextlib.contextmanager
def libraries() -> Iterator[None]:
  """Without the warnings of Orbax, TFDS and onnx_ir, which are of their own; also a decorator."""
  before = absl_logging.get_verbosity()
  onnx_log = logging.getLogger("onnx_ir")
  onnx_level = onnx_log.level
  absl_logging.set_verbosity(min(before, absl_logging.ERROR))
  onnx_log.setLevel(max(onnx_level, logging.ERROR))
  try:
    yield
  finally:
    absl_logging.set_verbosity(before)
    onnx_log.setLevel(onnx_level)
