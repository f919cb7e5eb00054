"""Command lines: paths with ~, what cannot be written, files that are no configs, odd numbers."""

import importlib.metadata
import io
import os
import subprocess
import sys

from conftest import ROOT
from conftest import get_config
from conftest import one_line
from conftest import run_module
from conftest import run_python
import numpy as np
import pytest
import soundfile

from cvae_jax import ablate
from cvae_jax import evaluate
from cvae_jax import explore
from cvae_jax import export
from cvae_jax import figures
from cvae_jax import generate
from cvae_jax import reconstruct
from cvae_jax import render
from cvae_jax.core import cli
from cvae_jax.core import config as config_lib
from cvae_jax.core import config_check
from cvae_jax.core import errors
from cvae_jax.core import platforms
from cvae_jax.data import data_sets
from cvae_jax.play import __main__ as play
from cvae_jax.report import __main__ as report
from cvae_jax.synthesis import synthesizer
from cvae_jax.training import loop

LONG = "x" * 300


@pytest.fixture
def note(tmp_path):
  path = tmp_path / "note.wav"
  soundfile.write(path, 0.5 * np.sin(np.arange(64_000) * 0.1), 16_000)
  return str(path)


@pytest.fixture
def home(tmp_path, monkeypatch):
  """A home of its own."""
  path = tmp_path / "home"
  path.mkdir()
  monkeypatch.setenv("HOME", str(path))
  return path


@pytest.mark.parametrize(
  "argument,expanded",
  [
    ("~", "{home}"),
    ("~/x", "{home}/x"),
    ("--out=~/x", "--out={home}/x"),
    ("--out=~", "--out={home}"),
    ("-out=~/x y", "-out={home}/x y"),
    ("--config.data.dir=~/x", "--config.data.dir={home}/x"),
    ("--config=~/c.py:tiny", "--config={home}/c.py:tiny"),
    ("--set=data.dir=~/x", "--set=data.dir={home}/x"),
    ("data.dir=~/x", "data.dir={home}/x"),
    ("--out=~nobody-of-that-name/x", "--out=~nobody-of-that-name/x"),
    ("--out=a~/x", "--out=a~/x"),
    ("./~/x", "./~/x"),
    ("--config.data.folder.pattern=~{pitch}", "--config.data.folder.pattern=~{pitch}"),
    ("--title=A ~ B", "--title=A ~ B"),
    ("", ""),
  ],
)
def test_a_home_is_meant_after_an_equals_sign_too(home, argument, expanded):
  assert cli.expand_home([argument]) == [expanded.replace("{home}", str(home))]


def test_another_users_home_is_known(home):
  assert cli.expand_home(["--out=~root/x"]) == [f"--out={os.path.expanduser('~root')}/x"]


def test_commands_write_to_the_home_and_read_from_it(home, tiny_run, note, monkeypatch):
  monkeypatch.chdir(home)
  (home / "run").symlink_to(tiny_run)
  os.rename(note, home / "note.wav")
  generate.main(["--workdir=~/run", "--pitch=60", "--out=~/notes"])
  reconstruct.main(["--workdir=~/run", "~/note.wav", "~/out.flac"])
  assert len(os.listdir(home / "notes")) == 1
  assert sorted(os.listdir(home)) == ["note.wav", "notes", "out.flac", "run"]
  assert synthesizer.load("~/run").step == 30  # 20, and 10 of its prior.


def test_absl_commands_know_the_home_as_well(home):
  env = {"HOME": str(home)}
  done = run_module("cvae_jax.prepare", "synth_notes/tiny", "--data_dir=~/tfds", env=env)
  assert done.returncode == 0, done.stderr
  assert (home / "tfds" / "synth_notes").is_dir() and not (ROOT / "~").exists()
  done = run_module(
    "cvae_jax.main", f"--config={ROOT}/configs/cvae.py:tiny", "--config.data.name=folder_notes",
    "--config.data.dir=~/sounds", "--workdir=~/run", env=env,
  )  # fmt: skip
  assert done.returncode == 2 and f"{home}/sounds is not a folder" in done.stderr, done.stderr
  assert not (ROOT / "~").exists()


