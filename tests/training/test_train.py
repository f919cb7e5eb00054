import json
import os
import re
import signal
import subprocess
import sys
import time
from unittest import mock

from conftest import ROOT
from conftest import SHORT
from conftest import example_batch
from conftest import get_config
from conftest import make_method
from conftest import run_module
import jax
import numpy as np
import pytest

from cvae_jax.core import config as config_lib
from cvae_jax.core import config_file
from cvae_jax.core import errors
from cvae_jax.data import sources
from cvae_jax.synthesis import synthesizer
from cvae_jax.training import checkpoint
from cvae_jax.training import loop


def leaves(workdir, config):
  """All of a workdir's newest checkpoint, as one list of arrays."""
  instruments = len(synthesizer.label_table.load(workdir).vocabulary.get("instrument").names)
  method = make_method(config, instruments)
  init = lambda: method.init(jax.random.key(0), example_batch())
  device = jax.sharding.SingleDeviceSharding(jax.devices()[0])
  abstract = checkpoint.abstract(init, device)
  with checkpoint.Checkpoints(workdir, config.checkpoint) as checkpoints:
    step = checkpoints.latest_step
    state = checkpoints.restore(abstract, mock.Mock())
  is_key = lambda x: jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key)
  arrays = [jax.random.key_data(x) if is_key(x) else x for x in jax.tree.leaves(state)]
  return step, [np.asarray(x) for x in arrays]


@pytest.mark.parametrize(
  "name,variant",
  [pytest.param(path.stem, variant,
                marks=() if variant == "tiny" and path.stem in ("ae", "cvae") else pytest.mark.slow)
   for path in sorted((ROOT / "configs").glob("*.py")) for variant in ("tiny", "thesis,tiny")],
)  # fmt: skip
def test_every_config_trains_saves_and_is_loaded(tmp_path, tfds_dir, name, variant):
  fields = {**SHORT, "eval.every_steps": 2, "eval.sample_notes": 1, "data.tfds_dir": tfds_dir}
  if name.startswith("ddsp"):
    if name == "ddsp_solo" or "thesis" in variant:
      pytest.skip("of a folder of recordings, see test_ddsp; or of no thesis")
    fields |= {"method.hop_length": 500}
  config = get_config(name, variant, **fields)
  results = loop.train_and_evaluate(config, str(tmp_path))
  assert results["step"] == 4 and np.isfinite(results["eval"]["loss"])
  assert json.loads((tmp_path / "results.json").read_text())["eval"] == results["eval"]
  synth = synthesizer.load(str(tmp_path))
  assert synth.step == 4
  versions = sorted(p.name.split(".")[1] for p in (tmp_path / "samples").glob("*.wav"))
  expected = ["generated", "original", "reconstruction"]
  assert versions == (expected[1:] if name in ("ae", "ddsp") else expected)


def test_a_finished_run_leaves_what_it_says(tiny_run):
  left = set(os.listdir(tiny_run))
  assert left == {
    ".lock",
    "config.json",
    "labels.npz",
    "checkpoints",
    "events",
    "samples",
    "results.json",
  }
  results = json.loads(open(os.path.join(tiny_run, "results.json")).read())
  assert set(results["baselines"]) == {"mean", "pca_4"}
  assert 0 <= results["pitch"]["generated"] <= 1 and results["pitch"]["data"] > 0.9
  from tensorboard.backend.event_processing import event_accumulator

  events = event_accumulator.EventAccumulator(os.path.join(tiny_run, "events"))
  events.Reload()
  tags = events.Tags()
  assert {e for e in tags["tensors"]} >= {
    "train/loss",
    "train/notes_per_s",
    "eval/kl",
    "samples",
  }
  assert sum("/generated" in tag for tag in tags["tensors"]) == 2


@pytest.mark.parametrize("optimizer", config_lib.OPTIMIZERS)
def test_a_resumed_run_is_the_unbroken_one_bit_for_bit(tmp_path, tfds_dir, optimizer):
  fields = {**SHORT, "train.steps": 12, "eval.every_steps": 4, "data.tfds_dir": tfds_dir}
  fields["optimizer.name"] = optimizer
  config = get_config("cvae", "tiny", **fields)
  unbroken, broken = str(tmp_path / "unbroken"), str(tmp_path / "broken")
  loop.train_and_evaluate(config, unbroken)
  for stop_at in (5, 7):  # At a step where nothing would have been saved; and again soon after.
    with pytest.raises(errors.Interrupted, match=f"stopped at step {stop_at}"):
      loop.train_and_evaluate(config, broken, should_stop=lambda step, at=stop_at: step == at)
  loop.train_and_evaluate(config, broken)
  (step_a, a), (step_b, b) = leaves(unbroken, config), leaves(broken, config)
  assert step_a == step_b == 12 and len(a) == len(b)
  for x, y in zip(a, b, strict=True):
    np.testing.assert_array_equal(x, y)


