"""The official `nsynth`: TFDS' own builder and its Beam pipeline, written as ArrayRecord.

A data set that was prepared as TFRecord, TFDS' earlier default, is converted by TFDS' converter. If
the 73 GB of archives are in a folder already, they are read from there instead of downloaded.
"""

from collections.abc import Mapping
import os
from typing import Any

import tensorflow_datasets as tfds
from tensorflow_datasets.datasets.nsynth import nsynth_dataset_builder as official

from cvae_jax.core import errors

_FORMAT = tfds.core.FileFormat.ARRAY_RECORD
_ARCHIVE = ".tar"


class Nsynth(official.Builder, skip_registration=True):  # type: ignore[call-arg]
  """TFDS' builder, with ArrayRecord as the file format.

  Args:
    archives: folder of the downloaded archives, with their original names; an archive may also be
      unpacked, as a folder of its name without `.tar`. None downloads them.
    beam_options: options of Beam's pipeline, without dashes, separated by commas, such as
      'runner=DirectRunner,direct_num_workers=2'.
    num_workers: processes that convert another file format.
    **kwargs: of `tfds.core.DatasetBuilder`.
  """

  name = "nsynth"

  def __init__(
    self, archives: str | None = None, beam_options: str = "", num_workers: int = 2, **kwargs
  ):
    self._archives = archives
    self._beam_options = beam_options
    self._num_workers = num_workers
    super().__init__(**kwargs)
    if not super().is_prepared():
      self.info.set_file_format(_FORMAT, override=True)
    elif _FORMAT.value in self.info.as_proto.alternative_file_formats:
      self._read_as_array_record()

  def is_prepared(self) -> bool:
    """Whether the notes are there as ArrayRecord."""
    return super().is_prepared() and self.info.file_format == _FORMAT

  def download_and_prepare(self, **kwargs) -> None:
    """Prepares the notes, or converts them from another file format.

    Raises:
      UserError: if Apache Beam is not installed, or archives are missing.
    """
    try:
      from apache_beam.options import pipeline_options
    except ImportError:
      raise errors.UserError(
        "nsynth is prepared with Apache Beam: pip install -e '.[prepare]'"
      ) from None
    if super().is_prepared():
      self._convert()
      return
    options = [f"--{option}" for option in self._beam_options.split(",") if option]
    config = tfds.download.DownloadConfig(beam_options=pipeline_options.PipelineOptions(options))
    super().download_and_prepare(download_config=config, **kwargs)

  def _convert(self) -> None:
    """Writes ArrayRecord files beside the existing ones; each shard is written atomically."""
    from tensorflow_datasets.scripts.cli import convert_format_utils

    convert_format_utils.convert_dataset(
      out_dir=None,
      out_file_format=_FORMAT,
      dataset_version_dir=[self.data_path],
      num_workers=self._num_workers,
      fail_on_error=True,
    )
    self._read_as_array_record()

  def _read_as_array_record(self) -> None:
    self.info.set_file_format(_FORMAT, override=True, override_if_initialized=True)

  def _split_generators(self, dl_manager):
    if self._archives is not None:
      dl_manager = _ArchiveFolder(self._archives, dl_manager)
    return super()._split_generators(dl_manager)


class _ArchiveFolder:
  """A download manager that reads archives from a folder."""

  def __init__(self, path: str, dl_manager: tfds.download.DownloadManager):
    self._path = path
    self._dl_manager = dl_manager

  def download_and_extract(self, urls: Any) -> Any:
    if isinstance(urls, Mapping):
      return {key: self.download_and_extract(url) for key, url in urls.items()}
    path = os.path.join(self._path, os.path.basename(urls))
    unpacked = path.removesuffix(_ARCHIVE)
    if os.path.exists(unpacked):
      return unpacked
    if os.path.exists(path):
      return self._dl_manager.extract(path)
    raise errors.UserError(
      f"{path} is missing: data.dir must hold the archive of {urls}; unset it to download"
    )


def variants() -> tuple[str, ...]:
  """Names of the variants, as in `nsynth/NAME`."""
  return tuple(config.name for config in official.Builder.BUILDER_CONFIGS)
