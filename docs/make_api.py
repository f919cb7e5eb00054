"""The API reference, from docstrings.

python docs/make_api.py               # docs/api.md: every public name in one line
python docs/make_api.py --html=site   # all of the docstrings, as pages (pip install -e '.[docs]')
"""

import argparse
import ast
from collections.abc import Iterator
import pathlib

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "api.md"
TITLES = {
  "cvae_jax": "Commands",
  "cvae_jax.training": "Training: loop, state, checkpoints, devices",
  "cvae_jax.synthesis": "Using a run: synthesizer, latent space, instruments, programs",
  "cvae_jax.audio": "Audio: waveforms and their transforms",
  "cvae_jax.audio.representations": "Representations: waveform to features and back",
  "cvae_jax.data": "Examples, their labels and data sets",
  "cvae_jax.data.sets": "Data sets by their name in a config",
  "cvae_jax.data.builders": "TFDS builders of notes",
  "cvae_jax.data.folders": "Folders of audio files, and their labels",
  "cvae_jax.data.synthetic": "Notes made by classic synthesis",
  "cvae_jax.scores": "Scores: notes, tokens and MIDI files",
  "cvae_jax.models": "Networks",
  "cvae_jax.models.common": "What networks share",
  "cvae_jax.methods": "Methods: objective, step, sampling",
  "cvae_jax.methods.common": "What methods share: losses, conditions, observations",
  "cvae_jax.evaluation": "Evaluation: tables and ablations",
  "cvae_jax.evaluation.metrics": "Metrics: the formulas",
  "cvae_jax.evaluation.measures": "Measures: what is found of a run",
  "cvae_jax.play": "The instrument in the browser and its API",
  "cvae_jax.report": "Reports",
  "cvae_jax.core": "Configs, parts, commands, files and errors",
}
INTRODUCTION = """# API

Every public name in one line, from its docstring, which has the rest: shapes, units, errors and the
source. Made by `python docs/make_api.py`; `python docs/make_api.py --html=site` makes pages of the
whole docstrings (`pip install -e '.[docs]'`). Where to begin: `cvae_jax.load` and
[`synthesizer`](#cvae_jaxsynthesissynthesizer) to use a run, [`config`](#cvae_jaxcoreconfig) and
[`loop`](#cvae_jaxtrainingloop) to make one, [`methods`](#cvae_jaxmethods) to add another kind.
"""


def find_modules() -> dict[str, pathlib.Path]:
  """Files of the package's modules by dotted name, without those that only start something."""
  modules = {}
  for path in sorted((ROOT / "cvae_jax").rglob("*.py")):
    parts = path.relative_to(ROOT).with_suffix("").parts
    if parts[-1] != "__main__":
      modules[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
  return modules


def _summary(node) -> str:
  """The first paragraph of a docstring, in one line that a table can hold."""
  paragraph = (ast.get_docstring(node) or "").partition("\n\n")[0]
  return " ".join(paragraph.split()).replace("|", "\\|")


def _public(body: list[ast.stmt]) -> Iterator[ast.FunctionDef | ast.ClassDef]:
  for node in body:
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
      if node.name != "main":  # A command: its module's docstring says how it is called.
        yield node


def _signature(function: ast.FunctionDef) -> str:
  """Its parameters as they are written, without types."""
  arguments = function.args
  shown = [a.arg for a in (*arguments.posonlyargs, *arguments.args)]
  for i, default in enumerate(reversed(arguments.defaults), start=1):
    shown[-i] += f"={ast.unparse(default)}"
  if arguments.vararg or arguments.kwonlyargs:
    shown.append("*" + (arguments.vararg.arg if arguments.vararg else ""))
  for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
    shown.append(argument.arg + (f"={ast.unparse(default)}" if default is not None else ""))
  if arguments.kwarg:
    shown.append("**" + arguments.kwarg.arg)
  return ", ".join(name for name in shown if name not in ("self", "cls"))


def _rows(body: list[ast.stmt], prefix: str = "") -> Iterator[str]:
  """Of a table: what is public; methods that are told by their class alone are left out."""
  for node in _public(body):
    if not _summary(node):
      continue
    decorators = [ast.unparse(d) for d in node.decorator_list]
    if isinstance(node, ast.ClassDef):
      shown = f"class {node.name}"
    elif any("property" in d for d in decorators):
      shown = prefix + node.name
    else:
      shown = f"{prefix}{node.name}({_signature(node)})"
    yield f"| `{shown.replace('|', chr(92) + '|')}` | {_summary(node)} |"
    if isinstance(node, ast.ClassDef):
      yield from _rows(node.body, f"{node.name}.")


def make_page() -> str:
  """The text of docs/api.md."""
  modules = find_modules()
  text = [INTRODUCTION]
  for package, title in TITLES.items():
    text.append(f"## {title}\n")
    for name, path in modules.items():
      if (name if path.name == "__init__.py" else name.rpartition(".")[0]) != package:
        continue
      tree = ast.parse(path.read_text())
      text.append(f"### {name}\n")
      text.append(f"{_summary(tree)} ([{path.name}](../{path.relative_to(ROOT)}))\n")
      rows = list(_rows(tree.body))
      if rows:
        text.append("\n".join(["| | |", "|---|---|", *rows]) + "\n")
  return "\n".join(text)


def main() -> None:
  """Writes what is asked for."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument("--html", metavar="DIR", help="make pages of it, in this folder")
  args = parser.parse_args()
  if args.html is None:
    PAGE.write_text(make_page())
    return
  import pdoc

  # A package brings its own modules; two commands that are nothing but flags share their names.
  top = [name for name in find_modules() if name.count(".") <= 1]
  apart = ["!cvae_jax.main", "!cvae_jax.prepare"]
  pdoc.render.configure(docformat="google", math=True)
  pdoc.pdoc(*top, *apart, output_directory=pathlib.Path(args.html))


if __name__ == "__main__":
  main()
