import jax.numpy as jnp
import numpy as np
import pytest
import scipy.signal

from cvae_jax.audio import pqmf
from cvae_jax.core import errors


@pytest.mark.parametrize("num_bands", [2, 4, 16, 32])
@pytest.mark.parametrize("length", [64_000, 4_001])
def test_reconstruction_is_near_perfect_to_the_ends(real_note, num_bands, length):
  noise = np.random.default_rng(0).normal(size=length).astype(np.float32)
  audio = np.stack([real_note[:length], noise])
  bands = pqmf.analyse(jnp.asarray(audio), num_bands)
  assert bands.shape == (2, pqmf.num_frames(length, num_bands), num_bands)
  error = np.asarray(pqmf.synthesise(bands, length)) - audio
  for part in (slice(None), slice(0, 200), slice(-200, None)):
    noise_db = 10 * np.log10(np.mean(error[1, part] ** 2) / np.mean(audio[1, part] ** 2))
    assert noise_db < -60.0
  assert 10 * np.log10(np.mean(error[0] ** 2) / np.mean(audio[0] ** 2)) < -60.0


def test_analysis_agrees_with_scipy(real_note):
  num_bands, audio = 16, real_note[:4000]
  ours = pqmf.analyse(jnp.asarray(audio), num_bands)
  filters = pqmf.make_filters(num_bands)
  # Frame 0 ends with the waveform's first 16 samples: upfirdn's output 15, every 16th from there.
  full = np.stack([scipy.signal.upfirdn(h.astype(np.float64), audio) for h in filters], axis=1)
  theirs = full[num_bands::num_bands]
  np.testing.assert_allclose(ours[: len(theirs)], theirs[: len(ours)], atol=1e-5)


def test_a_sine_lies_in_its_band():
  time = np.arange(16_000) / 16_000
  for band in range(16):
    sine = np.sin(2 * np.pi * (band + 0.5) * 500 * time).astype(np.float32)
    power = np.mean(np.asarray(pqmf.analyse(jnp.asarray(sine), 16))[50:-50] ** 2, axis=0)
    assert np.argmax(power) == band
    far = np.abs(np.arange(16) - band) > 1
    assert 10 * np.log10(power[far].max() / power[band]) < -60.0


def test_one_band_is_no_filter_bank():
  with pytest.raises(errors.UserError, match="at least 2 bands, got 1"):
    pqmf.analyse(jnp.zeros(100), 1)