def test_a_home_in_a_config_is_a_home(home, monkeypatch):
  monkeypatch.chdir(home)
  config = config_lib.get_base_config(data="folder_notes").data
  config.dir = "~/none"
  with pytest.raises(errors.UserError, match=f"{home}/none is not a folder"):
    data_sets.load(config)
  assert config.dir == "~/none"  # What a run was begun with is kept.
  config = config_lib.get_base_config(data="soundfont_notes").data
  config.soundfont.path = "~/none.sf2"
  with pytest.raises(errors.UserError, match=f"{home}/none.sf2 cannot be read"):
    data_sets.load(config)
  config = config_lib.get_base_config(data="synth_notes/tiny").data
  config.tfds_dir = "~/tfds"
  assert str(data_sets.load(config).folder).startswith(f"{home}/tfds")
  tiny = get_config("cvae", "tiny", **{"data.tfds_dir": "~/tfds", "train.batch_size": 7})
  tiny.train.steps = 0
  with pytest.raises(errors.UserError):
    loop.train_and_evaluate(tiny, "~/run")
  # Libraries that are first imported here keep hidden folders of their own at home.
  assert [name for name in os.listdir(home) if not name.startswith(".")] == ["tfds"]


def no_work(*args, **kwargs):
  raise AssertionError("the work has begun")


@pytest.mark.parametrize(
  "main,arguments",
  [
    (generate.main, ["--out={}"]),
    (export.main, ["--pitches=60", "--out={}"]),
    (export.main, ["--format=wav", "--pitches=60", "--out={}"]),
    (explore.main, ["interpolate", "{note}", "{note}", "--out={}"]),
    (explore.main, ["traverse", "--out={}"]),
  ],
)
@pytest.mark.parametrize("out", ["file", "file/below", LONG])
def test_outputs_that_cannot_be_are_one_line_before_the_work(
  tmp_path, monkeypatch, note, main, arguments, out
):
  (tmp_path / "file").touch()
  monkeypatch.setattr(synthesizer, "load", no_work)
  name, *rest = [argument.format(tmp_path / out, note=note) for argument in arguments]
  before = sorted(os.listdir(tmp_path))
  with pytest.raises(errors.UserError, match="is a file|lies below|too long|bytes") as error:
    main([name, *rest, f"--workdir={tmp_path}"])
  one_line(error)
  assert sorted(os.listdir(tmp_path)) == before


@pytest.mark.parametrize("out", ["file/a.wav", f"{LONG}.wav", "folder.wav", "a.m4a", "a"])
@pytest.mark.parametrize(
  "main,arguments",
  [
    (reconstruct.main, ["{note}", "{out}"]),
    (render.main, ["{note}", "{out}"]),
    (explore.main, ["convert", "{note}", "{out}"]),
  ],
)
def test_sounds_that_cannot_be_written_are_one_line_before_the_work(
  tmp_path, monkeypatch, tiny_run, note, main, arguments, out
):
  (tmp_path / "file").touch()
  (tmp_path / "folder.wav").mkdir()
  monkeypatch.setattr(synthesizer, "load", no_work)
  given = [argument.format(note=note, out=tmp_path / out) for argument in arguments]
  with pytest.raises(errors.UserError, match="is a directory|below|too long|must end in") as error:
    main([*given, f"--workdir={tiny_run}"])
  one_line(error)


def test_reports_figures_and_programs_are_checked_first(tmp_path, monkeypatch, tiny_run, note):
  (tmp_path / "file").touch()
  monkeypatch.setattr(synthesizer, "load", no_work)
  for main, arguments in [
    (report.main, [tiny_run, f"--out={tmp_path / 'file'}"]),
    (report.main, [tiny_run, f"--out={tmp_path / LONG}"]),
    (report.main, [str(tmp_path / "file"), f"--out={tmp_path / 'report'}"]),
    (figures.main, [note, f"--out={tmp_path / 'file'}"]),
    (export.main, [f"--workdir={tiny_run}", f"--out={tmp_path / ('x' * 253)}"]),
    (export.main, ["--format=stablehlo", f"--workdir={tiny_run}", f"--out={tmp_path}/file/a.b"]),
  ]:
    with pytest.raises(errors.UserError) as error:
      main(arguments)
    one_line(error)
  assert sorted(os.listdir(tmp_path)) == ["file", "note.wav"]


