"""Three foreign architectures, each in files of its own, through every command without an edit.

A GAN with two optimizers on notes; an autoencoder with sequence codes, and with buffers beside its
parameters, on excerpts of recordings at 22,050 Hz without labels of their own; a model of tokens
that makes melodies. They are written as somebody would in an afternoon, into a temporary folder.
"""

import functools
import json
import os
import shutil
import sys

from conftest import ROOT
from conftest import SHORT
from conftest import run_module
from fastapi import testclient
import jax
import numpy as np
import pytest
import soundfile

from cvae_jax import evaluate
from cvae_jax import explore
from cvae_jax import export
from cvae_jax import generate
from cvae_jax import reconstruct
from cvae_jax.core import config as config_lib
from cvae_jax.core import errors
from cvae_jax.play import api
from cvae_jax.play import player as player_lib
from cvae_jax.report import __main__ as report
from cvae_jax.synthesis import synthesizer
from cvae_jax.training import checkpoint
from cvae_jax.training import loop

ARCHITECTURES = ROOT / "tests" / "architectures"
_SHARED = {name: value for name, value in SHORT.items() if not name.startswith("method.")}
SETTINGS = {
  **_SHARED, "train.steps": 6, "train.log_every_steps": 2, "checkpoint.every_steps": 3,
  "eval.sample_notes": 2,
}  # fmt: skip


def add_path(path):
  """So that a process finds what lies there."""
  sys.path.insert(0, path)


@pytest.fixture(scope="module")
def foreign(tmp_path_factory, tfds_dir):
  """Where the architectures lie, with a folder of recordings; found by import."""
  root = tmp_path_factory.mktemp("architectures")
  shutil.copytree(ARCHITECTURES, root / "foreign")
  (root / "recordings").mkdir()
  rng = np.random.default_rng(0)
  for i, (rate, seconds) in enumerate(((44_100, 3.3), (22_050, 5.0), (16_000, 4.2), (48_000, 6.1))):
    t = np.arange(round(rate * seconds)) / rate
    audio = 0.3 * np.sin(2 * np.pi * (200 + 90 * i) * t) + 0.02 * rng.normal(size=t.size)
    soundfile.write(root / "recordings" / f"take {i}.wav", np.stack([audio] * (1 + i % 2), 1), rate)
  sys.path.insert(0, str(root))
  yield root
  sys.path.remove(str(root))


def overrides(foreign, tfds_dir, name):
  settings = {**SETTINGS, "data.tfds_dir": tfds_dir}
  if name == "codec":
    settings["data.dir"] = str(foreign / "recordings")
  return settings


def get_config(foreign, tfds_dir, name):
  config = config_lib.load(f"{foreign}/foreign/configs/{name}.py:{'tiny' if name == 'gan' else ''}")
  config.update_from_flattened_dict(overrides(foreign, tfds_dir, name))
  return config


@pytest.fixture(scope="module")
def runs(foreign, tfds_dir, tmp_path_factory):
  """Finished runs by name; each was stopped in its middle and resumed."""
  made = {}
  for name in ("gan", "codec", "tokens"):
    workdir = str(tmp_path_factory.mktemp("runs") / name)
    config = get_config(foreign, tfds_dir, name)
    with pytest.raises(errors.Interrupted):
      loop.train_and_evaluate(config, workdir, should_stop=lambda step: step == 4)
    loop.train_and_evaluate(config, workdir)
    made[name] = workdir
  return made


@pytest.mark.parametrize("name", ["gan", "codec", "tokens"])
def test_main_trains_it_and_a_stopped_run_ends_bit_for_bit_the_same(
  foreign, runs, tfds_dir, tmp_path, name
):
  flags = [f"--config.{k}={v}" for k, v in overrides(foreign, tfds_dir, name).items()]
  variant = ":tiny" if name == "gan" else ""
  done = run_module(
    "cvae_jax.main", f"--config={foreign}/foreign/configs/{name}.py{variant}",
    f"--workdir={tmp_path / 'run'}", *flags, before=functools.partial(add_path, str(foreign)),
  )  # fmt: skip
  assert done.returncode == 0, done.stderr
  whole, stopped = (checkpoint.restore_params(str(w))[1] for w in (tmp_path / "run", runs[name]))
  for a, b in zip(*map(jax.tree.leaves, (whole, stopped)), strict=True):
    np.testing.assert_array_equal(a, b)
  results = [evaluate.load_results(str(w)) for w in (tmp_path / "run", runs[name])]
  assert results[0]["eval"] == results[1]["eval"]
  title = {"gan": "feature distance", "codec": "waveform mse", "tokens": "nll"}[name]
  assert title in done.stdout  # What the method returns is shown.


def test_buffers_are_saved_and_used_and_the_optimizer_does_not_see_them(runs):
  _, params = checkpoint.restore_params(runs["codec"])
  assert set(params) == {"params", "running"} and float(params["running"]["scale"]) < 0.9


