"""Instantaneous frequency: the change of the phase from frame to frame.

The phase of a steady partial advances at a constant rate, so that its change is smooth where the
phase itself looks like noise. GANSynth (Engel et al. 2019) showed that networks learn instantaneous
frequency better than phase.
"""

import jax.numpy as jnp
from jaxtyping import Array
from jaxtyping import Complex
from jaxtyping import Float


def angle(spectrum: Complex[Array, "*shape"]) -> Float[Array, "*shape"]:
  """Phase in radians; 0 at 0, where the gradient of `jnp.angle` is NaN."""
  re, im = jnp.real(spectrum), jnp.imag(spectrum)
  return jnp.arctan2(im, jnp.where((re == 0.0) & (im == 0.0), 1.0, re))


def wrap(phase: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
  """Wraps phases in radians to -pi..pi."""
  return phase - 2 * jnp.pi * jnp.round(phase / (2 * jnp.pi))


def from_phase(phase: Float[Array, "*batch N F"]) -> Float[Array, "*batch N F"]:
  """Finite difference of the unwrapped phase over time, in units of pi per frame.

  Args:
    phase: [..., N, F] radians.

  Returns:
    [..., N, F] from -1 to 1; the first frame is the phase itself, divided by pi.

  Source: Engel et al. 2019, section 2.1. Agrees with differences of `numpy.unwrap`.
  """
  first = phase[..., :1, :]
  return wrap(jnp.concatenate([first, jnp.diff(phase, axis=-2)], axis=-2)) / jnp.pi


def to_phase(frequency: Float[Array, "*batch N F"]) -> Float[Array, "*batch N F"]:
  """The inverse of `from_phase`, modulo 2 pi; phases are wrapped to -pi..pi."""
  return wrap(jnp.pi * jnp.cumsum(frequency, axis=-2))
