import os

from conftest import one_line
import numpy as np
import pytest
import soundfile

from cvae_jax.audio import decoding
from cvae_jax.audio import files
from cvae_jax.core import errors


def write(path, audio, rate=16_000, **kwargs):
  soundfile.write(path, audio, rate, **kwargs)
  return str(path)


def read(path):
  return files.read_note(path, 64_000, 16_000)


SINE = 0.5 * np.sin(2 * np.pi * 440 * np.arange(64_000) / 16_000)


def test_a_note_of_the_right_kind_is_read_as_it_is(tmp_path):
  recording = read(write(tmp_path / "a.wav", SINE))
  assert recording.changes == ()
  np.testing.assert_allclose(recording.audio, SINE, atol=1 / 32768)


def test_stereo_rate_and_length_are_put_right(tmp_path):
  t = np.arange(44_100) / 44_100
  stereo = np.stack([np.sin(2 * np.pi * 440 * t), np.zeros_like(t)], axis=1)
  recording = read(write(tmp_path / "a.wav", stereo, 44_100))
  assert recording.changes == ("stereo", "resampled", "padded")
  assert recording.audio.shape == (64_000,) and recording.audio.dtype == np.float32
  np.testing.assert_allclose(recording.audio[1000:15_000], SINE[1000:15_000], atol=1e-3)
  np.testing.assert_array_equal(recording.audio[16_100:], 0.0)
  long = read(write(tmp_path / "b.flac", np.tile(SINE, 2)))
  assert long.changes == ("cut",) and long.audio.shape == (64_000,)


