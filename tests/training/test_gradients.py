"""Gradients by parts of a batch: the same as of the whole, in less memory."""

from conftest import get_config
from conftest import make_method
import jax
import numpy as np
import pytest

from cvae_jax.training import compilation


def stepped(config, batch, parts):
  """State and metrics after one step; and the step, compiled."""
  config.train.accumulate_steps = parts
  method = make_method(config, instruments=8, num_examples=100)
  state = jax.jit(method.init)(jax.random.key(0), batch)
  compiled = compilation.jit(method.train_step).lower(state, batch).compile()
  return *compiled(state, batch), compiled


@pytest.mark.parametrize(
  "name,fields",
  [
    pytest.param("ae", {}, marks=pytest.mark.slow),
    (
      "cvae",
      {"condition.drop_rate": 0.3, "method.prior": "gaussian", "method.corruption": "gaussian"},
    ),
  ],
)
@pytest.mark.parametrize("parts", [pytest.param(2, marks=pytest.mark.slow), 4])
def test_parts_of_a_batch_do_what_the_whole_does(real_batch, name, fields, parts):
  config = get_config(name, "tiny", **fields)
  whole, of_whole, _ = stepped(config, real_batch, 1)
  taken_apart, of_parts, _ = stepped(config, real_batch, parts)
  assert of_whole.keys() == of_parts.keys()
  for key in of_whole:
    np.testing.assert_allclose(of_parts[key], of_whole[key], rtol=1e-4, atol=1e-6, err_msg=key)
  # Adam's first moment is the gradient, but for a factor.
  for x, y in zip(*(jax.tree.leaves(s.opt_state) for s in (whole, taken_apart)), strict=True):
    np.testing.assert_allclose(x, y, rtol=1e-3, atol=1e-5 * np.abs(x).max() + 1e-9)


def test_parts_take_less_memory(real_batch):
  config = get_config("vae", "thesis,tiny", **{"model.channels": (64, 64)})
  _, _, whole = stepped(config, real_batch, 1)
  _, _, parts = stepped(config, real_batch, 4)
  sizes = [c.memory_analysis().temp_size_in_bytes for c in (whole, parts)]
  assert sizes[1] < 0.5 * sizes[0]


def test_a_batch_that_cannot_be_taken_apart_is_refused(tmp_path, tfds_dir):
  from cvae_jax.core import errors
  from cvae_jax.training import loop

  fields = {"data.tfds_dir": tfds_dir, "train.accumulate_steps": 3}
  with pytest.raises(errors.UserError, match="train.batch_size 8 is not divisible by .* x 3 parts"):
    loop.train_and_evaluate(get_config("ae", "tiny", **fields), str(tmp_path / "run"))
  assert not (tmp_path / "run").exists()
