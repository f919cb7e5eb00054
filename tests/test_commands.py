import importlib.metadata
import json
import os

from conftest import FIXTURES
from conftest import SHORT
from conftest import get_config
from conftest import one_line
from conftest import run_module
from conftest import run_python
import numpy as np
import pytest
import soundfile

import cvae_jax
from cvae_jax import evaluate
from cvae_jax import generate
from cvae_jax import reconstruct
from cvae_jax.core import errors
from cvae_jax.synthesis import synthesizer
from cvae_jax.training import loop


@pytest.fixture(scope="module")
def synth(tiny_run):
  return cvae_jax.load(tiny_run)


@pytest.fixture(scope="module")
def unconditional(tmp_path_factory, tfds_dir):
  """Workdirs of a tiny AE and a tiny VAE."""
  workdirs = {}
  for name in ("ae", "vae"):
    workdirs[name] = str(tmp_path_factory.mktemp(name))
    fields = {**SHORT, "train.steps": 1, "data.tfds_dir": tfds_dir}
    loop.train_and_evaluate(get_config(name, "tiny", **fields), workdirs[name])
  return workdirs


def wavs(directory):
  return {p.name: soundfile.read(p)[0] for p in sorted(directory.glob("*.wav"))}


def test_the_same_seed_gives_the_same_samples(tiny_run, tmp_path):
  arguments = [f"--workdir={tiny_run}", "--pitch=60", "--family=organ", "--velocity=100", "--num=2"]
  for name, seed in (("a", 0), ("b", 0), ("c", 1)):
    generate.main([*arguments, f"--seed={seed}", f"--out={tmp_path / name}"])
  a, b, c = (wavs(tmp_path / name) for name in "abc")
  assert len(a) == 2 and all(name.startswith("organ_") and "-060-100-seed0-" in name for name in a)
  for name in a:
    np.testing.assert_array_equal(a[name], b[name])
  assert not np.array_equal(list(a.values())[0], list(a.values())[1])
  assert not np.array_equal(list(a.values())[0], list(c.values())[0])


def test_a_note_is_the_same_however_many_are_asked_for_beside_it(synth):
  asked = {"pitch": 60, "family": "organ", "source": "acoustic", "velocity": 100}
  four = synth.generate(**asked, num=4, seed=7)
  one = synth.generate(**asked, seed=7)
  assert four.shape == (4, 64_000) and one.shape == (64_000,)
  np.testing.assert_allclose(four[0], one, atol=1e-4)


@pytest.mark.parametrize(
  "arguments,says",
  [
    (["--family=kazoo"], "family must be one of bass, .* got 'kazoo'"),
    (["--family=guitar"], "guitar was not in this run's training data: it has bass, flute"),
    (["--pitch=128"], "pitch must be 0-127, got 128"),
    (["--pitch=-1"], "pitch must be 0-127, got -1"),
    (["--velocity=200"], "velocity must be 0-127, got 200"),
    (["--instrument=organ_acoustic_000"], "conditioned on pitch, family, source, velocity: it"),
    (["--num=0"], "number of examples must be 1 to"),
    (["--seed=-1"], "--seed: must be 0 to 4294967295, got -1"),
  ],
)
def test_what_cannot_be_asked_for_is_one_line_and_writes_nothing(
  tiny_run, tmp_path, arguments, says
):
  with pytest.raises(errors.UserError, match=says) as error:
    generate.main([f"--workdir={tiny_run}", f"--out={tmp_path / 'out'}", *arguments])
  one_line(error)
  assert not (tmp_path / "out").exists()


def test_an_unconditional_run_says_so(unconditional):
  with pytest.raises(errors.UserError, match="this run is unconditional: it takes no label"):
    cvae_jax.load(unconditional["vae"]).generate(pitch=60)
  audio = cvae_jax.load(unconditional["vae"]).generate(seed=1)
  assert audio.shape == (64_000,) and np.isfinite(audio).all()
  with pytest.raises(errors.UserError, match="this run has no prior"):
    cvae_jax.load(unconditional["ae"]).generate()


def test_as_processes_errors_are_a_line_and_status_2(tiny_run, tmp_path):
  out = tmp_path / "out"
  command = ("-m", "cvae_jax.generate", f"--workdir={tiny_run}", f"--out={out}")
  done = run_python(*command, "--family=kazoo")
  assert done.returncode == 2 and not out.exists() and not done.stdout
  assert done.stderr.startswith("error: family must be one of") and done.stderr.count("\n") == 1
  done = run_python(*command, "--num=1")
  assert done.returncode == 0 and not done.stderr, done.stderr
  assert [str(p) for p in out.iterdir()] == done.stdout.split()


