"""What the documents say: links that lead somewhere, commands that exist, an example that works."""

import ast
import functools
import importlib.util
import os
import re
import shlex
import subprocess
import sys

from conftest import ROOT
from conftest import get_config
from conftest import run_module
import pytest
import yaml

from cvae_jax.core import config as config_lib
from cvae_jax.core import parts
from cvae_jax.data import labels
from cvae_jax.version import __version__

DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def anchors(path):
  """The anchors of a document's headings, as GitHub makes them."""
  headings = re.findall(r"^#+ (.+)$", path.read_text(), flags=re.M)
  return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_to_what_is_there(path):
  for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
    target, _, anchor = link.partition("#")
    if target.startswith("http"):
      continue
    there = path.parent / target if target else path
    assert there.exists(), f"{path.name} leads to {link}"
    assert not anchor or anchor in anchors(there), f"{path.name} leads to {link}"


def commands(path):
  """The commands of a document, as lists of words."""
  text = path.read_text().replace("\\\n", " ")
  found = re.findall(r"python -m [^`\n|]+|(?<![\w/\[(])launch/[\w./]+[^`\n|]*", text)
  for command in found:
    command = re.split(r" &&| #|  +#", command)[0]
    try:
      yield shlex.split(command.rstrip(" .,;:)"))
    except ValueError:  # Prose that runs on after it.
      yield command.split()


def all_fields():
  """The fields of configs, of whatever parts."""
  fields = set(config_lib.flatten(config_lib.get_base_config()))
  for section, (package, function, _) in config_lib.SECTIONS.items():
    for name in parts.find(package, function):
      fields |= set(config_lib.flatten(config_lib.get_base_config(**{section: name})))
  return fields


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_commands_name_what_exists(path):
  fields = all_fields()
  for words in commands(path):
    if words[0].startswith("launch/"):
      assert (ROOT / words[0]).exists(), words
      continue
    module = words[2]
    if module.split(".")[0] == "cvae_jax":
      assert importlib.util.find_spec(module) is not None, words
    for flag, _, value in (word.partition("=") for word in words[3:]):
      if flag == "--config":
        file, _, variant = value.partition(":")
        if file in example_files():
          continue
        assert (ROOT / file).exists(), words
        if "ablations" not in file:
          get_config(os.path.basename(file).removesuffix(".py"), variant)
      elif flag.startswith("--config."):
        assert flag.removeprefix("--config.") in fields, words


def options(module):
  """The flags that a command knows, from its source."""
  tree = ast.parse(open(importlib.util.find_spec(module).origin).read())
  strings = {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant)}
  return {s for s in strings if isinstance(s, str)}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_flags_are_those_of_the_command(path):
  # A run has a flag for each of its labels: those of NSynth's notes, and of the example of drums.
  shared = options("cvae_jax.core.run_flags") | {*labels.make_vocabulary(()).names, "kind"}
  for words in commands(path):
    if words[0] != "python" or not words[2].startswith("cvae_jax."):
      continue
    module = words[2]
    spec = importlib.util.find_spec(module)
    known = shared | options(f"{module}.__main__" if spec.submodule_search_locations else module)
    for word in words[3:]:
      flag = word.partition("=")[0]
      if flag.startswith("--") and not flag.startswith("--config"):
        assert flag in known or flag.removeprefix("--") in known, words


def example_files():
  """The files of the worked example in CONTRIBUTING.md, by their path."""
  text = (ROOT / "CONTRIBUTING.md").read_text()
  return dict(re.findall(r"<!-- (\S+) -->\n```python\n(.*?)```", text, flags=re.S))


def find_models_in(folder):
  """From now on a folder's cvae_jax/models are found as if they were in the package."""
  from cvae_jax import models

  models.__path__.append(os.path.join(folder, "cvae_jax", "models"))


def test_the_worked_example_trains_and_generates(tmp_path, tfds_dir):
  for name, text in example_files().items():
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text(text)
  assert set(example_files()) == {"cvae_jax/models/perceptron.py", "configs/perceptron.py"}
  for arguments in (
    ["cvae_jax.main", f"--config={tmp_path}/configs/perceptron.py:tiny", "--config.train.steps=3",
     "--config.eval.baselines=False", "--config.eval.pitch_notes=0",
     "--config.eval.sample_notes=0", f"--config.data.tfds_dir={tfds_dir}"],
    ["cvae_jax.generate", "--pitch=60", "--num=2", f"--out={tmp_path / 'out'}"],
  ):  # fmt: skip
    follow = functools.partial(find_models_in, tmp_path)
    done = run_module(*arguments, f"--workdir={tmp_path / 'run'}", before=follow)
    assert done.returncode == 0, done.stdout + done.stderr
  assert len(list((tmp_path / "out").glob("*.wav"))) == 2


def test_the_citation_is_of_this_version():
  citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
  assert citation["version"] == __version__ and citation["license"] == "Apache-2.0"


def test_the_api_page_is_what_the_docstrings_say():
  make_api = parts.load_file(ROOT / "docs" / "make_api.py")
  assert make_api.PAGE.read_text() == make_api.make_page(), "run: python docs/make_api.py"
  for name in make_api.find_modules():
    assert f"### {name}\n" in make_api.PAGE.read_text(), f"{name} is in no package of TITLES"


@pytest.mark.slow  # Its quicker sibling is the page above, of the same docstrings.
def test_the_reference_is_made_of_all_modules(tmp_path):
  pytest.importorskip("pdoc")
  command = [sys.executable, "docs/make_api.py", f"--html={tmp_path}"]
  subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=300)
  made = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.html")}
  for name in parts.load_file(ROOT / "docs" / "make_api.py").find_modules():
    if name not in ("cvae_jax.main", "cvae_jax.prepare"):
      assert name.replace(".", "/") + ".html" in made, name


def definitions(path):
  """The functions and classes that a Python file defines, whatever they are in."""
  kinds = (ast.FunctionDef, ast.ClassDef)
  return {n.name for n in ast.walk(ast.parse((ROOT / path).read_text())) if isinstance(n, kinds)}


def test_the_architecture_page_names_what_exists():
  text = (ROOT / "docs" / "architecture.md").read_text()
  for path in re.findall(r"`((?:cvae_jax|configs|tests|launch)/[\w/.]+)`", text):
    assert "NAME" in path or (ROOT / path).exists(), path
  steps = re.findall(r"`((?:cvae_jax|configs)/[\w/]+\.py)`,\s+`(\w+)`", text)
  assert len(steps) > 30
  for path, name in steps:
    assert name in definitions(path), f"{path} defines no {name}"
