"""Adds the address of a published copy to the notebooks: a badge that opens each in Colab, and the
repository that its first code cell installs. Running it again replaces the address.

python launch/colab_badges.py OWNER/NAME [--branch=main]
"""

import argparse
import json
import pathlib
import re
import sys

COLABS = pathlib.Path(__file__).resolve().parent.parent / "colabs"
_BADGE = "https://colab.research.google.com/assets/colab-badge.svg"


def add_badge(notebook: dict, repository: str, branch: str, name: str) -> None:
  """Changes a notebook in place.

  Args:
    notebook: its JSON; the first cell is text, the second installs the package.
    repository: OWNER/NAME on GitHub.
    branch: the branch to open.
    name: the file name of the notebook.
  """
  title, install = notebook["cells"][:2]
  text = "".join(title["source"])
  text = re.sub(r"^\[!\[Open in Colab\].*\n\n", "", text, flags=re.M)
  address = f"https://colab.research.google.com/github/{repository}/blob/{branch}/colabs/{name}"
  heading, _, rest = text.partition("\n\n")
  badge = f"[![Open in Colab]({_BADGE})]({address})"
  title["source"] = f"{heading}\n\n{badge}\n\n{rest}".splitlines(keepends=True)
  code = "".join(install["source"])
  code, count = re.subn(
    r'^REPOSITORY = ".*?"', f'REPOSITORY = "https://github.com/{repository}"', code, flags=re.M
  )
  if count != 1:
    raise ValueError(f"{name}: the second cell does not set REPOSITORY")
  install["source"] = code.splitlines(keepends=True)


def main() -> None:
  """Changes all notebooks in colabs/."""
  parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
  parser.add_argument("repository", help="OWNER/NAME on GitHub")
  parser.add_argument("--branch", default="main")
  args = parser.parse_args()
  if not re.fullmatch(r"[\w.-]+/[\w.-]+", args.repository):
    print(f"error: expected a repository as OWNER/NAME, got {args.repository}", file=sys.stderr)
    sys.exit(2)
  for path in sorted(COLABS.glob("*.ipynb")):
    notebook = json.loads(path.read_text())
    add_badge(notebook, args.repository, args.branch, path.name)
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")
    print(path.name)


if __name__ == "__main__":
  main()
