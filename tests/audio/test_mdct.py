import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.fft

from cvae_jax.audio import mdct
from cvae_jax.core import errors


@pytest.mark.parametrize("window", ["sine", "kbd"])
@pytest.mark.parametrize("num_bins,length", [(512, 64_000), (64, 1000), (250, 333), (2, 9)])
def test_round_trip_is_exact(real_note, window, num_bins, length):
  audio = jnp.asarray(np.stack([real_note[:length], real_note[-length:]]))
  coefficients = mdct.mdct(audio, num_bins, window)
  assert coefficients.shape == (2, mdct.num_frames(length, num_bins), num_bins)
  np.testing.assert_allclose(mdct.imdct(coefficients, length, window), audio, atol=2e-6)


def test_energy_is_kept(real_note):
  coefficients = mdct.mdct(jnp.asarray(real_note), 512)
  assert float(jnp.sum(coefficients**2)) == pytest.approx(float(np.sum(real_note**2)), rel=1e-5)


@pytest.mark.parametrize("num_bins", [2, 16, 512])
def test_agrees_with_its_definition(num_bins):
  x = np.random.default_rng(0).normal(size=3 * num_bins)
  padded = np.pad(x, num_bins)
  n, k = np.arange(2 * num_bins), np.arange(num_bins)[:, None]
  window = np.sin(np.pi * (n + 0.5) / (2 * num_bins))
  basis = np.cos(np.pi / num_bins * (n + 0.5 + num_bins / 2) * (k + 0.5))
  expected = [
    np.sqrt(2 / num_bins) * basis @ (window * padded[i * num_bins : (i + 2) * num_bins])
    for i in range(4)
  ]
  ours = mdct.mdct(jnp.asarray(x, jnp.float32), num_bins)
  np.testing.assert_allclose(ours, expected, atol=2e-5)


def test_the_fast_dct_agrees_with_scipy():
  x = np.random.default_rng(1).normal(size=(5, 250)).astype(np.float32)
  expected = scipy.fft.dct(x, type=4, norm="ortho")
  np.testing.assert_allclose(mdct._dct_iv(jnp.asarray(x)), expected, atol=1e-5)


def test_gradients_pass():
  # Orthonormal: the gradient of half the energy is the waveform itself.
  x = jnp.asarray(np.random.default_rng(2).normal(size=600), jnp.float32)
  gradient = jax.grad(lambda x: 0.5 * jnp.sum(mdct.mdct(x, 100) ** 2))(x)
  np.testing.assert_allclose(gradient, x, atol=1e-5)


@pytest.mark.parametrize("num_bins,window,says", [(7, "sine", "even"), (8, "hann", "kbd, sine")])
def test_what_has_no_perfect_reconstruction_is_refused(num_bins, window, says):
  with pytest.raises(errors.UserError, match=says):
    mdct.mdct(jnp.zeros(100), num_bins, window)