def test_sounds_and_scores_are_generated_at_their_own_rate_and_form(runs, tmp_path):
  generate.main(
    [f"--workdir={runs['gan']}", "--pitch=60", "--family=organ", "--num=2", f"--out={tmp_path}"]
  )
  names = sorted(os.listdir(tmp_path))
  assert [n[:9] for n in names] == ["organ-060"] * 2
  info = soundfile.info(tmp_path / names[0])
  assert info.samplerate == 16_000 and info.frames == 64_000
  generate.main([f"--workdir={runs['tokens']}", "--num=1", f"--out={tmp_path}"])
  assert (tmp_path / "sample-seed0-0.mid").read_bytes()[:4] == b"MThd"
  with pytest.raises(errors.UserError, match="--pitch: .* have no such label; they have none"):
    generate.main([f"--workdir={runs['tokens']}", "--pitch=60", f"--out={tmp_path}"])
  with pytest.raises(errors.UserError, match="has no prior to generate from"):
    generate.main([f"--workdir={runs['codec']}", f"--out={tmp_path}"])


def test_a_recording_goes_through_whole(foreign, runs, tmp_path):
  out = tmp_path / "out.wav"
  source = str(foreign / "recordings" / "take 3.wav")
  reconstruct.main([f"--workdir={runs['codec']}", source, str(out)])
  info = soundfile.info(out)
  assert info.samplerate == 22_050 and info.frames == round(6.1 * 22_050)


def test_codes_of_a_sequence_have_their_own_shape(foreign, runs, tmp_path):
  synth = synthesizer.load(runs["codec"])
  assert synth.method.code_shape == (25, 4) and synth.conditions == ()
  files = [str(foreign / "recordings" / f"take {i}.wav") for i in (0, 1)]
  explore.main(
    ["interpolate", f"--workdir={runs['codec']}", *files, "--steps=3", f"--out={tmp_path}"]
  )
  assert soundfile.info(tmp_path / "step-01.wav").frames == 11_025
  arguments = [f"--workdir={runs['codec']}", files[0], "--num=2", "--steps=2"]
  explore.main(["traverse", *arguments, f"--out={tmp_path / 'traverse'}"])
  assert len(os.listdir(tmp_path / "traverse")) == 3


@pytest.mark.parametrize("name", ["gan", "codec", "tokens"])
def test_it_is_evaluated_with_everything_on_and_reported_with_maps(runs, tmp_path, name):
  counts = [f"--set={field}=24" for field in evaluate.FULL]
  evaluate.main([f"--workdir={runs[name]}", "--full", *counts, "--set=eval.classifier_steps=2"])
  results = evaluate.load_results(runs[name])
  found = set(results) - {
    "split",
    "notes",
    "eval",
    "step",
    "parameters",
    "seconds",
    "baselines",
    "train_steps",
  }
  assert (
    found
    == {
      "gan": {"velocity", "generation", "artefacts"},
      "codec": {"waveform", "use", "interpolation"},
      "tokens": {"scores"},
    }[name]
  )
  if name == "codec":
    assert 0 < results["use"]["active_units"] <= 4
  report.main([runs[name], f"--out={tmp_path}", "--maps=8"])
  page = (tmp_path / "index.html").read_text()
  assert page.count("<audio") == 2 * {"gan": 2, "codec": 2, "tokens": 2}[name]
  assert ("<circle" in page) == (name == "codec")


@pytest.mark.parametrize("name", ["gan", "codec", "tokens"])
def test_it_is_played_and_exported(foreign, runs, tmp_path, name):
  synth = synthesizer.load(runs[name])
  player = player_lib.Player(synth, runs[name])
  client = testclient.TestClient(api.make_app(player), raise_server_exceptions=False)
  card = client.get("/api/model").json()
  assert card["sample_rate"] == {"gan": 16_000, "codec": 22_050, "tokens": 16_000}[name]
  sound = {"seed": 1}
  if name == "codec":
    body = (foreign / "recordings" / "take 1.wav").read_bytes()
    encoded = client.post("/api/encode", content=body).json()
    assert len(encoded["sound"]["code"]) == 100 and encoded["pitch"] is None
    sound = encoded["sound"]
    assert len(client.get("/api/notes").json()) > 8
  response = client.post("/api/generate", json=sound)
  assert response.status_code == 200, response.text
  (tmp_path / "sound.wav").write_bytes(response.content)
  assert soundfile.info(tmp_path / "sound.wav").samplerate == card["sample_rate"]
  keys = client.post("/api/instrument", json={"sound": sound, "pitches": [60]})
  assert keys.status_code == 200 and keys.json()["sample_rate"] == card["sample_rate"]
  player.engine.close()
  if name == "gan":
    export.main([f"--workdir={runs[name]}", "--pitches=60-62", f"--out={tmp_path / 'sfz'}"])
    assert (tmp_path / "sfz" / "sfz.sfz").exists()
  else:
    out = tmp_path / "decoder.stablehlo"
    export.main([f"--workdir={runs[name]}", "--format=stablehlo", f"--out={out}"])
    assert out.stat().st_size > 1000
    with pytest.raises(errors.UserError, match=r"keyboard|needs a run that generates sounds"):
      export.main([f"--workdir={runs[name]}", "--pitches=60", f"--out={tmp_path / 'sfz'}"])
  assert json.loads(json.dumps(card))["form"] == ("score" if name == "tokens" else "sound")
