import gzip
import json
import os

from conftest import SHORT
from conftest import get_config
import pytest

from cvae_jax.core import config_check
from cvae_jax.core import errors
from cvae_jax.training import loop


@pytest.mark.parametrize(
  "steps", [2, pytest.param(100, marks=pytest.mark.slow)]
)  # They end within the run, or with it.
def test_a_profile_is_written_on_request(tmp_path, tfds_dir, steps):
  profile = {"profile.steps": steps, "profile.first_step": 1}
  config = get_config("cvae", "tiny", **{**SHORT, **profile, "data.tfds_dir": tfds_dir})
  loop.train_and_evaluate(config, str(tmp_path))
  (trace,) = (tmp_path / "profile").rglob("*.trace.json.gz")
  names = [event.get("name", "") for event in json.loads(gzip.open(trace).read())["traceEvents"]]
  # The profiler sees a call from Python's side and from JAX's.
  assert names.count("PjitFunction(train_steps)") == 2 * min(steps, 3)
  assert not any("eval_step" in name for name in names)


def test_nothing_is_profiled_without_one(tiny_run):
  assert "profile" not in os.listdir(tiny_run)


def test_a_profile_of_negative_length_is_refused():
  config = get_config("cvae", **{"profile.steps": -1})
  with pytest.raises(errors.UserError, match="profile.steps must be 0 or more, got -1"):
    config_check.check(config)
