"""The notebooks: kept with what they showed, and they still run from top to bottom."""

import json
import re

from conftest import ROOT
import pytest

from cvae_jax.core import parts

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")

NOTEBOOKS = sorted((ROOT / "colabs").glob("*.ipynb"))
# What makes a notebook's training short: it is to run here, not to teach.
QUICK = {
  "config.train.steps = 300": "config.train.steps = 2",
  "config.train.steps = 150": "config.train.steps = 4",
  "TRAIN_STEPS = 150": "TRAIN_STEPS = 2",
  "TRAIN_STEPS = 500": "TRAIN_STEPS = 2",
  "TRAIN_STEPS = 80": "TRAIN_STEPS = 2",
  "SEEDS = 3": "SEEDS = 2",
  '/configs/cvae_best.py")': (
    '/configs/cvae_best.py:nsynth_wav"); config.data.dir = f"{ROOT}/tests/fixtures/nsynth"; '
    "config.model.channels = (16, 16); config.train.batch_size = 8"
  ),
  'config.data.name = "synth_notes"\n': "",
  # The real notes that stand in for synthetic ones have no qualities.
  'qualities[:, labels.QUALITIES.index("bright")] > 0': 'codes.labels()["family"] == 0',
  "config.model.channels = (64, 64, 64)": "config.model.channels = (8, 8)",
  "base.model.channels = (32, 32, 32)": "base.model.channels = (8, 8)",
  "(1, 4, 16, 64, 256)": "(1, 4, 16)",
  "jax.random.key(2), 256)": "jax.random.key(2), 16)",
  "256 // k * k": "16 // k * k",
}


def read(path):
  return nbformat.read(str(path), as_version=4)


def num_figures(path):
  return 2 if path.stem == "ablations" else 3  # Tables are what that one shows.


def code_cells(notebook):
  return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_as_it_ran(path):
  notebook = read(path)
  nbformat.validate(notebook)
  first, *_ = code_cells(notebook)
  assert first.source == code_cells(read(NOTEBOOKS[0]))[0].source  # One way to install.
  assert notebook.cells[0].cell_type == "markdown" and notebook.cells[0].source.startswith("# ")
  counts = [cell.execution_count for cell in code_cells(notebook)]
  assert counts == list(range(1, len(counts) + 1))  # Once, from top to bottom.
  outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
  assert {output.output_type for output in outputs} <= {"stream", "display_data", "execute_result"}
  assert sum("image/png" in output.get("data", {}) for output in outputs) >= num_figures(path)
  if path.stem != "ablations":  # All but this one sound.
    assert any("<audio" in output.get("data", {}).get("text/html", "") for output in outputs)
  assert path.stat().st_size < 4e6
  text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
  for link in re.findall(r"\]\(([^)#:]+)\)", text):
    assert (path.parent / link).exists(), link


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom(path, tfds_dir, tmp_path, monkeypatch):
  monkeypatch.setenv("TFDS_DATA_DIR", tfds_dir)
  notebook = read(path)
  runs = f'pathlib.Path("{tmp_path}")'
  for cell in code_cells(notebook):
    for slow, quick in {**QUICK, 'ROOT / "runs"': runs}.items():
      cell.source = cell.source.replace(slow, quick)
    cell.outputs = []
  client = nbclient.NotebookClient(
    notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}
  )
  client.execute()
  shown = [output for cell in code_cells(notebook) for output in cell.outputs]
  assert sum("image/png" in output.get("data", {}) for output in shown) >= num_figures(path)


def test_what_is_made_short_is_still_there():
  sources = "\n".join(cell.source for path in NOTEBOOKS for cell in code_cells(read(path)))
  assert [slow for slow in QUICK if slow not in sources] == []


def test_a_published_copy_has_badges_and_is_what_they_install():
  badges = parts.load_file(ROOT / "launch" / "colab_badges.py")
  path = NOTEBOOKS[0]
  notebook = json.loads(path.read_text())
  before = json.dumps(notebook["cells"][2:])
  for repository in ("someone/theirs", "somebody/cvae_jax"):  # Again: another address.
    badges.add_badge(notebook, repository, "main", path.name)
  nbformat.validate(nbformat.from_dict(notebook))
  title, install = ("".join(cell["source"]) for cell in notebook["cells"][:2])
  opened = (
    f"https://colab.research.google.com/github/somebody/cvae_jax/blob/main/colabs/{path.name}"
  )
  assert title.count("Open in Colab") == 1 and f"]({opened})\n\n" in title
  assert 'REPOSITORY = "https://github.com/somebody/cvae_jax"' in install
  assert "someone" not in title + install
  assert json.dumps(notebook["cells"][2:]) == before
