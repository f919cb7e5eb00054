import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cvae_jax.methods.common import corruption

FLOORED = (True, False)


def corrupt(kind, amount, shape=(400, 40, 50, 2)):
  return np.asarray(
    corruption.corrupt(jnp.full(shape, 0.5), jax.random.key(0), kind, amount, FLOORED)
  )


def test_none_changes_nothing_and_noise_has_its_deviation():
  assert (corrupt("none", 0.3) == 0.5).all()
  noise = corrupt("gaussian", 0.3) - 0.5
  assert noise.mean() == pytest.approx(0.0, abs=1e-3) and noise.std() == pytest.approx(
    0.3, rel=0.01
  )


@pytest.mark.parametrize("kind,axis", [("time_mask", 1), ("frequency_mask", 2)])
def test_a_mask_hides_one_span_of_every_note(kind, axis):
  features = corrupt(kind, 0.5)
  hidden = features != 0.5
  # Levels are hidden by silence, the rest by 0.
  assert set(np.unique(features[..., 0])) == {-1.0, 0.5}
  assert set(np.unique(features[..., 1])) == {0.0, 0.5}
  other = 3 - axis
  span = hidden[..., 0].all(axis=other)  # [B, size]: the whole of the other axis, or nothing.
  np.testing.assert_array_equal(span, hidden[..., 1].any(axis=other))
  begins = np.diff(span.astype(int), axis=1, prepend=0) == 1
  assert begins.sum(axis=1).max() == 1
  share = span.mean(axis=1)
  assert share.max() <= 0.52 and share.mean() == pytest.approx(0.25, abs=0.02)
  # Every place is hidden at times.
  assert span.any(axis=0).all()


def test_a_kind_that_there_is_not_is_refused():
  with pytest.raises(ValueError, match="must be one of none, gaussian, time_mask, frequency_mask"):
    corrupt("salt", 0.1)