@pytest.mark.parametrize("name", ["config.json", "config.json/below"])
def test_a_workdir_that_is_a_file_holds_no_run(tiny_run, name):
  with pytest.raises(errors.UserError, match="holds no run") as error:
    synthesizer.load(f"{tiny_run}/{name}")
  one_line(error)


@pytest.mark.parametrize("workdir", ["file", "file/below", LONG])
def test_main_checks_the_workdir_first(tmp_path, workdir):
  (tmp_path / "file").touch()
  done = run_module(
    "cvae_jax.main", f"--config={ROOT}/configs/cvae.py:tiny", f"--workdir={tmp_path / workdir}"
  )
  assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
  assert done.stderr.startswith("error: --workdir=") and not done.stdout
  assert os.listdir(tmp_path) == ["file"]


BROKEN = {
  "syntax.py": "def get_config(variant):\n  return (\n",
  "raises.py": "def get_config(variant):\n  x = 1\n  raise RuntimeError('of its own\\nwords')\n",
  "imports.py": "import of_nothing\n",
  "exits.py": "raise SystemExit(3)\n",
  "nul.py": "a\0b",
  "nothing.py": "",
  "none.py": "def get_config():\n  return None\n",
  "text.md": "# A file in words\nand no Python.\n",
}


@pytest.mark.parametrize(
  "path,says",
  [
    ("syntax.py", "is no Python (SyntaxError"),
    ("raises.py", "line 3: RuntimeError: of its own words"),
    ("imports.py", "line 1: ModuleNotFoundError: No module named 'of_nothing'"),
    ("exits.py", "line 1: SystemExit: 3"),
    ("nul.py", "is no Python ("),
    ("nothing.py", "is no config: it has no get_config"),
    ("none.py", "takes 0 positional arguments"),
    ("text.md", "is no Python ("),
    ("", "is no file: a Python file with get_config is wanted"),
    ("absent.py", "does not exist"),
    ("syntax.py/below", "does not exist"),
  ],
)
@pytest.mark.parametrize("flag", ["--config={}", "--config={}:tiny"])
def test_a_config_that_is_none_is_one_line(tmp_path, path, says, flag):
  for name, text in BROKEN.items():
    (tmp_path / name).write_text(text)
  done = run_module("cvae_jax.main", flag.format(tmp_path / path), f"--workdir={tmp_path / 'run'}")
  assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
  assert done.stderr.startswith("error: --config=") and says in done.stderr, done.stderr
  assert len(done.stderr) < 400 + len(str(tmp_path))


def test_a_variant_that_there_is_not_is_named_and_no_more(tmp_path):
  done = run_module("cvae_jax.main", "--config=configs/cvae.py:tinny")
  assert done.stderr == (
    "error: config variant must be one of mine, narrow, nsynth_wav, paper, real, soundfont, "
    "thesis, tiny, got 'tinny'\n"
  )


@pytest.mark.parametrize("platform", ["cuda", "rocm", "nonsense"])
def test_a_platform_that_is_not_there_is_one_line(tiny_run, tmp_path, platform):
  code = f"cvae_jax.generate --workdir={tiny_run} --pitch=60 --out={tmp_path / 'out'}".split()
  done = run_python("-m", *code, env={"JAX_PLATFORMS": platform})
  assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
  assert f"JAX_PLATFORMS={platform}, but this JAX has cpu" in done.stderr
  assert not (tmp_path / "out").exists()


def test_a_training_says_so_too_and_figures_do(tmp_path, note):
  env = {"JAX_PLATFORMS": "cuda"}
  for command in (
    ["cvae_jax.main", "--config=configs/cvae.py:tiny", f"--workdir={tmp_path / 'run'}"],
    ["cvae_jax.figures", note, f"--out={tmp_path / 'out'}"],
  ):
    done = run_python("-m", *command, env=env)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: JAX_PLATFORMS=cuda, but") and done.stderr.count("\n") == 1
  assert sorted(os.listdir(tmp_path)) == ["note.wav"]


def test_a_platform_that_is_there_is_no_problem(monkeypatch):
  for platform in ("cpu", ""):
    monkeypatch.setenv("JAX_PLATFORMS", platform)
    assert platforms.problem() is None


