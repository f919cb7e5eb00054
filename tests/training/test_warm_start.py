"""Runs that begin with the parameters of another run."""

from conftest import SHORT
from conftest import example_batch
from conftest import get_config
from conftest import make_method
import jax
import numpy as np
import pytest

from cvae_jax.core import errors
from cvae_jax.data import labels
from cvae_jax.training import checkpoint
from cvae_jax.training import loop
from cvae_jax.training import warm_start


@pytest.fixture(scope="module")
def settings(tfds_dir):
  return {
    **SHORT, "train.steps": 2, "data.tfds_dir": tfds_dir, "model.linear_ranks": (8, 40),
    "method.prior": "flow", "method.flow.steps": 2,
  }  # fmt: skip


@pytest.fixture(scope="module")
def first_run(settings, tmp_path_factory):
  workdir = str(tmp_path_factory.mktemp("first") / "run")
  loop.train_and_evaluate(get_config("cvae", "tiny", **settings), workdir)
  return workdir


def test_a_run_begins_where_another_ended(first_run, settings, tmp_path):
  config = get_config("cvae", "tiny", **{**settings, "train.init_from": first_run, "seed": 5})
  config.optimizer.learning_rate = config.method.flow.optimizer.learning_rate = 1e-30
  loop.train_and_evaluate(config, str(tmp_path / "run"))
  before, after = (checkpoint.restore_params(w)[1] for w in (first_run, str(tmp_path / "run")))
  before.pop("prior"), after.pop("prior")  # Its codes are measured anew.
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), before, after)


def test_a_flow_of_another_size_begins_anew(first_run, settings):
  config = get_config("cvae", "tiny", **{**settings, "train.init_from": first_run})
  before = checkpoint.restore_params(first_run)[1]
  for hidden in (config.method.flow.hidden, 2 * config.method.flow.hidden):
    config.method.flow.hidden = hidden
    method = make_method(config, instruments=3)
    own = method.init(jax.random.key(0), example_batch())
    started = warm_start.start(config, method, own)
    its = (
      before["prior"]
      if hidden == before["prior"]["params"]["start"]["bias"].size
      else own.buffers["prior"]
    )
    for found in (started.buffers["prior"], {**its, **started.later.params}):
      jax.tree.map(np.testing.assert_array_equal, found, its)
    np.testing.assert_array_equal(
      started.params["params"]["start"]["kernel"], before["params"]["start"]["kernel"]
    )


@pytest.mark.parametrize(
  "changes, message",
  [
    ({"model.latent_dim": 5}, "another architecture: model.latent_dim is 5, and 4 there"),
    ({"condition.labels": ("pitch",)}, "condition.labels is .'pitch'., and .'pitch', 'family'"),
    (
      {"representation.n_fft": 4096, "representation.win_length": 4096},
      "n_fft is 4096, and 256 there",
    ),
    ({"train.init_from": "/nowhere"}, "/nowhere holds no run"),
  ],
)
def test_another_architecture_is_refused_in_one_line(
  first_run, settings, tmp_path, changes, message
):
  changed = {**settings, "train.init_from": first_run, **changes}
  with pytest.raises(errors.UserError, match=message) as error:
    loop.train_and_evaluate(get_config("cvae", "tiny", **changed), str(tmp_path / "run"))
  assert "\n" not in str(error.value) and not (tmp_path / "run" / "checkpoints").exists()


def test_other_names_of_a_label_are_refused(first_run, settings):
  config = get_config("cvae", "tiny", **{**settings, "train.init_from": first_run})
  vocabulary = labels.make_vocabulary(["one"])
  warm_start.check(config, vocabulary)  # Instruments are no condition.
  family = next(x for x in vocabulary.labels if x.name == "family")
  renamed = vocabulary._replace(
    labels=tuple(
      x._replace(names=("drum", *x.names[1:])) if x is family else x for x in vocabulary.labels
    )
  )
  with pytest.raises(errors.UserError, match="its label 'family' has other values"):
    warm_start.check(config, renamed)


def test_parameters_of_other_shapes_and_methods_that_cannot_are_refused(first_run, settings):
  config = get_config("cvae", "tiny", **{**settings, "train.init_from": first_run})
  method = make_method(config)
  state = method.init(jax.random.key(0), example_batch())
  wrong = state.replace(params={"params": {"head": np.zeros((2, 2))}})
  with pytest.raises(errors.UserError, match="has the shape .* and this run needs"):
    warm_start.start(config, method, wrong)
  with pytest.raises(errors.UserError, match="cannot begin with another's parameters"):
    warm_start.start(config, method._replace(warm_start=None), state)
