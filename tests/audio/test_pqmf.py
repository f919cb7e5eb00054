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


@pytest.mark.parametrize("num_bands", [4, 16])
def test_band_waveforms_have_the_level_and_direction_of_the_sound(num_bands):
  time = np.arange(8192) / 8192
  width = 4096 / num_bands
  for band in (0, 1, num_bands - 1):
    at = np.asarray([0.3, 0.6])  # of the band's width, from its lower end
    sines = 0.5 * np.sin(2 * np.pi * (band + at[:, None]) * width * time).astype(np.float32)
    bands = np.asarray(pqmf.to_bands(jnp.asarray(sines), num_bands))
    assert bands.shape == (2, 8192 // num_bands, num_bands)
    middle = bands[:, 100:-100, band]
    np.testing.assert_allclose(np.sqrt(2 * np.mean(middle**2, axis=1)), 0.5, rtol=0.01)
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(middle.shape[1]), axis=1))
    found = np.argmax(spectrum, axis=1) / spectrum.shape[1]
    np.testing.assert_allclose(found, at, atol=0.01)


def test_band_waveforms_add_up_to_the_sound(real_note):
  audio = jnp.asarray(real_note[None, :16_000])
  restored = pqmf.from_bands(pqmf.to_bands(audio, 16))
  error = np.asarray(restored - audio)[:, 400:-400]
  assert 10 * np.log10(np.mean(error**2) / np.mean(np.asarray(audio) ** 2)) < -55.0


def test_steep_prototype_is_the_published_one():
  # Coefficients of acids-rave 2.3.1, `PQMF(100, 16).h`.
  h = pqmf.make_steep_prototype(16)
  assert h.shape == (377,)
  np.testing.assert_allclose(
    h[188:192], [0.03422453, 0.03415401, 0.03394303, 0.03359327], rtol=1e-6
  )
  np.testing.assert_array_equal(h, h[::-1])


@pytest.mark.parametrize("rows", [1, 4, 25])
def test_blocks_of_band_waveforms_are_those_of_the_whole(rows, real_note):
  num_bands, count = 16, 16 * 100
  audio = jnp.asarray(np.stack([real_note[:count], real_note[count : 2 * count]]))
  late, later = pqmf.latency(num_bands)
  whole = pqmf.to_bands(jnp.pad(audio, [(0, 0), (late, 0)]), num_bands)
  there = back = pqmf.begin(2, num_bands)
  all_bands, all_audio = [], []
  for start in range(0, count, rows * num_bands):
    block = audio[:, start : start + rows * num_bands]
    bands, there = pqmf.to_bands_block(there, block, num_bands)
    restored, back = pqmf.from_bands_block(back, bands)
    all_bands.append(bands)
    all_audio.append(restored)
  bands, restored = jnp.concatenate(all_bands, 1), jnp.concatenate(all_audio, 1)
  np.testing.assert_allclose(bands, whole[:, :100], atol=1e-6)
  expected = pqmf.from_bands(whole)[:, : count - later]
  np.testing.assert_allclose(restored[:, later:], expected, atol=1e-5)


def test_rows_that_are_not_whole_are_refused():
  with pytest.raises(ValueError, match="100 samples are no multiple of the 16 bands"):
    pqmf.to_bands(jnp.zeros(100), 16)
