"""Scores of the corpus inside an installed music21 package, as windows; see `folder_scores`.

`pip install music21` brings some 14,000 tunes in ABC notation, and MusicXML and **kern, of which
each keeps a licence of its own. Only its files are read, by the readers of this package: music21
is not imported. The label `kind` is the folder of a tune.
"""

import importlib.util
import os

import ml_collections

from cvae_jax.core import errors
from cvae_jax.data import data_sets
from cvae_jax.data import tunes
from cvae_jax.data.folders import score_folder
from cvae_jax.data.sets import folder_scores

make_form = tunes.make_form


def open_set(config, variant, on_request):
  """See `data_sets.load`."""
  del on_request
  data_sets.no_variants("music21_corpus", variant)
  _check(config)
  root, folders = find_corpus(), tuple(config.corpus.folders)
  files = []
  for folder in folders:
    path = os.path.join(root, folder)
    if not os.path.isdir(path):
      raise errors.UserError(
        f"data.corpus.folders has '{folder}', and the corpus of music21 has "
        f"{', '.join(_list_folders(root))}"
      )
    files += [file._replace(name=f"{folder}/{file.name}") for file in score_folder.find(path)]
  title = f"{', '.join(folders)} of music21's corpus"
  return folder_scores.open_files(config, "music21_corpus", title, files)


def find_corpus() -> str:
  """The folder of the corpus of the installed music21 package.

  Raises:
    UserError: if music21 is not installed, or has no corpus.
  """
  spec = importlib.util.find_spec("music21")
  if spec is None:
    raise errors.UserError("music21_corpus reads files of the package music21: pip install music21")
  for place in spec.submodule_search_locations or ():
    if os.path.isdir(os.path.join(place, "corpus")):
      return os.path.join(place, "corpus")
  raise errors.UserError(
    "the installed music21 has no corpus: pip install --force-reinstall music21"
  )


def _list_folders(root: str) -> list[str]:
  return sorted(x.name for x in os.scandir(root) if x.is_dir() and not x.name.startswith("_"))


def get_config():
  """Default fields of the data set."""
  config = folder_scores.get_config()
  del config.dir
  config.corpus = ml_collections.ConfigDict()
  # Folders of the corpus, such as also essenFolksong, whose licence see docs/data.md.
  config.corpus.folders = ("oneills1850", "ryansMammoth", "airdsAirs")
  return config


def _check(config) -> None:
  """Raises UserError for fields that cannot be used."""
  folder_scores.check_settings(config.scores)
  folders = tuple(config.corpus.folders)
  plain = all(name and os.path.basename(name) == name and name[0] not in "._" for name in folders)
  if not folders or len(set(folders)) < len(folders) or not plain:
    raise errors.UserError(
      f"data.corpus.folders must be different names of folders of music21's corpus, got {folders}"
    )


def check(config):
  """Raises UserError for fields that cannot be used."""
  make_form(config.data)
  _check(config.data)
