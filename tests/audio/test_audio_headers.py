"""Files whose header says something else than what they hold."""

import struct

from conftest import one_line
from conftest import run_python
import numpy as np
import pytest
import soundfile

from cvae_jax.audio import files
from cvae_jax.core import errors

RATE = 44_100
SINE = np.rint(np.sin(np.arange(2 * RATE) * 0.0313) * 20_000).astype(np.int16)
STREAMED = (0x7F000000, 0x7FFFF000, 0x7FFFFFFF - 36, 0x80000000, 0xFFFFF000, 0xFFFFFFFF, 0)


def to_wav(size=None, channels=1, rate=RATE, riff=None, order="<", magic=b"RIFF", after=b""):
  pcm = SINE.astype(f"{order}i2").tobytes()
  size = len(pcm) if size is None else size
  frame = 2 * channels
  fields = (16, 1, channels, rate & 0xFFFFFFFF, rate * frame & 0xFFFFFFFF, frame & 0xFFFF, 16)
  fmt = b"fmt " + struct.pack(f"{order}IHHIIHH", *fields)
  body = b"WAVE" + fmt + b"data" + struct.pack(f"{order}I", size) + pcm + after
  total = (len(body) if riff is None else riff) & 0xFFFFFFFF
  return magic + struct.pack(f"{order}I", total) + body


def to_file(path, content):
  path.write_bytes(content)
  return str(path)


def encode(path, kind, subtype, **kwargs):
  soundfile.write(path, SINE, RATE, format=kind, subtype=subtype, **kwargs)
  return path.read_bytes()


def check_whole(path):
  clip = files.read_clip(path, RATE)
  assert clip.changes == ()
  np.testing.assert_array_equal(np.rint(clip.audio * 32768), SINE)


@pytest.mark.parametrize("size", STREAMED)
@pytest.mark.parametrize("riff", [0, 8, None, 0xFFFFFFFF])
@pytest.mark.parametrize("kind", ["<", ">"])
def test_a_wav_of_a_writer_that_could_not_go_back_is_read_to_its_end(tmp_path, size, riff, kind):
  magic = b"RIFF" if kind == "<" else b"RIFX"
  check_whole(to_file(tmp_path / "a.wav", to_wav(size, riff=riff, order=kind, magic=magic)))


@pytest.mark.parametrize("size", [0, 2**62, 2**64 - 1])
def test_an_rf64_without_a_size_is_read_to_its_end(tmp_path, size):
  content = bytearray(encode(tmp_path / "b.wav", "RF64", "PCM_16"))
  struct.pack_into("<QQQ", content, 20, size, size, size)
  check_whole(to_file(tmp_path / "a.wav", content))


@pytest.mark.parametrize("size", STREAMED)
def test_an_aiff_without_a_size_is_read_to_its_end(tmp_path, size):
  content = bytearray(encode(tmp_path / "b.aiff", "AIFF", "PCM_16"))
  struct.pack_into(">I", content, 4, size)
  struct.pack_into(">I", content, content.index(b"SSND") + 4, size)
  check_whole(to_file(tmp_path / "a.aiff", content))


@pytest.mark.parametrize("total", [0, 2**36 - 1])
def test_a_flac_without_a_length_is_read_to_its_end(tmp_path, total):
  content = bytearray(encode(tmp_path / "b.flac", "FLAC", "PCM_16"))
  content[21] = content[21] & 0xF0 | total >> 32
  struct.pack_into(">I", content, 22, total & 0xFFFFFFFF)
  path = to_file(tmp_path / "a.flac", content)
  if total == 0:
    check_whole(path)
  else:
    with pytest.raises(errors.UserError, match="truncated: 88200 of 68719476735 samples"):
      files.read_clip(path, RATE)


def test_a_wav_that_is_empty_and_says_so_is_empty(tmp_path):
  content = to_wav(0)
  for after in (b"", b"LIST" + struct.pack("<I", 4) + b"INFO"):
    path = to_file(tmp_path / "a.wav", content[:44] + after)
    with pytest.raises(errors.UserError, match="holds no samples"):
      files.read_clip(path, RATE)


HALVED = [
  *((kind, "PCM_16") for kind in ("WAV", "RF64", "W64", "AU", "AIFF", "FLAC")),
  ("MP3", "MPEG_LAYER_III"),
]


