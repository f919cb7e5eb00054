"""Data sets by name: `config.data.name` to a TFDS builder whose notes are prepared."""

import glob
import logging
import os
import shutil
import sys

import filelock
import ml_collections
import tensorflow_datasets as tfds

from cvae_jax import errors
from cvae_jax import quiet
from cvae_jax.data import notes

_log = logging.getLogger(__name__)


def _check_folder(config, name, variant, what):
  """Raises UserError where a data set that is a folder has a variant, or no folder."""
  if variant:
    raise errors.UserError(f"{name} has no variants, got '{variant}'")
  if not config.dir:
    raise errors.UserError(f"{name} needs --config.data.dir, {what}")


def _choose(name, variant, known):
  """A variant's name, the first of those that there are where none is given."""
  if variant and variant not in known:
    raise errors.UserError(f"{name} comes as {', '.join(known)}, got '{variant}'")
  return variant or next(iter(known))


def _synth_notes(config, variant):
  from cvae_jax.data import synth_factors
  from cvae_jax.data import synth_notes

  known: dict[str, type[tfds.core.GeneratorBasedBuilder]] = {
    builder_config.name: builder
    for builder in (synth_notes.SynthNotes, synth_factors.SynthFactors)
    for builder_config in builder.BUILDER_CONFIGS
  }
  variant = _choose("synth_notes", variant, known)
  return known[variant](config=variant, data_dir=config.tfds_dir, file_format="array_record")


def _nsynth_wav(config, variant):
  from cvae_jax.data import nsynth_wav

  _check_folder(config, "nsynth_wav", variant, "the folder with nsynth-train in it")
  return nsynth_wav.NsynthWav(
    config=nsynth_wav.make_config(config.dir, config.storage),
    data_dir=config.tfds_dir,
    file_format="array_record",
  )


def _soundfont_notes(config, variant):
  from cvae_jax.data import soundfont_notes

  held_out = variant or "instruments"
  if held_out not in soundfont_notes.HELD_OUT:
    raise errors.UserError(
      f"soundfont_notes holds out {' or '.join(soundfont_notes.HELD_OUT)}, got '{variant}'"
    )
  return soundfont_notes.SoundfontNotes(
    config=soundfont_notes.make_config(config.soundfont, held_out),
    data_dir=config.tfds_dir,
    file_format="array_record",
  )


def _folder_notes(config, variant):
  from cvae_jax.data import folder_notes

  _check_folder(config, "folder_notes", variant, "the folder of the recordings")
  return folder_notes.FolderNotes(
    config=folder_notes.make_config(config.dir, config.folder, config.storage),
    data_dir=config.tfds_dir,
    file_format="array_record",
  )


def _nsynth(config, variant):
  from cvae_jax.data import nsynth

  return nsynth.Nsynth(
    config.dir,
    config.beam_options,
    config.num_threads,
    config=_choose("nsynth", variant, nsynth.variants()),
    data_dir=config.tfds_dir,
  )


BUILDERS = {
  "synth_notes": _synth_notes,
  "nsynth_wav": _nsynth_wav,
  "soundfont_notes": _soundfont_notes,
  "folder_notes": _folder_notes,
  "nsynth": _nsynth,
}
# Those that are prepared by `cvae_jax.prepare` alone: 73 GB are no side effect of training.
_ON_REQUEST = ("nsynth",)
# What the writers of records say of a disk; they raise RuntimeError.
_OF_THE_DISK = ("write() failed", "open() failed", "close() failed")


def _prepare(builder: tfds.core.DatasetBuilder) -> None:
  """Prepares a data set, one process at a time, and clears away what killed ones have left."""
  parent, version = os.path.split(builder.data_path)
  try:
    os.makedirs(parent, exist_ok=True)
    with filelock.FileLock(os.path.join(parent, f".{version}.lock")):
      if builder.is_prepared():
        return
      for left in glob.glob(os.path.join(parent, f"incomplete.*_{version}")):
        _log.info("clearing away what a preparation that was killed has left: %s", left)
        shutil.rmtree(left, ignore_errors=True)
      _log.info("preparing %s in %s", builder.info.full_name, builder.data_path)
      if not sys.stderr.isatty():
        tfds.disable_progress_bar()
      builder.download_and_prepare()
  except Exception as e:
    cause: BaseException | None = e
    while cause is not None and not isinstance(cause, errors.UserError):
      cause = cause.__cause__ or cause.__context__
    if cause is not None:  # TFDS wraps what a builder raises.
      raise errors.UserError(str(cause)) from None
    if isinstance(e, OSError) or any(words in str(e) for words in _OF_THE_DISK):
      why = " ".join(str(e).split())
      raise errors.UserError(f"{builder.info.full_name} cannot be written: {why}") from None
    raise


def _expand_home(config):
  """The `data` section with ~ as the home directory, which a config file or Python may say too."""
  config = config.copy_and_resolve_references()
  fields = (
    (config, "dir"),
    (config, "tfds_dir"),
    (config.soundfont, "path"),
    (config.folder, "labels"),
  )
  for section, name in fields:
    if section.get(name):
      section[name] = os.path.expanduser(section[name])
  return config


@quiet.libraries()
def load(config: ml_collections.ConfigDict, on_request: bool = False) -> tfds.core.DatasetBuilder:
  """The builder of a data set; what can be made here is prepared on first use.

  Args:
    config: the `data` section of a config.
    on_request: whether somebody asked for the notes to be prepared, rather than for a training.

  Raises:
    UserError: an unknown name, notes that cannot be read, or a disk that cannot be written to.
      Nothing half prepared is loaded: TFDS writes into a directory of another name, which takes its
      own at the very end.
  """
  name, _, variant = config.name.partition("/")
  if name not in BUILDERS:
    raise errors.UserError(f"data.name must be one of {', '.join(BUILDERS)}, got '{config.name}'")
  notes.check_storage(config.storage)
  config = _expand_home(config)
  builder = BUILDERS[name](config, variant)
  if not builder.is_prepared():
    if name in _ON_REQUEST and not on_request:
      raise errors.UserError(
        f"{builder.info.full_name} is not prepared as ArrayRecord in {builder.data_path}: prepare "
        f"it with `python -m cvae_jax.prepare {config.name}`, or give --config.data.tfds_dir"
      )
    _prepare(builder)
    builder = BUILDERS[name](config, variant)  # Another process may have been the one.
  return builder
