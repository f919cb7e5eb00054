"""Notes that TFDS prepares: written by its builders, read without TensorFlow.

A builder is made only to prepare notes: it imports TensorFlow, which takes seconds.
"""

from collections.abc import Callable
import glob
import json
import logging
import os
import shutil
import sys

import filelock
import ml_collections
import tensorflow_datasets as tfds

from cvae_jax.core import errors
from cvae_jax.core import quiet
from cvae_jax.data import data_sets
from cvae_jax.data import forms
from cvae_jax.data import labels
from cvae_jax.data import sources

_log = logging.getLogger(__name__)

_FORMAT = "array_record"
_INFO = "dataset_info.json"
_INSTRUMENTS = "instrument-label.labels.txt"
# Messages of the record writers' RuntimeError that mean a disk error.
_DISK_ERRORS = ("write() failed", "open() failed", "close() failed")


def locate(
  builder: type[tfds.core.DatasetBuilder], variant: str, config: ml_collections.ConfigDict
) -> str:
  """The directory of a builder's prepared notes, existing or not.

  Args:
    builder: its class.
    variant: the name of its config.
    config: the `data` section.
  """
  data_dir = config.tfds_dir or str(tfds.core.constants.DATA_DIR)
  version = builder.VERSION or builder.builder_configs[variant].version
  return os.path.join(os.path.expanduser(data_dir), builder.name, variant, str(version))


def _read_info(path):
  """Reads TFDS' info of a prepared data set; None if there is none as ArrayRecord."""
  try:
    with open(os.path.join(path, _INFO), encoding="utf-8") as f:
      info = json.load(f)
  except (OSError, ValueError):
    return None
  formats = [info.get("fileFormat"), *info.get("alternativeFileFormats", [])]
  return info if _FORMAT in formats else None


def _clear(path: str) -> None:
  """Removes the remains of interrupted preparations."""
  parent, version = os.path.split(path)
  for remains in glob.glob(os.path.join(glob.escape(parent), f"incomplete.*_{version}")):
    _log.info("removing the remains of an interrupted preparation: %s", remains)
    shutil.rmtree(remains, ignore_errors=True)


@quiet.libraries()
def _prepare(make_builder: Callable[[], tfds.core.DatasetBuilder], path: str) -> None:
  """Prepares a data set, one process at a time."""
  parent, version = os.path.split(path)
  try:
    os.makedirs(parent, exist_ok=True)
    with filelock.FileLock(os.path.join(parent, f".{version}.lock")):
      if _read_info(path) is not None:
        return
      _clear(path)
      builder = make_builder()
      _log.info("preparing %s in %s", builder.info.full_name, path)
      if not sys.stderr.isatty():
        tfds.disable_progress_bar()
      builder.download_and_prepare()
  except Exception as e:
    cause: BaseException | None = e
    while cause is not None and not isinstance(cause, errors.UserError):
      cause = cause.__cause__ or cause.__context__
    if cause is not None:  # TFDS wraps what a builder raises.
      raise errors.UserError(str(cause)) from None
    if isinstance(e, OSError) or any(words in str(e) for words in _DISK_ERRORS):
      raise errors.UserError(f"{path} cannot be written: {errors.one_line(e)}") from None
    raise


def make_form(config: ml_collections.ConfigDict) -> forms.Form:
  """The form of all notes that TFDS prepares: NSynth's, 4 s at 16 kHz."""
  del config
  return labels.FORM


def open_own(
  config: ml_collections.ConfigDict,
  builder: type[tfds.core.DatasetBuilder],
  builder_config: str | tfds.core.BuilderConfig,
) -> data_sets.DataSet:
  """Opens the notes of one of this package's builders, and prepares them on first use.

  Args:
    config: the `data` section of a config.
    builder: its class.
    builder_config: its config, or the name of one of its BUILDER_CONFIGS.

  Raises:
    UserError: as `open_set`.
  """
  name = builder_config if isinstance(builder_config, str) else builder_config.name
  return open_set(
    config,
    locate(builder, name, config),
    lambda: builder(config=builder_config, data_dir=config.tfds_dir, file_format=_FORMAT),
  )


def open_set(
  config: ml_collections.ConfigDict,
  path: str,
  make_builder: Callable[[], tfds.core.DatasetBuilder],
  on_request: bool = True,
) -> data_sets.DataSet:
  """Opens the notes at a path, and prepares them on first use.

  Args:
    config: the `data` section of a config.
    path: of `locate`.
    make_builder: makes the builder that prepares the notes.
    on_request: whether notes that are missing may be prepared.

  Raises:
    UserError: if the notes are not prepared, and may not or cannot be.
  """
  info = _read_info(path)
  if info is None:
    if not on_request:
      raise errors.UserError(
        f"{config.name} is not prepared as ArrayRecord in {path}: prepare it with "
        f"`python -m cvae_jax.prepare {config.name}`, or give --config.data.tfds_dir"
      )
    _prepare(make_builder, path)
    info = _read_info(path)
    assert info is not None
  sizes = {
    split["name"]: [int(n) for n in split.get("shardLengths", [])] for split in info["splits"]
  }
  with open(os.path.join(path, _INSTRUMENTS), encoding="utf-8") as f:
    vocabulary = labels.make_vocabulary(f.read().splitlines())

  def open_split(split, cache_gb, num_threads):
    from array_record.python import array_record_data_source

    shards = sizes[split]
    files = [
      os.path.join(path, f"{info['name']}-{split}.{_FORMAT}-{i:05d}-of-{len(shards):05d}")
      for i in range(len(shards))
    ]
    records = array_record_data_source.ArrayRecordDataSource(
      [f"{file}[0:{count}]" for file, count in zip(files, shards, strict=True)]
    )
    label_path = os.path.join(path, f"labels-{split}.npz")
    return sources.Records(records, labels.FORM, vocabulary, cache_gb, label_path, num_threads)

  return data_sets.DataSet(
    "/".join([info["name"], *filter(None, [info.get("configName")]), info["version"]]),
    labels.FORM,
    vocabulary,
    {split: sum(shards) for split, shards in sizes.items()},
    open_split,
    path,
    sum(int(split.get("numBytes", 0)) for split in info["splits"]),
  )
