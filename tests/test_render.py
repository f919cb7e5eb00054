import re

from conftest import one_line
import midi_writer as mw
import mido
import numpy as np
import pytest
import soundfile

from cvae_jax import render
from cvae_jax import scores
from cvae_jax.audio import level
from cvae_jax.core import errors
from cvae_jax.data import labels
from cvae_jax.evaluation.metrics import pitch as pitch_metric
from cvae_jax.scores import midi
from cvae_jax.synthesis import instrument
from cvae_jax.synthesis import loops
from cvae_jax.synthesis import rendering
from cvae_jax.synthesis import synthesizer

RATE = labels.SAMPLE_RATE


def message(kind, time=0.0, channel=0, **fields):
  return mido.Message(kind, time=time, channel=channel, **fields)


def test_notes_have_their_times_programs_and_velocities():
  found = midi.collect([
    message("program_change", program=19),
    message("note_on", 0.5, note=60, velocity=100),
    message("note_on", 0.5, note=64, velocity=50),
    message("note_on", 0.5, note=60, velocity=0),  # which lets go
    message("program_change", channel=3, program=40),
    message("note_on", 0.0, channel=3, note=60, velocity=7),
    message("note_on", 0.0, channel=9, note=38, velocity=127),
    message("note_off", 1.0, note=64),
  ])  # fmt: skip
  assert found == [
    scores.Note(0.5, 1.5, 60, 100, 19),
    scores.Note(1.0, 2.5, 64, 50, 19),
    scores.Note(1.5, 2.5, 60, 7, 40),  # Never let go: until the piece ends.
  ]


def test_the_pedal_holds_and_lets_go():
  found = midi.collect([
    message("note_on", note=60, velocity=90),
    message("control_change", 0.5, control=64, value=127),
    message("note_off", 0.5, note=60),
    message("note_on", 0.5, note=60, velocity=80),  # struck again beneath it
    message("note_off", 0.5, note=60),
    message("control_change", 1.0, control=64, value=0),
    message("note_on", 0.0, note=62, velocity=70),
    message("note_off", 1.0, note=62),
  ])  # fmt: skip
  assert [(n.start_s, n.end_s, n.pitch) for n in found] == [(0, 3, 60), (1.5, 3, 60), (3, 4, 62)]


def sines(synth, pitches, velocities=(127,), seed=0, temperature=1.0, **asked):
  """An instrument of sines, as long as NSynth's notes, with loops."""
  del synth, seed, temperature, asked
  t = np.arange(4 * RATE) / RATE
  keys = []
  for velocity in velocities:
    for pitch in pitches:
      audio = 0.5 * np.sin(2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * t)
      audio *= np.minimum(t / 0.01, 1) * np.exp(-np.maximum(t - 3, 0) / 0.1)
      loop = loops.find_loop(audio, RATE)
      assert loop is not None
      keys.append(instrument.Key(pitch, velocity, loops.blend(audio, loop, RATE), loop))
  return keys


@pytest.fixture
def synth(tiny_run, monkeypatch):
  monkeypatch.setattr(instrument, "make_instrument", sines)
  return synthesizer.load(tiny_run)


def test_a_piece_sounds_as_it_is_written(synth):
  notes = [
    scores.Note(0.0, 0.9, 60, 127, 0), scores.Note(1.0, 1.9, 67, 90, 0),
    scores.Note(2.0, 8.0, 52, 100, 19),  # longer than any note is
  ]  # fmt: skip
  audio = rendering.render(synth, notes)
  assert audio.size == pytest.approx(8.72 * RATE, abs=2)
  for start, end, wanted in ((0.05, 0.85, 60), (1.05, 1.85, 67), (2.1, 4.0, 52), (6.0, 7.9, 52)):
    piece = audio[int(start * RATE) : int(end * RATE)]
    assert pitch_metric.median_pitch(piece, RATE) == pytest.approx(wanted, abs=0.2), wanted
  rms = lambda a, b: np.sqrt(np.mean(audio[int(a * RATE) : int(b * RATE)] ** 2))
  quieter = float(level.velocity_to_gain(90))
  assert rms(1.2, 1.8) / rms(0.2, 0.8) == pytest.approx(quieter, rel=0.03)
  assert rms(8.6, 8.72) < 0.02 * rms(7.0, 7.9)  # It has been let go.
  # A click would be far rougher than the tones are.
  assert np.abs(np.diff(audio, 2)).max() < 0.5 * (2 * np.pi * 392 / RATE) ** 2 * 1.5


