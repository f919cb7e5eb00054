"""JAX's random numbers in arithmetic that other runtimes have: the same numbers, without keys.

A key is two words of 32 bits, its numbers are hashes of counts: additions, rotations and exclusive
ors. `without_keys` traces a function and writes these out in the place of the primitives that JAX
has for keys; a function that draws no numbers stays what it is.

Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3", Threefry-2x32 of 20
rounds, as JAX counts by default (`jax_threefry_partitionable`).
"""

from collections.abc import Callable
from collections.abc import Sequence
import math
from typing import Any
from typing import NamedTuple

import jax
from jax import lax
from jax.extend import core as jax_core
import jax.numpy as jnp
import numpy as np

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = np.uint32(0x1BD11BDA)
_MANTISSA = np.uint32(0x7FFFFF)

# Primitives that are functions of their own: their equations take the primitive's place.
_CALLS = {
  "jit": "jaxpr",
  "pjit": "jaxpr",
  "closed_call": "call_jaxpr",
  "custom_jvp_call": "call_jaxpr",
  "custom_vjp_call": "call_jaxpr",
}

# Of the inverse error function by the logarithm w of 1 - x^2: below and above 5.
# Source: Giles 2010, "Approximating the erfinv function", which is XLA's as well.
_ERF_INV_BELOW = (
  2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087,
  -0.00125372503, -0.00417768164, 0.246640727, 1.50140941,
)  # fmt: skip
_ERF_INV_ABOVE = (
  -0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773,
  -0.0076224613, 0.00943887047, 1.00167406, 2.83297682,
)  # fmt: skip


class Key(NamedTuple):
  """A key, or an array of keys.

  Attributes:
    first: uint32, of the shape of the array.
    second: the same.
  """

  first: jax.Array
  second: jax.Array


def _check(dtype):
  if str(dtype) != "key<fry>":
    raise NotImplementedError(f"random numbers of {dtype}")


def from_jax(key: jax.Array) -> Key:
  """The words of a key whose value is known.

  Raises:
    NotImplementedError: a key of another generator.
  """
  _check(key.dtype)
  with jax.ensure_compile_time_eval():  # Also while a function is traced.
    words = jax.random.key_data(key)
    return Key(words[..., 0], words[..., 1])


def mix(key: Key, first: jax.Array, second: jax.Array) -> Key:
  """The hash of two words of a count; shapes are broadcast."""
  schedule = (key.first, key.second, key.first ^ key.second ^ _PARITY)
  first, second = first + schedule[0], second + schedule[1]
  for i in range(5):
    for rotation in _ROTATIONS[i % 2]:
      first = first + second
      turned = second << np.uint32(rotation) | second >> np.uint32(32 - rotation)
      second = first ^ turned
    first = first + schedule[(i + 1) % 3]
    second = second + (schedule[(i + 2) % 3] + np.uint32(i + 1))
  return Key(first, second)


def fold_in(key: Key, data: jax.Array) -> Key:
  """`jax.random.fold_in`; shapes are broadcast."""
  return mix(key, jnp.uint32(0), lax.convert_element_type(data, jnp.uint32))


def split(key: Key, shape: Sequence[int]) -> Key:
  """`jax.random.split` of each key, to keys of a shape."""
  count = jnp.asarray(np.arange(math.prod(shape), dtype=np.uint32).reshape(shape))
  axes = range(key.first.ndim, key.first.ndim + len(shape))
  return mix(Key(*(lax.expand_dims(word, axes) for word in key)), jnp.zeros_like(count), count)


def bits(key: Key, shape: Sequence[int]) -> jax.Array:
  """`jax.random.bits` of each key: uint32 of a shape."""
  drawn = split(key, shape)
  return drawn.first ^ drawn.second


def one_to_two(drawn: jax.Array) -> jax.Array:
  """Numbers from 1 to 2 of the bits that they have as float32, of which the last 23 are read."""
  return 1.0 + lax.convert_element_type(drawn & _MANTISSA, jnp.float32) * np.float32(2.0**-23)