def test_ffts_that_wait_for_each_other_are_avoided(monkeypatch):
  flag = "--xla_cpu_multi_thread_eigen=false"
  for version, before, after in (
    ("0.11.2", None, flag),
    ("0.11.1", "--xla_dump_to=x", f"--xla_dump_to=x {flag}"),
    ("0.11.2", flag.replace("false", "true"), flag.replace("false", "true")),
    ("0.11.0", None, None),
    ("0.12.0", "--xla_dump_to=x", "--xla_dump_to=x"),
  ):
    monkeypatch.setattr(importlib.metadata, "version", lambda name, v=version: v)
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    if before is not None:
      monkeypatch.setenv("XLA_FLAGS", before)
    platforms.avoid_deadlock()
    assert os.environ.get("XLA_FLAGS") == after


NO_WHOLE = ["nan", "inf", "-inf", "1e99", "", "1e9", "60-50", "1.5", "0x10"]
NO_WEIGHT = ["nan", "inf", "-inf", "1e999", "60-50", "-1e99", "0", "1e308", "x"]
NO_REAL = ["nan", "inf", "-inf", "1e999", "", "60-50", "1e99", "-1e99"]
HUGE = "9" * 23
NO_FIELD = [
  "eval.generation_notes=-1", "eval.temperature=1e999", "eval.temperature=-1.0",
  "eval.batch_size=1e9", "eval.batch_size=0",
]  # fmt: skip
NONSENSE = [
  (generate.main, [], "--num", [*NO_WHOLE, "-1", "0", HUGE, "1000000000"]),
  (generate.main, [], "--seed", [*NO_WHOLE, "-1", HUGE]),
  (generate.main, [], "--temperature", [*NO_REAL, "-1"]),
  (generate.main, [], "--pitch", [*NO_WHOLE[:-2], "-1", "1.e99", HUGE]),
  (generate.main, [], "--velocity", [*NO_WHOLE, "-1", "128", HUGE]),
  (generate.main, [], "--step", [*NO_WHOLE, "-1", HUGE]),
  (generate.main, [], "--family", [f"organ:{x}" for x in NO_WEIGHT]),
  (generate.main, [], "--family", ["", ",", ":1", "organ:1,", "organ:1:2", "organ:x"]),
  (export.main, [], "--pitches", [*NO_WHOLE, "-1", "128", "60:0", "60:-1", "60-64:1e9", HUGE]),
  (export.main, ["--pitches=60"], "--velocities", [*NO_WHOLE, "-1", "0", "0,127", "128", ","]),
  (export.main, ["--pitches=60"], "--temperature", [*NO_REAL, "-1"]),
  (export.main, ["--format=stablehlo"], "--batch", [*NO_WHOLE, "-1", "0", HUGE]),
  (export.main, ["--format=stablehlo"], "--seed", [*NO_WHOLE, "-1", HUGE]),
  (explore.main, ["interpolate", "N", "N"], "--steps", [*NO_WHOLE, "-1", "1", HUGE]),
  (explore.main, ["convert", "N", "o.wav"], "--semitones", [*NO_REAL, "-128"]),
  (explore.main, ["convert", "N", "o.wav"], "--attribute", [f"bright:{x}" for x in NO_REAL if x]),
  (explore.main, ["neighbours", "N"], "--num", [*NO_WHOLE, "-1", "0"]),
  (explore.main, ["traverse"], "--steps", [*NO_WHOLE, "-1", "1", HUGE]),
  (explore.main, ["traverse"], "--span", NO_REAL),
  (reconstruct.main, ["N", "o.wav"], "--seed", [*NO_WHOLE, "-1", HUGE]),
  (render.main, ["N", "o.wav"], "--temperature", [*NO_REAL, "-1"]),
  (render.main, ["N", "o.wav"], "--map", ["²:organ", "1e9:organ", "nan", "0:", "128:organ"]),
  (evaluate.main, [], "--set", NO_FIELD),
  (play.main, [], "--port", [*NO_WHOLE, "-1", "65536", HUGE]),
]  # fmt: skip