def test_a_crowd_of_notes_is_not_clipped(synth):
  notes = [scores.Note(0.01 * i, 2.0, 40 + i, 127, 0) for i in range(40)]
  audio = rendering.render(synth, notes)
  assert np.abs(audio).max() == pytest.approx(0.89, abs=0.01)


def test_what_a_run_was_not_taught_is_left_to_it(synth):
  # configs/cvae.py:tiny knows basses, flutes and organs.
  assert rendering.choose_voice(synth, 19, {}) == ("organ", "acoustic")
  assert rendering.choose_voice(synth, 0, {})[0] is None
  assert rendering.choose_voice(synth, 0, {0: "flute"})[0] == "flute"


def test_the_command_plays_a_file_by_the_runs_own_notes(tiny_run, tmp_path):
  song = mido.MidiFile(ticks_per_beat=480)
  track = mido.MidiTrack()
  song.tracks.append(track)
  track.append(mido.MetaMessage("set_tempo", tempo=1_000_000))
  track.append(mido.Message("program_change", program=19))
  for note in (48, 52):
    track.append(mido.Message("note_on", note=note, velocity=100, time=0))
    track.append(mido.Message("note_off", note=note, time=480))
  song.save(tmp_path / "song.mid")
  out = tmp_path / "song.wav"
  render.main([str(tmp_path / "song.mid"), str(out), f"--workdir={tiny_run}"])
  audio, rate = soundfile.read(out)
  assert rate == RATE and audio.size == pytest.approx((2 + 0.72) * RATE, abs=2)
  assert np.abs(audio).max() > 0.01


def test_the_command_plays_what_other_programs_write(tiny_run, tmp_path):
  odd = mw.meta(0, 0x59, 8, 0)  # a key of eight sharps
  song = mw.song(mw.track(odd, mw.on(0, 48), mw.control(480, 123, 0)), mw.chunk(b"XFIH", b"ab"),
                 mw.track(mw.on(0, 52), mw.off(480, 52)), kind=2)  # fmt: skip
  (tmp_path / "song.mid").write_bytes(mw.riff(song[:-4]))
  out = tmp_path / "song.wav"
  render.main([str(tmp_path / "song.mid"), str(out), f"--workdir={tiny_run}"])
  audio, rate = soundfile.read(out)
  assert audio.size == pytest.approx((1 + 0.72) * rate, abs=2)
  assert np.abs(audio[: rate // 2]).max() > 0.01 and np.abs(audio[rate // 2 : rate]).max() > 0.01


@pytest.mark.parametrize(
  "content,arguments,says",
  [
    (None, [], "does not exist"),
    (b"", [], "cannot be read as a MIDI file"),
    (b"RIFF....WAVE", [], "cannot be read as a MIDI file"),
    (
      b"MThd\0\0\0\6\0\0\0\1\1\xe0MTrk\0\0\0\4\0\xff\x2f\0",
      [],
      "holds no notes other than percussion",
    ),
    (
      mw.song(mw.track(mw.on(0, 60), mw.off(480, 60)), division=0),
      [],
      "cannot be read as a MIDI file (its time division is 0 ticks per beat",
    ),
    (b"", ["--map=piano"], "--map must be PROGRAM:FAMILY, such as 0:organ,40:flute, got piano"),
    (b"", ["--map=0:kazoo"], "family must be one of"),
  ],
)
def test_what_cannot_be_rendered_is_one_line(tmp_path, tiny_run, content, arguments, says):
  song = tmp_path / "song.mid"
  if content is not None:
    song.write_bytes(content)
  with pytest.raises(errors.UserError, match=re.escape(says)) as error:
    render.main([str(song), str(tmp_path / "o.wav"), f"--workdir={tiny_run}", *arguments])
  one_line(error)
  assert not (tmp_path / "o.wav").exists()
