"""The runs that come with the package: there, small, in tune and played without any data."""

import os
import pathlib

from conftest import run_module
from conftest import sing
import numpy as np
import pytest
import soundfile

import cvae_jax
from cvae_jax.core import workdirs
from cvae_jax.evaluation.metrics import artefacts
from cvae_jax.evaluation.metrics import pitch as pitch_metric
from cvae_jax.training import loop

NAMES = workdirs.find_pretrained()


@pytest.fixture(scope="module")
def synth():
  return cvae_jax.load()


@pytest.mark.parametrize("name", NAMES)
def test_it_is_small_and_has_a_card(name):
  folder = workdirs.resolve(workdirs.PREFIX + name)
  assert sum(os.path.getsize(os.path.join(folder, x)) for x in os.listdir(folder)) < 20e6
  with open(os.path.join(folder, "README.md")) as f:
    card = f.read()
  for part in ("## Data and licences", "## Training", "## Results"):
    assert part in card


def test_there_is_an_instrument_of_notes():
  assert "notes" in NAMES


def test_notes_are_in_tune_and_end(synth):
  pitches = [40, 48, 55, 60, 67, 72]
  families = ["bass", "string", "organ", "guitar", "flute", "keyboard"]
  audio = np.stack([
    synth.generate(pitch=p, family=f, velocity=100, seed=i)
    for i, (p, f) in enumerate(zip(pitches, families, strict=True))
  ])  # fmt: skip
  in_tune = pitch_metric.pitch_agreement(audio, np.asarray(pitches), synth.sample_rate)
  assert in_tune.mean() >= 5 / 6
  assert np.median(artefacts.tail_db(audio, synth.sample_rate)) < -40


def test_commands_use_it_without_a_workdir(tmp_path):
  done = run_module("cvae_jax.generate", "--pitch=60", "--family=organ", f"--out={tmp_path}")
  assert done.returncode == 0, done.stderr
  (path,) = tmp_path.glob("*.wav")
  assert soundfile.info(path).frames == 64_000
  done = run_module("cvae_jax.generate", "--workdir=pretrained:voices", f"--out={tmp_path}")
  assert done.returncode == 2 and done.stderr.count("\n") == 1
  assert "there is no such run; there are " in done.stderr and "pretrained:notes" in done.stderr


def test_a_training_can_begin_with_it(synth, tfds_dir, tmp_path):
  config = synth.config.copy_and_resolve_references()
  from cvae_jax.core import config as config_lib

  config_lib.update(config, {"data.name": "synth_notes/tiny"})
  config.update_from_flattened_dict({
    "data.tfds_dir": tfds_dir, "train.init_from": "pretrained:notes", "train.steps": 1,
    "train.batch_size": 8, "eval.sample_notes": 0, "eval.pitch_notes": 0, "method.flow.steps": 1,
    "optimizer.learning_rate": 1e-30,
  })  # fmt: skip
  results = loop.train_and_evaluate(config, str(tmp_path / "run"))
  assert results["eval"]["lsd_db"] < 4.0  # A new run's is over 8 after so few steps.


def test_a_melody_is_played_on_the_instrument_that_is_asked_for(tmp_path):
  melody = sing(2.0, 250.0, 330.0)
  soundfile.write(tmp_path / "in.wav", melody, 16_000)
  out = tmp_path / "out.wav"
  run = ("cvae_jax.convert", tmp_path / "in.wav", out)
  done = run_module(*run, "--workdir=pretrained:ddsp", "--family=flute", "--source=acoustic")
  assert done.returncode == 0, done.stderr
  played, _ = soundfile.read(out)
  pitches = [pitch_metric.pitch_agreement(x[None, 8_000:24_000], np.asarray([62]), 16_000)
             for x in (melody, played)]  # fmt: skip
  assert np.abs(played).max() > 0.05 and pitches[0] == pitches[1]
  done = run_module(*run, "--workdir=pretrained:violin", "--family=flute")
  assert done.returncode == 2 and "no such label" in done.stderr
  done = run_module(*run, "--workdir=pretrained:ddsp", "--family=kazoo")
  assert done.returncode == 2 and "kazoo" in done.stderr and done.stderr.count("\n") == 1


def test_sounds_go_through_the_latents_of_rave_and_come_out_of_its_prior(tmp_path):
  rng, rate = np.random.default_rng(0), 16_000
  strokes = np.zeros(3 * rate, np.float32)
  for start in range(4000, len(strokes) - 6000, 8000):
    strokes[start : start + 6000] += 0.5 * rng.uniform(-1, 1, 6000) * np.exp(-np.arange(6000) / 700)
  soundfile.write(tmp_path / "in.wav", strokes, rate)
  run = "--workdir=pretrained:rave"
  done = run_module("cvae_jax.convert", tmp_path / "in.wav", tmp_path / "out.wav", run)
  assert done.returncode == 0, done.stderr
  played, _ = soundfile.read(tmp_path / "out.wav")
  envelopes = [np.sqrt(np.mean(x.reshape(-1, 800) ** 2, -1)) for x in (strokes, played)]
  assert len(played) == len(strokes) and np.corrcoef(*envelopes)[0, 1] > 0.7
  done = run_module("cvae_jax.generate", run, "--seconds=6", f"--out={tmp_path}")
  assert done.returncode == 0, done.stderr
  drawn, _ = soundfile.read(tmp_path / "sample-seed0.wav")
  assert len(drawn) == 6 * rate and 0.01 < drawn.std() < 0.3 and np.abs(drawn).max() < 1.0


def test_drums_are_of_the_kind_that_is_asked_for_and_fit_into_four_megabytes(tmp_path):
  folder = pathlib.Path(workdirs.resolve("pretrained:drums"))
  assert sum(path.stat().st_size for path in folder.rglob("*")) < 4_000_000
  machine = cvae_jax.load("pretrained:drums")
  assert machine.inversion is not None and machine.sample_rate == 22_050
  hertz = np.fft.rfftfreq(machine.form.num_samples, 1 / machine.sample_rate)
  centre, ends = {}, {}
  for kind in ("kick", "tom", "snare", "hihat_closed"):
    sounds = machine.generate(num=4, seed=2, kind=kind)
    power = np.square(np.abs(np.fft.rfft(sounds)))
    centre[kind] = np.median(power @ hertz / power.sum(axis=1))
    ends[kind] = np.abs(sounds[:, -2000:]).max()
  assert centre["kick"] < centre["tom"] < centre["snare"] < centre["hihat_closed"]
  assert centre["kick"] < 200 and centre["hihat_closed"] > 2500
  assert max(ends["kick"], ends["snare"], ends["hihat_closed"]) < 0.01  # Silence again.
  out = tmp_path / "kit"
  done = run_module("cvae_jax.export", "--workdir=pretrained:drums", "--format=wav", f"--out={out}")
  assert done.returncode == 0, done.stderr
  hits = {path.name: soundfile.read(path) for path in out.glob("*.wav")}
  assert len(hits) == 16 and all(rate == 22_050 and np.any(x) for x, rate in hits.values())
