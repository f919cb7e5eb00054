"""Learning rates by step."""

import pytest

from cvae_jax.core import config as config_lib
from cvae_jax.training import state


def make(schedule, warmup_steps, **fields):
  config = config_lib.get_optimizer()
  config.update(schedule=schedule, warmup_steps=warmup_steps, learning_rate=0.5, **fields)
  return state.make_schedule(config, 100)


@pytest.mark.parametrize("schedule", config_lib.SCHEDULES)
def test_without_a_warm_up_it_begins_at_the_peak(schedule):
  assert float(make(schedule, 0)(0)) == pytest.approx(0.5)


@pytest.mark.parametrize("schedule", config_lib.SCHEDULES)
def test_a_warm_up_is_a_straight_line_to_the_peak(schedule):
  learning_rate = make(schedule, 10)
  assert [float(learning_rate(i)) for i in (0, 5, 10)] == pytest.approx([0.0, 0.25, 0.5])


def test_after_it_each_falls_in_its_way():
  at = lambda schedule, step: float(make(schedule, 0, decay_steps=40, decay_rate=0.25)(step))
  assert at("constant", 90) == 0.5
  assert at("cosine", 40) == pytest.approx(0.005)
  assert at("exponential", 20) == pytest.approx(0.25) and at("step", 20) == pytest.approx(0.5)
  assert at("exponential", 80) == at("step", 80) == pytest.approx(0.5 / 16)
