import jax
import numpy as np
import pytest
from sklearn.decomposition import PCA

from cvae_jax import evaluate
from cvae_jax.evaluation.metrics import baselines
from cvae_jax.evaluation.metrics import pitch


def sine(midi, seconds=1.0, rate=16_000):
  return np.sin(2 * np.pi * 440 * 2 ** ((midi - 69) / 12) * np.arange(int(rate * seconds)) / rate)


@pytest.mark.parametrize("midi", [24, 60, 60.4, 96, 107])
def test_the_pitch_of_a_sine_is_its_pitch(midi):
  assert pitch.median_pitch(sine(midi), 16_000) == pytest.approx(midi, abs=0.2)


def test_agreement_is_within_the_tolerance_and_silence_never_agrees():
  audio = np.stack([sine(60), sine(60.4), sine(60.6), sine(72), np.zeros(16_000)])
  agrees = pitch.pitch_agreement(audio, np.full(5, 60), 16_000)
  assert agrees.tolist() == [True, True, False, False, False]


def test_a_pitch_is_clear_where_it_is_kept():
  glide = np.sin(np.cumsum(2 * np.pi * np.linspace(200, 800, 32_000) / 16_000))
  noise = np.random.default_rng(0).normal(size=32_000)
  vibrato = 69 + 0.3 * np.sin(2 * np.pi * 5 * np.arange(32_000) / 16_000)
  swinging = np.sin(np.cumsum(2 * np.pi * 440 * 2 ** ((vibrato - 69) / 12) / 16_000))
  audio = np.stack([sine(60, 2.0), swinging, glide, noise, np.zeros(32_000)])
  clear = pitch.has_clear_pitch(audio.astype(np.float32), 16_000)
  assert clear.tolist() == [True, True, False, False, False]


def test_a_silent_tail_has_no_say():
  audio = np.concatenate([sine(60, 0.5), 1e-4 * np.random.default_rng(0).normal(size=32_000)])
  assert pitch.median_pitch(audio, 16_000) == pytest.approx(60, abs=0.06)


@pytest.mark.parametrize("dtype,tolerance", [(np.float32, 1e-3), (np.float16, 5e-3)])
def test_pca_is_scikit_learns(dtype, tolerance):
  rng = np.random.default_rng(0)
  train = (rng.normal(size=(60, 12)) @ rng.normal(size=(12, 400)) + 3.0) / 8.0
  held_out = (rng.normal(size=(10, 12)) @ rng.normal(size=(12, 400))) / 8.0
  ours = baselines.fit_pca(train.reshape(60, 20, 20).astype(dtype), 8, block=150)
  theirs = PCA(8).fit(train)
  expected = theirs.inverse_transform(theirs.transform(held_out))
  found = ours.reconstruct(held_out.reshape(10, 20, 20).astype(np.float32))
  assert np.abs(found.reshape(10, 400) - expected).max() < tolerance * np.abs(expected).max() * 3
  np.testing.assert_allclose(ours.components @ ours.components.T, np.eye(8), atol=1e-3)


def test_of_a_few_notes_no_more_components_come_than_there_are():
  train = np.random.default_rng(0).normal(size=(5, 30)).astype(np.float32)
  pca = baselines.fit_pca(train.copy(), 128)
  assert pca.components.shape == (4, 30)
  np.testing.assert_allclose(pca.reconstruct(train), train, atol=1e-3)


def test_log_spectral_distance_is_the_rms_over_frequency_averaged_over_frames():
  level_db = np.full((1, 2, 4), -50.0)
  predicted_db = level_db + np.asarray([[[4.0, 4.0, 4.0, 4.0], [8.0, 0.0, 0.0, 0.0]]])
  sums = baselines.error_sums(level_db, predicted_db)
  assert sums["lsd_db"] == pytest.approx((4.0 + 4.0) / 2)
  assert sums["mse_db2"] == pytest.approx((16 * 4 + 64) / 8)


def test_averages_over_a_split_do_not_depend_on_the_batches():
  values = np.arange(10.0)

  def eval_step(params, batch, rng):
    del params, rng
    return {"x": ((batch["mask"] * batch["value"]).sum(), batch["mask"].sum())}

  def batches(size):
    for start in range(0, 10, size):
      chunk = values[start : start + size]
      yield {
        "value": np.resize(chunk, size),
        "mask": (np.arange(size) < chunk.size).astype(float),
        "id": np.zeros(size),
      }

  for size in (1, 3, 4, 10, 16):
    averages = evaluate.average(eval_step, None, batches(size), jax.random.key(0), lambda b: b)
    assert averages == {"x": pytest.approx(4.5)}
