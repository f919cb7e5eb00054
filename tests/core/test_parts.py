"""The rooms of the package: few on top, and folders of parts that hold parts alone."""

from conftest import ROOT
import pytest

PACKAGE = ROOT / "cvae_jax"
PARTS = {
  "models": "make_model",
  "methods": "make_method",
  "data/sets": "open_set",
  "audio/representations": "make_representation",
}


def test_the_package_has_few_rooms():
  entries = [p for p in PACKAGE.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()]
  assert len(entries) <= 26, sorted(p.name for p in entries)


@pytest.mark.parametrize("folder,function", PARTS.items())
def test_a_folder_of_parts_holds_parts_alone(folder, function):
  files = [p for p in (PACKAGE / folder).glob("*.py") if p.name != "__init__.py"]
  assert files
  for path in files:
    assert f"\ndef {function}(" in path.read_text(), f"{path.name} is no part: it has no {function}"