@pytest.mark.parametrize("kind,subtype", HALVED)
def test_half_a_file_is_never_taken_for_a_whole_one(tmp_path, kind, subtype):
  content = encode(tmp_path / "b", kind, subtype)
  path = to_file(tmp_path / "a", content[: len(content) // 2])
  with pytest.raises(errors.UserError, match="truncated|cannot be read as audio"):
    files.read_clip(path, RATE)


def without_xing(content):
  """An MP3 of 44.1 kHz without its first frame, which says how long it is."""
  kbit = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)[content[2] >> 4]
  return content[144 * kbit * 1000 // RATE + (content[2] >> 1 & 1) :]


def id3(size):
  lengths = bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
  return b"ID3\x03\0\0" + lengths + b"\xff" * size


@pytest.mark.parametrize("loud_at", [0, 2])
@pytest.mark.parametrize("picture", [0, 200_000])
def test_an_mp3_is_read_whole_whatever_its_length_is_guessed_to_be(tmp_path, loud_at, picture):
  # Its first frames are far longer than the others, or far shorter: so are the guesses.
  audio = np.zeros(8 * RATE, np.float32)
  audio[loud_at * RATE : (loud_at + 2) * RATE] = (
    np.random.default_rng(0).standard_normal(2 * RATE) * 0.2
  )
  soundfile.write(tmp_path / "b.mp3", audio, RATE, bitrate_mode="VARIABLE", compression_level=0.1)
  content = without_xing((tmp_path / "b.mp3").read_bytes())
  clip = files.read_clip(
    to_file(tmp_path / "a.mp3", (id3(picture) if picture else b"") + content), RATE
  )
  assert 0 <= clip.audio.size - audio.size < 3000 and clip.changes == ()
  loud = np.abs(clip.audio).reshape(-1)[: 8 * RATE].reshape(8, RATE).max(axis=1) > 0.1
  assert loud[loud_at + 1] and not loud[5:].any()


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.raw", "a.sd2", "a.vox", "a.txt", "a"])
def test_what_is_in_a_file_counts_and_not_its_name(tmp_path, name):
  mp3 = encode(tmp_path / "b.mp3", "MP3", "MPEG_LAYER_III")
  assert files.read_clip(to_file(tmp_path / name, mp3), RATE).audio.size == SINE.size
  check_whole(to_file(tmp_path / name, to_wav()))
  check_whole(to_file(tmp_path / "b.mp3", to_wav()))


@pytest.mark.parametrize("rate", [0, 1, 999, 2_000_000, 2**31 - 1, 2**31, 2**32 - 1])
def test_sample_rates_that_make_no_sense_are_one_line(tmp_path, rate):
  path = to_file(tmp_path / "a.wav", to_wav(rate=rate))
  with pytest.raises(errors.UserError, match="sample rate") as error:
    files.read_note(path, 64_000, 16_000)
  assert path in one_line(error)


@pytest.mark.parametrize("channels", [0, 1025, 65_535])
def test_channels_that_make_no_sense_are_one_line(tmp_path, channels):
  with pytest.raises(errors.UserError, match="channel") as error:
    files.read_note(to_file(tmp_path / "a.wav", to_wav(channels=channels)), 64_000, 16_000)
  one_line(error)


def test_what_a_header_claims_is_not_allocated(tmp_path):
  flac = bytearray(encode(tmp_path / "b.flac", "FLAC", "PCM_16"))
  flac[21:26] = flac[21] | 0x0F, 255, 255, 255, 255
  to_file(tmp_path / "flac", flac)
  to_file(tmp_path / "channels", to_wav(channels=1024))
  to_file(tmp_path / "sizes", to_wav(0xFFFFFFFF))
  code = """
import resource, sys
from cvae_jax.core import errors
from cvae_jax.audio import files
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sys.argv[1:]:
  try:
    files.read_clip(path, 44_100)
  except errors.UserError as e:
    print(e)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
  done = run_python("-c", code, *(tmp_path / name for name in ("flac", "channels", "sizes")))
  assert done.returncode == 0 and "truncated: 88200 of" in done.stdout, done.stderr
  assert int(done.stdout.split()[-1]) < 30  # MB
