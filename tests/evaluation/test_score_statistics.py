"""Statistics of scores and distances of sets of them: closed forms."""

import numpy as np
import pytest
import scipy.stats

from cvae_jax.evaluation.metrics import score_statistics
from cvae_jax.scores import drum_tokens
from cvae_jax.scores import melody
from cvae_jax.scores import trio

MELODY = melody.Melody()


def random_melodies(seed, count=60, bars=2, share=0.4, low=55, high=75):
  rng = np.random.default_rng(seed)
  pitches = rng.integers(low, high, (count, 16 * bars)) - MELODY.min_pitch + melody.FIRST
  return np.where(rng.random(pitches.shape) < share, pitches, melody.HOLD).astype(np.int32)


def of(tokens, bar_steps=16):
  return score_statistics.of_melodies(tokens, MELODY, bar_steps, 4)


def test_divergence_of_equal_and_of_disjoint_histograms():
  a, b = np.asarray([3.0, 1, 0, 0]), np.asarray([0.0, 0, 2, 5])
  assert score_statistics.jensen_shannon(a, 7 * a) == pytest.approx(0.0, abs=1e-12)
  assert score_statistics.jensen_shannon(a, b) == pytest.approx(np.log(2))
  half = np.asarray([1.0, 1.0]), np.asarray([1.0, 0.0])
  # Of (1/2, 1/2) and (1, 0), with the middle (3/4, 1/4).
  expected = (0.5 * np.log(2 / 3) + 0.5 * np.log(2) + np.log(4 / 3)) / 2
  assert score_statistics.jensen_shannon(*half) == pytest.approx(expected)
  assert np.isnan(score_statistics.jensen_shannon(a, 0 * a))


def test_overlap_of_equal_disjoint_and_shifted_samples():
  rng = np.random.default_rng(0)
  a = rng.normal(size=4000)
  overlap = score_statistics.overlapping_area
  assert overlap(a, a) == pytest.approx(1.0) and overlap(a, a + 1000) == 0.0
  # Two normal densities that are 2 apart cross in their middle; kernels widen them a little.
  width = np.hypot(1.0, 4000**-0.2)
  expected = 2 * scipy.stats.norm.sf(1.0 / width)
  assert overlap(a, rng.normal(2.0, size=4000)) == pytest.approx(expected, abs=0.02)
  # Numbers that are all the same have a density too.
  assert overlap(np.full(9, 5.0), np.full(4, 5.0)) == pytest.approx(1.0)
  assert overlap(np.full(9, 5.0), np.full(4, 6.0)) == 0.0
  assert overlap(np.append(a, np.nan), a) == pytest.approx(1.0)
  assert np.isnan(overlap(np.full(3, np.nan), a))


def test_the_density_is_that_of_scipy():
  rng = np.random.default_rng(1)
  a, b = rng.gamma(3.0, size=300), rng.gamma(4.0, size=200)
  x = np.linspace(-5, 25, 20_000)
  width = max(y.std(ddof=1) * len(y) ** -0.2 for y in (a, b))
  densities = [scipy.stats.gaussian_kde(y, width / y.std(ddof=1))(x) for y in (a, b)]
  lower = np.minimum(*densities)
  expected = lower.sum() * (x[1] - x[0])
  assert score_statistics.overlapping_area(a, b) == pytest.approx(expected, abs=2e-3)


def test_distances_of_sets_overlap_the_less_the_farther_they_are_apart():
  rng = np.random.default_rng(2)
  a, b = rng.normal(size=(2, 300, 6))
  overlaps = [score_statistics.distance_overlap(a, b + shift) for shift in (0.0, 1.0, 3.0, 50.0)]
  assert overlaps[0] > 0.97 and overlaps == sorted(overlaps, reverse=True) and overlaps[3] == 0.0
  # Half of the pairs within the real set are 10 apart, and half of those across the sets.
  ends, zeros = np.tile([[0.0], [10.0]], (200, 1)), np.zeros((300, 1))
  assert score_statistics.distance_overlap(ends, zeros) == pytest.approx(1.0, abs=0.01)
  assert score_statistics.distance_overlap(zeros, ends) == pytest.approx(0.5, abs=0.01)
  # Of large sets evenly spaced windows are compared.
  large = np.repeat(a, 5, axis=0)
  assert score_statistics.distance_overlap(large, large) > 0.95


def test_similarity_of_bars_is_a_cosine():
  rolls = np.asarray([[[1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0], [2, 2, 0, 0], [0, 0, 3, 0]]])
  found = score_statistics.self_similarity(rolls)[0]
  root = np.sqrt(0.5)
  nan = np.nan
  expected = [
    [1, root, nan, 1, 0],
    [root, 1, nan, root, 0],
    [nan] * 5,
    [1, root, nan, 1, 0],
    [0, 0, nan, 0, 1],
  ]
  np.testing.assert_allclose(found, expected, atol=1e-7)
  by_lag = score_statistics.similarity_by_lag(found[None])
  np.testing.assert_allclose(by_lag, [(root + 0) / 2, root, (1 + 0) / 2, 0], atol=1e-7)
  # What is repeated after two bars is so at that lag and its multiples.
  bars = random_melodies(0, 40, bars=2)
  found = of(np.tile(bars, (1, 3))).similarity
  lags = score_statistics.similarity_by_lag(found)
  assert lags[[1, 3]] == pytest.approx([1.0, 1.0]) and (lags[[0, 2, 4]] < 0.5).all()


