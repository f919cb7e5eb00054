"""Audio files with random damage: read, or one line; no hang, no crash, no memory without end."""

import functools
import io
import multiprocessing
import resource
import struct

from conftest import SPAWN
import numpy as np
import pytest
import soundfile

from cvae_jax.audio import files
from cvae_jax.core import errors

KINDS = {
  "wav": ("WAV", "PCM_16"),
  "float": ("WAV", "FLOAT"),
  "adpcm": ("WAV", "IMA_ADPCM"),
  "extensible": ("WAVEX", "PCM_24"),
  "rf64": ("RF64", "PCM_16"),
  "flac": ("FLAC", "PCM_16"),
  "ogg": ("OGG", "VORBIS"),
  "opus": ("OGG", "OPUS"),
  "mp3": ("MP3", "MPEG_LAYER_III"),
  "aiff": ("AIFF", "PCM_16"),
  "aifc": ("AIFF", "FLOAT"),
  "au": ("AU", "PCM_16"),
  "caf": ("CAF", "PCM_16"),
  "w64": ("W64", "PCM_16"),
}
EXTREMES = (0, 1, 2, 3, 255, 256, 1024, 0x7FFF, 0x8000, 0xFFFF, 2**24, 2**31 - 1, 2**31, 2**32 - 1)
_SECONDS = 20  # of a case, on a machine that does much else
_MEGABYTES = 400  # more than before, whatever a header asks for


@functools.cache
def small_file(kind: str) -> bytes:
  """A valid file of a fifth of a second, stereo."""
  form, subtype = KINDS[kind]
  rate = 48_000 if kind == "opus" else 44_100
  t = np.arange(rate // 5) / rate
  audio = np.stack([0.5 * np.sin(2 * np.pi * f * t) for f in (220.0, 330.0)], axis=1)
  out = io.BytesIO()
  soundfile.write(out, audio, rate, format=form, subtype=subtype)
  return out.getvalue()


def mutate(content: bytes, rng: np.random.Generator) -> bytes:
  """A file with one to four kinds of damage, mostly of its header."""
  data = bytearray(content)
  for _ in range(rng.integers(1, 5)):
    size = len(data)
    place = int(rng.integers(0, min(size, 200) if rng.random() < 0.7 else size))
    length = int(rng.integers(1, 64))
    match rng.integers(0, 8):
      case 0:  # A flipped bit.
        data[place] ^= 1 << int(rng.integers(0, 8))
      case 1:  # Another byte.
        data[place] = int(rng.integers(0, 256))
      case 2:  # Cut.
        del data[int(rng.integers(1, size)) :]
      case 3:  # A piece is missing.
        del data[place : place + length]
      case 4:  # A piece is there twice.
        data[place:place] = data[place : place + length]
      case 5:  # Bytes of no meaning.
        data[place:place] = rng.bytes(length)
      case 6 | 7:  # A field of a header at an extreme.
        form = rng.choice(["<I", ">I", "<H", ">H", "<Q", ">Q"])
        value = int(rng.choice(EXTREMES)) & (2 ** (8 * struct.calcsize(form)) - 1)
        data[place : place + struct.calcsize(form)] = struct.pack(form, value)
    if not data:
      break
  return bytes(data)


def read(path: str) -> str:
  """What became of a file: 'read', or the line that it ended in."""
  try:
    note = files.read_note(path, 8000, 16_000)
  except errors.UserError as e:
    message = str(e)
    assert path in message and "\n" not in message and len(message) < 400, message
    return message
  assert note.audio.shape == (8000,) and note.audio.dtype == np.float32
  assert np.isfinite(note.audio).all() and np.abs(note.audio).max() <= 1.0
  return "read"


def read_all(folder: str, cases: list[tuple[str, int]], connection) -> None:
  """Reads a file for every case; says each before and what became of it after."""
  for kind, seed in cases:
    connection.send((kind, seed))
    path = f"{folder}/{kind}"
    with open(path, "wb") as f:
      f.write(mutate(small_file(kind), np.random.default_rng(seed)))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    said = read(path)
    more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    assert more < _MEGABYTES, f"{more} MB more"
    connection.send(said)


def check(folder, cases: list[tuple[str, int]]) -> list[str]:
  """Reads mutated files in a process of its own, so that a crash or a hang is a failure here."""
  ours, theirs = multiprocessing.Pipe(duplex=False)
  process = SPAWN.Process(target=read_all, args=(str(folder), cases, theirs), daemon=True)
  process.start()
  theirs.close()
  results: list[str] = []
  case: object = "none"
  try:
    for _ in cases:
      for _ in range(2):
        assert ours.poll(_SECONDS), f"{case}: not read within {_SECONDS} s"
        said = ours.recv()
        case = said if isinstance(said, tuple) else case
      results.append(said)
  except EOFError:
    process.join(10)
    pytest.fail(f"{case}: ended by {process.exitcode}")
  finally:
    process.kill()
    process.join(10)
  return results


def test_damaged_files_are_read_or_named(tmp_path):
  cases = [(kind, seed) for kind in KINDS for seed in range(16)]
  results = check(tmp_path, cases)
  assert len(results) == len(cases) and 40 < results.count("read") < len(cases) - 40


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_many_damaged_files_are_read_or_named(tmp_path, kind):
  check(tmp_path, [(kind, seed) for seed in range(16, 1000)])


@pytest.mark.parametrize("kind", KINDS)
def test_the_files_are_whole_to_begin_with(tmp_path, kind):
  (tmp_path / kind).write_bytes(small_file(kind))
  note = files.read_note(str(tmp_path / kind), 8000, 16_000)
  assert note.changes == ("stereo", "resampled", "padded")
  assert np.abs(note.audio[:3000]).max() == pytest.approx(0.5, abs=0.1)
