import numpy as np
import pytest

from cvae_jax.evaluation.metrics import ngram


def test_it_is_the_formula_of_witten_and_bell():
  model = ngram.NGram(2, 4).fit(np.asarray([[0, 1, 0, 1], [0, 2, 0, 1]]))
  # Of no context: 0 four times, 1 three times, 2 once: eight tokens of three kinds.
  p1 = lambda count: (count + 3 / 4) / 11
  # After 0: 1 three times, 2 once; at the beginning: 0 twice.
  np.testing.assert_allclose(model.nll(np.asarray([[0]])), -np.log((2 + p1(4)) / 3))
  expected = -np.log((2 + p1(4)) / 3) - np.log((3 + 2 * p1(3)) / 6)
  np.testing.assert_allclose(model.nll(np.asarray([[0, 1]])), [expected])
  # Never seen, after a context that was, and after one that was not.
  np.testing.assert_allclose(model.nll(np.asarray([[3, 0]])),
                             [-np.log(p1(0) / 3) - np.log(p1(4))])  # fmt: skip


@pytest.mark.parametrize("order", [1, 2, 4])
def test_probabilities_sum_to_1(order):
  rng = np.random.default_rng(0)
  model = ngram.NGram(order, 5).fit(rng.integers(0, 4, (20, 12)))
  head = rng.integers(0, 4, 6)
  rows = np.stack([np.append(head, token) for token in range(5)])
  conditional = model.nll(rows) - model.nll(head[None])
  np.testing.assert_allclose(np.exp(-conditional).sum(), 1.0, rtol=1e-9)


def test_what_was_seen_is_likelier_than_what_was_not():
  rng = np.random.default_rng(0)
  scale = np.asarray([0, 2, 4, 5, 7, 9, 11])
  tunes = scale[np.abs(np.cumsum(rng.integers(-1, 2, (200, 16)), axis=1)) % 7]
  model = ngram.NGram(3, 12).fit(tunes[:150])
  noise = rng.integers(0, 12, (50, 16))
  assert model.nll(tunes[150:]).max() < model.nll(noise).min()


def test_an_order_of_0_is_refused():
  with pytest.raises(ValueError, match="1 or more, got 0"):
    ngram.NGram(0, 5)