@pytest.mark.parametrize(
  "arguments,says",
  [
    ([], "--config is missing"),
    (["--config=configs/cvae.py:huge"], "must be one of mine, narrow, nsynth_wav, paper, real"),
    (["--config=configs/none.py"], "--config=configs/none.py does not exist"),
    (["--config=configs/cvae.py:tiny", "--config.train.stepz=5"], "stepz"),
    (["--config=configs/cvae.py:tiny", "--config.train.steps=many"], "many"),
    (["--config=configs/cvae.py:tiny", "--frobnicate"], "frobnicate"),
    (["--config=configs/cvae.py:nsynth_wav"], "needs --config.data.dir"),
    (["--config=configs/cvae.py:nsynth_wav", "--config.data.dir=/no"], "/no is not a folder"),
  ],
)  # fmt: skip
def test_mains_errors_are_a_line_and_status_2(tmp_path, arguments, says):
  done = run_module("cvae_jax.main", *arguments, f"--workdir={tmp_path / 'run'}")
  assert done.returncode == 2, done.stderr
  assert done.stderr.count("\n") == 1 and says in done.stderr, done.stderr
  assert not (tmp_path / "run").exists()


def test_a_recording_goes_through_and_back(tiny_run, tmp_path):
  source = str(sorted((FIXTURES / "nsynth-valid" / "audio").glob("*.flac"))[0])
  out = tmp_path / "out.wav"
  reconstruct.main([f"--workdir={tiny_run}", source, str(out)])
  audio, rate = soundfile.read(out)
  assert rate == 16_000 and audio.shape == (64_000,) and np.abs(audio).max() > 0.01


def test_a_recording_that_is_none_is_one_line(tiny_run, tmp_path):
  (tmp_path / "in.wav").write_text("not audio")
  with pytest.raises(errors.UserError, match=r"in\.wav cannot be read as audio"):
    reconstruct.main([f"--workdir={tiny_run}", str(tmp_path / "in.wav"), str(tmp_path / "o.wav")])
  assert not (tmp_path / "o.wav").exists()


@pytest.mark.parametrize("bad", [np.zeros(100), np.full(64_000, np.nan), np.zeros((1, 64_000))])
def test_waveforms_that_are_no_note_are_refused(synth, bad):
  with pytest.raises(errors.UserError, match="a sound must be"):
    synth.reconstruct(bad)


def test_labels_that_are_not_given_are_found_among_those_known(synth, real_note):
  found = synth.infer_labels(real_note, family="organ")
  assert found["family"].tolist() == [6] and found["pitch"][0] in synth.table.known("pitch")
  assert found["source"][0] in synth.table.known("source")
  again = synth.infer_labels(real_note, family="organ")
  assert {k: v.tolist() for k, v in found.items()} == {k: v.tolist() for k, v in again.items()}


@pytest.mark.parametrize("content", [None, "{", '{"seed": 0}'])
def test_a_workdir_without_a_run_is_named(tmp_path, content):
  if content is not None:
    (tmp_path / "config.json").write_text(content)
  with pytest.raises(errors.UserError, match=str(tmp_path)) as error:
    synthesizer.load(str(tmp_path))
  one_line(error)


def test_evaluation_alone_gives_what_training_gave(tiny_run):
  path = os.path.join(tiny_run, "results.json")
  before = json.loads(open(path).read())
  evaluate.main([f"--workdir={tiny_run}"])
  after = json.loads(open(path).read())
  for section in ("eval", "pitch"):
    assert after[section] == pytest.approx(before[section], rel=1e-5)
  for name in before["baselines"]:
    assert after["baselines"][name] == pytest.approx(before["baselines"][name], rel=1e-5)


def test_importing_is_quick_and_leaves_tensorflow_alone():
  code = (
    "import sys, time; t = time.time(); import cvae_jax; s = time.time() - t;"
    "import cvae_jax.synthesis.synthesizer, cvae_jax.generate, cvae_jax.reconstruct;"
    "print(s, 'tensorflow' in sys.modules)"
  )
  done = run_python("-c", code)
  seconds, tensorflow = done.stdout.split()
  assert float(seconds) < 2.0 and tensorflow == "False"


def test_the_version_is_the_packages():
  assert cvae_jax.__version__ == importlib.metadata.version("cvae_jax")
