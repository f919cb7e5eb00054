"""A packaged run: as small as it may be, and used like any other."""

import os

import jax
import numpy as np
import pytest

import cvae_jax
from cvae_jax import evaluate
from cvae_jax import explore
from cvae_jax import generate
from cvae_jax import package
from cvae_jax.core import errors
from cvae_jax.core import workdirs
from cvae_jax.training import checkpoint
from cvae_jax.training import packaged


@pytest.fixture(scope="module")
def packaged_run(played_run, tmp_path_factory):
  out = str(tmp_path_factory.mktemp("packaged") / "cvae")
  package.main([f"--workdir={played_run}", f"--out={out}", "--bits=8"])
  return out


def test_parameters_come_back_within_their_bits(played_run, tmp_path):
  step, params = checkpoint.restore_params(played_run)
  sizes = {}
  for bits, tolerance in ((8, 1 / 250), (16, 1e-3), (32, 0.0)):
    workdir = tmp_path / str(bits)
    workdir.mkdir()
    packaged.save(params, step, str(workdir), bits)
    found_step, found = packaged.load(str(workdir))
    assert found_step == step
    for a, b in zip(*map(jax.tree.leaves, (params, found)), strict=True):
      assert np.max(np.abs(a - b)) <= tolerance * max(np.max(np.abs(a)), 1e-9)
    sizes[bits] = os.path.getsize(workdir / packaged.FILENAME)
  assert sizes[8] < 0.4 * sizes[32]


def test_it_encodes_as_the_run_that_it_was_made_of(played_run, packaged_run, real_batch):
  codes = []
  for workdir in (played_run, packaged_run):
    synth = cvae_jax.load(workdir)
    codes.append(jax.jit(synth.method.encode)(synth.params, real_batch))
  error = np.linalg.norm(codes[0] - codes[1]) / np.linalg.norm(codes[0])
  assert error < 0.03
  assert set(os.listdir(packaged_run)) == {
    "config.json", "labels.npz", "params.npz", "palette.npz", evaluate.RESULTS
  }  # fmt: skip


def test_commands_take_it_as_a_workdir(packaged_run, tmp_path):
  generate.main([f"--workdir={packaged_run}", "--pitch=60", f"--out={tmp_path}"])
  assert len(list(tmp_path.glob("*.wav"))) == 1
  with pytest.raises(errors.UserError, match="is a packaged run, of step 30 alone"):
    cvae_jax.load(packaged_run, step=3)


def test_it_is_explored_by_the_codes_of_its_map(packaged_run, tmp_path, caplog):
  generate.main([f"--workdir={packaged_run}", "--pitch=60", f"--out={tmp_path}"])
  (note,) = map(str, tmp_path.glob("*.wav"))
  with caplog.at_level("INFO"):
    explore.main(["neighbours", f"--workdir={packaged_run}", note, "--num=3"])
  assert len([r for r in caplog.records if r.getMessage()[:8].strip()[:1].isdigit()]) == 3
  out = tmp_path / "traverse"
  explore.main(["traverse", f"--workdir={packaged_run}", "--num=2", "--steps=2", f"--out={out}"])
  assert len(list(out.glob("*.wav"))) == 2


def test_a_directory_that_holds_a_run_is_not_overwritten(played_run, packaged_run):
  with pytest.raises(errors.UserError, match="holds a run already"):
    package.main([f"--workdir={played_run}", f"--out={packaged_run}"])


def test_names_of_pretrained_runs(tmp_path, monkeypatch):
  assert workdirs.resolve("runs/a") == "runs/a"
  assert workdirs.resolve("~/a") == os.path.expanduser("~/a")
  monkeypatch.setattr(workdirs, "_FOLDER", str(tmp_path))
  with pytest.raises(errors.UserError, match="this installation has no pretrained runs"):
    workdirs.resolve("pretrained:notes")
  (tmp_path / "notes").mkdir()
  (tmp_path / "notes" / "config.json").touch()
  assert workdirs.resolve("pretrained:notes") == str(tmp_path / "notes")
  with pytest.raises(errors.UserError, match="there is no such run; there are pretrained:notes"):
    workdirs.resolve("pretrained:voices")


def test_a_damaged_package_is_one_line(packaged_run, tmp_path):
  for name in os.listdir(packaged_run):
    (tmp_path / name).write_bytes(open(os.path.join(packaged_run, name), "rb").read())
  whole = (tmp_path / packaged.FILENAME).read_bytes()
  (tmp_path / packaged.FILENAME).write_bytes(whole[: len(whole) // 2])
  with pytest.raises(errors.UserError, match="params.npz cannot be read"):
    cvae_jax.load(str(tmp_path))
