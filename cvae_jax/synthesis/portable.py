"""A run's decoder as one program for other runtimes, its parameters within it.

    program(code [B, D], pitch [B], velocity [B], family [B, 11], source [B, 3]) -> audio [B, T]

with those of the labels that the run is conditioned on. Numbers, as a pitch, are real ones where
they lie between two; names, as families, are weights. Sounds are at full level.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
from jax import export as jax_export
import jax.numpy as jnp
import numpy as np

from cvae_jax.core import errors
from cvae_jax.synthesis import synthesizer
from cvae_jax.training import compilation

PLATFORMS = ("cpu", "cuda", "rocm", "tpu")


class Program(NamedTuple):
  """A decoder as a function of arrays alone.

  Attributes:
    function: of the inputs, in order.
    inputs: names.
    shapes: of each input, of one note.
  """

  function: Callable[..., jax.Array]
  inputs: tuple[str, ...]
  shapes: tuple[tuple[int, ...], ...]

  def structs(self, batch_size: int) -> list[jax.ShapeDtypeStruct]:
    """Shapes and types of the inputs of a batch."""
    return [jax.ShapeDtypeStruct((batch_size, *s), jnp.float32) for s in self.shapes]


def make_program(synth: synthesizer.Synthesizer, seed: int = 0) -> Program:
  """The decoder of a run, with the way back to a waveform.

  Args:
    synth: the run.
    seed: of the phases' recovery.

  Raises:
    UserError: a run that decodes nothing, or that is conditioned on instruments, whose numbers mean
      nothing elsewhere.
  """
  decode, params = synth.method.decode, synth.params
  if decode is None:
    raise errors.UserError("this run has no decoder")
  labels = [synth.vocabulary.get(name) for name in synth.conditions]
  closed = [label.name for label in labels if label.open_set]
  if closed:
    raise errors.UserError(
      f"a run that is conditioned on {closed[0]}, whose names mean nothing elsewhere, cannot be "
      "exported"
    )
  inputs = ("code", *synth.conditions)
  code_shape = synth.method.code_shape
  assert code_shape is not None
  shapes = (code_shape, *(label.weight_shape for label in labels))

  def function(code, *given):
    count = code.shape[0]
    batch = {
      label.name: jnp.zeros((count, *label.weight_shape), jnp.float32)
      for label in synth.vocabulary.labels
      if not label.open_set
    }
    batch.update(zip(synth.conditions, given, strict=True))
    return decode(params, code, batch, jax.random.key(seed))

  return Program(function, inputs, shapes)


def example_inputs(
  synth: synthesizer.Synthesizer, batch_size: int, seed: int = 0
) -> list[np.ndarray]:
  """Inputs as a run itself would draw them, to compare two programs by."""
  drawn = synth.vocabulary.soften(synth.draw_labels(batch_size, seed))
  code_shape = synth.method.code_shape or ()
  code = np.random.default_rng(seed).standard_normal((batch_size, *code_shape))
  given = [drawn[name] for name in synth.conditions]
  return [np.asarray(x, np.float32) for x in (code, *given)]


def to_stablehlo(program: Program, batch_size: int) -> bytes:
  """The program serialised by `jax.export`, for CPU, GPU and TPU.

  `jax.export.deserialize(data).call(*inputs)` runs it, without this package.

  Args:
    program: of `make_program`.
    batch_size: notes at a time.
  """
  exported = jax_export.export(jax.jit(program.function), platforms=PLATFORMS)
  return bytes(exported(*program.structs(batch_size)).serialize())


def to_onnx(program: Program, batch_size: int, path: str) -> None:
  """Writes the program as an ONNX model, for onnxruntime and its like.

  Args:
    program: of `make_program`.
    batch_size: notes at a time.
    path: of the file.

  Raises:
    UserError: without jax2onnx, or a program with what it cannot convert, as Fourier transforms of
      what is complex.
  """
  try:
    import jax2onnx
  except ImportError:
    raise errors.UserError("ONNX needs jax2onnx: pip install 'cvae_jax[onnx]'") from None
  jax.clear_caches()  # What has been traced before has choices by platform in it.
  try:
    with compilation.plain():
      jax2onnx.to_onnx(
        program.function,
        inputs=program.structs(batch_size),
        model_name="decoder",
        return_mode="file",
        output_path=path,
      )
  except (NotImplementedError, TypeError) as e:
    why = " ".join(str(e).split())
    raise errors.UserError(
      f"jax2onnx cannot convert this run's way back to a waveform ({why}): runs on pqmf or "
      "waveform features can be had as ONNX, all others with --format=stablehlo"
    ) from None
  finally:
    jax.clear_caches()  # And what has been traced now is in the converter's own terms.
