"""The corpus of music21: a package of that name with a few tunes, found and not imported."""

import sys

from conftest import one_line
import numpy as np
import pytest

from cvae_jax.core import config as config_lib
from cvae_jax.core import config_check
from cvae_jax.core import errors
from cvae_jax.data import data_sets
from cvae_jax.data import score_store

HEADER = "X:{}\nT:a tune\nM:4/4\nL:1/8\nK:D\n"


def tune(number):
  """A tune of four bars of its own."""
  letters = np.random.default_rng(number).choice(list("CDEFGABcdefg"), (4, 8))
  return HEADER.format(number) + "|".join(map("".join, letters)) + "|\n\n"


@pytest.fixture
def package(tmp_path, monkeypatch):
  """A package music21 that cannot be imported."""
  corpus = tmp_path / "music21" / "corpus"
  for folder, numbers in (("oneills1850", range(1, 9)), ("airdsAirs", range(9, 12))):
    (corpus / folder).mkdir(parents=True)
    (corpus / folder / "book.abc").write_text("".join(map(tune, numbers)))
  (corpus / "_cache").mkdir()
  (tmp_path / "music21" / "__init__.py").write_text("raise RuntimeError('it is imported')\n")
  monkeypatch.syspath_prepend(tmp_path)
  monkeypatch.delitem(sys.modules, "music21", raising=False)
  return corpus


def get_config(tfds_dir, *folders):
  config = config_lib.get_base_config(data="music21_corpus")
  config.data.tfds_dir = str(tfds_dir)
  if folders:
    config.data.corpus.folders = folders
  config_check.check(config)
  return config.data


def test_its_tunes_are_windows_with_their_folder_as_the_kind(package, tfds_dir):
  data_set = data_sets.load(get_config(tfds_dir, "oneills1850", "airdsAirs"))
  assert data_set.vocabulary.get("kind").names == ("airdsAirs", "oneills1850")
  rows = score_store.read_report(data_set.folder)
  names = {row.tune for row in rows}
  assert len(rows) == 11 and {"oneills1850/book.abc#8", "airdsAirs/book.abc#3"} <= names
  assert {row.used for row in rows} == {"yes"} and data_set.splits["train"] == 9 * 3
  assert data_set.name == "oneills1850, airdsAirs of music21's corpus"


def test_what_is_not_there_is_one_line(package, tfds_dir, monkeypatch):
  with pytest.raises(errors.UserError) as error:
    data_sets.load(get_config(tfds_dir, "essen"))
  assert "has 'essen', and the corpus of music21 has airdsAirs, oneills1850" in one_line(error)
  package.rename(package.parent / "other")
  with pytest.raises(errors.UserError) as error:
    data_sets.load(get_config(tfds_dir))
  assert "the installed music21 has no corpus" in one_line(error)
  monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
  with pytest.raises(errors.UserError) as error:
    data_sets.load(get_config(tfds_dir))
  assert one_line(error).endswith("reads files of the package music21: pip install music21")


@pytest.mark.parametrize("folders", [(), ("a", "a"), ("../a",), ("",), ("_cache",)])
def test_folders_that_cannot_be_used_are_one_line(folders, tfds_dir):
  config = config_lib.get_base_config(data="music21_corpus")
  config.data.corpus.folders = folders
  with pytest.raises(errors.UserError) as error:
    config_check.check(config)
  assert "data.corpus.folders must be different names of folders" in one_line(error)