@pytest.mark.slow
def test_a_finished_run_can_be_lengthened(tmp_path, tfds_dir):
  fields = {**SHORT, "data.tfds_dir": tfds_dir}
  longer, unbroken = str(tmp_path / "longer"), str(tmp_path / "unbroken")
  loop.train_and_evaluate(get_config("cvae", "tiny", **fields), longer)
  config = get_config("cvae", "tiny", **{**fields, "train.steps": 8})
  loop.train_and_evaluate(config, longer)
  loop.train_and_evaluate(config, unbroken)
  for x, y in zip(leaves(longer, config)[1], leaves(unbroken, config)[1], strict=True):
    np.testing.assert_array_equal(x, y)


@pytest.mark.slow
def test_several_steps_a_dispatch_do_what_single_ones_do(tmp_path, tfds_dir):
  fields = {**SHORT, "train.steps": 10, "eval.every_steps": 4, "data.tfds_dir": tfds_dir}
  fields["checkpoint.every_steps"] = 100
  single, several, broken = (str(tmp_path / name) for name in ("single", "several", "broken"))
  loop.train_and_evaluate(get_config("cvae", "tiny", **fields), single)
  config = get_config("cvae", "tiny", **{**fields, "train.steps_per_dispatch": 3})
  asked = []
  loop.train_and_evaluate(config, several, should_stop=lambda step: asked.append(step))
  assert asked == [0, 3, 4, 7, 8, 10]  # None goes past an evaluation.
  with pytest.raises(errors.Interrupted, match="stopped at step 7"):
    loop.train_and_evaluate(config, broken, should_stop=lambda step: step >= 5)
  loop.train_and_evaluate(config, broken)
  for x, y, z in zip(*(leaves(w, config)[1] for w in (single, several, broken)), strict=True):
    np.testing.assert_allclose(x, y, rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(y, z)


@pytest.mark.slow
def test_notes_on_the_device_are_trained_on_as_those_that_come_to_it(tmp_path, tfds_dir):
  fields = {**SHORT, "data.tfds_dir": tfds_dir, "train.steps": 8}
  plain, both = str(tmp_path / "plain"), str(tmp_path / "both")
  loop.train_and_evaluate(get_config("cvae", "tiny", **fields), plain)
  config = get_config("cvae", "tiny", **{**fields, "data.device_cache": True})
  with pytest.raises(errors.Interrupted):
    loop.train_and_evaluate(config, both, should_stop=lambda step: step == 3)
  loop.train_and_evaluate(get_config("cvae", "tiny", **fields), both)  # It is the same run.
  for x, y in zip(*(leaves(w, config)[1] for w in (plain, both)), strict=True):
    np.testing.assert_allclose(x, y, rtol=1e-3, atol=1e-4)


def with_devices(count):
  """An environment in which JAX sees so many devices, compiled for as the tests' own are."""
  flags = f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count={count}"
  return {"XLA_FLAGS": flags}


@pytest.mark.parametrize("count", [2, pytest.param(8, marks=pytest.mark.slow)])
def test_several_devices_do_what_one_does(tmp_path, tfds_dir, count):
  # At its full rate from the second step on.
  overrides = {**SHORT, "train.steps": 6, "optimizer.warmup_steps": 1, "data.tfds_dir": tfds_dir}
  config = get_config("cvae", "tiny", **overrides)
  loop.train_and_evaluate(config, str(tmp_path / "1"))
  flags = [f"--config.{name}={value}" for name, value in overrides.items()]
  done = run_module(
    "cvae_jax.main",
    "--config=configs/cvae.py:tiny",
    f"--workdir={tmp_path / 'several'}",
    *flags,
    env=with_devices(count),
  )
  assert done.returncode == 0, done.stderr
  (_, one), (_, several) = (leaves(str(tmp_path / n), config) for n in ("1", "several"))
  # Adam divides by the root of the squared gradient: where that is near 0, rounding decides.
  difference = np.concatenate([np.abs(x - y).ravel() for x, y in zip(one, several, strict=True)])
  assert np.quantile(difference, 0.99) < 1e-5 and difference.max() < 5e-3
  a, b = (json.loads((tmp_path / n / "results.json").read_text())["eval"] for n in ("1", "several"))
  assert a["loss"] == pytest.approx(b["loss"], rel=1e-4)


def test_a_batch_that_cannot_be_split_is_refused(tmp_path, tfds_dir):
  done = run_module(
    "cvae_jax.main",
    "--config=configs/cvae.py:tiny",
    "--config.train.batch_size=30",
    f"--config.data.tfds_dir={tfds_dir}",
    f"--workdir={tmp_path / 'run'}",
    env=with_devices(4),
  )
  assert done.returncode == 2 and not (tmp_path / "run").exists()
  assert done.stderr.strip() == "error: train.batch_size 30 is not divisible by 4 devices"


@pytest.mark.parametrize("steps_per_dispatch", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_a_loss_that_is_no_number_ends_the_run_and_keeps_the_last_checkpoint(
  tmp_path, tfds_dir, monkeypatch, steps_per_dispatch
):
  fields = {**SHORT, "data.tfds_dir": tfds_dir, "train.steps": 50, "eval.every_steps": 3}
  fields["train.steps_per_dispatch"] = steps_per_dispatch
  fields["checkpoint.every_steps"] = 100
  config = get_config("cvae", "tiny", **fields)
  with pytest.raises(errors.Interrupted):
    loop.train_and_evaluate(config, str(tmp_path), should_stop=lambda step: step == 3)
  good = leaves(str(tmp_path), config)

  original = loop.pipeline.open_data

  def poisoned(data):
    notes = original(data)
    victim = notes.train.labels["id"][17]

    class Poison(sources.Records):
      def stored(self, index, seed=None):
        note = super().stored(index)
        return {**note, "audio": note["audio"] * np.nan} if note["id"] == victim else note

    ids.append(victim)
    return notes._replace(train=Poison(*notes.train._arguments))

  ids = []
  monkeypatch.setattr(loop.pipeline, "open_data", poisoned)
  with pytest.raises(errors.TrainingError) as error:
    loop.train_and_evaluate(config, str(tmp_path))
  assert re.match(
    r"the loss is nan at step \d+ \(there are samples that are no numbers in ", str(error.value)
  )
  assert (
    f" in {ids[0]}): the run ends here, and of its checkpoints the one of step 3 is kept"
    in str(error.value)
  )
  step, kept = leaves(str(tmp_path), config)
  assert step == good[0] == 3
  for x, y in zip(kept, good[1], strict=True):
    np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize(
  "signum", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)]
)
def test_a_signal_saves_first(tmp_path, tfds_dir, signum):
  command = [
    sys.executable, "-m", "cvae_jax.main", "--config=configs/cvae.py:tiny",
    f"--workdir={tmp_path}", f"--config.data.tfds_dir={tfds_dir}", "--config.train.steps=100000",
    "--config.optimizer.schedule=constant",
    "--config.eval.every_steps=100000", "--config.checkpoint.every_steps=100000",
  ]  # fmt: skip
  process = subprocess.Popen(
    command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
  )
  for line in process.stdout:
    if line.startswith("step "):
      break
  process.send_signal(signum)
  asked = time.monotonic()
  stdout, stderr = process.communicate(timeout=60)
  assert time.monotonic() - asked < 10
  assert process.returncode == 128 + signum, stdout + stderr
  assert "saved: the same command resumes it" in stderr
  config = config_file.load(str(tmp_path))
  step, _ = leaves(str(tmp_path), config)
  assert f"stopped at step {step}," in stderr and step % 5 in range(5)


