"""Prepares a data set, summarises it and draws it.

python -m cvae_jax.prepare synth_notes
python -m cvae_jax.prepare soundfont_notes --config.data.soundfont.path=piano.sf2
python -m cvae_jax.prepare nsynth_wav --config.data.dir=DIR --data_dir=/big/disk
python -m cvae_jax.prepare nsynth/full --config.data.beam_options=direct_num_workers=2
"""

import logging
import os
import sys
import time

from absl import app
from absl import flags
import ml_collections
from ml_collections import config_flags

from cvae_jax.core import cli
from cvae_jax.core import config as config_lib
from cvae_jax.core import config_check
from cvae_jax.core import errors
from cvae_jax.core import outputs
from cvae_jax.evaluation import drawing

FLAGS = flags.FLAGS
_log = logging.getLogger("cvae_jax.prepare")  # Also when run as __main__.
_DATA_DIR = flags.DEFINE_string(
  "data_dir", None, "Directory of prepared data sets; by default that of TFDS."
)
_MEASURE = flags.DEFINE_integer(
  "measure", 20_000, "Number of notes per split whose level is measured.", lower_bound=1
)
FIGURE, EXTRA_FIGURE = "labels.png", "files.png"


def _find_config(arguments: list[str]) -> ml_collections.ConfigDict:
  """The config of the data set that a command line names; the default config if it names none."""
  for argument in (x for x in arguments if not x.startswith("-")):
    try:
      return config_lib.get_base_config(data=argument)
    except errors.UserError:  # The value of a flag, or an unknown name, which is reported later.
      continue
  return config_lib.get_base_config()


def _parse(argv: list[str]) -> list[str]:
  """Parses the flags and the name; errors are reported in one line, with exit status 2."""
  sys.argv = argv = [argv[0], *cli.expand_home(argv[1:])]  # ml_collections reads sys.argv itself.
  try:
    # The flags include the fields of the data set.
    config = _find_config(argv[1:])
    config_lib.check_flags(argv, config)
    config_flags.DEFINE_config_dict("config", config)
    names = FLAGS(argv)[1:]
    if len(names) != 1:
      raise errors.UserError(
        f"give the name of one data set, such as synth_notes, got {len(names)}"
      )
    config_lib.set_part(FLAGS.config, "data", names[0])
    config_check.check(FLAGS.config)
    if _DATA_DIR.value:
      outputs.check_directory(_DATA_DIR.value, "--data_dir")
  except cli.OF_FLAGS as e:
    cli.fail(e)
  return names


def prepare(data, measured_notes: int) -> str:
  """Prepares the data set of a `data` section, logs its table and draws it.

  Returns:
    The folder of the prepared data set.
  """
  from cvae_jax.data import data_sets
  from cvae_jax.data import pipeline
  from cvae_jax.data import statistics

  started = time.monotonic()
  data_set = data_sets.load(data, on_request=True)
  seconds = time.monotonic() - started
  splits = {}
  for split, count in data_set.splits.items():
    if not count:
      continue
    source = pipeline.open_split(data_set, split, 0.0, data.num_threads)
    splits[split] = statistics.measure(source, measured_notes, data.num_threads)
    note = "" if len(source) <= measured_notes else f", {measured_notes:,} measured"
    header = statistics.make_header(splits[split])
    table = statistics.format_table(statistics.make_table(splits[split]), header)
    _log.info("\n%s: %s examples%s\n%s", split, f"{len(source):,}", note, table)
  size = f"{data_set.num_bytes / 1e9:.2f} GB"
  if data_set.num_bytes < 1e9:
    size = f"{data_set.num_bytes / 1e6:.1f} MB"
  _log.info("\n%s: %s, ready after %.0f s", data_set.name, size, seconds)
  if data_set.remark:
    _log.info("  %s", data_set.remark)
  if data_set.folder is None:
    return ""
  _log.info("  examples  %s", data_set.folder)
  figures = {FIGURE: drawing.draw_data_set(splits)}
  if data_set.figure is not None:
    figures[EXTRA_FIGURE] = data_set.figure()
  for name, png in figures.items():
    path = os.path.join(data_set.folder, name)
    drawing.write_png(path, png)
    _log.info("  figure    %s", path)
  return data_set.folder


def main(names: list[str]) -> None:
  """Prepares the data set that the command line names."""
  del names
  data = FLAGS.config.data
  if _DATA_DIR.value:
    data.tfds_dir = _DATA_DIR.value

  def run() -> None:
    prepare(data, _MEASURE.value)

  cli.run(run)


if __name__ == "__main__":
  app.run(main, flags_parser=_parse)
