"""Conditional variational autoencoders for musical notes, in JAX.

>>> import cvae_jax
>>> synth = cvae_jax.load("runs/cvae")
>>> audio = synth.generate(pitch=60, family="guitar", velocity=100, seed=0)
"""

from typing import TYPE_CHECKING

from cvae_jax.version import __version__

if TYPE_CHECKING:
  from cvae_jax.synthesis.synthesizer import Synthesizer

__all__ = ["__version__", "load"]


def load(workdir: str = "pretrained:notes", step: int | str | None = None) -> "Synthesizer":
  """Loads a run from its workdir, or the pretrained one: see `synthesizer.load`."""
  from cvae_jax.core import platforms

  platforms.avoid_deadlock()
  from cvae_jax.synthesis import synthesizer  # Imports JAX only when needed.

  return synthesizer.load(workdir, step)
