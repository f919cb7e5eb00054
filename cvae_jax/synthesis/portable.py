"""Export of a run's decoder or stream, with its parameters, as a program for other runtimes.

    program(code [B, D], pitch [B], velocity [B], family [B, 11], source [B, 3]) -> audio [B, T]

The label inputs are those that the run is conditioned on. Numbers, such as the pitch, may be
fractional; names, such as the family, are weights. Sounds are at full level.

    program(audio [B, n], scale [B, D], bias [B, D], number, state...) -> audio [B, n], state...

A run that streams is a step from a block to a block: the state is zeros before the first one, and
then what the last call returned; the number of the block is 0, 1, 2, ...

Random numbers are those of the run itself, by the seed, in ONNX as well: see `threefry.py`.
"""

from collections.abc import Callable
from typing import Any
from typing import NamedTuple

import jax
from jax import export as jax_export
import jax.numpy as jnp
import numpy as np

from cvae_jax.core import errors
from cvae_jax.core import quiet
from cvae_jax.synthesis import latent_streams
from cvae_jax.synthesis import synthesizer
from cvae_jax.synthesis import threefry
from cvae_jax.training import compilation

PLATFORMS = ("cpu", "cuda", "rocm", "tpu")


class Program(NamedTuple):
  """A decoder, or a step of a stream, as a pure function of arrays.

  Attributes:
    function: takes the inputs in order.
    inputs: names of the inputs.
    shapes: shape of each input, for one note or sound.
    state: (batch size) to shapes and dtypes of the inputs that follow, which the function also
      returns after its sound; a stream's alone has any.
  """

  function: Callable[..., Any]
  inputs: tuple[str, ...]
  shapes: tuple[tuple[int, ...], ...]
  state: Callable[[int], list[jax.ShapeDtypeStruct]] = lambda batch_size: []

  def structs(self, batch_size: int) -> list[jax.ShapeDtypeStruct]:
    """Shapes and dtypes of the inputs of a batch."""
    first = [jax.ShapeDtypeStruct((batch_size, *s), jnp.float32) for s in self.shapes]
    state = self.state(batch_size)
    return [*first, *([jax.ShapeDtypeStruct((), jnp.int32)] if state else []), *state]


def make_program(synth: synthesizer.Synthesizer, seed: int = 0) -> Program:
  """Makes a program of a run's decoder, including the inverse of the representation.

  Args:
    synth: the run.
    seed: of the phase recovery.

  Raises:
    UserError: if the run has no decoder, or is conditioned on a label of an open set, such as the
      instrument, whose indices are specific to the data set.
  """
  decode, params = synth.method.decode, synth.params
  if decode is None:
    raise errors.UserError("this run has no decoder")
  labels = [synth.vocabulary.get(name) for name in synth.conditions]
  open_labels = [label.name for label in labels if label.open_set]
  if open_labels:
    raise errors.UserError(
      f"a run that is conditioned on {open_labels[0]} cannot be exported: its values are specific "
      "to the data set"
    )
  inputs = ("code", *synth.conditions)
  code_shape = synth.method.code_shape
  assert code_shape is not None
  shapes = (code_shape, *(label.weight_shape for label in labels))

  def function(code, *label_values):
    count = code.shape[0]
    batch = {
      label.name: jnp.zeros((count, *label.weight_shape), jnp.float32)
      for label in synth.vocabulary.labels
      if not label.open_set
    }
    batch.update(zip(synth.conditions, label_values, strict=True))
    return decode(params, code, batch, jax.random.key(seed))

  return Program(function, inputs, shapes)


def make_stream_program(
  synth: synthesizer.Synthesizer, block_length: int, seed: int = 0
) -> Program:
  """Makes a program of a step of a run that streams.

  Args:
    synth: the run.
    block_length: samples of a block, to whole frames of the run.
    seed: of the noise.

  Raises:
    UserError: if the run does not stream.
  """
  streamer = latent_streams.need_streamer(synth, "a program of blocks")
  frames = streamer.count_frames(block_length)
  params = jax.jit(streamer.prepare)(synth.params)
  begin = lambda batch_size: streamer.begin(params, batch_size, frames)
  layout = jax.tree.structure(jax.eval_shape(lambda: begin(1)))
  _, noise_rng = jax.random.split(jax.random.key(seed))  # That of a `latent_conversion.Stream`.

  def function(audio, scale, bias, number, *state):
    before = jax.tree.unflatten(layout, state)
    codes, between = streamer.encode(params, before, audio, None)
    codes = codes * scale[:, None] + bias[:, None]
    made, after = streamer.decode(params, between, codes, noise_rng, number)
    return made, *jax.tree.leaves(after)

  dim = (streamer.latent_dim,)
  return Program(
    function,
    ("audio", "scale", "bias"),
    ((frames * streamer.hop_length,), dim, dim),
    lambda batch_size: jax.tree.leaves(jax.eval_shape(lambda: begin(batch_size))),
  )


def example_inputs(
  synth: synthesizer.Synthesizer, batch_size: int, seed: int = 0
) -> list[np.ndarray]:
  """Draws inputs as the run itself would, to compare two programs with."""
  drawn_labels = synth.vocabulary.soften(synth.draw_labels(batch_size, seed))
  code_shape = synth.method.code_shape or ()
  code = np.random.default_rng(seed).standard_normal((batch_size, *code_shape))
  label_values = [drawn_labels[name] for name in synth.conditions]
  return [np.asarray(x, np.float32) for x in (code, *label_values)]


def to_stablehlo(program: Program, batch_size: int) -> bytes:
  """Serialises the program with `jax.export`, for CPU, GPU and TPU.

  `jax.export.deserialize(data).call(*inputs)` runs it without this package.

  Args:
    program: of `make_program` or `make_stream_program`.
    batch_size: notes, or streams, per call.
  """
  exported = jax_export.export(jax.jit(program.function), platforms=PLATFORMS)
  return bytes(exported(*program.structs(batch_size)).serialize())


def to_onnx(program: Program, batch_size: int) -> bytes:
  """Serialises the program as an ONNX model, for onnxruntime and similar runtimes.

  Args:
    program: of `make_program` or `make_stream_program`.
    batch_size: notes, or streams, per call.

  Raises:
    UserError: if jax2onnx is not installed, or cannot convert an operation, such as a complex
      Fourier transform.
  """
  try:
    import jax2onnx
  except ImportError:
    raise errors.UserError("ONNX needs jax2onnx: pip install 'cvae_jax[onnx]'") from None
  structs = program.structs(batch_size)
  jax.clear_caches()  # Earlier traces contain platform-dependent operations.
  try:
    with compilation.plain(), quiet.libraries():
      function = threefry.without_keys(program.function, structs)
      model = jax2onnx.to_onnx(function, inputs=structs, model_name="decoder")
  except (NotImplementedError, TypeError) as e:
    why = " ".join(str(e).split())
    raise errors.UserError(
      f"jax2onnx cannot convert this run's way to a waveform ({why}): use --format=stablehlo, or a "
      "run on pqmf or waveform features"
    ) from None
  finally:
    jax.clear_caches()  # Traces made now contain the converter's own primitives.
  return model.SerializeToString()
