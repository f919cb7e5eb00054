"""A run is resumed on the data that it began with, and to a step that it has not passed."""

import os
import pathlib
import shutil

from conftest import SHORT
from conftest import get_config
from conftest import one_line
import numpy as np
import pytest
import soundfile

from cvae_jax import generate
from cvae_jax.core import errors
from cvae_jax.data import label_table
from cvae_jax.training import loop


@pytest.fixture
def sounds(tmp_path):
  """A folder of two kinds of sounds."""
  rng = np.random.default_rng(0)
  for kind in ("kick", "snare"):
    (tmp_path / "sounds" / kind).mkdir(parents=True)
    for i in range(8):
      audio = rng.uniform(-0.3, 0.3, 2_000)
      soundfile.write(tmp_path / "sounds" / kind / f"{i}.wav", audio, 8_000)
  return tmp_path / "sounds"


def config_of(sounds, **fields):
  return get_config("cvae", "tiny", **{
    **SHORT, "data.name": "sounds", "data.dir": str(sounds),
    "data.tfds_dir": str(sounds.parent / "tfds"), "data.sounds.sample_rate": 8_000,
    "data.sounds.duration_s": 0.25, "condition.labels": ("kind",), "train.batch_size": 4,
    "eval.batch_size": 4, **fields,
  })  # fmt: skip


def snapshot(folder):
  """Every file of a folder with its content, but for the lock."""
  files = (p for p in pathlib.Path(folder).rglob("*") if p.is_file() and p.name != ".lock")
  return {str(p.relative_to(folder)): p.read_bytes() for p in files}


def test_a_run_is_not_resumed_on_other_data_nor_to_an_earlier_step(sounds, tmp_path):
  workdir = str(tmp_path / "run")
  loop.train_and_evaluate(config_of(sounds), workdir)
  before = snapshot(workdir)
  with pytest.raises(errors.UserError, match="is at step 4, past train.steps=2") as error:
    loop.train_and_evaluate(config_of(sounds, **{"train.steps": 2}), workdir)
  one_line(error)
  (sounds / "tom").mkdir()
  for i in range(8):
    shutil.copy(sounds / "kick" / f"{i}.wav", sounds / "tom")
  with pytest.raises(errors.UserError, match="have changed since .* kind has other values .tom is"):
    loop.train_and_evaluate(config_of(sounds, **{"train.steps": 6}), workdir)
  shutil.rmtree(sounds / "tom")
  os.rename(sounds / "kick" / "0.wav", sounds / "kick" / "other.wav")
  with pytest.raises(errors.UserError, match="training examples differ|there are .* tra"):
    loop.train_and_evaluate(config_of(sounds, **{"train.steps": 6}), workdir)
  assert snapshot(workdir) == before  # Whatever was refused, nothing was written.
  os.rename(sounds / "kick" / "other.wav", sounds / "kick" / "0.wav")
  assert label_table.load(workdir).vocabulary.get("kind").names == ("kick", "snare")
  assert loop.train_and_evaluate(config_of(sounds, **{"train.steps": 6}), workdir)["step"] == 6


def test_a_label_that_other_runs_have_is_refused_with_those_of_this_one(sounds, tmp_path):
  workdir = str(tmp_path / "run")
  loop.train_and_evaluate(config_of(sounds), workdir)
  for flags in (["--pitch=60"], ["--family=organ", "--kind=kick"]):
    with pytest.raises(errors.UserError, match="have no such label; they have --kind") as error:
      generate.main([f"--workdir={workdir}", f"--out={tmp_path / 'out'}", *flags])
    one_line(error)
  assert not (tmp_path / "out").exists()