@pytest.mark.parametrize(
  "main,arguments,flag,values",
  NONSENSE,
  ids=[
    f"{main.__module__.split('.')[1]}{flag}{i}" for i, (main, _, flag, _) in enumerate(NONSENSE)
  ],
)
def test_odd_numbers_are_one_line(
  tiny_run, tmp_path, monkeypatch, note, main, arguments, flag, values
):
  monkeypatch.chdir(tmp_path)
  given = [note if argument == "N" else argument for argument in arguments]
  for value in values:
    with pytest.raises(errors.UserError) as error:
      main([*given, f"--workdir={tiny_run}", f"{flag}={value}"])
    assert len(one_line(error)) < 400
  assert os.listdir(tmp_path) == ["note.wav"]


def test_odd_numbers_of_reports_and_ablations_are_one_line(tiny_run, tmp_path):
  depth = "--config=configs/ablations/depth.py"
  for main, arguments in [
    *((report.main, [tiny_run, f"--maps={value}"]) for value in [*NO_WHOLE, "-1", "3", HUGE]),
    *((ablate.main, [depth, f"--seeds={value}"]) for value in [*NO_WHOLE, "-1", "0", HUGE]),
    *((ablate.main, [depth, f"--index={value}"]) for value in [*NO_WHOLE, "-1", "4", HUGE]),
  ]:
    out = f"--out={tmp_path / 'o'}" if main is report.main else f"--workdir={tmp_path / 'o'}"
    with pytest.raises(errors.UserError) as error:
      main([*arguments, out])
    one_line(error)
  assert not os.listdir(tmp_path)


@pytest.mark.parametrize(
  "field,value",
  [
    ("optimizer.learning_rate", float("nan")),
    ("optimizer.learning_rate", float("inf")),
    ("method.beta", float("nan")),
    ("eval.temperature", float("inf")),
    ("data.cache_gb", float("nan")),
    ("model.vibrato_cents", (1.0, float("nan"))),
    ("seed", -1),
    ("seed", 2**32),
  ],
)
def test_a_config_of_odd_numbers_is_one_line(field, value):
  config = config_lib.get_base_config()
  config.update_from_flattened_dict({field: value})
  with pytest.raises(errors.UserError, match=f"{field} must be") as error:
    config_check.check(config)
  one_line(error)


@pytest.mark.parametrize("arguments", [["--measure=nan"], ["--measure=1e9"], ["--measure=0"],
                                       ["--config.data.num_threads=-1"],
                                       ["--config.data.cache_gb=nan"],
                                       ["--config.seed=1e99"]])  # fmt: skip
def test_odd_numbers_of_absl_commands_are_one_line(tmp_path, arguments):
  done = run_module("cvae_jax.prepare", "synth_notes/tiny", f"--data_dir={tmp_path}", *arguments)
  assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
  assert not os.listdir(tmp_path)


def test_weights_of_a_mix_may_be_of_any_size(tiny_run):
  synth = synthesizer.load(tiny_run)
  for size in (1e-99, 1.0, 1e99):
    mixed = synth.resolve(family={"organ": size, "flute": 3 * size})["family"]
    np.testing.assert_allclose(mixed.sum(), 1.0, atol=1e-6)
  for weight in (float("nan"), float("inf"), 0.0, -1.0):
    with pytest.raises(errors.UserError, match="must be (positive|finite), got"):
      synth.resolve(family={"organ": weight, "flute": 1.0})


def test_a_sound_on_stdout_is_alone_there(tiny_run, note):
  # Not /dev/stdout: where this fails, as root, it is replaced for all of the machine.
  command = ["-m", "cvae_jax.reconstruct", f"--workdir={tiny_run}", note, "/dev/fd/1"]
  done = subprocess.run(
    [sys.executable, *command], cwd=ROOT, capture_output=True, timeout=300, check=False
  )
  assert done.returncode == 0, done.stderr
  audio, rate = soundfile.read(io.BytesIO(done.stdout))
  assert rate == 16_000 and audio.shape == (64_000,) and len(done.stdout) == 128_044
  assert b"labels: pitch" in done.stderr


def test_a_platform_that_is_not_there_is_no_other_one_the_second_time():
  code = """
from cvae_jax.core import errors
from cvae_jax.core import platforms
for _ in range(2):
  try:
    platforms.check()
    print('passed')
  except errors.UserError as e:
    print(e)
"""
  done = run_python("-c", code, env={"JAX_PLATFORMS": "cuda"})
  first, second = done.stdout.splitlines()
  assert first == second and first.startswith("JAX_PLATFORMS=cuda, but this JAX has cpu")
