from conftest import FIXTURES
import jax.numpy as jnp
import librosa
import numpy as np
import pytest

from cvae_jax.audio import f0
from cvae_jax.audio import files
from cvae_jax.core import errors


@pytest.mark.parametrize("frame_length,hop_length", [(2048, None), (1024, 300)])
def test_agrees_with_librosa_on_real_notes(frame_length, hop_length):
  paths = sorted((FIXTURES / "nsynth-valid" / "audio").glob("*.flac"))[::3]
  notes = np.stack([files.read_note(str(p), 64_000, 16_000).audio for p in paths])
  ours = f0.yin(jnp.asarray(notes), 65.0, 2100.0, 16_000, frame_length, hop_length)
  theirs = librosa.yin(
    notes.astype(np.float64),
    fmin=65.0,
    fmax=2100.0,
    sr=16_000,
    frame_length=frame_length,
    hop_length=hop_length,
  )
  assert ours.shape == theirs.shape
  audible = librosa.feature.rms(y=notes, frame_length=frame_length, hop_length=hop_length or 512)
  audible = audible[:, 0] > 1e-3
  cents = 1200 * np.abs(np.log2(np.asarray(ours) / theirs))[audible]
  # In a frame without a clear pitch, rounding decides between two lags.
  assert np.mean(cents < 1.0) > 0.99
  assert np.median(cents) < 0.01


def test_a_sine_is_found_within_a_tenth_of_a_semitone():
  for pitch_hz in (110.0, 443.7, 1234.5):
    sine = jnp.sin(2 * jnp.pi * pitch_hz * jnp.arange(16_000) / 16_000)
    found = f0.yin(sine, 60.0, 2000.0, 16_000)[5:-5]
    # The bias is librosa's too: its difference leaves out what would lie past the frame.
    np.testing.assert_allclose(1200 * np.log2(found / pitch_hz), 0.0, atol=10.0)


@pytest.mark.parametrize(
  "fmin,fmax,says",
  [(500.0, 100.0, "0 < fmin < fmax"), (60.0, 9000.0, "8000"), (10.0, 500.0, "it needs 3200")],
)
def test_frequencies_that_there_is_no_room_for_are_refused(fmin, fmax, says):
  with pytest.raises(errors.UserError, match=says):
    f0.yin(jnp.zeros(16_000), fmin, fmax, 16_000)