def bad_files(tmp_path):
  good = write(tmp_path / "good.wav", SINE)
  content = open(good, "rb").read()
  (tmp_path / "half.wav").write_bytes(content[: len(content) // 2])
  write(tmp_path / "good.flac", SINE)
  flac = (tmp_path / "good.flac").read_bytes()
  (tmp_path / "half.flac").write_bytes(flac[: len(flac) // 2])
  (tmp_path / "empty.wav").write_bytes(b"")
  (tmp_path / "text.wav").write_text("not audio at all")
  write(tmp_path / "none.wav", np.zeros(0))
  write(tmp_path / "nan.wav", np.full(100, np.nan), subtype="FLOAT")
  (tmp_path / "folder.wav").mkdir()


@pytest.mark.parametrize(
  "name,says",
  [
    ("half.wav", "truncated: its last 64[0-9]+ bytes are missing"),
    ("half.flac", "truncated|cannot be read"),
    ("empty.wav", "is empty"),
    ("text.wav", "cannot be read as audio"),
    ("none.wav", "holds no samples"),
    ("nan.wav", "NaN or infinite"),
    ("missing.wav", "does not exist"),
    ("folder.wav", "does not exist or is not a file"),
  ],
)
def test_what_cannot_be_read_is_named(tmp_path, name, says):
  bad_files(tmp_path)
  with pytest.raises(errors.UserError, match=says) as error:
    read(str(tmp_path / name))
  assert name in one_line(error)


def test_writing_is_whole_or_not_at_all(tmp_path):
  path = str(tmp_path / "new" / "a.wav")
  files.write_wav(path, np.asarray([0.0, 0.5, 2.0, -2.0]), 16_000)
  audio, rate = soundfile.read(path)
  assert rate == 16_000
  np.testing.assert_allclose(audio, [0.0, 0.5, 1.0, -1.0], atol=1e-4)
  (tmp_path / "file").write_text("")
  with pytest.raises(errors.UserError, match="cannot be written"):
    files.write_wav(str(tmp_path / "file" / "a.wav"), SINE, 16_000)
  assert [p.name for p in (tmp_path / "new").iterdir()] == ["a.wav"]


def test_a_clip_keeps_its_length(tmp_path):
  path = str(tmp_path / "clip.wav")
  soundfile.write(path, np.zeros((1234, 2)), 8000)
  clip = files.read_clip(path, 16_000)
  assert clip.audio.shape == (2468,) and clip.changes == ("stereo", "resampled")


@pytest.mark.parametrize("second", [-1.0, -0.9, -1.1])
def test_channels_that_cancel_each_other_are_one(tmp_path, second):
  path = write(tmp_path / "a.wav", np.stack([SINE, second * SINE], axis=1) * 0.5)
  recording = read(path)
  assert recording.changes == ("stereo", "antiphase")
  louder = 0.5 * SINE * (second if second < -1 else 1.0)
  np.testing.assert_allclose(recording.audio, louder, atol=1e-4)


def test_channels_that_do_not_cancel_are_averaged(tmp_path):
  noise = np.random.default_rng(0).standard_normal((64_000, 16)) * 0.1
  for audio in (noise, np.pad(noise[:, :1], ((0, 0), (0, 15))), np.zeros((64_000, 2))):
    recording = read(write(tmp_path / "a.wav", audio, subtype="FLOAT"))
    assert recording.changes == ("stereo",)
    np.testing.assert_allclose(recording.audio, audio.mean(axis=1), atol=1e-6)


@pytest.mark.parametrize("gain", [1.5, 32_767.0, 1e30])
@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_floats_past_full_scale_are_brought_to_it(tmp_path, gain, rate):
  path = write(tmp_path / "a.wav", gain * 2 * SINE, rate, subtype="FLOAT")
  recording = read(path)
  assert "attenuated" in recording.changes and recording.audio.dtype == np.float32
  assert np.abs(recording.audio).max() == pytest.approx(1.0, abs=1e-6)
  as_it_is = files.read_clip(path, rate, attenuate=False)
  assert as_it_is.changes == () and as_it_is.audio.max() == pytest.approx(gain, rel=1e-3)


def test_full_scale_itself_is_left_alone(tmp_path):
  square = np.where(SINE > 0, 32_767, -32_768).astype(np.int16)
  assert read(write(tmp_path / "a.wav", square)).changes == ()


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3"])
def test_of_a_long_recording_no_more_than_the_note_is_read(tmp_path, name, monkeypatch):
  audio = np.random.default_rng(0).standard_normal((44_100 * 60, 2)) * 0.1
  with soundfile.SoundFile(tmp_path / name, "w", 44_100, 2) as f:
    for start in range(0, len(audio), 44_100):
      f.write(audio[start : start + 44_100])
  read_frames = []
  original = decoding._Stream.read

  def count(self, *args, **kwargs):
    block = original(self, *args, **kwargs)
    read_frames.append(len(block))
    return block

  monkeypatch.setattr(decoding._Stream, "read", count)
  note = read(str(tmp_path / name))
  assert note.changes == ("stereo", "resampled", "cut") and sum(read_frames) < 44_100 * 4.2
  whole = files.read_clip(str(tmp_path / name), 16_000)
  assert whole.changes == ("stereo", "resampled")
  np.testing.assert_allclose(note.audio, whole.audio[:64_000], atol=1e-6)


@pytest.mark.parametrize("rate", [16_000, 44_100, 44_101, 8000])
def test_parts_of_a_recording_are_those_of_the_whole(tmp_path, rate):
  audio = np.random.default_rng(0).standard_normal(5 * rate) * 0.1
  path = write(tmp_path / "a.wav", audio, rate, subtype="FLOAT")
  whole = files.read_clip(path, 16_000).audio
  parts = [files.read_clip(path, 16_000, 0.7 * i, 0.7).audio for i in range(8)]
  assert [part.size for part in parts[:-1]] == [11_200] * 7
  np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-6)
  with pytest.raises(errors.UserError, match="ends before 7 s") as error:
    files.read_clip(path, 16_000, 7.0, 1.0)
  one_line(error)


def test_what_is_no_regular_file_is_named_and_not_waited_for(tmp_path):
  os.mkfifo(tmp_path / "fifo.wav")
  (tmp_path / "loop.wav").symlink_to("loop.wav")
  (tmp_path / "file").touch()
  for name, says in [
    (str(tmp_path / "fifo.wav"), "is a FIFO: it must be a regular file"),
    (str(tmp_path / "loop.wav"), "cannot be read"),
    (str(tmp_path / "file" / "a.wav"), "does not exist or is not a file"),
    (str(tmp_path / ("x" * 300)), "File name too long"),
    ("/dev/zero", "is a device"),
    ("a\0b", "cannot be read"),
    ("", "does not exist"),
  ]:
    with pytest.raises(errors.UserError, match=says) as error:
      read(name)
    one_line(error)


@pytest.mark.parametrize(
  "name,kind",
  [
    ("a.wav", "WAV"),
    ("a.FLAC", "FLAC"),
    ("a.ogg", "OGG"),
    ("a.mp3", "MP3"),
    ("a.aiff", "AIFF"),
    ("a.aif", "AIFF"),
  ],
)
def test_the_ending_says_the_format(tmp_path, name, kind):
  path = str(tmp_path / name)
  files.check_output(path)
  files.write_wav(path, SINE, 16_000)
  assert soundfile.info(path).format == kind and os.listdir(tmp_path) == [name]
  audio = files.read_clip(path, 16_000).audio
  assert audio.size >= 64_000 and np.abs(audio).max() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("name", ["a.m4a", "a", "a.wav.txt", ".wav"])
def test_an_ending_of_no_format_is_one_line(tmp_path, name):
  for call in (files.check_output, lambda path: files.write_wav(path, SINE, 16_000)):
    with pytest.raises(errors.UserError, match=r"must end in one of \.wav, \.flac, \.ogg") as error:
      call(str(tmp_path / name))
    one_line(error)
  assert not os.listdir(tmp_path)


def test_a_device_and_a_link_get_a_wav(tmp_path):
  (tmp_path / "null").symlink_to("/dev/null")
  files.check_output(str(tmp_path / "null"))
  files.write_wav(str(tmp_path / "null"), SINE, 16_000)
  (tmp_path / "link.flac").symlink_to("target")
  files.write_wav(str(tmp_path / "link.flac"), SINE, 16_000)
  assert soundfile.info(tmp_path / "target").format == "FLAC"
  assert sorted(os.listdir(tmp_path)) == ["link.flac", "null", "target"]


def test_a_long_sound_is_written_as_any(tmp_path):
  minutes = np.tile(SINE, 75)  # More than libvorbis takes at once.
  files.write_wav(str(tmp_path / "a.ogg"), minutes, 16_000)
  assert soundfile.info(tmp_path / "a.ogg").frames == minutes.size
