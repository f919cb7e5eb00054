"""Fields beside their readers: every part has its own, and a config holds no others."""

import importlib
import json
import pathlib
import re

from conftest import ROOT
from conftest import get_config
from conftest import run_module
import pytest

from cvae_jax import main
from cvae_jax.core import config as config_lib
from cvae_jax.core import config_check
from cvae_jax.core import config_file
from cvae_jax.core import errors
from cvae_jax.core import parts

PARTS = [
  (section, name)
  for section, (package, function, _) in config_lib.SECTIONS.items()
  for name in parts.find(package, function)
]


def own_fields(section, name):
  module = config_lib.find_part(section, name)
  made = getattr(module, "get_config", dict)()
  return module, config_lib.flatten(made)


def sources(module):
  """The text of a part without its fields, and of what it imports of the package.

  Files that are named after it, as methods/common/rave_training.py, are parts of it.
  """
  own = pathlib.Path(module.__file__)
  beside = sorted(own.parent.glob(f"common/{own.stem}_*.py"))
  text = "\n".join(path.read_text() for path in (own, *beside))
  parts_of_text = [re.sub(r"\ndef get_config\(.*?\n  return config\n", "\n", text, flags=re.S)]
  for room, name in re.findall(r"^ *from (cvae_jax[\w.]*) import (\w+)", text, flags=re.M):
    for dotted in (room, f"{room}.{name}"):
      try:
        path = importlib.import_module(dotted).__file__
      except ModuleNotFoundError:
        continue
      if not dotted.startswith("cvae_jax.core"):
        parts_of_text.append(pathlib.Path(path).read_text())
  return "\n".join(parts_of_text)


@pytest.mark.parametrize("section,name", PARTS)
def test_a_part_reads_every_field_that_it_has(section, name):
  module, fields = own_fields(section, name)
  text = sources(module)
  for field in fields:
    last = field.rpartition(".")[2]
    assert re.search(rf"\.{last}\b", text), f"{section} {name} does not read {field}"


@pytest.mark.parametrize("section,name", PARTS)
def test_a_config_of_any_part_is_right_and_so_is_its_tiny_one(section, name):
  config = config_lib.get_base_config(**{section: name})
  config_check.check(config)
  config_check.check(config_lib.apply_variants(config, "tiny"))
  assert set(config_lib.flatten(config[section])) >= set(own_fields(section, name)[1])


def test_another_part_replaces_the_fields_but_keeps_what_was_changed():
  config = config_lib.get_base_config()
  config.model.latent_dim, config.model.num_templates = 7, 3
  config.data.num_threads = 5
  config_lib.update(config, {"model.kernel_size": 5, "model.name": "conv2d", "data.name": "sounds"})
  assert (config.model.name, config.model.latent_dim, config.model.kernel_size) == ("conv2d", 7, 5)
  assert "num_templates" not in config.model and config.model.flat_channels is None
  assert config.data.num_threads == 5 and config.data.sounds.sample_rate == 44_100
  config_lib.update(config, {"data.name": "synth_drums", "data.drums.sample_rate": 22_050})
  config_lib.update(config, {"data.name": "drums"})
  assert config.data.drums.sample_rate == 22_050 and config.data.drums.kind_column == "kind"
  config_check.check(config)


def test_a_field_that_a_run_does_not_read_is_named_with_what_reads_it():
  config = config_lib.get_base_config()
  config.model.name = "conv2d"
  says = r"model\.\w+ is no field of model.name=conv2d, but of conv1d: --config=FILE:model=NAME"
  with pytest.raises(errors.UserError, match=says):
    config_check.check(config)
  config = config_lib.get_base_config(model="conv2d")
  del config.model["norm"]
  with pytest.raises(errors.UserError, match="model.norm is missing, which model.name=conv2d"):
    config_check.check(config)


def test_tiny_is_of_the_parts_that_there_are():
  config = config_lib.load(f"{ROOT}/configs/cvae.py:tiny,representation=log_mel,model=conv2d")
  assert config.representation.n_mels == 32 and config.model.channels == (8, 8)
  with pytest.raises(errors.UserError, match="model.name must be one of conv1d, conv2d, got 'x'"):
    config_lib.load(f"{ROOT}/configs/cvae.py:model=x")


