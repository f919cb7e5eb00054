"""Instantaneous frequency: phase as its change from frame to frame.

The phase of a steady partial turns at a steady rate, so that its change is an even surface where
the phase itself looks like noise. GANSynth (Engel et al. 2019) showed that networks learn the
former and not the latter.
"""

import jax.numpy as jnp
from jaxtyping import Array
from jaxtyping import Complex
from jaxtyping import Float


def angle(spectrum: Complex[Array, "*shape"]) -> Float[Array, "*shape"]:
  """Phase in radians; 0 at 0, where `jnp.angle`'s gradient is not a number."""
  re, im = jnp.real(spectrum), jnp.imag(spectrum)
  return jnp.arctan2(im, jnp.where((re == 0.0) & (im == 0.0), 1.0, re))


def wrap(phase: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
  """Brings phases to -pi..pi, in radians."""
  return phase - 2 * jnp.pi * jnp.round(phase / (2 * jnp.pi))


def from_phase(phase: Float[Array, "*batch N F"]) -> Float[Array, "*batch N F"]:
  """Finite difference of the unwrapped phase over time, in units of pi a frame.

  Args:
    phase: [..., N, F] radians.

  Returns:
    [..., N, F] between -1 and 1; the first frame is the phase itself, over pi.

  Source: Engel et al. 2019, section 2.1. Agrees with differences of `numpy.unwrap`.
  """
  first = phase[..., :1, :]
  return wrap(jnp.concatenate([first, jnp.diff(phase, axis=-2)], axis=-2)) / jnp.pi


def to_phase(frequency: Float[Array, "*batch N F"]) -> Float[Array, "*batch N F"]:
  """The inverse of `from_phase`, up to whole turns.

  The sum is kept between -pi and pi at every step, so that its rounding does not grow with time.
  """
  return wrap(jnp.pi * jnp.cumsum(frequency, axis=-2))
