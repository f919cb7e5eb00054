"""The pieces of the training loop, each alone."""

import time
from unittest import mock

from conftest import get_config
import jax.numpy as jnp
import numpy as np
import pytest

from cvae_jax.core import errors
from cvae_jax.training import checkpoint
from cvae_jax.training import loop
from cvae_jax.training import outcome
from cvae_jax.training import reporter as reporter_lib
from cvae_jax.training import stages


def stage_until(last):
  return stages.Stage("train", last, 32, lambda state, count: (state, {}, []))


def test_a_dispatch_ends_at_the_next_pause():
  config = get_config("vae", **{
    "train.steps": 103, "train.steps_per_dispatch": 8, "eval.every_steps": 50,
    "checkpoint.every_steps": 20,
  })  # fmt: skip
  steps, step = [], 0
  while step < 103:
    step += loop.count_steps(config, stage_until(103), step)
    steps.append(step)
  assert steps == [8, 16, 20, 28, 36, 40, 48, 50, 58, 60, 68, 76, 80, 88, 96, 100, 103]


@pytest.mark.parametrize(
  "step,keep_best,due", [(50, 0, True), (51, 0, False), (100, 0, False), (100, 1, True)]
)
def test_evaluation_is_due_at_its_steps_and_at_the_end_if_the_best_are_kept(step, keep_best, due):
  config = get_config("vae", **{
    "train.steps": 100, "eval.every_steps": 50, "checkpoint.keep_best": keep_best
  })  # fmt: skip
  assert loop.is_evaluation_due(config, stage_until(100), step) == due


def two_phases(step):
  return "first" if step <= 30 else "second"


def test_the_end_of_a_phase_is_a_pause_that_is_evaluated_and_saved_if_the_best_are_kept():
  stage = stage_until(100)._replace(phase_of=two_phases)
  fields = {"train.steps": 100, "train.steps_per_dispatch": 8, "eval.every_steps": 50}
  config = get_config("vae", **fields, **{"checkpoint.keep_best": 1})
  assert [loop.count_steps(config, stage, step) for step in (16, 24, 30)] == [8, 6, 8]
  due = lambda step: (
    loop.is_evaluation_due(config, stage, step),
    loop.is_save_due(config, stage, step),
  )
  assert [due(step) for step in (29, 30, 31, 100)] == [(False,) * 2, (True,) * 2, (False,) * 2,
                                                       (True,) * 2]  # fmt: skip
  config.checkpoint.keep_best = 0
  assert due(30) == (False, False)


def test_the_best_of_each_phase_is_kept(tmp_path):
  config = get_config("vae", **{"checkpoint.keep_best": 1, "checkpoint.keep": 1}).checkpoint
  iterator = mock.Mock(get_state=lambda: {})
  losses = {10: 3.0, 20: 1.0, 30: 2.0, 40: 0.9, 50: 0.5, 60: 0.7}
  with checkpoint.Checkpoints(str(tmp_path), config, two_phases) as checkpoints:
    for step, loss in losses.items():
      checkpoints.save(step, {"x": jnp.ones(2)}, iterator, {"lsd_db": loss})
    checkpoints.save(70, {"x": jnp.ones(2)}, iterator)
  kept = sorted(int(p.name) for p in (tmp_path / checkpoint.DIRECTORY).iterdir())
  assert kept == [20, 50, 70]


class Recorder:
  """Stands in for the checkpoints and the summaries of a run."""

  latest_step = None

  def __init__(self):
    self.written = []

  def scalars(self, step, split, values):
    self.written.append((step, split, sorted(values)))


def test_metrics_are_read_a_dispatch_late_and_reported_when_they_are_due(caplog):
  config = get_config("vae", **{"train.steps": 20, "train.log_every_steps": 10})
  recorder = Recorder()
  reporter = reporter_lib.Reporter(
    config, stage_until(20), 0, time.monotonic(), None, recorder, recorder
  )
  reporter.settle()  # Nothing to read.
  with caplog.at_level("INFO", logger="cvae_jax"):
    for step in (4, 8, 12, 16, 20):
      reporter.push(step, {"loss": jnp.ones(4)}, [])
      reporter.settle()
  assert [step for step, *_ in recorder.written] == [12, 20]
  assert {"loss", "notes_per_s"} <= set(recorder.written[0][2])


def test_a_loss_that_is_not_finite_ends_the_run():
  class Source:
    form = type("Form", (), {"key": "tokens"})

    def __getitem__(self, row):
      return {"id": f"song {row}", "tokens": np.arange(3)}

  reporter = reporter_lib.Reporter(
    get_config("vae"), stage_until(1200), 0, time.monotonic(), Source(), Recorder(), Recorder()
  )
  rows = [np.asarray([0, 1]), np.asarray([2, 3])]
  reporter.push(2, {"loss": jnp.asarray([1.0, jnp.nan])}, rows)
  with pytest.raises(errors.TrainingError, match="loss is nan at step 2 .examples song 2, song 3"):
    reporter.settle()


def test_a_training_ends_with_what_is_there_and_how_to_hear_it(tmp_path):
  from conftest import make_method

  from cvae_jax.data import labels

  (tmp_path / "results.json").touch()
  method = make_method(get_config("ae", "tiny"))
  text = outcome.describe_workdir(str(tmp_path), method, labels.FORM, 61.0)
  assert "results" in text and "checkpoint" not in text
  assert text.splitlines()[-1].endswith(f"reconstruct --workdir={tmp_path} in.wav out.wav")
  method = make_method(get_config("vae", "tiny"))
  assert "generate --workdir" in outcome.describe_workdir(str(tmp_path), method, labels.FORM, 61.0)
