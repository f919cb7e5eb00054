"""Instruments as files, played by a sampler that we did not write."""

import ctypes.util
import io

import numpy as np
import pytest
import soundfile

from cvae_jax.data import soundfont
from cvae_jax.evaluation.metrics import pitch as pitch_metric
from cvae_jax.synthesis import formats
from cvae_jax.synthesis import instrument
from cvae_jax.synthesis import loops

RATE = 16_000
T = np.arange(4 * RATE) / RATE


def make_keys(velocities=(127,)):
  """Tones of three partials, the softer layer without its octave; the highest key has no loop."""
  keys = []
  for velocity in velocities:
    for pitch in (48, 60, 72):
      f0 = 440 * 2 ** ((pitch - 69) / 12)
      partials = (1, 3) if velocity < 100 else (1, 2, 3)
      audio = sum(0.25 * np.sin(2 * np.pi * k * f0 * T + k) for k in partials)
      audio *= np.minimum(T / 0.01, 1) * np.exp(-np.maximum(T - 3, 0) / 0.1)
      loop = loops.find_loop(audio, RATE) if pitch < 72 else None
      held = loops.blend(audio, loop, RATE) if loop else audio
      keys.append(instrument.Key(pitch, velocity, held.astype(np.float32), loop))
  return keys


@pytest.fixture(scope="module")
def play(tmp_path_factory):
  """Plays a soundfont's key for some seconds, by FluidSynth."""
  fluidsynth = pytest.importorskip("fluidsynth") if ctypes.util.find_library("fluidsynth") else None
  if fluidsynth is None:
    pytest.skip("needs FluidSynth: apt-get install fluidsynth")

  def render(body, pitch, velocity=127, seconds=3.0):
    path = tmp_path_factory.mktemp("sf2") / "made.sf2"
    path.write_bytes(body)
    synth = fluidsynth.Synth(
      0.5, float(RATE), **{"synth.reverb.active": 0, "synth.chorus.active": 0}
    )
    found = synth.sfload(str(path))
    assert found >= 0
    synth.program_select(0, found, 0, 0)
    synth.noteon(0, pitch, velocity)
    samples = np.asarray(synth.get_samples(round(seconds * RATE)), np.float64) / 32768.0
    synth.delete()
    return samples.reshape(-1, 2)[:, 0]

  return render


def test_a_soundfont_sounds_as_its_samples_do(play):
  keys = make_keys()
  body = formats.to_sf2(keys, RATE, "tones")
  for key in keys:
    theirs = play(body, key.pitch, seconds=2.0)
    # Magnitudes: FluidSynth reads between samples, an eighth of one late.
    spectra = [
      np.abs(np.fft.rfft(audio[8000:28_000] * np.hanning(20_000))) for audio in (key.audio, theirs)
    ]
    gain = np.dot(*spectra) / np.dot(spectra[0], spectra[0])
    error = np.linalg.norm(spectra[1] - gain * spectra[0]) / np.linalg.norm(spectra[1])
    assert error < 0.01, (key.pitch, error)
    # And nothing is cut off at the start.
    rise = [np.argmax(np.abs(audio) > 0.5 * np.abs(audio).max()) for audio in (key.audio, theirs)]
    assert abs(rise[1] - rise[0]) < 80
    assert pitch_metric.median_pitch(theirs.astype(np.float32), RATE) == pytest.approx(
      key.pitch, abs=0.05
    )


def test_keys_between_samples_are_in_tune_and_held_notes_go_round_their_loop(play):
  body = formats.to_sf2(make_keys(), RATE, "tones")
  for pitch in (45, 51, 57, 65):
    found = pitch_metric.median_pitch(play(body, pitch).astype(np.float32), RATE)
    assert found == pytest.approx(pitch, abs=0.05)
  long = play(body, 60, seconds=10.0)
  level = [np.sqrt(np.mean(long[i : i + 4000] ** 2)) for i in range(RATE, 9 * RATE, 4000)]
  assert max(level) / min(level) < 1.1
  early, late = (
    np.abs(np.diff(long[a:b], 2)).max() for a, b in ((RATE, 2 * RATE), (RATE, 9 * RATE))
  )
  assert late < 1.1 * early  # No click.
  gone = play(body, 72, seconds=6.0)
  assert np.abs(gone[5 * RATE :]).max() < 1e-3  # Without a loop a note ends.


def test_velocity_chooses_the_layer_and_follows_the_curve_of_the_models_own(play):
  body = formats.to_sf2(make_keys((64, 127)), RATE, "two layers")
  octave = lambda a: np.abs(np.fft.rfft(a[8000:24_000] * np.hanning(16_000)))[520:527].max()
  loud, soft = (play(body, 60, velocity) for velocity in (127, 64))
  assert octave(soft) / np.abs(soft).max() < 0.01 * octave(loud) / np.abs(loud).max()
  low, high = (np.sqrt(np.mean(play(body, 60, v)[8000:24_000] ** 2)) for v in (80, 127))
  assert 20 * np.log10(high / low) == pytest.approx(40 * np.log10(127 / 80), abs=0.2)


def test_a_soundfont_is_read_by_another_reader(tmp_path):
  sf2 = pytest.importorskip("sf2utils.sf2parse")
  path = tmp_path / "made.sf2"
  path.write_bytes(
    formats.to_sf2(make_keys((64, 127)), RATE, "a title of more than twenty letters")
  )
  with open(path, "rb") as f:
    read = sf2.Sf2File(f)
  assert read.presets[0].name == "a title of more tha" and len(read.samples) == 7  # EOS is one.
  assert soundfont.find_soundfont(str(path)) == str(path)
  first = read.samples[0]
  assert first.name == "048-v064" and first.sample_rate == RATE and first.original_pitch == 48


def test_packed_files_are_what_they_are_called():
  keys = make_keys()
  packed = formats.pack(keys, "sfz", RATE, "tones")
  assert sorted(packed) == ["048-v127.wav", "060-v127.wav", "072-v127.wav", "tones.sfz"]
  audio, rate = soundfile.read(io.BytesIO(packed["060-v127.wav"]))
  assert rate == RATE
  np.testing.assert_allclose(audio, keys[1].audio, atol=1e-4)
  assert list(formats.pack(keys, "sf2", RATE, "tones")) == ["tones.sf2"]
  assert "tones.sfz" not in formats.pack(keys, "wav", RATE, "tones")