def test_a_workdir_of_another_config_is_refused_with_the_fields_that_differ(tiny_run, tfds_dir):
  config = get_config("cvae", "tiny", **{"data.tfds_dir": tfds_dir, "method.beta": 2.0})
  before = sorted(os.listdir(tiny_run))
  with pytest.raises(errors.UserError, match=r"method\.beta is 2\.0, was 1\.0"):
    loop.train_and_evaluate(config, tiny_run)
  assert sorted(os.listdir(tiny_run)) == before


@pytest.mark.parametrize(
  "field,value,says",
  [
    ("train.batch_size", 0, "train.batch_size must be positive, got 0"),
    ("optimizer.ema_decay", 1.0, "optimizer.ema_decay must be under 1"),
    ("method.posterior", "student", "must be one of gaussian, point, got 'student'"),
    ("model.channels", (), "model.channels must be positive"),
    ("data.eval_split", "dev", "no examples in split 'dev'"),
    ("condition.labels", ("mood",), "names 'mood', which these"),
  ],
)
def test_configs_that_make_no_sense_are_refused_and_leave_nothing(
  tmp_path, tfds_dir, field, value, says
):
  config = get_config("cvae", "tiny", **{"data.tfds_dir": tfds_dir, field: value})
  with pytest.raises(errors.UserError, match=says):
    loop.train_and_evaluate(config, str(tmp_path / "run"))
  assert not (tmp_path / "run").exists()


def test_a_config_is_read_as_the_command_line_means_it():
  path = f"{ROOT}/configs/cvae.py"
  names = [config_lib.load(p).data.name for p in (path, f"{path}:", f"{path}:tiny")]
  assert names == ["synth_notes", "synth_notes", "synth_notes/tiny"]
  for wrong, says in (
    ("configs/none.py", "--config=configs/none.py does not exist"),
    (f"{ROOT}/configs/ablations/depth.py", "is no config: it has no get_config"),
    (f"{path}:huge", "config variant must be one of"),
  ):
    with pytest.raises(errors.UserError, match=says):
      config_lib.load(wrong)