def test_histograms_count_the_notes_of_a_melody():
  tokens = np.zeros((2, 32), np.int32)
  pitches = {0: 60, 4: 64, 8: 67, 17: 48}
  for step, pitch in pitches.items():
    tokens[0, step] = pitch - 19
  tokens[0, 10] = melody.OFF
  found = of(tokens)
  histograms = {name: np.flatnonzero(x[0]).tolist() for name, x in found.histograms.items()}
  assert histograms == {
    "pitch_class": [0, 4, 7],
    "degree": [0, 4, 7],
    "interval": [0, 12 + 3, 12 + 4],  # 19 semitones down count as an octave.
    "length": [1, 3, 14],
    "onset": [0, 1, 4, 8],
  }
  assert found.histograms["length"][0, 3] == 2 and found.histograms["pitch_class"][0, 0] == 2
  assert all(not x[1].any() for x in found.histograms.values())
  assert found.values["density"].tolist() == [2.0, 0.0] and np.isnan(found.values["similarity"][1])
  # Degrees are those of the key, at any transposition.
  moved = of(MELODY.transpose(tokens, 5))
  np.testing.assert_array_equal(moved.histograms["degree"], found.histograms["degree"])


def test_equal_sets_are_at_no_distance_and_others_at_some():
  a, b = of(random_melodies(0, 300)), of(random_melodies(1, 300))
  same, near = (score_statistics.compare(a, x) for x in (a, b))
  far = score_statistics.compare(a, of(random_melodies(2, 300, share=0.2, low=40, high=90)))
  assert set(same) == set(near) and len(same) == 2 * 5 + 6 + 1
  for name in same:
    if name.endswith(("_js", "_error")):
      assert same[name] == pytest.approx(0.0, abs=1e-9) and near[name] < 0.05
    elif name.endswith("_overlap"):
      assert same[name] == pytest.approx(1.0) and near[name] > 0.6
    else:  # Within a set no window is compared with itself, across two equal ones it is.
      assert same[name] > 0.95 and near[name] > 0.9
  tiled = of(np.tile(random_melodies(3, 300, bars=1), (1, 2)))
  expected = 1.0 - score_statistics.similarity_by_lag(a.similarity)[0]
  assert score_statistics.compare(a, tiled)["similarity_error"] == pytest.approx(expected)
  for name in ("interval_js", "density_overlap", "range_overlap", "interval_distances"):
    assert abs(same[name] - far[name]) > 3 * abs(same[name] - near[name]), name


def test_drums_are_compared_by_their_strokes():
  rng = np.random.default_rng(3)
  tokens = np.where(rng.random((50, 32)) < 0.5, rng.integers(1, 512, (50, 32)), 0)
  found = score_statistics.of_drums(tokens, 16)
  roll = drum_tokens.to_roll(tokens)
  np.testing.assert_array_equal(found.histograms["stroke"], roll.sum(axis=1))
  assert found.histograms["onset"].sum() == (tokens > 0).sum()
  assert found.histograms["onset"].shape == (50, 16)
  expected = roll.sum(axis=(1, 2)) / (tokens > 0).sum(axis=1)
  np.testing.assert_allclose(found.values["strokes"], expected)
  same = score_statistics.compare(found, found)
  assert same["stroke_js"] == pytest.approx(0.0, abs=1e-9) and same["off_beat_overlap"] > 0.999
  kicks = score_statistics.of_drums(np.where(tokens > 0, 1, 0), 16)
  snares = score_statistics.of_drums(np.where(tokens > 0, 2, 0), 16)
  assert score_statistics.compare(kicks, snares)["stroke_js"] == pytest.approx(np.log(2))


def test_a_copy_is_one_at_any_transposition_and_a_change_is_none():
  tokens = random_melodies(4, 20)
  known = score_statistics.relative(tokens, MELODY)
  moved = MELODY.transpose(tokens, -7)
  idle = moved.copy()
  for row in idle:  # Note-offs before the first note, and after another one, end nothing.
    first = np.flatnonzero(row)[0]
    row[:first] = melody.OFF
  is_copy = lambda x: score_statistics.is_copy(score_statistics.relative(x, MELODY), known)
  assert is_copy(moved).all() and is_copy(idle).all()
  changed = moved.copy()
  changed[np.arange(20), [np.flatnonzero(row)[-1] for row in moved]] += 1
  assert not is_copy(changed).any() and not is_copy(random_melodies(5, 20)).any()
  ended = tokens[:1].copy()
  step = np.flatnonzero((ended[0, :-1] >= melody.FIRST) & (ended[0, 1:] == melody.HOLD))[0] + 1
  ended[0, step] = melody.OFF
  assert not is_copy(ended).any()
  twice = ended.copy()
  free = step + 1 + np.flatnonzero(twice[0, step + 1 :] == melody.HOLD)[0]
  if free == step + 1:
    twice[0, free] = melody.OFF
  np.testing.assert_array_equal(
    score_statistics.relative(twice, MELODY), score_statistics.relative(ended, MELODY)
  )


def test_copies_of_trios_and_of_drums():
  tokenizer = trio.Trio()
  rng = np.random.default_rng(6)
  lines = [random_melodies(seed, 5) for seed in (7, 8)]
  voices = np.stack([*lines, rng.integers(0, 512, (5, 32))], axis=-1)
  tokens = tokenizer.join(voices)
  relative = lambda x: score_statistics.relative(x, tokenizer)
  known = relative(tokens)
  assert score_statistics.is_copy(relative(tokenizer.transpose(tokens, 3)), known).all()
  changed = voices.copy()
  changed[:, -1, 2] ^= 1  # A stroke of the bass drum.
  assert not score_statistics.is_copy(relative(tokenizer.join(changed)), known).any()
  voices[..., 1] = MELODY.transpose(voices[..., 1], 1)  # The bass alone.
  assert not score_statistics.is_copy(relative(tokenizer.join(voices)), known).any()
  drums = rng.integers(0, 512, (5, 32))
  np.testing.assert_array_equal(score_statistics.relative(drums, drum_tokens.Drums()), drums)