@pytest.mark.parametrize(
  "argv,config",
  [
    (["main", "--config=a.py:tiny"], "--config=a.py:tiny"),
    (["main", "--config=a.py", "--config.model.name=conv2d"], "--config=a.py:model=conv2d"),
    (["main", "--config.data.name=sounds", "--config", "a.py:x"], "a.py:x,data=sounds"),
    (["main", "--config=a.py", "--config.data.name", "sounds"], "--config=a.py:data=sounds"),
  ],
)
def test_flags_of_parts_become_a_variant(argv, config):
  assert config in main._with_parts(argv)


def test_flags_of_a_part_are_known_with_it_and_no_others(tmp_path):
  done = run_module(
    "cvae_jax.main", f"--config={ROOT}/configs/cvae.py:tiny", "--config.data.name=sounds",
    "--config.data.sounds.duration_s=0.5", f"--config.data.dir={tmp_path}/none",
    f"--workdir={tmp_path / 'run'}",
  )  # fmt: skip
  assert done.returncode == 2 and "none is not a folder" in done.stderr, done.stderr
  done = run_module(
    "cvae_jax.main", f"--config={ROOT}/configs/cvae.py:tiny", "--config.data.sounds.duration_s=1.0"
  )
  assert done.returncode == 2 and "sounds" in done.stderr and done.stderr.count("\n") == 1


def test_a_run_keeps_what_it_reads_and_the_version_that_wrote_it(tmp_path):
  config_file.save(config_lib.get_base_config(model=None, method="vae"), str(tmp_path))
  stored = json.loads((tmp_path / "config.json").read_text())
  assert "model" not in stored and "soundfont" not in stored["data"]
  config_file.save(get_config("cvae"), str(tmp_path))
  assert config_lib.flatten(config_file.load(str(tmp_path))) == config_lib.flatten(
    get_config("cvae")
  )
  for version, says in (("0.1.0", "by version 0.1.0"), (None, "by an earlier version")):
    stored = json.loads((tmp_path / "config.json").read_text()) | {"version": version}
    (tmp_path / "config.json").write_text(json.dumps(stored))
    with pytest.raises(errors.UserError, match=f"{says}, and this is .*: use that one, or train"):
      config_file.load(str(tmp_path))


@pytest.mark.parametrize(
  "flag,says",
  [
    ("--config.train.stepz=3", "there is no field train.stepz: did you mean train.steps?"),
    ("--config.foo=3", "there is no field foo"),
    ("--noconfig.eval.baseline", "there is no field eval.baseline: did you mean eval.baselines"),
    (
      "--config.model.norm=layer",
      "there is no field model.norm of model.name=conv1d, but of conv2d",
    ),
    ("--config.data.sounds.duration_s=1.0", "data.sounds.duration_s of data.name=synth_notes, but"),
  ],
)
def test_a_flag_of_no_field_is_named(flag, says):
  with pytest.raises(errors.UserError) as error:
    config_lib.check_flags(["main", "--config=a.py", flag], config_lib.get_base_config())
  assert says in str(error.value)


def test_another_part_keeps_what_was_changed_field_by_field():
  config = config_lib.get_base_config(data="synth_drums")
  config.data.drums.update(sample_rate=22_050, hits=5)
  config_lib.set_part(config, "data", "drums")
  assert config.data.name == "drums" and config.data.drums.sample_rate == 22_050
  assert config.data.drums.max_s == 12.0 and "hits" not in config.data.drums


def test_a_config_of_before_a_field_came_in_has_its_default(tmp_path):
  config = config_lib.get_base_config(
    method="musicvae", data="synth_scores", representation=None, model=None
  )
  config.method.flow.optimizer.learning_rate = 0.5
  config_file.save(config, str(tmp_path))
  path = tmp_path / config_file.FILENAME
  stored = json.loads(path.read_text())
  del stored["optimizer"]["name"], stored["method"]["flow"]["optimizer"]["name"]
  path.write_text(json.dumps(stored))
  assert config_lib.flatten(config_file.load(str(tmp_path))) == config_lib.flatten(config)
