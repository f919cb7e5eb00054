"""Learned inversion: a run of the method `mcnn` as another run's way from features to waveforms.

`representation.inversion` names it, as mcnn:RUN. What it takes of RUN, its config and parameters,
is copied into the workdir when the run begins, so that the run is complete without RUN.
"""

import functools
import os
from typing import Any
from typing import NamedTuple

import ml_collections

from cvae_jax.audio import representations
from cvae_jax.core import config_file
from cvae_jax.core import errors
from cvae_jax.core import workdirs
from cvae_jax.data import data_sets
from cvae_jax.data import forms
from cvae_jax.methods.common import mcnn_parts
from cvae_jax.training import checkpoint
from cvae_jax.training import packaged

FOLDER = "inversion"  # of a workdir
_METHOD = "mcnn"
# Fields of a representation that have no bearing on its levels.
_FREE = ("standardize", "inversion", "phase_start", "griffin_lim_iters")


class Inversion(NamedTuple):
  """A trained inversion.

  Attributes:
    config: a whole one, that it was trained with.
    step: of its checkpoint.
    params: of its network.
  """

  config: ml_collections.ConfigDict
  step: int
  params: Any

  def save(self, workdir: str, bits: int = 32) -> None:
    """Writes it into a workdir, as a packaged run in a folder."""
    folder = os.path.join(workdir, FOLDER)
    os.makedirs(folder, exist_ok=True)
    packaged.save(self.params, self.step, folder, bits)
    config = self.config.copy_and_resolve_references()
    config.data.tfds_dir = config.data.dir = config.train.init_from = ""
    config_file.save(config, folder)  # Last: a folder with a config is whole.


def is_learned(config: ml_collections.ConfigDict) -> bool:
  """Whether a whole config's representation is inverted by a run."""
  name = config.get("representation", {}).get("inversion", representations.GRIFFIN_LIM)
  return name != representations.GRIFFIN_LIM


def is_saved(workdir: str) -> bool:
  """Whether a workdir holds an inversion."""
  return os.path.exists(os.path.join(workdir, FOLDER, config_file.FILENAME))


def load(workdir: str) -> Inversion:
  """The inversion that a workdir holds.

  Raises:
    UserError: a workdir without one, or one that cannot be read.
  """
  folder = os.path.join(workdir, FOLDER)
  if not is_saved(workdir):
    raise errors.UserError(
      f"{folder} is missing: this run's features are inverted by it, and it is lost without it"
    )
  return _read(folder)


def open_run(config: ml_collections.ConfigDict, form: forms.Waveform) -> Inversion:
  """The run that a whole config's `representation.inversion` names.

  Raises:
    UserError: if there is no such run, or it is of another method, or of other features.
  """
  name = config.representation.inversion
  said = f"representation.inversion={name}"
  workdir = workdirs.resolve(name.removeprefix(representations.LEARNED))
  try:
    inversion = _read(workdir)
  except errors.UserError as e:
    raise errors.UserError(f"{said}: {e}") from None
  trained = inversion.config
  if trained.method.name != _METHOD:
    raise errors.UserError(f"{said}: its method.name is {trained.method.name}, not {_METHOD}")
  rate = forms.need_waveform(data_sets.make_form(trained.data), "an inversion").sample_rate
  if rate != form.sample_rate:
    raise errors.UserError(
      f"{said}: it inverts sounds of {rate} Hz, and this run's have {form.sample_rate} Hz"
    )
  for field in sorted({*trained.representation, *config.representation}.difference(_FREE)):
    theirs, ours = (x.representation.get(field) for x in (trained, config))
    if theirs != ours:
      raise errors.UserError(
        f"{said}: its representation.{field} is {theirs}, and this run's is {ours}"
      )
  return inversion


def _read(workdir: str) -> Inversion:
  config = config_file.load(workdir)
  return Inversion(config, *checkpoint.restore_params(workdir))


def attach(
  representation: representations.Representation, inversion: Inversion, form: forms.Waveform
) -> representations.Representation:
  """The representation with features that are decoded by an inversion."""
  parts = mcnn_parts.make_parts(inversion.config, form, representation)
  decode = functools.partial(mcnn_parts.decode, parts, inversion.params)
  return representation._replace(decode=decode)
