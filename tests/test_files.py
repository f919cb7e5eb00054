from conftest import one_line
import numpy as np
import pytest
import soundfile

from cvae_jax import errors
from cvae_jax.audio import files


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
    ("folder.wav", "does not exist or is no file"),
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
