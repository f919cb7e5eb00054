import os
import shutil

import numpy as np
import pytest
import soundfile

from cvae_jax import explore
from cvae_jax import generate
from cvae_jax import reconstruct
from cvae_jax import scores
from cvae_jax.core import errors
from cvae_jax.data import forms
from cvae_jax.data import soundfont
from cvae_jax.scores import drum_tokens
from cvae_jax.scores import melody
from cvae_jax.scores import midi_reader
from cvae_jax.scores import piece
from cvae_jax.synthesis import score_audio

TUNE = [scores.Note(0.5 * i, 0.5 * i + 0.4, pitch) for i, pitch in enumerate((60, 64, 67, 72))]
STROKE = scores.Note(0.25, 0.375, 36, is_drum=True)


def onset(audio, rate, after_s):
  """Time of the first sound after a time, in s."""
  loud = np.abs(audio[round(after_s * rate) :]) > 0.02
  return after_s + np.argmax(loud) / rate


@pytest.fixture(scope="module")
def band():
  return score_audio.Band()


def test_notes_are_played_by_the_packaged_notes_at_their_times(band):
  audio, rate = band.play(TUNE[1:2])
  assert rate == 16_000 and 0.5 <= onset(audio, rate, 0.0) < 0.52
  spectrum = np.abs(np.fft.rfft(audio[round(0.52 * rate) : round(0.85 * rate)], 1 << 16))
  hz = np.argmax(spectrum) * rate / (1 << 16)
  harmonic = hz / (440 * 2 ** ((64 - 69) / 12))
  assert abs(harmonic - round(harmonic)) < 0.02 and round(harmonic) in (1, 2, 3)


def test_percussion_is_mixed_into_the_notes(band):
  alone, rate = band.play(TUNE)
  both, _ = band.play([*TUNE, STROKE])
  difference, start = np.abs(both[: alone.size] - alone), round(0.25 * rate)
  # The filter that brings a beat to the notes' rate is heard a few samples early, 60 dB down.
  assert difference[: start - 16].max() < 1e-4
  assert difference[:start].max() < 1e-3 * difference.max()
  assert np.argmax(difference[start:] > 1e-4) / rate < 0.02
  drums, drum_rate = band.play([STROKE])
  assert drum_rate == band.drums.sample_rate and 0.25 <= onset(drums, drum_rate, 0.0) < 0.27


def test_a_score_without_notes_is_silence(band):
  audio, rate = band.play([])
  assert audio.size == rate // 2 and not audio.any()


def test_runs_that_cannot_play_are_refused():
  with pytest.raises(errors.UserError, match="not conditioned on the pitch"):
    score_audio.Band(notes="pretrained:drums").play(TUNE)
  with pytest.raises(errors.UserError, match="needs a run of drums"):
    score_audio.Band(drums="pretrained:notes").play([STROKE])


def test_a_soundfont_plays(tmp_path):
  if shutil.which("fluidsynth") is None or not any(map(os.path.exists, soundfont.DEFAULTS)):
    pytest.skip("no FluidSynth, or no soundfont")
  audio, rate = score_audio.play_by_soundfont(TUNE[1:2], None)
  assert rate == 44_100 and 0.45 <= onset(audio, rate, 0.0) < 0.56
  (tmp_path / "not.sf2").write_bytes(b"nothing of the sort")
  with pytest.raises(errors.UserError, match="not.sf2"):
    score_audio.play_by_soundfont(TUNE, str(tmp_path / "not.sf2"))


def test_a_whole_file_is_read_and_joined(tmp_path):
  form = forms.Score(8, melody.Melody())
  path = str(tmp_path / "tune.mid")
  form.write_notes(path, TUNE)
  examples = form.read_all(path)
  assert examples.shape == (2, 8)  # 16 steps of 0.125 s, of which the last is the note-off.
  assert form.duration_s == 1.0
  notes = form.join(examples)
  assert [(n.start_s, n.pitch) for n in notes] == [(n.start_s, n.pitch) for n in TUNE]
  again = piece.to_notes(midi_reader.read(path).piece, scores.GRID_QPM)
  assert [n.pitch for n in again] == [60, 64, 67, 72]
  with pytest.raises(errors.UserError, match="no notes that the tokens of this run represent"):
    forms.Score(8, drum_tokens.Drums()).read_all(path)


def test_commands_write_midi_and_audio(melody_run, tmp_path, caplog):
  run = f"--workdir={melody_run}"
  generate.main([run, f"--out={tmp_path}"])
  midi, wav = (tmp_path / f"sample-seed0-0.{suffix}" for suffix in ("mid", "wav"))
  assert midi.exists() and soundfile.info(wav).duration > 0.4
  form = forms.Score(48, melody.Melody())
  long, out = str(tmp_path / "long.mid"), tmp_path / "out.mid"
  form.write_notes(long, [n._replace(start_s=4 * n.start_s, end_s=4 * n.end_s) for n in TUNE])
  reconstruct.main([run, long, str(out)])
  assert out.exists() and (tmp_path / "out.wav").exists()
  arguments = ["interpolate", run, str(midi), long, "--steps=3", "--join", f"--out={tmp_path}"]
  explore.main([*arguments, "--no_audio"])
  joined = piece.to_notes(midi_reader.read(str(tmp_path / "interpolation.mid")).piece, 120.0)
  assert max(note.end_s for note in joined) > 8.0  # Three times two bars of two seconds each.
  assert not (tmp_path / "interpolation.wav").exists()
  for flags, message in [
    (["--soundfont=x", "--no_audio"], "--soundfont and --no_audio exclude each other"),
    (["--play_by=x", "--soundfont=x"], "--play_by and --soundfont exclude each other"),
    (["--play_by=pretrained:nothing"], "there is no such run"),
  ]:
    with pytest.raises(errors.UserError, match=message):
      generate.main([run, f"--out={tmp_path}", *flags])
  with pytest.raises(errors.UserError, match="--no_audio is for runs of scores"):
    generate.main(["--no_audio", f"--out={tmp_path}"])