def erf_inv(x: jax.Array) -> jax.Array:
  """The inverse error function between -1 and 1, by which JAX draws normal numbers."""
  w = -jnp.log(1.0 - x * x)
  is_below = w < 5.0
  w = jnp.where(is_below, w - 2.5, jnp.sqrt(w) - 3.0)
  total = jnp.zeros_like(w)
  for below, above in zip(_ERF_INV_BELOW, _ERF_INV_ABOVE, strict=True):
    total = total * w + jnp.where(is_below, np.float32(below), np.float32(above))
  return total * x


def _is_key(x):
  return jnp.issubdtype(x.dtype, jax.dtypes.prng_key)


def _draws(trace):
  """Whether numbers are drawn in a trace, or in what it calls."""
  jaxpr = trace.jaxpr if isinstance(trace, jax_core.ClosedJaxpr) else trace
  return any(e.primitive.name == "random_bits" or _draws_within(e) for e in jaxpr.eqns)


def _draws_within(equation):
  traces = jax.tree.leaves(list(equation.params.values()))
  return any(_draws(x) for x in traces if isinstance(x, jax_core.Jaxpr | jax_core.ClosedJaxpr))


def _apply(equation, inputs, draws):
  """Outputs of an equation; `draws` says whether one beside it draws numbers."""
  primitive, params = equation.primitive, equation.params
  match primitive.name:
    case name if name in _CALLS:
      return _evaluate(params[_CALLS[name]], inputs)
    case "random_seed":
      _check(equation.outvars[0].aval.dtype)
      seed = lax.convert_element_type(inputs[0], jnp.uint32)
      return [Key(jnp.zeros_like(seed), seed)]
    case "random_fold_in":
      return [fold_in(*inputs)]
    case "random_split":
      return [split(inputs[0], params["shape"])]
    case "random_bits" if params["bit_width"] == 32:
      return [bits(inputs[0], params["shape"])]
    case "bitcast_convert_type" if draws:  # Of `jax.random.uniform`; new to ONNX in its version 26.
      return [one_to_two(inputs[0])]
    case "erf_inv":  # The converter's is off by up to 1e-3.
      return [erf_inv(inputs[0])]
  has_keys = any(isinstance(x, Key) for x in inputs)
  is_moved = has_keys and not primitive.multiple_results and _is_key(equation.outvars[0].aval)
  if (has_keys and not is_moved) or _draws_within(equation):
    raise NotImplementedError(f"random numbers within {primitive.name}")
  if is_moved:
    words = [[x[i] if isinstance(x, Key) else x for x in inputs] for i in range(2)]
    return [Key(*(primitive.bind(*word, **params) for word in words))]
  outputs = primitive.bind(*inputs, **params)
  return outputs if primitive.multiple_results else [outputs]


def _evaluate(closed, inputs):
  """Outputs of a trace, whose equations are traced anew."""
  jaxpr, values = closed.jaxpr, dict[Any, Any]()

  def read(x):
    return x.val if isinstance(x, jax_core.Literal) else values[x]

  for name, value in zip(jaxpr.constvars, closed.consts, strict=True):
    values[name] = from_jax(value) if _is_key(name.aval) else value
  values.update(zip(jaxpr.invars, inputs, strict=True))
  draws = any(equation.primitive.name == "random_bits" for equation in jaxpr.eqns)
  for equation in jaxpr.eqns:
    outputs = _apply(equation, [read(x) for x in equation.invars], draws)
    values.update(zip(equation.outvars, outputs, strict=True))
  return [read(x) for x in jaxpr.outvars]


def without_keys(function: Callable[..., Any], inputs: Sequence[Any]) -> Callable[..., Any]:
  """The same function of arrays, in whose trace there are no keys.

  Args:
    function: of arrays; it may have keys of its own.
    inputs: arrays, or shapes and dtypes of them, to trace it with.

  Returns:
    The function itself, if it draws no numbers.

  Raises:
    NotImplementedError: numbers drawn within a loop or a condition, or of another generator.
  """
  closed, outputs = jax.make_jaxpr(function, return_shape=True)(*inputs)
  if not _draws(closed):
    return function
  structure = jax.tree.structure(outputs)
  return lambda *values: jax.tree.unflatten(structure, _evaluate(closed, values))
